"""Ways to split a text into tokens: words, characters, jieba, pieces.

A splitter is a function from a clean text to a list of str. Each is named by
JSON-able values alone, so that what trained can be rebuilt on a device.
"""

import base64
import re

from keras_selfattn.preprocessing.bert_words import bert_words
from keras_selfattn.preprocessing.byte_fallback import ByteFallbackSplitter
from keras_selfattn.preprocessing.byte_pair import BytePairSplitter
from keras_selfattn.preprocessing.unigram import UnigramSplitter, is_supported

CONTINUED = "##"  # WordPiece's mark of a piece that goes on

# Ideographs, kana, hangul: what is written without blanks between words.
_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_IDEOGRAPH += "\uac00-\ud7af\U00020000-\U0003ffff"
_WORD = re.compile(r"\w+(?:'\w+)*|[.,!?]")
# As the words of GloVe are written: "do n't", "it 's".
_WORD_OR_CLITIC = re.compile(
    r"\w+(?=n't\b)|n't\b|'(?:s|re|ve|ll|d|m)\b|\w+(?:-\w+)*|[^\w\s]"
)
_WORD_OR_SIGN = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
_CHARACTER = re.compile(rf"[{_IDEOGRAPH}]|(?:(?![{_IDEOGRAPH}])\w)+|[^\w\s]")
_LONGEST_WORD = 100  # characters; a longer "word" is no word: one unknown

KINDS = (
    "words",
    "blanks",
    "characters",
    "jieba",
    "wordpiece",
    "bert",
    "byte_pair",
    "byte_fallback",
    "sentencepiece",
)


def split_words(text):
    """Lower-case words of a text; `. , ! ?` count as words, too.

    Example:
    ```python
    split_words("It's fine, isn't it?")
    # ["it's", "fine", ",", "isn't", "it", "?"]
    ```
    """
    return _WORD.findall(text.lower().replace("\u2019", "'"))


def make_splitter(kind, **options):
    """The function that splits as `kind` says.

    Args:
        kind: one of KINDS.
            "words": runs of letters and digits, `it's` as one; of signs only
            `. , ! ?`, or all with `signs=True`; with `clitics=True` all, and
            `don't` as `do n't`, as the words of GloVe are written. Lower case.
            "blanks": what blanks part, for text that is tokenised already.
            "characters": one token an ideograph, a run of other letters and
            digits, or a sign.
            "jieba": Chinese words, by the package `jieba`.
            "wordpiece": pieces of words, the longest first that stand in
            `pieces`, inner ones marked `##`.
            "sentencepiece": pieces of a model, `model` in base64; one that
            is no plain unigram model needs the package `sentencepiece`.
            "bert": the same pieces of the words that BERT makes, of the text
            as it came; `lower`, `strip_accents`, `ideographs`: see
            `bert_words`.
            "byte_pair": GPT-2's pieces of bytes, by `merges`, of the text as
            it came; see `BytePairSplitter`.
            "byte_fallback": Llama's pieces of characters, by `merges`, and
            bytes for those not in `pieces`; see `ByteFallbackSplitter`.
        **options: as above.

    Returns:
        function of str to list of str.

    Raises:
        ValueError: an unknown kind or option.
        ImportError: the package is not installed, says how to mend it.
    """
    makers = {
        "words": _words,
        "blanks": lambda: str.split,
        "characters": lambda: _CHARACTER.findall,
        "jieba": _jieba,
        "wordpiece": _wordpiece,
        "bert": _bert,
        "byte_pair": BytePairSplitter,
        "byte_fallback": ByteFallbackSplitter,
        "sentencepiece": _sentencepiece,
    }
    if kind not in makers:
        raise ValueError(f"split={kind!r} is unknown; use one of {KINDS}.")
    try:
        return makers[kind](**options)
    except TypeError as error:
        raise ValueError(
            f"split {kind!r} does not take {sorted(options)}: {error}."
        ) from None


def _words(signs=False, clitics=False):
    if not signs and not clitics:
        return split_words
    pattern = _WORD_OR_CLITIC if clitics else _WORD_OR_SIGN
    return lambda text: pattern.findall(text.lower().replace("\u2019", "'"))


def _jieba():
    try:
        import jieba
    except ImportError as error:
        raise ImportError(
            "This tokenizer splits Chinese with jieba, which is not "
            "installed: pip install 'keras-selfattn[text]'"
        ) from error
    jieba.setLogLevel("ERROR")
    return lambda text: [word for word in jieba.cut(text) if word.strip()]


def _wordpiece(pieces, unknown="<unknown>"):
    pieces_of = _longest_pieces(pieces, unknown)
    return lambda text: [
        piece for word in _CHARACTER.findall(text) for piece in pieces_of(word)
    ]


def _bert(pieces, unknown="[UNK]", **options):
    pieces_of = _longest_pieces(pieces, unknown)
    bert_words("", **options)  # so that a wrong option shows at once
    return lambda text: [
        piece
        for word in bert_words(text, **options)
        for piece in pieces_of(word)
    ]


def _longest_pieces(pieces, unknown):
    pieces = frozenset(pieces)

    def pieces_of(word):
        if len(word) > _LONGEST_WORD:
            return [unknown]
        found, start = [], 0
        while start < len(word):
            mark = CONTINUED if start else ""
            for stop in range(len(word), start, -1):
                if mark + word[start:stop] in pieces:
                    break
            else:
                return [unknown]
            found.append(mark + word[start:stop])
            start = stop
        return found

    return pieces_of


def _sentencepiece(model):
    model = base64.b64decode(model)
    if is_supported(model):
        return UnigramSplitter(model)
    try:
        import sentencepiece
    except ImportError as error:
        raise ImportError(
            "This tokenizer needs the package sentencepiece: "
            "pip install sentencepiece"
        ) from error
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return lambda text: processor.encode(text, out_type=str)
