"""What tokenizers do between texts and ids, in TensorFlow's ops.

For SavedModels that take and give texts. The module that is saved must hold the
`resources` of each.

Shapes: `B` texts, `T` tokens, `G` n-grams, `S` source tokens, `L` ids.
"""

import base64

import numpy as np

from keras_selfattn.export.words_in_graph import (
    GraphWords,
    blanked,
    make_split,
    normalize,
    squeezed,
    table,
    without,
)
from keras_selfattn.preprocessing.sentencepiece_model import WORD_START
from keras_selfattn.preprocessing.vocabulary import is_special

_SPACES = (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680)
_SPACES += (*range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
_CONTROL = (*range(32), *range(0x7F, 0xA0))


def reader_of(part):
    """What reads the texts of one of a task's `text_parts`.

    Args:
        part: dict of "kind": "classify", "embed" or "write"; "tokenizer", and
            of the last "end_id" and "most_tokens".

    Returns:
        TextIds, SubwordIds or SourceIds.

    Raises:
        ValueError: the tokenizer has no counterpart in TensorFlow.
    """
    tokenizer = part["tokenizer"]
    if part["kind"] == "write":
        return SourceIds(tokenizer, part["end_id"], part["most_tokens"])
    return {"classify": TextIds, "embed": SubwordIds}[part["kind"]](tokenizer)


class TextIds:
    """A `TextTokenizer.batch` of texts, but for pairs.

    Args:
        tokenizer: TextTokenizer.

    Raises:
        ValueError: see `GraphWords`.
    """

    def __init__(self, tokenizer):
        self._words = GraphWords(tokenizer)
        self._tokenizer = tokenizer
        self._ids = table(
            {token: i for i, token in enumerate(tokenizer.vocabulary)},
            tokenizer.unknown_id,
        )
        self._stop_words = None
        if tokenizer.stop_words:
            self._stop_words = table(
                dict.fromkeys(sorted(tokenizer.stop_words), 1), 0
            )
        self.resources = [*self._words.resources, self._ids]
        if self._stop_words is not None:
            self.resources.append(self._stop_words)

    def __call__(self, texts):
        """String `(B,)` to "token_ids", and "ngram_ids" where there are."""
        import tensorflow as tf

        tokenizer = self._tokenizer
        clean = self._words.clean(texts)
        tokens = self._words.split(clean)
        if self._stop_words is not None:
            lower = tf.strings.lower(tokens.flat_values, encoding="utf-8")
            kept = self._stop_words.lookup(lower) == 0
            tokens = tf.ragged.boolean_mask(
                tokens, tokens.with_flat_values(kept)
            )
        tokens = self._cut(tokens)
        flat = self._ids.lookup(tokens.flat_values)
        # A text may spell the padding: that is no padding.
        flat = tf.where(flat == 0, np.int64(tokenizer.unknown_id), flat)
        ids = tokens.with_flat_values(tf.cast(flat, "int32"))
        found = {"token_ids": ids.to_tensor()}
        if tokenizer.ngrams is not None:
            found["ngram_ids"] = self._ngram_ids(clean, tokens)
        return found

    def _cut(self, tokens):
        import tensorflow as tf

        tokenizer = self._tokenizer
        lengths = tokens.row_lengths()
        none = tf.fill([tokens.nrows(), 1], tokenizer.unknown)
        none = tf.ragged.boolean_mask(none, lengths[:, None] == 0)
        tokens = tf.concat([tokens, none], axis=1)
        lengths = tokens.row_lengths()
        places = tf.ragged.range(lengths).flat_values
        rows = tokens.value_rowids()
        room, tail = tokenizer.room, 0
        if tokenizer.truncation == "ends":
            tail = room // 2
        fits = tf.gather(lengths, rows) <= room
        behind = places >= tf.gather(lengths, rows) - tail
        kept = fits | (places < room - tail) | behind
        tokens = tf.ragged.boolean_mask(tokens, tokens.with_flat_values(kept))
        marks = [
            mark if mark is None else tf.fill([tokens.nrows(), 1], mark)
            for mark in (tokenizer.start, tokenizer.end)
        ]
        parts = [marks[0], tokens, marks[1]]
        return tf.concat([part for part in parts if part is not None], axis=1)

    def _ngram_ids(self, clean, tokens):
        import tensorflow as tf

        ngrams = self._tokenizer.ngrams
        units = tokens
        if ngrams["unit"] == "characters":
            units = tf.strings.unicode_split(clean, "UTF-8")
            units = units[:, : 8 * self._tokenizer.max_tokens]
        joined = tf.concat(
            [
                tf.strings.ngrams(units, order, separator="\x1f")
                for order in ngrams["orders"]
            ],
            axis=1,
        )
        hashed = crc32(joined.flat_values) % ngrams["num_buckets"] + 1
        ids = joined.with_flat_values(tf.cast(hashed, "int32")).to_tensor()
        missing = tf.maximum(1 - tf.shape(ids)[1], 0)  # one column at least
        return tf.pad(ids, [[0, 0], [0, missing]])


class SubwordIds:
    """A `SubwordTokenizer.batch` of texts; a mark spelt out is a text.

    Args:
        tokenizer: SubwordTokenizer of BERT's pieces.

    Raises:
        ValueError: see `make_split`.
    """

    def __init__(self, tokenizer):
        self._split = make_split(tokenizer)
        self._tokenizer = tokenizer
        self._ids = table(
            {token: i for i, token in enumerate(tokenizer.vocabulary)},
            tokenizer.unknown_id,
        )
        self.resources = [*getattr(self._split, "resources", ()), self._ids]

    def __call__(self, texts):
        """String `(B,)` to "token_ids"."""
        import tensorflow as tf

        tokenizer = self._tokenizer
        tokens = self._split(texts)
        ids = tokens.with_flat_values(
            tf.cast(self._ids.lookup(tokens.flat_values), "int32")
        )
        before, after = (
            ids[:, :0]
            if mark is None
            else tf.fill([ids.nrows(), 1], tokenizer.vocabulary.index(mark))
            for mark in (tokenizer.start, tokenizer.end)
        )
        rows = tf.concat([before, ids[:, : tokenizer.room], after], axis=1)
        return {"token_ids": rows.to_tensor(tokenizer.padding_id)}


class SourceIds:
    """A translator's `source_ids` of texts, padded with 0.

    A text with more tokens is cut: only `translate` in Python cuts it into
    sentences.

    Args:
        tokenizer: SentencePieceTokenizer.
        end_id: int, id of the end.
        most_tokens: int, most ids of a text, the end included.

    Raises:
        ValueError: another tokenizer.
    """

    def __init__(self, tokenizer, end_id, most_tokens):
        import tensorflow as tf
        import tensorflow_text as tf_text

        config = tokenizer.get_config()
        if config.get("type") != "sentencepiece":
            raise ValueError(
                f"A SavedModel reads texts by SentencePiece; {tokenizer!r} has "
                "ids of its own: export without text, and send token ids."
            )
        self._pieces = tf_text.SentencepieceTokenizer(
            base64.b64decode(config["model"]), out_type=tf.int32
        )
        self._first = len(tokenizer.special_tokens)
        self._end_id, self._most = end_id, most_tokens
        self._read_as = None
        if tokenizer.replacements:
            pairs = dict(zip(*tokenizer.replacements, strict=True))
            self._read_as = table(pairs, "")
        self.resources = [self._pieces]
        if self._read_as is not None:
            self.resources.append(self._read_as)

    def __call__(self, texts):
        """String `(B,)` to int32 `(B, S)`, and bool `(B,)`: was it cut."""
        import tensorflow as tf

        codes = tf.strings.unicode_decode(
            normalize(texts, "NFKC"), "UTF-8", errors="replace"
        )
        codes = without(blanked(codes, _SPACES), _CONTROL)
        texts = squeezed(tf.strings.unicode_encode(codes, "UTF-8"))
        if self._read_as is not None:
            signs = tf.strings.unicode_split(texts, "UTF-8")
            other = self._read_as.lookup(signs.flat_values)
            kept = tf.strings.length(other) == 0
            signs = signs.with_flat_values(
                tf.where(kept, signs.flat_values, other)
            )
            texts = tf.strings.reduce_join(signs, axis=-1)
        ids = self._pieces.tokenize(texts) + self._first
        longer = ids.row_lengths() >= self._most
        end = tf.fill([ids.nrows(), 1], self._end_id)
        ids = tf.concat([ids[:, : self._most - 1], end], axis=1)
        return ids.to_tensor(), longer


class WrittenText:
    """`detokenize` of ids.

    Args:
        vocabulary: list of str.
    """

    def __init__(self, vocabulary):
        self._pieces = [
            "" if is_special(piece) else piece.replace(WORD_START, " ")
            for piece in vocabulary
        ]

    def __call__(self, ids):
        """int32 `(B, L)` to string `(B,)`; id 0 is a special one."""
        import tensorflow as tf

        pieces = tf.gather(tf.constant(self._pieces), ids)
        return squeezed(tf.strings.reduce_join(pieces, axis=-1))


def crc32(texts):
    """As `zlib.crc32` of each: string `(N,)` to int64 `(N,)`."""
    import tensorflow as tf

    steps = tf.constant([_crc_step(byte) for byte in range(256)], tf.int64)
    lengths = tf.strings.length(texts)
    longest = tf.reduce_max(tf.concat([lengths, [1]], axis=0))
    data = tf.io.decode_raw(texts, tf.uint8, fixed_length=longest)
    data = tf.cast(data, tf.int64)
    found = tf.fill(tf.shape(texts), np.int64(0xFFFFFFFF))

    def step(place, found):
        low = tf.bitwise.bitwise_and(found, 0xFF)
        low = tf.bitwise.bitwise_xor(low, data[:, place])
        more = tf.bitwise.bitwise_xor(
            tf.gather(steps, low), tf.bitwise.right_shift(found, 8)
        )
        return place + 1, tf.where(place < lengths, more, found)

    _, found = tf.while_loop(
        lambda place, _: place < longest, step, (tf.constant(0), found)
    )
    return tf.bitwise.bitwise_xor(found, np.int64(0xFFFFFFFF))


def _crc_step(byte):
    for _ in range(8):
        byte = (byte >> 1) ^ (0xEDB88320 if byte & 1 else 0)
    return byte
