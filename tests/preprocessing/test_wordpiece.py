import pytest

from keras_selfattn.preprocessing.bert_words import bert_words
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.preprocessing.wordpiece import train_wordpiece

TEXTS = ["low lower lowest new newer newest"] * 5 + ["Low zebra"]


def test_pieces_are_learned_from_the_texts():
    found = train_wordpiece(TEXTS, 40, cleaning={"lower": True})
    assert found[:2] == ["<padding>", "<unknown>"]
    assert len(found) == len(set(found)) <= 40
    assert set("lnz") <= set(found)  # how words begin
    assert {"##o", "##e", "##a"} <= set(found)
    # `z` and `##b` are rare, so they are joined first; but not what stands
    # in a row only once.
    assert "zebra" not in found
    assert "low" in found
    assert found == train_wordpiece(TEXTS, 40, cleaning={"lower": True})


def test_the_first_join_has_the_largest_score():
    # Counts: a 4, ##b 3, ##c 2, ##d 1; pairs ab 3, bd 1, ac 1 (too rare).
    found = train_wordpiece(["ab ab abd ac"], 8)
    assert found == ["<padding>", "<unknown>", "##b", "##c", "##d", "a", "ab"]


def test_a_tokenizer_takes_them():
    vocabulary = train_wordpiece(TEXTS, 60, cleaning={"lower": True})
    tokenizer = TextTokenizer(vocabulary, "wordpiece", cleaning={"lower": True})
    tokens = tokenizer.tokens("LOWEST newer")
    joined = "".join(
        token.removeprefix("##") if token.startswith("##") else f" {token}"
        for token in tokens
    )
    assert joined == " lowest newer"
    assert len(tokens) < len("lowestnewer")
    assert tokenizer.encode("x") == [1]


def test_a_size_below_the_characters_is_refused():
    with pytest.raises(ValueError, match="does not hold the"):
        train_wordpiece(TEXTS, 5)


def test_by_count_the_most_frequent_neighbours_are_joined_first():
    texts = ["ab ab ab abd xy xy?"]
    found = train_wordpiece(texts, 10, by="count", words_of=bert_words)
    assert found[2:] == ["##b", "##d", "##y", "?", "a", "x", "ab", "xy"]
    assert train_wordpiece(texts, 9, words_of=bert_words)[-1] == "xy"
    with pytest.raises(ValueError, match="by='size'; expected"):
        train_wordpiece(texts, 9, by="size")
