"""Error rates against a plain edit distance, and their counts."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_selfattn.metrics.error_rate import (
    ErrorCounts,
    ErrorRate,
    character_errors,
    closest,
    word_errors,
)

SENTENCES = st.lists(st.sampled_from(["a", "b", "cc"]), max_size=8).map(
    " ".join
)


def edit_distance(first, second):
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    table[:, 0] = np.arange(len(first) + 1)
    table[0] = np.arange(len(second) + 1)
    for i, a in enumerate(first, start=1):
        for j, b in enumerate(second, start=1):
            table[i, j] = min(
                table[i - 1, j] + 1,
                table[i, j - 1] + 1,
                table[i - 1, j - 1] + (a != b),
            )
    return table[-1, -1]


@given(SENTENCES, SENTENCES)
def test_errors_are_the_edit_distance(reference, hypothesis):
    words = word_errors(reference, hypothesis)
    assert words.errors == edit_distance(reference.split(), hypothesis.split())
    assert words.reference_length == len(reference.split())
    characters = character_errors(reference, hypothesis)
    assert characters.errors == edit_distance(reference, hypothesis)
    assert characters.reference_length == len(reference)


def test_counts_by_kind():
    counts = word_errors("the cat sat here", "the hat sat down here")
    assert counts == ErrorCounts(
        hits=3, substitutions=1, deletions=0, insertions=1
    )
    assert counts.rate == 0.5
    assert word_errors("a b c", "a c").deletions == 1


def test_a_corpus_is_not_a_mean_of_rates():
    counts = word_errors(["a b c d e f g h i", "x"], ["a b c d e f g h i", ""])
    assert counts.rate == pytest.approx(0.1)


def test_empty_references():
    assert word_errors("", "").rate == 0.0
    assert word_errors("", "noise heard").insertions == 2
    assert word_errors("", "noise heard").rate == float("inf")
    assert word_errors(["", "a b"], ["c", "a b"]).rate == 0.5
    assert word_errors([], []) == ErrorCounts()


def test_blanks_do_not_count():
    assert character_errors(" a  b ", "a b").errors == 0


def test_an_accumulator_adds_up():
    errors = ErrorRate()
    errors.update(["a b", "c"], ["a x", "c"])
    errors.update("d", "")
    both = word_errors(["a b", "c", "d"], ["a x", "c", ""])
    assert errors.words == both
    result = errors.result()
    assert json.loads(json.dumps(result)) == {
        "wer": 0.5,
        "cer": pytest.approx(2 / 5),
        "substitutions": 1,
        "deletions": 1,
        "insertions": 0,
        "words": 4,
        "utterances": 3,
    }
    errors.reset()
    assert errors.result()["utterances"] == 0


def test_bad_input_is_refused_and_counts_nothing():
    errors = ErrorRate()
    with pytest.raises(ValueError, match="2 references and 1 hypotheses"):
        errors.update(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="hypotheses holds None"):
        errors.update(["a"], [None])
    assert errors.result()["utterances"] == 0


def test_the_closest_reading_is_the_one_with_the_fewest_errors():
    assert closest("a b c", ["a x", "a b", "c"]) == "a b"
    assert closest("a b", ["x b", "a x"]) == "x b"
