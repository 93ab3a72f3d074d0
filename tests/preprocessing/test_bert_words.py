import random

import pytest

from keras_selfattn.preprocessing.bert_words import bert_words
from keras_selfattn.preprocessing.splitters import make_splitter
from tests.transformers_models import VOCABULARY


@pytest.mark.parametrize(
    "text, words",
    [
        ("", []),
        ("Isn't it  \tfine?\n", ["isn", "'", "t", "it", "fine", "?"]),
        ("Caf\u00e9 na\u00efve", ["cafe", "naive"]),
        ("\u6211\u7231NLP", ["\u6211", "\u7231", "nlp"]),
        ("a$b_c^d\u2014e\u20ac", "a $ b _ c ^ d \u2014 e\u20ac".split()),
        ("a\x00b\ufffdc\u200bd\xad", ["abcd"]),
        ("\u039f\u0394\u039f\u03a3", ["\u03bf\u03b4\u03bf\u03c3"]),
        ("\u3042\u3044", ["\u3042\u3044"]),
        ("x\u3000y\xa0z\u2028w", ["x", "y", "z", "w"]),
    ],
)
def test_words_are_those_of_bert(text, words):
    assert bert_words(text) == words


def test_options_keep_case_accents_and_ideographs_together():
    text = "\u00c9t\u00e9 \u6211\u7231"
    assert bert_words(text, lower=False) == [
        "\u00c9t\u00e9",
        "\u6211",
        "\u7231",
    ]
    assert (
        bert_words(text, lower=True, strip_accents=False)[0] == "\u00e9t\u00e9"
    )
    assert bert_words(text, lower=False, strip_accents=True)[0] == "Ete"
    assert bert_words(text, ideographs=False)[1] == "\u6211\u7231"


def test_is_a_splitter_and_a_wrong_option_shows():
    split = make_splitter("bert", pieces=VOCABULARY)
    found = split("Uning CAF\u00c9! zz")
    assert found == ["un", "##ing", "caf", "##e", "!", "[UNK]"]
    with pytest.raises(ValueError, match="does not take"):
        make_splitter("bert", pieces=VOCABULARY, uper=True)


@pytest.mark.proof
@pytest.mark.parametrize("lower", [True, False])
def test_equals_transformers_on_random_texts(lower, tmp_path):
    """Characters of Unicode 9, which its tables know, and all blocks."""
    transformers = pytest.importorskip("transformers")
    letters = sorted({c for c in map(chr, range(33, 127)) if c.isprintable()})
    vocabulary = [*VOCABULARY[:5], *letters, *(f"##{c}" for c in letters)]
    vocabulary = list(dict.fromkeys(vocabulary))
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
    theirs = transformers.BertTokenizer.from_pretrained(
        tmp_path, do_lower_case=lower
    )
    ours = make_splitter("bert", pieces=vocabulary, lower=lower)
    draw = random.Random(0)
    blocks = [(9, 127)] * 4 + [(0, 0x378), (0x4E00, 0x9FA5), (0x2000, 0x2065)]
    blocks += [(0x3040, 0x30FF), (0xFF01, 0xFF5E), (0x1F600, 0x1F640)]
    for _ in range(2000):
        text = "".join(
            chr(draw.randint(*draw.choice(blocks)))
            for _ in range(draw.randint(1, 20))
        )
        assert ours(text) == theirs.tokenize(text), repr(text)
