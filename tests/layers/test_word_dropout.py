import numpy as np
import pytest

from keras_selfattn.layers.word_dropout import WordDropout
from tests.arrays import to_numpy
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

IDS = np.tile(np.array([[5, 8, 2, 9, 0, 0]], "int32"), (500, 1))


def test_it_replaces_real_tokens_at_its_rate_in_training_only():
    layer = WordDropout(0.3, unknown_id=7, seed=1)
    found = to_numpy(layer(IDS, training=True))
    assert found.dtype == np.int32
    changed = found != IDS
    assert (found[changed] == 7).all()
    assert not changed[:, 4:].any()  # padding stays padding
    assert changed[:, :4].mean() == pytest.approx(0.3, abs=0.04)
    np.testing.assert_array_equal(to_numpy(layer(IDS)), IDS)
    again = to_numpy(layer(IDS, training=True))
    assert (again != found).any()


def test_padding_as_the_unknown_leaves_tokens_out():
    found = to_numpy(WordDropout(0.5, 0, seed=1)(IDS, training=True))
    assert 0.4 < (found[:, :4] == 0).mean() < 0.6


def test_it_is_drawn_from_its_seed():
    one = to_numpy(WordDropout(0.5, seed=3)(IDS, training=True))
    same = to_numpy(WordDropout(0.5, seed=3)(IDS, training=True))
    np.testing.assert_array_equal(one, same)


def test_round_trip(tmp_path):
    assert_round_trip(WordDropout(0.2, 3, seed=4), tmp_path, ids=IDS[:2])


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match="must be at least 0"):
        WordDropout(rate)
