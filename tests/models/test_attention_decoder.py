"""The attention decoder: cached equals whole, the Transformer's right half."""

import numpy as np
import pytest

from keras_selfattn.models.attention_decoder import AttentionDecoder
from keras_selfattn.models.transformer import Transformer
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

SIZES = {"hidden_dim": 8, "num_heads": 2, "intermediate_dim": 12}
IDS = np.array([[1, 4, 3, 2], [1, 2, 2, 5]], "int32")
MASK = np.array([[True] * 5, [True] * 3 + [False] * 2])


def context(dim=8):
    x = np.random.default_rng(0).normal(size=(2, 5, dim))
    return x.astype("float32")


def whole(decoder, x):
    return to_numpy(
        decoder({"token_ids": IDS, "context": x, "context_padding_mask": MASK})
    )


@pytest.mark.backend
def test_step_by_step_equals_the_whole():
    decoder = draw_weights(
        AttentionDecoder(6, num_layers=2, context_dim=7, dropout=0.0, **SIZES)
    )
    x = context(7)
    expected = whole(decoder, x)
    kept, caches = decoder.context_caches(x), decoder.self_caches(2, 4)
    for i in range(4):
        logits, caches = decoder.decode_step(
            IDS[:, i : i + 1], i, caches, kept, MASK
        )
        np.testing.assert_allclose(
            to_numpy(logits)[:, 0], expected[:, i], atol=1e-5
        )
    garbled = x.copy()
    garbled[1, 3:] = 9.0
    np.testing.assert_allclose(whole(decoder, garbled), expected, atol=1e-6)


def test_it_is_the_right_half_of_a_transformer():
    sizes = {**SIZES, "positions": "sinusoidal", "dropout": 0.0}
    transformer = draw_weights(Transformer(6, num_layers=1, **sizes))
    decoder = AttentionDecoder(6, num_layers=1, **sizes)
    decoder(
        {"token_ids": IDS, "context": context(), "context_padding_mask": MASK}
    )
    own = {v.path: v for v in transformer.weights}
    renamed = {"block_0": "decoder_block_0", "norm": "decoder_norm"}
    for variable in decoder.weights:
        first, _, rest = variable.path.partition("/")
        variable.assign(own[f"{renamed.get(first, first)}/{rest}"])
    source = np.array([[3, 4, 5, 2, 1], [3, 4, 5, 0, 0]], "int32")
    x = to_numpy(transformer.encode(source, MASK))
    expected = to_numpy(
        transformer(
            {
                "source_ids": source,
                "source_padding_mask": MASK,
                "target_ids": IDS,
            }
        )
    )
    np.testing.assert_allclose(whole(decoder, x), expected, atol=1e-5)


def test_config_round_trip_and_bad_sizes():
    decoder = AttentionDecoder(6, num_layers=1, positions="rotary", **SIZES)
    twin = AttentionDecoder.from_config(decoder.get_config())
    assert twin.get_config() == decoder.get_config()
    assert [v.path for v in twin.weights] == [v.path for v in decoder.weights]
    with pytest.raises(ValueError, match="num_layers=0"):
        AttentionDecoder(6, num_layers=0)
