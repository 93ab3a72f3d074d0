import json

import numpy as np
import pytest

from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from tests.transformers_models import MARKS, VOCABULARY

G = "\u0120"
BYTES = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", G, f"{G}a"]


def bert(**options):
    return SubwordTokenizer(VOCABULARY, **options)


def byte_pair(**options):
    marks = {
        "padding": "<pad>",
        "unknown": "<unk>",
        "start": "<s>",
        "end": "</s>",
        "mask": "<mask>",
    }
    split = {"kind": "byte_pair", "merges": [f"{G} a"]}
    return SubwordTokenizer(BYTES, split, **{**marks, **options})


def test_ids_stand_between_the_marks():
    tokenizer = bert()
    ids = tokenizer.encode("The [MASK] sat.")
    assert [
        VOCABULARY[i] for i in ids
    ] == "[CLS] the [MASK] sat . [SEP]".split()
    assert tokenizer.decode(ids) == "the [MASK] sat ."
    assert tokenizer.decode(tokenizer.encode("Caf\u00e9s")) == "cafes"
    assert tokenizer.encode("zzz")[1] == tokenizer.unknown_id


def test_a_mask_may_take_the_blank_before_it_along():
    taking, leaving = byte_pair(mask_takes_blank=True), byte_pair()
    assert taking.tokens("a <mask> a") == ["a", "<mask>", f"{G}a"]
    assert leaving.tokens("a <mask>") == ["a", G, "<mask>"]
    assert leaving.tokens("c") == ["<unk>"]
    assert byte_pair(unknown=None).tokens("cb") == ["b"]
    assert leaving.decode([0, 5, 8, 7, 4, 2, 1]) == "a a <mask>"


def test_a_long_text_is_cut_and_batches_are_padded():
    tokenizer = byte_pair(max_tokens=4)
    assert tokenizer.encode("a b a") == [0, 5, 7, 2]
    found = tokenizer.batch(["ab", "a"])["token_ids"]
    np.testing.assert_array_equal(found, [[0, 5, 6, 2], [0, 5, 2, 1]])
    assert tokenizer.batch(["a"], 6)["token_ids"].shape == (1, 6)
    assert tokenizer.batch([])["token_ids"].shape == (0, 1)
    assert byte_pair(start=None, end=None).encode("a") == [5]


def test_a_classifier_may_split_alike():
    tokenizer = TextTokenizer(
        VOCABULARY,
        "bert",
        {"form": None, "half_width": False},
        unknown="[UNK]",
        start="[CLS]",
        end="[SEP]",
    )
    for text in ("Uning Caf\u00e9s, the zz!", "\u732b sat\u2014on"):
        assert tokenizer.encode(text) == bert().encode(text)


def test_pieces_that_go_on_are_known():
    found = bert().continues()
    assert {VOCABULARY[i] for i in np.flatnonzero(found)} == {
        token for token in VOCABULARY if token.startswith("##")
    }
    found = byte_pair().continues()
    assert [BYTES[i] for i in np.flatnonzero(found)] == ["a", "b"]


def test_the_config_makes_it_anew():
    for tokenizer in (bert(max_tokens=9), byte_pair(mask_takes_blank=True)):
        config = json.loads(json.dumps(tokenizer.get_config()))
        again = SubwordTokenizer(**config)
        assert again.get_config() == tokenizer.get_config()
        assert again.encode("a <mask> [MASK]") == tokenizer.encode(
            "a <mask> [MASK]"
        )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"vocabulary": [*MARKS, "a", "a"]}, "holds .'a'. twice"),
        ({"mask": "<mask>"}, "mask='<mask>' must stand in the vocabulary of"),
        ({"padding": None}, "padding=None must stand"),
        ({"split": "words"}, "split='words' is unknown here"),
        ({"max_tokens": 2}, "max_tokens=2 leaves no room"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SubwordTokenizer(**{"vocabulary": VOCABULARY, **change})
    with pytest.raises(ValueError, match="received bytes"):
        bert().encode(b"a")


def test_a_long_text_becomes_several_rows():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
    tokenizer = SubwordTokenizer(words, max_tokens=4)
    assert tokenizer.encode_parts("a b b a a") == [
        [2, 5, 6, 3],
        [2, 6, 5, 3],
        [2, 5, 3],
    ]
    assert tokenizer.encode_parts("a") == [tokenizer.encode("a")]
    assert tokenizer.encode_parts("") == []
