import numpy as np
import pytest

from keras_selfattn.layers.spec_augment import SpecAugment
from tests.arrays import prefix_mask, to_numpy
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend


def augmented(layer, batch=6, frames=40, bins=16, lengths=None):
    """What the layer makes of ones, and the padding mask."""
    mask = prefix_mask([frames] * batch if lengths is None else lengths, frames)
    features = np.ones((batch, frames, bins), "float32")
    return to_numpy(layer(features, mask, training=True)), mask


def runs(hidden):
    """Lengths of the runs of True in a vector."""
    edges = np.diff(np.concatenate([[0], hidden.astype(int), [0]]))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


def test_is_the_identity_outside_training():
    layer = SpecAugment(2, 8, 2, 0.5)
    features = np.random.default_rng(0).normal(size=(2, 30, 16))
    features = features.astype("float32")
    mask = prefix_mask([30, 12], 30)
    for outputs in (layer(features, mask), layer(features, training=False)):
        np.testing.assert_array_equal(to_numpy(outputs), features)


def test_frequency_masks_are_bands_of_at_most_the_stated_width():
    layer = SpecAugment(1, 5, 0, 0.0, seed=3)
    widths = set()
    for _ in range(20):
        outputs, _ = augmented(layer)
        for row in outputs:
            band = row[0] == 0
            assert (row == row[0]).all()  # the same band at every frame
            found = runs(band)
            assert len(found) <= 1
            widths.add(int(found.sum()))
    assert widths == {0, 1, 2, 3, 4, 5}


def test_time_masks_are_stretches_of_at_most_the_stated_part():
    layer = SpecAugment(0, 0, 1, 0.25, seed=3)
    lengths = [40, 40, 40, 20, 20, 4]
    longest = [0] * 6
    for _ in range(30):
        outputs, mask = augmented(layer, lengths=lengths)
        for i, row in enumerate(outputs):
            assert (row == row[:, :1]).all()  # all features of a frame
            hidden = row[:, 0] == 0
            assert not hidden[~mask[i]].any()  # padding is not touched
            assert len(runs(hidden)) <= 1
            longest[i] = max(longest[i], int(hidden.sum()))
    assert max(longest[:3]) == 10
    assert max(longest[3:5]) == 5
    assert longest[5] == 1


def test_each_parameter_changes_the_share_that_is_hidden():
    def hidden_share(**change):
        arguments = {
            "num_frequency_masks": 1,
            "max_frequency_width": 4,
            "num_time_masks": 1,
            "max_time_fraction": 0.2,
        }
        layer = SpecAugment(**{**arguments, **change})
        return np.mean(
            [(augmented(layer, batch=32)[0] == 0).mean() for _ in range(4)]
        )

    usual = hidden_share()
    assert hidden_share(num_frequency_masks=3) > 1.3 * usual
    assert hidden_share(max_frequency_width=12) > 1.3 * usual
    assert hidden_share(num_time_masks=3) > 1.2 * usual
    assert hidden_share(max_time_fraction=0.8) > 1.3 * usual
    assert hidden_share(num_frequency_masks=0, num_time_masks=0) == 0


def test_draws_follow_the_seed_and_differ_from_call_to_call():
    def draws(seed):
        layer = SpecAugment(2, 8, 2, 0.5, seed=seed)
        return np.stack([augmented(layer)[0] for _ in range(3)])

    first = draws(7)
    np.testing.assert_array_equal(draws(7), first)
    assert (draws(8) != first).any()
    assert (first[0] != first[1]).any()
    assert (first[0][0] != first[0][1]).any()  # each row its own masks


def test_an_empty_row_is_left_alone():
    outputs, _ = augmented(
        SpecAugment(0, 0, 2, 1.0), batch=2, frames=6, lengths=[0, 6]
    )
    assert (outputs[0] == 1).all()


def test_keras_file_round_trip(tmp_path):
    layer = SpecAugment(1, 5, 3, 0.5, seed=9, name="augment")
    features = np.ones((2, 10, 8), "float32")
    assert_round_trip(layer, tmp_path, features=features)


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"num_time_masks": -1}, "num_time_masks=-1"),
        ({"max_frequency_width": -2}, "-2"),
        ({"max_time_fraction": 1.5}, "1.5"),
    ],
)
def test_wrong_parameters_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        SpecAugment(**arguments)
