"""train/image_judge.py: it learns, is kept, and reads again."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.judged_images import write_pictures


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("train/image_judge.py")


def test_it_is_kept_with_what_it_reads_right(script, tmp_path):
    pytest.importorskip("PIL")
    folder = write_pictures(tmp_path / "pictures", number=40)
    options = {"data": str(folder), "held_out": 30, "split_seed": 0}
    options |= {"image_size": 0, "epochs": 8, "seed": 0}
    script.run(SimpleNamespace(out=tmp_path / "judge", **options))
    facts = json.loads((tmp_path / "judge/judge.json").read_text())
    assert facts["image_shape"] == [8, 8, 1]
    assert (facts["trained_on"], facts["held_out"]) == (90, 30)
    judge = script.Judge(tmp_path / "judge")
    images, labels, _ = script.read_images(folder)
    _, (images, labels) = script.split_images(images, labels, 30)
    read, features = judge.read(images)
    assert (read == labels).mean() == pytest.approx(facts["accuracy"], abs=1e-4)
    assert facts["accuracy"] > 0.9
    assert features.shape == (30, 64)
    assert 0.1 < features.std() < 3  # of one scale
    with pytest.raises(ValueError, match=r"\(9, 8, 1\); this judge reads"):
        judge.read(np.zeros((1, 9, 8, 1), "uint8"))


def test_images_are_moved_a_little(script):
    pytest.importorskip("PIL")
    images = np.full((6, 28, 28, 2), 3, "uint8")
    images[:, 10:18, 10:18, 1] = 200
    found = script.moved(images, (0, 1))
    assert found.shape == images.shape and found.dtype == "float32"
    assert (found[..., 0] == 3).all()  # the border is the background
    np.testing.assert_array_equal(found, script.moved(images, (0, 1)))
    assert (found[0] != found[1]).any()
    weights = found[..., 1] - 3
    rows = (weights * np.arange(28)[:, None]).sum((1, 2)) / weights.sum((1, 2))
    assert 0.1 < abs(rows - 13.5).max() < 3


def test_a_folder_without_judge_says_what_to_run(script, tmp_path):
    with pytest.raises(ValueError, match="holds no judge; train one"):
        script.Judge(tmp_path)
