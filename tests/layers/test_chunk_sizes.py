import keras
import numpy as np
import pytest

from keras_selfattn.layers.chunk_sizes import FULL_CONTEXT, draw_chunk_size
from tests.arrays import to_numpy

pytestmark = pytest.mark.backend


def drawn(count, rate=0.5, seed=0):
    generator = keras.random.SeedGenerator(seed)
    return [
        int(to_numpy(draw_chunk_size([4, 8, 16], rate, generator)))
        for _ in range(count)
    ]


def test_every_size_and_full_context_come_in_their_shares():
    found = drawn(120)
    assert set(found) == {4, 8, 16, FULL_CONTEXT}
    assert 40 <= found.count(FULL_CONTEXT) <= 80
    assert min(found.count(size) for size in (4, 8, 16)) >= 8


def test_rates_of_zero_and_one_are_kept():
    assert FULL_CONTEXT not in drawn(30, rate=0.0)
    assert set(drawn(10, rate=1.0)) == {FULL_CONTEXT}


def test_a_seed_or_a_state_that_is_set_gives_the_same_sizes_again():
    assert drawn(12) == drawn(12)
    assert drawn(12) != drawn(12, seed=1)
    generator = keras.random.SeedGenerator(0)
    for _ in range(5):
        draw_chunk_size([4, 8, 16], 0.5, generator)
    kept = np.array(to_numpy(generator.state.value))
    other = keras.random.SeedGenerator(7)
    other.state.assign(kept)
    again = [
        int(to_numpy(draw_chunk_size([4, 8, 16], 0.5, other))) for _ in range(7)
    ]
    assert again == drawn(12)[5:]
