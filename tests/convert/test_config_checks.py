import numpy as np
import pytest

from keras_selfattn.convert.config_checks import (
    check_architecture,
    demand,
    without_copy,
)


def test_classes_and_options_that_are_not_known_are_refused():
    check_architecture("c.json", {"architectures": ["A"]}, "a", ("A", "B"))
    check_architecture("c.json", {}, "a", ("A",))
    with pytest.raises(ValueError, match="c.json names .* C; of 'a' .* A, B"):
        check_architecture("c.json", {"architectures": ["C"]}, "a", ("A", "B"))
    demand("c.json", {"x": 1, "y": 2}, {"x": 1, "z": 3})
    with pytest.raises(ValueError, match="has x=2; we have 1 only"):
        demand("c.json", {"x": 2}, {"x": 1})


def test_a_copy_of_the_embeddings_is_left_out():
    table = np.ones((2, 3))
    assert set(without_copy("f", {"e": table}, True, "h", "e")) == {"e"}
    both = {"e": table, "h": table.copy()}
    assert set(without_copy("f", dict(both), False, "h", "e")) == {"e", "h"}
    assert set(without_copy("f", dict(both), True, "h", "e")) == {"e"}
    with pytest.raises(ValueError, match="f: h is not e, though"):
        without_copy("f", {"e": table, "h": 2 * table}, True, "h", "e")
