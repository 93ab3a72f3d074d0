from keras_selfattn.preprocessing.causal_text import (
    causal_ids,
    causal_marks,
    causal_text,
)
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from tests.causal_examples import gpt2_tokenizer
from tests.translation_examples import number_tokenizer


def test_tokens_that_look_like_marks_are_text_in_foreign_vocabularies():
    tokenizer = gpt2_tokenizer()
    marks = causal_marks(tokenizer)
    assert marks == {
        "begin_id": None,
        "end_id": 5,
        "padding_id": 5,
        "banned_ids": [],
    }
    assert causal_ids(tokenizer, "ab a", None, 5) == [0, 2, 3, 5]
    assert causal_ids(tokenizer, "ab a", None, 5, ended=False) == [0, 2, 3]
    assert causal_ids(tokenizer, "", None, 5, ended=False) == [5]
    assert causal_text(tokenizer, [3, 4, 0, 5]) == " a</b>a"
    marks = causal_marks(gpt2_tokenizer("<pad>"))
    assert marks["banned_ids"] == [1] and marks["padding_id"] == 1


def test_tokenizers_of_ours_have_their_marks():
    numbers = number_tokenizer()
    marks = causal_marks(numbers)
    assert (marks["begin_id"], marks["end_id"], marks["padding_id"]) == (
        1,
        2,
        0,
    )
    assert set(marks["banned_ids"]) >= {0, 1} and 2 not in marks["banned_ids"]
    found = causal_ids(numbers, "one", 1, 2)
    assert found[0] == 1 and found[-1] == 2
    letters = CharacterTokenizer("ab ")
    assert causal_marks(letters)["end_id"] is None
    assert causal_ids(letters, "", None, None, ended=False) == []
    assert causal_text(letters, [1, 3, 2]) == "a b"
