"""Batches of features: the same for the same seed, epoch and place."""

import numpy as np
import pytest

from keras_selfattn.data.feature_augmentation import FeatureAugmenter
from keras_selfattn.data.feature_corpora import read_feature_manifest
from keras_selfattn.data.feature_dataset import FeatureDataset
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from tests.data.feature_folders import write_folder


def dataset(tmp_path, **options):
    examples = read_feature_manifest(write_folder(tmp_path / "corpus"))
    return FeatureDataset(
        examples,
        CharacterTokenizer(),
        **{"batch_frames": 200, "length_multiple": 10, **options},
    )


def test_a_batch_holds_the_frames_and_the_text(tmp_path, capsys):
    found = dataset(tmp_path, shuffle=False, teacher_forcing=True)
    assert "1 too much text for the frames" in capsys.readouterr().err
    (x, y), *rest = [found[i] for i in range(len(found))]
    examples = found.batch_examples(0)
    assert sum(len(y) for _, y in rest) + len(y) == 3
    assert x["samples"].shape[2] == 5 and x["samples"].shape[1] % 10 == 0
    np.testing.assert_array_equal(x["token_ids"], y)
    for i, example in enumerate(examples):
        length = len(example.features)
        assert x["num_samples"][i] == length
        np.testing.assert_array_equal(
            x["samples"][i, :length], example.features.astype("float32")
        )
        assert not x["samples"][i, length:].any()
        text = CharacterTokenizer().decode([k for k in y[i] if k])
        assert text == example.text.lower()
    assert found.padded_frames == sum(
        x["samples"].shape[0] * x["samples"].shape[1]
        for x, _ in found.batches()
    )
    with pytest.raises(IndexError):
        found[99]


def test_epochs_repeat_exactly_and_differ(tmp_path):
    options = {"augmenter": FeatureAugmenter(num_cepstra=5, warp=0.1)}
    options["augment_from_epoch"] = 1
    first, second = (
        dataset(tmp_path, seed=3, batch_frames=60, **options) for _ in range(2)
    )

    def lengths(epoch, found, first_batch=0):
        found.set_epoch(epoch, first_batch)
        return [x["num_samples"].tolist() for x, _ in found.batches()]

    assert sorted(sum(lengths(0, first), [])) == [20, 30, 60]
    assert lengths(4, first) == lengths(4, second)
    assert lengths(4, first, 1) == lengths(4, second)[1:]
    np.testing.assert_array_equal(
        first[0][0]["samples"], second[1][0]["samples"]
    )
    orders = {str(lengths(epoch, first)) for epoch in range(1, 6)}
    assert len(orders) > 1
    with pytest.raises(ValueError, match="first_batch=9"):
        first.set_epoch(0, 9)


def test_nothing_to_use_is_an_error(tmp_path):
    examples = read_feature_manifest(write_folder(tmp_path / "corpus"))
    with pytest.raises(ValueError, match="1 text that cannot be spelled"):
        FeatureDataset(examples[:1], CharacterTokenizer("x"))
