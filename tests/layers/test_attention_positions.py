import keras
import numpy as np
import pytest

from keras_selfattn.layers.attention_positions import (
    AlibiPositions,
    RotaryPositions,
    T5RelativeBuckets,
    TransformerXLPositions,
    positions_config,
    positions_part,
)
from tests import attention_reference
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.reference import weights_of

pytestmark = pytest.mark.backend

B, N, T, S, H, D = 2, 3, 4, 6, 4, 8
PARTS = {
    "rotary": RotaryPositions(100.0, 0.5),
    "relative": TransformerXLPositions(50.0),
    "alibi": AlibiPositions(),
    "t5": T5RelativeBuckets(8, 6, True),
    "rotary neighbours": RotaryPositions(50.0, pairs="neighbours"),
}
each_part = pytest.mark.parametrize("name", PARTS)


class Owner(keras.layers.Layer):
    """A layer that holds what a part learns."""

    def __init__(self, part):
        super().__init__(name="owner")
        self.part = part

    def build(self, input_shape=None):
        self.part.build(self, N, H, D)


def owner(part):
    layer = Owner(part)
    layer.build()
    layer.built = True
    return draw_weights(layer)


def query_and_key(num_queries=T, num_keys=S):
    rng = np.random.default_rng(0)
    return [
        rng.normal(size=(B, N, length, H)).astype("float32")
        for length in (num_queries, num_keys)
    ]


def scores(part, layer, query, key, offset):
    """`(q k') / sqrt(H) + bias`, as an attention layer has them."""
    query, key = keras.ops.array(query), keras.ops.array(key)
    query, bias = part.bias(
        layer, part.turn(query, offset), key.shape[2], H**-0.5, offset
    )
    key = keras.ops.transpose(part.turn(key), (0, 1, 3, 2))
    found = to_numpy(keras.ops.matmul(query, key)) * H**-0.5
    return found if bias is None else found + to_numpy(bias)


@pytest.mark.slow
@each_part
@pytest.mark.parametrize("lengths", [(4, 6), (1, 7), (6, 3), (1, 1)])
@pytest.mark.parametrize("offset", [0, 3])
def test_scores_equal_the_reference(name, lengths, offset):
    part = PARTS[name]
    layer = owner(part)
    query, key = query_and_key(*lengths)
    found = scores(part, layer, query, key, offset)
    query, key, bias = attention_reference.placed(
        query.astype("float64"),
        key.astype("float64"),
        weights_of(layer),
        name.partition(" ")[0],
        part.get_config(),
        D,
        offset,
    )
    expected = query @ key.transpose(0, 1, 3, 2) / np.sqrt(H) + bias
    np.testing.assert_allclose(found, expected, atol=2e-5)


@each_part
def test_a_tensor_may_be_the_offset(name):
    part, arrays = PARTS[name], query_and_key()
    layer = owner(part)
    offset = keras.ops.convert_to_tensor(2, "int32")
    np.testing.assert_allclose(
        scores(part, layer, *arrays, offset),
        scores(part, layer, *arrays, 2),
        atol=1e-6,
    )


@each_part
def test_scores_depend_on_the_distance_only(name):
    """The same vectors everywhere: scores are constant along diagonals."""
    part = PARTS[name]
    layer = owner(part)
    query, key = query_and_key()
    query[:], key[:] = query[:, :, :1], key[:, :, :1]
    found = scores(part, layer, query, key, 0)
    np.testing.assert_allclose(
        found[:, :, 1:, 1:], found[:, :, :-1, :-1], atol=1e-5
    )
    assert np.abs(found[:, :, 1:] - found[:, :, :-1]).max() > 1e-2


@pytest.mark.parametrize("num_heads", [1, 2, 3, 8, 12, 40])
def test_alibi_rates_follow_the_papers_rule(num_heads):
    found = AlibiPositions.rates(num_heads)
    expected = [
        attention_reference.alibi_rate(n, num_heads) for n in range(num_heads)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(set(found)) == num_heads


@pytest.mark.parametrize(
    "make,said",
    [
        (lambda: RotaryPositions(fraction=0.0), "fraction"),
        (lambda: RotaryPositions(fraction=1.5), "1.5"),
        (lambda: RotaryPositions(max_wavelength=-1.0), "-1.0"),
        (lambda: RotaryPositions(pairs="thirds"), "pairs='thirds'"),
        (lambda: RotaryPositions().check(5), "even head_dim.*5"),
        (lambda: RotaryPositions(fraction=0.5).check(6), "fraction=0.5 is 3"),
        (lambda: RotaryPositions(fraction=0.1).check(4), "is 0"),
        (lambda: TransformerXLPositions(0.0), "max_wavelength"),
        (lambda: positions_part("absolute"), "absolute.*rotary"),
        (lambda: positions_part(7), "7"),
    ],
)
def test_impossible_positions_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@each_part
def test_names_objects_and_configs_give_the_same_part(name):
    kind = name.partition(" ")[0]
    assert type(positions_part(kind)) is type(PARTS[name])
    assert positions_part(PARTS[name]) is PARTS[name]
    assert positions_config(kind) == kind
    config = positions_config(PARTS[name])
    twin = positions_part(config)
    assert type(twin) is type(PARTS[name])
    assert twin.get_config() == PARTS[name].get_config()


def test_no_positions_are_no_part():
    assert positions_part(None) is None
    assert positions_config(None) is None
