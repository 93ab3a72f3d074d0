import inspect
import sys
import types

import pytest

from keras_selfattn import zoo
from keras_selfattn.convert.hub import hub_folder


class HubError(Exception):
    """What the stand-in for huggingface_hub raises of a server's answer."""


@pytest.fixture
def use_hub(monkeypatch):
    """Puts a stand-in for huggingface_hub in its place, with this fetching."""

    def use(fetch):
        hub = types.ModuleType("huggingface_hub")
        hub.constants = types.SimpleNamespace(HF_HUB_CACHE="/cache/hub")
        hub.snapshot_download = fetch
        errors = types.ModuleType("huggingface_hub.errors")
        errors.HfHubHTTPError = HubError
        monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
        monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)

    return use


def test_the_package_has_the_names_that_are_used():
    hub = pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    assert issubclass(HfHubHTTPError, Exception)
    assert constants.HF_HUB_CACHE
    names = inspect.signature(hub.snapshot_download).parameters
    assert {"revision", "allow_patterns"} <= set(names)


def test_a_repository_is_fetched_without_pickles(use_hub, tmp_path):
    calls = []

    def fetch(name, **options):
        calls.append((name, options))
        return str(tmp_path)

    use_hub(fetch)
    assert hub_folder("hf://someone/some-model@v1.0") == tmp_path
    ((name, options),) = calls
    assert (name, options["revision"]) == ("someone/some-model", "v1.0")
    needed = {"model*.safetensors", "merges.txt", "source.spm", "target.spm"}
    assert needed <= set(options["allow_patterns"])
    assert not any(".bin" in kind for kind in options["allow_patterns"])
    hub_folder("hf://t5-small")  # known without an owner
    assert calls[1][0] == "t5-small"
    assert "spiece.model" in calls[1][1]["allow_patterns"]


def test_no_network_says_what_to_put_where(use_hub):
    def fail(name, **options):
        raise OSError("Network is unreachable")

    use_hub(fail)
    with pytest.raises(ValueError) as error:
        zoo.load("hf://someone/some-model")
    message = str(error.value)
    assert "Network is unreachable" in message
    assert "/cache/hub does not hold it" in message
    assert "config.json, model*.safetensors" in message
    assert "zoo.load('./some-model')" in message


def test_a_repository_that_is_not_there_is_told(use_hub):
    def fail(name, **options):
        raise HubError("404: Repository Not Found")

    use_hub(fail)
    with pytest.raises(ValueError, match="some-model: 404: Repository Not F"):
        hub_folder("hf://someone/some-model")


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"keras-selfattn\[hub\].*Or put its"):
        hub_folder("hf://someone/some-model")


@pytest.mark.parametrize(
    "source", ["hf://", "hf://a b", "hf://a/b/c", "hf:// "]
)
def test_what_names_no_repository_is_refused(source):
    with pytest.raises(ValueError, match="expected hf://owner/name"):
        hub_folder(source)
