"""What each piece of a translation hangs on."""

import json

import numpy as np
import pytest

from keras_selfattn.runtime import ModelError, Translator
from keras_selfattn.runtime.translation_alignment import align
from tests.command_line import TINY_TRANSLATION


@pytest.fixture(scope="module")
def translator():
    return Translator(TINY_TRANSLATION)


def test_a_digit_hangs_on_its_word(translator):
    found = translator.align("seven three nine")
    text = "".join(found.target).replace("\u2581", "")
    assert text == translator.translate("seven three nine").text.replace(
        " ", ""
    )
    weights = np.array(found.weights)
    assert weights.shape == (len(found.target), len(found.source))
    sums = weights.sum(axis=1)
    assert np.all((abs(sums - 1) < 1e-3) | (sums == 0))
    # A word may be several pieces: their weights together.
    words = "seven three nine".split()
    spelled = "".join(p.replace("\u2581", " ") for p in found.source).split()
    assert "".join(spelled).replace(" ", "") == "".join(words)
    json.dumps(found.to_dict())


def test_the_presets_alignment_is_the_dictionary_s():
    from keras_selfattn import zoo

    found = Translator(zoo.resolve("translation")).align("一只狗在草地上跑。")
    best = {
        word: found.source[int(np.argmax(row))]
        for word, row in zip(found.target, found.weights)
    }
    assert best["dog"] == "一只狗"
    assert best["running"] == "跑"
    assert best["grass"] == "草地上"
    assert best["."] == "。"


class Copies:
    """A search that copies its source, and is sure of what it sees."""

    end_id = 2

    def write(self, source):
        return np.array(source), 0.0

    def log_probabilities(self, sources, target):
        seen = [[token in row for token in target] for row in sources]
        return np.where(seen, -0.1, -5.0)


def test_what_is_copied_hangs_on_its_source_alone():
    target, weights = align(Copies(), [7, 8, 9, 2])
    assert target == [7, 8, 9]
    np.testing.assert_array_equal(weights, np.eye(3))


def test_one_piece_is_all_there_is():
    assert align(Copies(), [7, 2]) == ([7], [[1.0]])
    assert align(Copies(), [2]) == ([], [])


def test_texts_without_words_and_long_texts(translator):
    assert translator.align(" ").to_dict() == {
        "source": [],
        "target": [],
        "weights": [],
    }
    with pytest.raises(ModelError, match="one by one"):
        translator.align("one two three. " * 60)
