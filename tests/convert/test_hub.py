import sys

import pytest

from keras_selfattn import zoo
from keras_selfattn.convert.hub import hub_folder


def test_a_repository_is_fetched_without_pickles(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    calls = []

    def fetch(name, **options):
        calls.append((name, options))
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    assert hub_folder("hf://someone/some-model@v1.0") == tmp_path
    ((name, options),) = calls
    assert (name, options["revision"]) == ("someone/some-model", "v1.0")
    assert "model*.safetensors" in options["allow_patterns"]
    assert not any(".bin" in kind for kind in options["allow_patterns"])


def test_no_network_says_what_to_put_where(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")

    def fail(name, **options):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(ValueError) as error:
        zoo.load("hf://someone/some-model")
    message = str(error.value)
    assert "Network is unreachable" in message
    assert hub.constants.HF_HUB_CACHE in message
    assert "config.json, model*.safetensors" in message
    assert "zoo.load('./some-model')" in message


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"keras-selfattn\[hub\].*Or put its"):
        hub_folder("hf://someone/some-model")


@pytest.mark.parametrize(
    "source", ["hf://", "hf://name", "hf://a/b/c", "hf:// "]
)
def test_what_names_no_repository_is_refused(source):
    with pytest.raises(ValueError, match="expected hf://owner/name"):
        hub_folder(source)
