"""Words in TensorFlow's graph are those of Python, on texts made to differ."""

import random

import keras
import pytest

from keras_selfattn.preprocessing.text_cleaning import clean_text, strip_html
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer

pytest.importorskip("tensorflow_text", reason="its operators read texts")
pytestmark = pytest.mark.backend

PARTS = """n't 's 're - don can the ß ’ x 1 _ ! ? . , $ ` ^ A B A. Σ İ 中 あ 한
हि Ａ ﬁ ① 😀 𠀀 é""".split()
PARTS += ["\u0301", "\xa0", " ", " ", " ", "\t", "\x07", "\u200b", "\x85"]
PARTS += ["\u2028", "\xad", "\ufeff", "\u3000", "\ufffd"]
PIECES = ["[PAD]", "[UNK]", "the", "##s", "##x", "a", "##b", "中", "can"]
SPLITS = {
    "words": {"split": "words"},
    "signs": {"split": {"kind": "words", "signs": True}},
    "clitics": {"split": {"kind": "words", "signs": True, "clitics": True}},
    "blanks": {"split": "blanks"},
    "characters": {"split": "characters", "cleaning": {"lower": True}},
    "wordpiece": {"split": "wordpiece"},
    "bert": {"split": "bert", "cleaning": {"form": None}},
    "cased bert": {"split": {"kind": "bert", "lower": False}},
    "form": {"split": "blanks", "cleaning": {"form": "NFC"}},
    "as it is": {
        "split": "blanks",
        "cleaning": {"form": None, "half_width": False},
    },
}


@pytest.fixture(autouse=True)
def on_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("this is TensorFlow's graph, whatever trained the model")


def odd_texts(count):
    draw = random.Random(1)
    return ["", "a" * 120, "can'tn'tx don'ten't", *(
        "".join(draw.choices(PARTS, k=draw.randint(0, 30)))
        for _ in range(count)
    )]  # fmt: skip


@pytest.mark.parametrize("name", SPLITS)
def test_tokens_are_those_of_python(name):
    import tensorflow as tf

    from keras_selfattn.export.words_in_graph import GraphWords

    tokenizer = TextTokenizer(PIECES, unknown="[UNK]", **SPLITS[name])
    words = GraphWords(tokenizer)
    texts = odd_texts(300)
    clean = words.clean(tf.constant(texts))
    expected = [clean_text(text, **tokenizer.cleaning) for text in texts]
    assert [text.decode() for text in clean.numpy()] == expected
    found = words.split(clean).to_list()
    for text, tokens in zip(texts, found, strict=True):
        wanted = tokenizer.split_text(text)
        assert [token.decode() for token in tokens] == wanted, repr(text)


def test_usual_html_goes_as_in_python():
    import tensorflow as tf

    from keras_selfattn.export.words_in_graph import GraphWords

    texts = [
        "I <3 it!<br />5 &lt; 6, <b>real</b>ly",
        "<p class='x'>one</p><p>two&nbsp;three</p> &amp;amp; &#39;q&#x27;",
        "caf&eacute; &hellip;",
        "a < b > c <url> <!-- gone --> kept <script>var x = 1;</script>end",
        "no mark-up & nothing; &unknown; R&D",
    ]
    tokenizer = TextTokenizer(PIECES, unknown="[UNK]", cleaning={"html": True})
    found = GraphWords(tokenizer).clean(tf.constant(texts))
    wanted = [clean_text(strip_html(text)) for text in texts]
    assert [text.decode() for text in found.numpy()] == wanted


def test_what_has_no_operator_is_refused():
    pytest.importorskip("jieba", reason="this tokenizer splits with it")
    from keras_selfattn.export.words_in_graph import GraphWords

    tokenizer = TextTokenizer(PIECES, "jieba", unknown="[UNK]")
    with pytest.raises(ValueError, match="words of jieba.*without text"):
        GraphWords(tokenizer)
