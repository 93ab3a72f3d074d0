import sys

import pytest

from keras_selfattn.preprocessing.splitters import make_splitter, split_words


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
    assert make_splitter("words")(text) == words


@pytest.mark.parametrize(
    "options, text, tokens",
    [
        ({"signs": True}, "(Stop) - it's 5$!", "( stop ) - it's 5 $ !"),
        (
            {"clitics": True},
            "I don't; it's they'll",
            "i do n't ; it 's they 'll",
        ),
        ({"clitics": True}, "do n't ; it 's", "do n't ; it 's"),
        ({"clitics": True}, "well-made 'x'", "well-made ' x '"),
    ],
)
def test_signs_and_clitics(options, text, tokens):
    assert make_splitter("words", **options)(text) == tokens.split()


def test_blanks_part_what_is_tokenised():
    assert make_splitter("blanks")(" do n't  (a) ") == ["do", "n't", "(a)"]


def test_characters_of_chinese_and_words_of_the_rest():
    found = make_splitter("characters")("我买了iPhone 12，很好！ひとつ한글")
    assert found == list("我买了") + ["iPhone", "12", "，"] + list(
        "很好！ひとつ한글"
    )


def test_chinese_words_by_jieba():
    pytest.importorskip("jieba")
    found = make_splitter("jieba")("我来到北京清华大学 ok")
    assert found == ["我", "来到", "北京", "清华大学", "ok"]


def test_wordpiece_takes_the_longest_piece_first():
    pieces = ["un", "##able", "##a", "a", "##ble", "ab", "中"]
    split = make_splitter("wordpiece", pieces=pieces, unknown="?")
    assert split("unable ab xa 中a") == ["un", "##able", "ab", "?", "中", "a"]
    assert split("a" * 101) == ["?"]


def test_what_is_unknown_is_refused():
    with pytest.raises(ValueError, match="split='letters' is unknown; use"):
        make_splitter("letters")
    with pytest.raises(ValueError, match=r"does not take \['size'\]"):
        make_splitter("jieba", size=3)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(ImportError, match=r"keras-selfattn\[text\]"):
        make_splitter("jieba")
