import json

import numpy as np
import pytest

from keras_selfattn.decoding.classification import classification
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer

TOKENIZER = TextTokenizer(
    ["<padding>", "<unknown>", "[CLS]", "a", "b"], max_tokens=4, start="[CLS]"
)
LOGS = np.log(np.array([0.2, 0.7, 0.1]))


def test_the_likeliest_class_comes_first():
    found = classification(LOGS, ["x", "y", "z"], ["a", "q"], TOKENIZER)
    assert found.label == "y"
    assert found.score == pytest.approx(0.7)
    assert list(found.scores) == ["y", "x", "z"]
    assert sum(found.scores.values()) == pytest.approx(1)
    assert (found.num_tokens, found.known_tokens) == (2, 1)
    assert not found.truncated


@pytest.mark.parametrize(
    "tokens, counts",
    [
        ([], (0, 0, False)),
        (["q"], (1, 0, False)),
        (["<unknown>", "a"], (2, 1, False)),
        (["a", "b", "a"], (3, 3, False)),
        (["a", "b", "a", "b"], (4, 3, True)),
    ],
)
def test_it_says_how_much_of_the_text_was_read(tokens, counts):
    found = classification(LOGS, ["x", "y", "z"], tokens, TOKENIZER)
    assert (found.num_tokens, found.known_tokens, found.truncated) == counts


def test_json_is_one_line_of_plain_values():
    found = classification(LOGS, ["x", "y", "新"], ["a"], TOKENIZER)
    line = found.json("a\nb")
    assert line.isascii()
    assert "\n" not in line
    value = json.loads(line)
    assert list(value) == [
        "text",
        "label",
        "score",
        "scores",
        "num_tokens",
        "known_tokens",
        "truncated",
    ]
    assert value == found.to_dict("a\nb")
    assert "text" not in found.to_dict()
