"""Rows of a beam, against the layers that know no rows."""

import numpy as np
import pytest
from keras import ops

from keras_selfattn.layers.attention_cache import empty_cache
from keras_selfattn.layers.cross_attention import MultiHeadCrossAttention
from keras_selfattn.layers.row_attention import (
    attend_context,
    attend_own,
    merge_rows,
    split_rows,
)
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)
SOURCES, ROWS, PLACES, DIM, HEADS = 2, 3, 4, 12, 2
HIDDEN = -1e9
# Row of which each row goes on from, after the tokens 0, 1 and 2.
PARENTS = [[[1, 1, 0], [0, 2, 1]], [[2, 0, 0], [2, 1, 0]], [[0, 1, 2]] * 2]


@pytest.mark.parametrize("rows", [1, 3])
def test_rows_are_split_into_heads_and_merged(rows):
    x = RNG.normal(size=(SOURCES * rows, DIM)).astype("float32")
    heads = split_rows(ops.convert_to_tensor(x), rows, HEADS)
    expected = x.reshape(SOURCES, rows, HEADS, -1).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(to_numpy(heads), expected)
    np.testing.assert_array_equal(to_numpy(merge_rows(heads)), x)


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [2, 1])
@pytest.mark.parametrize(
    "positions", [None, "rotary", "relative", "alibi", "t5"]
)
def test_rows_attend_what_they_go_on_from(positions, pairs):
    """Each row: as a text by itself, read from its first token on."""
    layer = MultiHeadSelfAttention(
        HEADS, positions=positions, num_key_value_heads=pairs, name="attention"
    )
    layer.build((None, None, DIM))
    draw_weights(layer)
    cache = empty_cache(SOURCES, PLACES * ROWS, pairs, DIM // HEADS)
    texts = [np.zeros((0, DIM))] * (SOURCES * ROWS)
    seen = np.full((SOURCES, 1, ROWS, PLACES * ROWS), HIDDEN, "float32")
    for position, parents in enumerate(PARENTS):
        x = RNG.normal(size=(SOURCES * ROWS, DIM)).astype("float32")
        texts = [
            np.concatenate([text, new[np.newaxis]])
            for text, new in zip(texts, x, strict=True)
        ]
        for row in range(ROWS):
            seen[:, :, row, ROWS * position + row] = 0
        found, cache = attend_own(
            layer,
            ops.convert_to_tensor(x),
            ROWS,
            cache,
            position,
            ops.convert_to_tensor(seen),
        )
        alone = np.stack(texts).astype("float32")
        expected = to_numpy(layer(alone, use_causal_mask=True))[:, -1]
        np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)
        parents = np.array(parents)
        seen = np.take_along_axis(seen, parents[:, None, :, None], axis=2)
        flat = parents + ROWS * np.arange(SOURCES)[:, None]
        texts = [texts[row] for row in flat.ravel()]


def test_rows_share_the_context_of_their_source():
    layer = MultiHeadCrossAttention(HEADS, name="cross_attention")
    layer.build((None, None, DIM), (None, None, DIM))
    draw_weights(layer)
    context = RNG.normal(size=(SOURCES, 5, DIM)).astype("float32")
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
    x = RNG.normal(size=(SOURCES * ROWS, DIM)).astype("float32")
    found = attend_context(
        layer,
        ops.convert_to_tensor(x),
        ROWS,
        layer.context_cache(context),
        ops.convert_to_tensor(
            np.where(mask, 0, HIDDEN).astype("float32")[:, None, None]
        ),
    )
    expected = layer(
        x.reshape(SOURCES, ROWS, DIM), context, context_padding_mask=mask
    )
    np.testing.assert_allclose(
        to_numpy(found), to_numpy(expected).reshape(-1, DIM), atol=1e-5
    )
