import numpy as np
import pytest

from keras_selfattn.preprocessing.word_vocabulary import (
    WordVocabulary,
    split_words,
)


@pytest.mark.parametrize(
    "text, words",
    [
        ("It's FINE, isn't it?", ["it's", "fine", ",", "isn't", "it", "?"]),
        ("Don\u2019t -- (stop)!", ["don't", "stop", "!"]),
        ("'quoted' 7.5", ["quoted", "7", ".", "5"]),
        ("caf\u00e9 \u4e00\u53ea", ["caf\u00e9", "\u4e00\u53ea"]),
        (" \n ", []),
    ],
)
def test_words_are_split(text, words):
    assert split_words(text) == words


def test_the_most_frequent_words_have_ids():
    vocabulary = WordVocabulary.build(["b a b c", "a b d"], 5)
    assert vocabulary.words == ["b", "a", "c"]
    assert vocabulary.vocabulary_size == 5
    assert vocabulary.encode("A b, d c") == [3, 2, 1, 1, 4]


def test_a_batch_is_cut_padded_and_masked():
    vocabulary = WordVocabulary(["a", "b"])
    token_ids, mask = vocabulary.batch(["a b a b", "b", ""], 3)
    assert token_ids.dtype == np.int32
    assert token_ids.tolist() == [[2, 3, 2], [3, 0, 0], [1, 0, 0]]
    assert mask.sum(1).tolist() == [3, 1, 1]


def test_it_is_rebuilt_from_its_config():
    vocabulary = WordVocabulary(["a", "b"])
    again = WordVocabulary(**vocabulary.get_config())
    assert again.encode("b a c") == vocabulary.encode("b a c")


def test_wrong_sizes_and_words_are_refused():
    with pytest.raises(ValueError, match="leaves no id for a word"):
        WordVocabulary.build(["a"], 2)
    with pytest.raises(ValueError, match="a word twice"):
        WordVocabulary(["a", "a"])
