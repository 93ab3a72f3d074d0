import numpy as np
import pytest

from keras_selfattn.layers.chunk_attention import attend_chunk
from keras_selfattn.layers.masks import chunk_mask
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from tests.arrays import prefix_mask, sequences, to_numpy
from tests.fixed_weights import draw_weights

pytestmark = pytest.mark.backend

CHUNK, LEFT = 3, 4
MASK = prefix_mask([9, 7], 9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"positions": "rotary"},
        {"positions": "relative", "num_key_value_heads": 1},
        {"positions": "alibi", "soft_cap": 2.0},
        {"positions": "t5"},
    ],
    ids=str,
)
def test_chunk_by_chunk_it_is_the_attention_under_the_chunk_mask(options):
    layer = MultiHeadSelfAttention(2, name="attention", **options)
    layer.build((None, None, 8))
    draw_weights(layer)
    inputs = sequences(length=9)
    whole = to_numpy(
        layer(
            inputs,
            padding_mask=MASK,
            attention_mask=chunk_mask(9, CHUNK, LEFT),
        )
    )
    dim = layer.key.kernel.shape[-1]
    past = {
        name: np.zeros((2, LEFT, dim), "float32") for name in ("key", "value")
    }
    for start in range(0, 9, CHUNK):
        places = slice(start, start + CHUNK)
        came = np.tile(np.arange(LEFT) >= LEFT - start, (2, 1))
        found, past = attend_chunk(
            layer, inputs[:, places], past, came, MASK[:, places]
        )
        real = MASK[:, places]
        np.testing.assert_allclose(
            to_numpy(found)[real], whole[:, places][real], atol=1e-5
        )
    assert past["key"].shape == (2, LEFT, dim)
    full = to_numpy(layer(inputs, padding_mask=MASK))
    assert np.abs(full - whole)[MASK].max() > 1e-3
