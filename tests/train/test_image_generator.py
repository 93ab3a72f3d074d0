"""`train/image_generator.py`: it goes on exactly, and leaves a preset."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.tasks import ImageGenerator
from keras_selfattn.training.callbacks import read_rows
from tests.stopped_runs import stopped_at


@pytest.fixture
def script(load_script, monkeypatch):
    found = load_script("train/image_generator.py")
    monkeypatch.setattr(found, "say", lambda text: None)
    return found


def arguments(script, out, **options):
    """What `main` gives to `run`."""
    parameters = inspect.signature(script.main).parameters.values()
    values = {p.name: p.default for p in parameters}
    return SimpleNamespace(**{**values, "smoke": True, "out": out, **options})


def steps(out):
    """What every run must agree on: all but the seconds."""
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in read_rows(out / "steps.jsonl")
    ]


def test_a_stopped_run_goes_on_to_the_same_losses(
    script, tmp_path, monkeypatch
):
    monkeypatch.setitem(script.SMOKE, "epochs", 2)
    script.run(arguments(script, tmp_path / "whole"))
    expected = steps(tmp_path / "whole")
    assert len({row["loss"] for row in expected}) == len(expected) == 4
    args = arguments(script, tmp_path / "stopped")
    with stopped_at(1, 1):
        script.run(args)
    script.run(args)
    assert steps(tmp_path / "stopped") == expected
    for name in ("preset/model.safetensors", "samples/last.png"):
        one, other = (tmp_path / run / name for run in ("whole", "stopped"))
        assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "whole/samples/epoch_001.png").is_file()

    task = zoo.load(tmp_path / "whole/preset")
    assert type(task) is ImageGenerator and task.labels == ["even", "odd"]
    assert task.generate("odd", seed=0).shape == (1, 16, 16, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"smoke": False}, "no --data CORPUS"),
        ({"mixed_precision": True}, "in float32; leave out"),
    ],
)
def test_what_it_cannot_do_is_said(script, tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        script.run(arguments(script, tmp_path, **options))


def test_classes_are_columns(script, tmp_path):
    class Averaged:
        def predict_on_batch(self, inputs):
            grey = inputs["labels"] / 4 - 1
            return np.broadcast_to(grey[:, None, None, None], (24, 2, 2, 1))

    model = SimpleNamespace(
        averaged=Averaged(), generator=SimpleNamespace(latent_dim=4)
    )
    script.write_samples(tmp_path / "deep/grid.png", model, 3, seed=0)
    from PIL import Image

    page = np.asarray(Image.open(tmp_path / "deep/grid.png"))
    assert page.shape == (8 * 4 - 2, 3 * 4 - 2)
    assert page[::4, ::4].tolist() == [[0, 32, 64]] * 8
