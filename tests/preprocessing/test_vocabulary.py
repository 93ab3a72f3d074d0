"""Text from ids and a vocabulary alone."""

import pytest

from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from keras_selfattn.preprocessing.vocabulary import (
    BLANK,
    detokenize,
    written_text,
)


def test_detokenize_from_the_vocabulary_alone():
    vocabulary = [BLANK, "<unk>", "\u2581he", "llo", "\u2581", "w"]
    assert detokenize([2, 3, 0, 1, 4, 5], vocabulary) == "hello w"
    assert detokenize([], vocabulary) == ""
    characters = CharacterTokenizer()
    ids = [1, 3, 1, 1, 4, 1]
    assert detokenize(ids, characters.vocabulary) == "a b"
    with pytest.raises(ValueError, match="id 6 is outside"):
        detokenize([6], vocabulary)
    with pytest.raises(ValueError, match="id -1 is outside"):
        detokenize([-1], vocabulary)


def test_written_text_keeps_its_blanks():
    vocabulary = ["<pad>", "\u2581he", "llo", "\u2581", "\n", "<"]
    assert written_text([3, 1, 2, 0, 4, 3, 5], vocabulary) == "  hello\n <"
