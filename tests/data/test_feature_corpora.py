"""Reading corpora of features: rows, splits, and errors."""

import numpy as np
import pytest

from keras_selfattn.data.feature_corpora import read_feature_manifest
from tests.data.feature_folders import HEADER, ROWS, write_folder


def test_rows_of_the_array_by_split(tmp_path):
    folder = write_folder(tmp_path / "corpus")
    frames = np.load(folder / "frames.npy")
    examples = read_feature_manifest(folder)
    assert [e.name for e in examples] == ["u0", "u1", "u2", "u3"]
    assert [len(e.features) for e in examples] == [30, 60, 20, 4]
    np.testing.assert_array_equal(examples[1].features, frames[30:90])
    assert (examples[1].text, examples[1].speaker) == ("Stop it", "ann")
    (dev,) = read_feature_manifest(folder, "dev")
    assert dev.name == "u2" and dev.split == "dev"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["u0\ttrain\tann\t100\t20\t0.2\tgo"], "line 2.*of the 114 frames"),
        (["u0\ttrain\tann\t0\t0\t0.2\tgo"], "n_frames='0'"),
        (["u0\ttrain\tann\tx\t5\t0.2\tgo"], "frame_offset='x'"),
        (["u0\ttrain\tann"], "line 2: 3 columns"),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        read_feature_manifest(write_folder(tmp_path / "corpus", rows))


def test_a_folder_that_is_wrong_is_named(tmp_path):
    folder = write_folder(tmp_path / "corpus")
    with pytest.raises(ValueError, match="no split 'test'; it has 'train'"):
        read_feature_manifest(folder, "test")
    np.save(folder / "more.npy", np.zeros(3))
    with pytest.raises(ValueError, match="holds 2 .npy files; expected one"):
        read_feature_manifest(folder)
    (folder / "more.npy").unlink()
    (folder / "frames.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match="not a readable array"):
        read_feature_manifest(folder)
    write_folder(folder, frames=np.zeros((114, 5), "int16"))
    with pytest.raises(ValueError, match=r"int16 \(114, 5\); expected float"):
        read_feature_manifest(folder)
    write_folder(folder, ROWS, header=HEADER.replace("n_frames", "frames"))
    with pytest.raises(ValueError, match="no column n_frames"):
        read_feature_manifest(folder)
    with pytest.raises(ValueError, match="is missing"):
        read_feature_manifest(tmp_path)
