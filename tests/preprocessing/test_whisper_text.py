import pytest

from keras_selfattn.preprocessing.whisper_text import (
    filled_up,
    is_mark,
    prompt_of,
    text_of,
)

VOCABULARY = ["!", "\u0120Good", "\u0120day", "\u00c3\u00a9", "<|endoftext|>"]


def test_text_has_no_marks_and_no_blanks_at_its_ends():
    assert text_of([1, 2, 3, 0, 4, 4], VOCABULARY) == "Good day\u00e9!"
    assert text_of([], VOCABULARY) == ""
    assert [is_mark(t) for t in ("<|en|>", "<|0.02|>", "<|", "<unk>")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_prompt_says_language_and_task():
    assert prompt_of() == ["<|startoftranscript|>", "<|notimestamps|>"]
    assert prompt_of("de", True)[1:3] == ["<|de|>", "<|translate|>"]
    assert prompt_of("de")[2:] == ["<|transcribe|>", "<|notimestamps|>"]
    with pytest.raises(ValueError, match="needs language"):
        prompt_of(translate=True)


def test_marks_of_time_are_filled_up():
    found = filled_up(VOCABULARY, 1509)
    assert found[:5] == VOCABULARY and len(found) == 1509
    assert found[5:7] == ["<|0.00|>", "<|0.02|>"]
    unused = [f"<|unused{i}|>" for i in range(3)]
    assert found[-5:] == ["<|29.98|>", "<|30.00|>", *unused]
    assert filled_up(["<|0.00|>"], 2) == ["<|0.00|>", "<|0.02|>"]
    assert filled_up(VOCABULARY, 5) == VOCABULARY
