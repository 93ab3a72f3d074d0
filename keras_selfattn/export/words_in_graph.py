"""What `preprocessing.splitters` and `text_cleaning` do, in TensorFlow's ops.

For SavedModels that take texts. Tokens are those of the Python code, which the
export holds these functions against; only HTML is read by patterns here.

Ragged tensors: `texts` string `(B,)`, `tokens` string `(B, (T))`, `codes` int32
`(B, (C))`, the code points of texts.
"""

import base64
import html

# Marks that a clean text cannot hold: control characters.
_BEGIN, _END = "\x05", "\x06"
_NOT, _NOT_END = "\x01", "\x02"
_CLITIC, _CLITIC_END = "\x03", "\x04"
_MARKS = f"{_NOT}-{_END}"

# RE2 knows Python's `\w` by its categories only.
_W = r"[\p{L}\p{N}_]"
_SIGN = rf"[^\p{{L}}\p{{N}}_\s{_MARKS}]"
_IDEOGRAPH = (
    r"\x{3040}-\x{30ff}\x{3400}-\x{4dbf}\x{4e00}-\x{9fff}\x{f900}-\x{faff}"
    r"\x{ac00}-\x{d7af}\x{20000}-\x{3ffff}"
)
_BERT_IDEOGRAPH = (
    r"\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2b73f}"
    r"\x{2b740}-\x{2b81f}\x{2b920}-\x{2ceaf}\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}"
)
_BERT_BLANK = r"\t\n\r\p{Zs}\x{2028}\x{2029}"
_BERT_SIGN = r"!-/:-@\[-`{-~\p{P}"
_BLANK_CODES = (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029)
_BLANK_CODES += (0x202F, 0x205F, 0x3000)
# What `text_cleaning` calls invisible, and what parts as a blank does.
_INVISIBLE_CODES = (0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010))
_INVISIBLE_CODES += (*range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
_INVISIBLE_CODES += tuple(range(0xFFF9, 0xFFFC))
_CONTROL_CODES = (*range(0x20), *range(0x7F, 0xA0), *range(0xFDD0, 0xFDF0))
_CONTROL_CODES += (0xFFFE, 0xFFFF)
_LONGEST_WORD = 100
UNSUPPORTED = {
    "jieba": "words of jieba",
    "byte_pair": "GPT-2's pieces of bytes",
    "byte_fallback": "pieces with bytes to fall back on",
}


class GraphWords:
    """Cleans and splits texts as one `TextTokenizer` does.

    Args:
        tokenizer: TextTokenizer.

    Attributes:
        resources: list of what the module that is saved must hold.

    Raises:
        ValueError: a splitter that has no counterpart in TensorFlow.
    """

    def __init__(self, tokenizer):
        self.split = make_split(tokenizer)
        self._cleaning = tokenizer.cleaning
        self._entities = entity_table() if self._cleaning["html"] else None
        self.resources = [*getattr(self.split, "resources", ())]
        if self._entities is not None:
            self.resources.append(self._entities)

    def clean(self, texts):
        """As `clean_text`: string `(B,)` to string `(B,)`."""
        import tensorflow as tf

        options = self._cleaning
        if options["html"]:
            texts = strip_tags(texts)
            texts = _resolve(texts, self._entities)
        if options["form"] is not None:
            texts = normalize(texts, options["form"])
        codes = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        if options["half_width"]:
            flat = codes.flat_values
            wide = (flat >= 0xFF01) & (flat < 0xFF5F)
            flat = tf.where(wide, flat - 0xFEE0, flat)
            codes = codes.with_flat_values(flat)
        codes = blanked(codes, (*_CONTROL_CODES, *_BLANK_CODES))
        codes = without(codes, _INVISIBLE_CODES)
        texts = tf.strings.unicode_encode(codes, "UTF-8")
        if options["lower"]:
            texts = tf.strings.lower(texts, encoding="utf-8")
        return squeezed(texts)


def make_split(tokenizer):
    """What parts texts as a tokenizer does: string `(B,)` to `(B, (T))`.

    Args:
        tokenizer: TextTokenizer or SubwordTokenizer.

    Raises:
        ValueError: a splitter that has no counterpart in TensorFlow.
    """
    kind = tokenizer.split["kind"]
    if kind in UNSUPPORTED:
        raise ValueError(
            f"This tokenizer splits by {UNSUPPORTED[kind]}, for which "
            "TensorFlow has no operator: export without text, and send token "
            "ids."
        )
    options = {k: v for k, v in tokenizer.split.items() if k != "kind"}
    if kind in ("wordpiece", "bert"):
        options.update(pieces=tokenizer.vocabulary, unknown=tokenizer.unknown)
    makers = {
        "words": _words,
        "blanks": lambda: lambda texts: _without_empty(_parts(texts, " ")),
        "characters": lambda: _characters,
        "wordpiece": _Wordpiece,
        "bert": _Bert,
        "sentencepiece": _Sentencepiece,
    }
    return makers[kind](**options)


def normalize(texts, form):
    """Unicode's normal form of texts."""
    import tensorflow_text as tf_text

    return tf_text.normalize_utf8(texts, form)


def blanked(codes, these):
    """Code points, blanks in the place of some of them."""
    import tensorflow as tf

    flat = codes.flat_values
    chosen = tf.reduce_any(flat[:, None] == tf.constant(these), axis=1)
    return codes.with_flat_values(tf.where(chosen, 0x20, flat))


def without(codes, these):
    """Code points without some of them."""
    import tensorflow as tf

    flat = codes.flat_values
    chosen = tf.reduce_any(flat[:, None] == tf.constant(these), axis=1)
    return tf.ragged.boolean_mask(codes, codes.with_flat_values(~chosen))


def squeezed(texts):
    """Texts with single blanks, none at the ends."""
    import tensorflow as tf

    return tf.strings.strip(tf.strings.regex_replace(texts, " +", " "))


def find_all(texts, pattern):
    """Tokens `(B, (T))`: what RE2's pattern finds, left to right."""
    import tensorflow as tf

    found = tf.strings.regex_replace(
        texts, f"({pattern})", rf"{_BEGIN}\1{_END}"
    )
    # What stands between two of them goes.
    found = tf.strings.regex_replace(
        found, f"(^|{_END})[^{_BEGIN}{_END}]*({_BEGIN}|$)", _END
    )
    return _without_empty(_parts(found, _END))


def strip_tags(texts):
    """As `strip_html`, by patterns; entities stay."""
    import tensorflow as tf

    from keras_selfattn.preprocessing import text_cleaning as names

    inline = "|".join(sorted(names._INLINE, key=len, reverse=True))
    other = "|".join(sorted(names._TAGS - names._INLINE, key=len, reverse=True))
    for pattern, put in (
        (r"(?s)<!--.*?-->", ""),
        (r"(?is)<(script|style)\b[^<>]*>.*?</(script|style)\s*>", " "),
        (rf"(?i)</?({inline})(\s[^<>]*)?/?>", ""),
        (rf"(?i)</?({other})(\s[^<>]*)?/?>", " "),
    ):
        texts = tf.strings.regex_replace(texts, pattern, put)
    return texts


def entity_table():
    """A table of HTML's entities with a semicolon, numbers up to 0x2FFF."""
    names = {f"&{name}": text for name, text in html.entities.html5.items()}
    for code in range(0x20, 0x3000):
        for name in (f"&#{code};", f"&#x{code:x};", f"&#x{code:X};"):
            names[name] = html.unescape(name)
    return table({k: v for k, v in names.items() if k.endswith(";")}, "")


def _resolve(texts, entities):
    import tensorflow as tf

    marked = tf.strings.regex_replace(
        texts, r"(&#?[0-9A-Za-z]+;)", rf"{_END}\1{_END}"
    )
    parts = _parts(marked, _END)
    flat = parts.flat_values
    found = entities.lookup(flat)
    flat = tf.where(tf.strings.length(found) > 0, found, flat)
    return tf.strings.reduce_join(parts.with_flat_values(flat), axis=-1)


def _words(signs=False, clitics=False):
    def split(texts):
        import tensorflow as tf

        texts = tf.strings.lower(texts, encoding="utf-8")
        texts = tf.strings.regex_replace(texts, "\u2019", "'")
        if clitics:
            return _clitics(texts)
        sign = _SIGN if signs else "[.,!?]"
        return find_all(texts, rf"{_W}+(?:'{_W}+)*|{sign}")

    return split


def _clitics(texts):
    """Words and clitics; see `splitters`.

    RE2 looks neither ahead nor for Unicode's word ends, so that marks stand
    where Python would look.
    """
    import tensorflow as tf

    for before, after, pattern in (
        (_NOT, _NOT_END, "n't"),
        (_CLITIC, _CLITIC_END, "'(?:s|re|ve|ll|d|m)"),
    ):
        texts = tf.strings.regex_replace(
            texts, f"({pattern})", rf"{before}\1{after}"
        )
        # No word ends there: the marks go again. Twice, because what follows
        # may be one of them, which the first time is only looked at.
        for _ in range(2):
            texts = tf.strings.regex_replace(
                texts,
                rf"{before}({pattern}){after}([{_MARKS}]*{_W})",
                r"\1\2",
            )
    # A mark may stand inside of what another rule reads.
    word = rf"{_W}(?:[{_MARKS}]*{_W})*"
    tokens = find_all(
        texts,
        rf"{_W}+{_NOT}|{_NOT}?n't{_NOT_END}"
        rf"|{_CLITIC}'(?:s|re|ve|ll|d|m){_CLITIC_END}"
        rf"|{word}(?:[{_MARKS}]*-[{_MARKS}]*{word})*|{_SIGN}",
    )
    flat = tf.strings.regex_replace(tokens.flat_values, f"[{_MARKS}]", "")
    return _without_empty(tokens.with_flat_values(flat))


def _characters(texts):
    import tensorflow as tf

    texts = tf.strings.regex_replace(texts, f"([{_IDEOGRAPH}])", r" \1 ")
    return find_all(texts, rf"[{_IDEOGRAPH}]|{_W}+|{_SIGN}")


class _Pieces:
    """Longest pieces of words; see `splitters`."""

    def __init__(self, pieces, unknown):
        import tensorflow as tf
        import tensorflow_text as tf_text

        self._unknown = unknown
        table_of_pieces = table({p: i for i, p in enumerate(pieces)}, -1)
        self._pieces = tf_text.WordpieceTokenizer(
            table_of_pieces,
            suffix_indicator="##",
            max_bytes_per_word=8 * _LONGEST_WORD,
            token_out_type=tf.string,
            unknown_token=unknown,
        )
        self.resources = [table_of_pieces, self._pieces]

    def of(self, words):
        import tensorflow as tf

        flat = words.flat_values
        long = tf.strings.length(flat, "UTF8_CHAR") > _LONGEST_WORD
        flat = tf.where(long, self._unknown, flat)
        return self._pieces.tokenize(words.with_flat_values(flat)).merge_dims(
            -2, -1
        )


class _Wordpiece(_Pieces):
    def __init__(self, pieces, unknown="<unknown>"):
        super().__init__(pieces, unknown)

    def __call__(self, texts):
        return self.of(_characters(texts))


class _Bert(_Pieces):
    def __init__(
        self,
        pieces,
        unknown="[UNK]",
        lower=True,
        strip_accents=None,
        ideographs=True,
    ):
        super().__init__(pieces, unknown)
        self._lower, self._ideographs = lower, ideographs
        self._accents = lower if strip_accents is None else strip_accents

    def __call__(self, texts):
        import tensorflow as tf

        replace = tf.strings.regex_replace
        texts = replace(texts, f"[{_BERT_BLANK}]", " ")
        texts = replace(texts, r"[\p{Cc}\p{Cf}\p{Co}\x{fffd}]", "")
        if self._ideographs:
            texts = replace(texts, f"([{_BERT_IDEOGRAPH}])", r" \1 ")
        if self._accents:
            texts = replace(normalize(texts, "NFD"), r"\p{Mn}", "")
        if self._lower:
            # Letter by letter: a sigma at a word's end is as any other.
            texts = replace(texts, "\u03a3", "\u03c3")
            texts = tf.strings.lower(texts, encoding="utf-8")
        return self.of(find_all(texts, rf"[^\s{_BERT_SIGN}]+|[{_BERT_SIGN}]"))


class _Sentencepiece:
    def __init__(self, model):
        import tensorflow as tf
        import tensorflow_text as tf_text

        self._pieces = tf_text.SentencepieceTokenizer(
            base64.b64decode(model), out_type=tf.string
        )
        self.resources = [self._pieces]

    def __call__(self, texts):
        return self._pieces.tokenize(texts)


def table(values, default):
    """A static table of str to str or int."""
    import tensorflow as tf

    value_type = tf.string if isinstance(default, str) else tf.int64
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            list(values), list(values.values()), tf.string, value_type
        ),
        default,
    )


def _parts(texts, mark):
    import tensorflow as tf

    return tf.strings.split(texts, mark)


def _without_empty(tokens):
    import tensorflow as tf

    kept = tokens.with_flat_values(tf.strings.length(tokens.flat_values) > 0)
    return tf.ragged.boolean_mask(tokens, kept)
