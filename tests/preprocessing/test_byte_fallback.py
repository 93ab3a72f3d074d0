import random

import pytest

from keras_selfattn.preprocessing.byte_fallback import ByteFallbackSplitter
from keras_selfattn.preprocessing.splitters import make_splitter
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer

B = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
MERGES = [f"{B} a", "b c", f"{B}a bc", f"{B} {B}"]
PIECES = [*BYTES, B, *"abc", f"{B}a", "bc", f"{B}abc", f"{B}{B}"]
TEXTS = ["", "a", "abc a  b", " abc", "na\u00efve \u6211\U0001f63a\n", "bcbc"]


def test_characters_join_and_the_others_become_bytes():
    split = make_splitter("byte_fallback", merges=MERGES, pieces=PIECES)
    assert split("abc") == [f"{B}abc"]
    assert split("abc a") == [f"{B}abc", f"{B}a"]
    assert split("b  a") == [B, "b", B, f"{B}a"]
    assert split("\u00e9a") == [B, "<0xC3>", "<0xA9>", "a"]
    assert split("") == []
    without = ByteFallbackSplitter(MERGES, PIECES[256:])
    assert without("\u00e9a") == [B, "\u00e9", "a"]
    with pytest.raises(ValueError, match="'a b c' is not of two pieces"):
        ByteFallbackSplitter(["a b c"], PIECES)


def test_any_text_comes_back():
    split = ByteFallbackSplitter(MERGES, PIECES)
    for text in TEXTS:
        assert ByteFallbackSplitter.join(split(text)) == text
    assert (
        ByteFallbackSplitter.join(["a", "<0xFF>", "<0xC3>"]) == "a\ufffd\ufffd"
    )


def test_a_tokenizer_takes_it():
    tokenizer = SubwordTokenizer(
        ["<unk>", "</s>", *PIECES],
        {"kind": "byte_fallback", "merges": MERGES},
        padding="</s>",
        unknown="<unk>",
        start=None,
        end=None,
        mask=None,
    )
    again = SubwordTokenizer(**tokenizer.get_config())
    for text in TEXTS:
        assert again.decode(again.encode(text)) == text
    goes_on = dict(zip(tokenizer.vocabulary, tokenizer.continues()))
    assert goes_on["bc"] and not goes_on[f"{B}a"] and not goes_on["</s>"]


def test_equals_the_package_tokenizers():
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {piece: i for i, piece in enumerate(["<unk>", *PIECES])}
    theirs = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            vocabulary,
            [tuple(merge.split(" ")) for merge in MERGES],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    theirs.normalizer = tokenizers.normalizers.Sequence(
        [
            tokenizers.normalizers.Prepend(B),
            tokenizers.normalizers.Replace(" ", B),
        ]
    )
    theirs.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.Replace(B, " "),
            tokenizers.decoders.ByteFallback(),
            tokenizers.decoders.Fuse(),
            tokenizers.decoders.Strip(" ", 1, 0),
        ]
    )
    split = ByteFallbackSplitter(MERGES, vocabulary)
    letters = random.Random(0)
    for _ in range(300):
        text = "".join(
            letters.choices("abc  \u00e9\u6211", k=letters.randint(0, 9))
        )
        assert split(text) == theirs.encode(text).tokens, repr(text)
        ids = letters.choices(range(1, len(vocabulary)), k=6)
        pieces = [theirs.id_to_token(i) for i in ids]
        expected = theirs.decode(ids, skip_special_tokens=False)
        assert ByteFallbackSplitter.join(pieces) == expected, pieces
