import keras
import numpy as np
import pytest

from keras_selfattn.layers.attention_positions import RotaryPositions
from keras_selfattn.layers.choose_attention import (
    KINDS,
    attention_config,
    choose_attention,
    known_arguments,
)
from keras_selfattn.layers.local_attention import LocalSelfAttention
from keras_selfattn.layers.low_rank_attention import LowRankSelfAttention
from keras_selfattn.layers.nystrom_attention import NystromSelfAttention
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from tests.arrays import sequences

pytestmark = pytest.mark.backend


@pytest.mark.parametrize(
    "attention,kind,facts",
    [
        (None, MultiHeadSelfAttention, {"positions": "rotary"}),
        ("full", MultiHeadSelfAttention, {}),
        (
            {"kind": "full", "num_key_value_heads": 2, "soft_cap": 50.0},
            MultiHeadSelfAttention,
            {"num_key_value_heads": 2, "soft_cap": 50.0},
        ),
        (
            {"kind": "local", "window": 8, "dropout": 0.5},
            LocalSelfAttention,
            {"window": 8, "dropout": 0.5, "positions": "rotary"},
        ),
    ],
)
def test_makes_a_kind_with_its_own_and_the_shared_arguments(
    attention, kind, facts
):
    layer = choose_attention(
        attention, 4, "rotary", 0.1, 7, dtype="mixed_float16"
    )
    assert type(layer) is kind
    config = layer.get_config()
    shared = {"name": "attention", "num_heads": 4, "dropout": 0.1, "seed": 7}
    for name, value in {**shared, **facts}.items():
        assert config[name] == value, name
    assert layer.compute_dtype == "float16"


def test_kinds_without_positions():
    layer = choose_attention(
        {"kind": "low_rank", "rank": 3, "max_sequence_length": 9}, 2
    )
    assert type(layer) is LowRankSelfAttention
    assert (layer.rank, layer.num_heads) == (3, 2)
    assert type(choose_attention("nystrom", 2)) is NystromSelfAttention
    for kind in ("low_rank", "nystrom"):
        with pytest.raises(ValueError, match="'rotary'.*Sinusoidal"):
            choose_attention({"kind": kind}, 2, "rotary")


def test_an_argument_of_the_dict_comes_before_the_shared_one():
    layer = choose_attention({"kind": "local", "window": 2, "num_heads": 8}, 4)
    assert layer.num_heads == 8
    given = {"kind": "local", "window": 2}
    choose_attention(given, 4)
    assert given == {"kind": "local", "window": 2}


def test_a_layer_is_copied_under_the_block_s_name_and_policy():
    pattern = LocalSelfAttention(
        2, window=3, positions=RotaryPositions(fraction=0.5), name="pattern"
    )
    one, other = (
        choose_attention(pattern, 8, dropout=0.5, dtype="mixed_bfloat16")
        for _ in range(2)
    )
    assert one is not other and one is not pattern
    assert (one.name, one.num_heads, one.dropout) == ("attention", 2, 0.0)
    assert one.positions.fraction == 0.5
    assert one.compute_dtype == "bfloat16"
    one.build((None, None, 8))
    assert not pattern.built and not other.built


def test_a_layer_s_config_makes_the_layer():
    pattern = LocalSelfAttention(2, window=3)
    config = attention_config(pattern)
    layer = choose_attention(config, 8)
    assert type(layer) is LocalSelfAttention
    assert (layer.num_heads, layer.window) == (2, 3)
    assert attention_config("full") == "full"
    assert attention_config(None) is None


def test_a_built_layer_is_refused():
    layer = MultiHeadSelfAttention(2)
    layer(sequences())
    with pytest.raises(ValueError, match="is built.*has not been called"):
        choose_attention(layer, 2)


@pytest.mark.parametrize(
    "attention", ["linear", {"window": 3}, {"kind": "x"}, 3]
)
def test_other_choices_are_refused(attention):
    with pytest.raises(ValueError, match="unknown.*'full', 'local'"):
        choose_attention(attention, 2)


def test_every_kind_is_a_layer_of_its_own():
    assert len(set(KINDS.values())) == len(KINDS)
    for layer in KINDS.values():
        assert issubclass(layer, keras.layers.Layer)


def test_arguments_that_are_given_and_known_pass():
    layer = MultiHeadSelfAttention(2)
    mask = np.ones((2, 2), bool)
    found = known_arguments(
        layer, attention_mask=mask, padding_mask=None, use_causal_mask=False
    )
    assert list(found) == ["attention_mask"]
    assert found["attention_mask"] is mask
    assert known_arguments(layer, cache_index=0) == {"cache_index": 0}


def test_arguments_that_the_layer_does_not_know_are_refused():
    layer = LocalSelfAttention(2, window=3)
    assert known_arguments(layer, attention_mask=None) == {}
    with pytest.raises(
        ValueError, match="LocalSelfAttention takes no attention_mask"
    ):
        known_arguments(layer, attention_mask=np.ones((2, 2), bool))
