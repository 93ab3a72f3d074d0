from keras_selfattn.preprocessing.moonshine_text import is_mark, text_of

VOCABULARY = ["<unk>", "<s>", "</s>", "\u2581a", "b", "<0xC3>", "<0xA9>"]


def test_marks_are_no_text():
    marks = ["<unk>", "<s>", "</s>", "<pad>", "<<ST_17>>"]
    assert all(map(is_mark, marks))
    assert not any(map(is_mark, ["<", "s", "<0x0A>", "<sun>", "<<", ">>"]))


def test_pieces_become_text():
    assert text_of([1, 3, 4, 3, 0, 5, 6, 2], VOCABULARY) == "ab a\u00e9"
    assert text_of([], VOCABULARY) == text_of([2], VOCABULARY) == ""
    # Half a character, then a letter.
    assert text_of([3, 5, 4], VOCABULARY) == "a\ufffdb"
