"""Texts to ids: cleaning, splitting, a vocabulary, and hashed n-grams.

One object, told by JSON-able values alone: a preset and an exported file carry
it, and a device rebuilds it. Needs numpy; jieba or SentencePiece only where the
splitter is theirs.

Shapes: `B` texts, `T` tokens, `G` n-grams.
"""

import zlib
from collections import Counter

import numpy as np

from keras_selfattn.preprocessing.splitters import make_splitter
from keras_selfattn.preprocessing.text_cleaning import (
    check_cleaning,
    clean_text,
)

PADDING = "<padding>"
UNKNOWN = "<unknown>"
PADDING_ID = 0
TRUNCATIONS = ("start", "ends")
_NGRAMS = {"orders": [2], "num_buckets": 2**16, "unit": "tokens"}


class TextTokenizer:
    """Text to token ids: 0 is padding, one id any token without an id.

    The steps, in order: `clean_text`, the splitter, stop words out, cut to
    `max_tokens`, `start` and `end` around it, ids. A text of which nothing is
    left is one unknown token.

    Two texts that belong together, a tuple of two strs, are one row with an
    `end` behind each; where they are too long, the longer one is cut first,
    at its end.

    With `ngrams` there is a second row of ids a text: its n-grams, hashed (CRC
    32) into `num_buckets` ids from 1 on, each as often as it stands there.

    Args:
        vocabulary: list of str, the token of each id; the first is padding.
        split: kind of splitter, or a dict of its "kind" and options; see
            `splitters.make_splitter`.
        cleaning: dict of options of `clean_text`, or None for its defaults.
        stop_words: tokens to leave out, in lower case.
        ngrams: None, or a dict of "orders" (ints), "num_buckets" and "unit"
            ("tokens", or "characters" of the clean text).
        max_tokens: int >= 1, tokens kept of a text.
        truncation: "start" keeps the first tokens of a longer text, "ends"
            its first and its last half.
        unknown: str, the token for what has no id.
        start, end: str or None, tokens put before and after every text.

    Raises:
        ValueError: where arguments do not fit together; says how.
        ImportError: the splitter needs a package that is not installed.

    Example:
    ```python
    tokenizer = TextTokenizer.build(texts, vocabulary_size=10000)
    tokenizer.tokens("It's fine.")  # ["it's", "fine", "."]
    inputs = tokenizer.batch(texts)  # {"token_ids": int32 (B, T)}
    ```
    """

    def __init__(
        self,
        vocabulary,
        split="words",
        cleaning=None,
        stop_words=(),
        ngrams=None,
        max_tokens=512,
        truncation="start",
        unknown=UNKNOWN,
        start=None,
        end=None,
    ):
        self.vocabulary = list(vocabulary)
        self._ids = {token: i for i, token in enumerate(self.vocabulary)}
        if len(self._ids) != len(self.vocabulary):
            twice = [t for t, n in Counter(self.vocabulary).items() if n > 1]
            raise ValueError(
                f"vocabulary holds {twice[:5]} twice; expected each token once."
            )
        for name, token in (("unknown", unknown), ("start", start)) + (
            ("end", end),
        ):
            if token is not None and self._ids.get(token, 0) == 0:
                raise ValueError(
                    f"{name}={token!r} must stand in the vocabulary, and not "
                    "first (the first token is padding)."
                )
        if truncation not in TRUNCATIONS:
            raise ValueError(
                f"truncation={truncation!r} is unknown; use one of "
                f"{TRUNCATIONS}."
            )
        room = max_tokens - (start is not None) - (end is not None)
        if room < 1:
            raise ValueError(
                f"max_tokens={max_tokens} leaves no room for a token of text."
            )
        self.split = dict(split if isinstance(split, dict) else {"kind": split})
        self.cleaning = check_cleaning(cleaning)
        self.stop_words = frozenset(stop_words)
        self.ngrams = None if ngrams is None else _check_ngrams(ngrams)
        self.max_tokens = max_tokens
        self.truncation = truncation
        self.unknown, self.start, self.end = unknown, start, end
        self.unknown_id = self._ids[unknown]
        self.mark_ids = [self._ids[mark] for mark in (start, end) if mark]
        self.room = room
        options = dict(self.split)
        if options["kind"] in ("wordpiece", "bert"):
            options.update(pieces=self.vocabulary, unknown=unknown)
        self._splitter = make_splitter(**options)

    @classmethod
    def build(
        cls, texts, vocabulary_size=20000, min_count=1, also=(), **options
    ):
        """A tokenizer whose vocabulary is the most frequent tokens of texts.

        Args:
            texts: iterable of str.
            vocabulary_size: int, number of ids of the texts' tokens, padding
                and unknown included; of equally frequent ones, the first in
                order.
            min_count: int, a rarer token gets no id.
            also: more tokens that get an id, after those of the texts: words
                that have a vector, for example. Not bound by the size.
            **options: arguments of the constructor.

        Raises:
            ValueError: no id is left for a token, or the texts have none.
        """
        if vocabulary_size < 3:
            raise ValueError(
                f"vocabulary_size={vocabulary_size} leaves no id for a word "
                "beside padding and unknown; expected 3 or more."
            )
        raw = cls([PADDING, UNKNOWN], **options)
        if raw.split["kind"] in ("wordpiece", "bert"):
            raise ValueError(
                "The pieces of WordPiece are learned: use "
                "wordpiece.train_wordpiece and give its result as vocabulary."
            )
        counts = Counter()
        for text in texts:
            counts.update(raw.split_text(text))
        known = [token for token in counts if counts[token] >= min_count]
        if not known:
            raise ValueError(
                f"The texts have no token that stands {min_count} times in "
                "them: give more or other texts."
            )
        ranked = sorted(known, key=lambda token: (-counts[token], token))
        tokens = dict.fromkeys(ranked[: vocabulary_size - 2])
        tokens.update(dict.fromkeys(also))
        for special in (PADDING, UNKNOWN):
            tokens.pop(special, None)
        return cls([PADDING, UNKNOWN, *tokens], **options)

    @property
    def vocabulary_size(self):
        """Number of ids, padding and unknown included."""
        return len(self.vocabulary)

    def split_text(self, text):
        """All tokens of a text, stop words left out, before it is cut.

        Of a pair those of both, with the mark `end` between them.
        """
        if isinstance(text, (tuple, list)):
            return self._split_pair(text)
        tokens = self._splitter(clean_text(text, **self.cleaning))
        if self.stop_words:
            tokens = [t for t in tokens if t.lower() not in self.stop_words]
        return tokens

    def _split_pair(self, texts):
        if len(texts) != 2 or self.end is None:
            raise ValueError(
                f"Received {len(texts)} texts as one, by a tokenizer with end="
                f"{self.end!r}; expected a pair of strs, and a tokenizer with "
                "a token `end` to stand between them (--init gives one)."
            )
        first, second = map(self.split_text, texts)
        return [*first, self.end, *second]

    def _cut_pair(self, tokens):
        place = tokens.index(self.end)
        first, second = tokens[:place], tokens[place + 1 :]
        room = max(self.room - 1, 0)
        kept = max(room - len(second), room - room // 2)
        first = first[: min(kept, len(first))]
        return [*first, self.end, *second[: room - len(first)]]

    def cut(self, tokens):
        """The tokens that are kept, with `start` and `end` around them."""
        if len(tokens) > self.room:
            if self.end is not None and self.end in tokens:
                tokens = self._cut_pair(tokens)
            elif self.truncation == "start":
                tokens = tokens[: self.room]
            else:
                tail = self.room // 2
                tokens = tokens[: self.room - tail] + tokens[-tail:][:tail]
        before = [] if self.start is None else [self.start]
        after = [] if self.end is None else [self.end]
        return [*before, *tokens, *after]

    def tokens(self, text):
        """The tokens of a text as they get their ids; one at least."""
        return self.cut(self.split_text(text) or [self.unknown])

    def encode(self, text):
        """Ids of a text's tokens."""
        return self.ids(self.tokens(text))

    def ids(self, tokens):
        """Ids of tokens; those without one have that of `unknown`."""
        get, unknown = self._ids.get, self.unknown_id
        # A text may spell the padding: that is no padding.
        return [get(token, unknown) or unknown for token in tokens]

    def features(self, text):
        """All ids of one text: int32 arrays without batch axis.

        Returns:
            dict of "token_ids" `(T,)` and, with `ngrams`, "ngram_ids" `(G,)`;
            `T` and `G` are 1 or more (an n-gram id 0 is padding).
        """
        return self.features_of(self.split_text(text), text)

    def features_of(self, tokens, text):
        """`features(text)`, its tokens (`split_text(text)`) known."""
        tokens = self.cut(tokens or [self.unknown])
        found = {"token_ids": np.asarray(self.ids(tokens), "int32")}
        if self.ngrams is not None:
            if self.ngrams["unit"] == "characters":
                if not isinstance(text, str):
                    text = " ".join(text)
                units = clean_text(text, **self.cleaning)
                units = list(units[: 8 * self.max_tokens])
            else:
                units = tokens
            ids = hash_ngrams(
                units, self.ngrams["orders"], self.ngrams["num_buckets"]
            )
            found["ngram_ids"] = np.asarray(ids or [PADDING_ID], "int32")
        return found

    def batch(self, texts, length=None):
        """Ids of texts, padded to the longest, or to `length` tokens.

        Returns:
            dict of "token_ids", int32 `(B, T)`, and, with `ngrams`,
            "ngram_ids", int32 `(B, G)`; 0 is padding.
        """
        rows = [self.features(text) for text in texts]
        if length is not None:
            rows = [
                {**row, "token_ids": row["token_ids"][:length]} for row in rows
            ]
        return pad_features(
            rows, {} if length is None else {"token_ids": length}
        )

    def get_config(self):
        """JSON-able dict of the constructor's arguments."""
        return {
            "vocabulary": self.vocabulary,
            "split": self.split,
            "cleaning": self.cleaning,
            "stop_words": sorted(self.stop_words),
            "ngrams": self.ngrams,
            "max_tokens": self.max_tokens,
            "truncation": self.truncation,
            "unknown": self.unknown,
            "start": self.start,
            "end": self.end,
        }


def hash_ngrams(units, orders, num_buckets):
    """Ids from 1 to `num_buckets` of the n-grams of units.

    Args:
        units: list of str.
        orders: ints, how many units an n-gram has.
        num_buckets: int.

    Returns:
        list of int, by order, then by place.
    """
    return [
        1 + zlib.crc32("\x1f".join(units[i : i + order]).encode()) % num_buckets
        for order in orders
        for i in range(len(units) - order + 1)
    ]


def pad_features(rows, lengths=None):
    """Rows of ids as arrays, padded with 0 at the end.

    Args:
        rows: list of dicts of int32 arrays; see `TextTokenizer.features`.
        lengths: dict of name to length; default: the longest row's.

    Returns:
        dict of int32 arrays `(B, length)`.
    """
    arrays = {}
    for name in rows[0] if rows else ("token_ids",):
        longest = max((len(row[name]) for row in rows), default=1)
        length = (lengths or {}).get(name, longest)
        array = np.full((len(rows), length), PADDING_ID, "int32")
        for values, row in zip(array, rows, strict=True):
            values[: len(row[name])] = row[name]
        arrays[name] = array
    return arrays


def load_stop_words(language):
    """The stop words of a language, by the package `stopwordsiso`.

    Args:
        language: ISO 639-1 code ("en", "zh").

    Returns:
        sorted list of str, lower case.
    """
    try:
        import stopwordsiso
    except ImportError as error:
        raise ImportError(
            "Lists of stop words come from the package stopwordsiso: "
            "pip install 'keras-selfattn[text]' or give your own list."
        ) from error
    if not stopwordsiso.has_lang(language):
        raise ValueError(
            f"stopwordsiso has no list for {language!r}; it has "
            f"{', '.join(sorted(stopwordsiso.langs()))}."
        )
    return sorted({word.lower() for word in stopwordsiso.stopwords(language)})


def _check_ngrams(ngrams):
    if unknown := sorted(set(ngrams) - set(_NGRAMS)):
        raise ValueError(
            f"ngrams has unknown entries {unknown}; known: {sorted(_NGRAMS)}."
        )
    found = {**_NGRAMS, **ngrams}
    found["orders"] = [int(order) for order in found["orders"]]
    if not found["orders"] or min(found["orders"]) < 1:
        raise ValueError(f"ngrams: orders={found['orders']}; expected >= 1.")
    if found["num_buckets"] < 1:
        raise ValueError(
            f"ngrams: num_buckets={found['num_buckets']}; expected >= 1."
        )
    if found["unit"] not in ("tokens", "characters"):
        raise ValueError(
            f"ngrams: unit={found['unit']!r}; use 'tokens' or 'characters'."
        )
    return found
