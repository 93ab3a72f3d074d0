import pytest

from keras_selfattn.layers.block_options import BLOCK, complete_block


def test_what_is_not_given_is_filled_in():
    assert complete_block(None) == BLOCK
    assert complete_block({"norm": "rms"}) == {**BLOCK, "norm": "rms"}
    assert BLOCK["norm"] == "layer"


def test_an_unknown_entry_is_named():
    with pytest.raises(ValueError, match=r"unknown entries \['depth'\]"):
        complete_block({"depth": 3})
