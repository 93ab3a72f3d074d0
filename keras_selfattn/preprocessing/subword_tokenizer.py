"""Texts to the ids of a pre-trained model's pieces, and back.

For models whose vocabulary came with them: BERT's WordPiece, the byte pairs of
GPT-2 and RoBERTa, Moonshine's pairs with bytes to fall back on. One object,
told by JSON-able values alone. Numpy only.

Shapes: `B` texts, `T` tokens, `V` vocabulary.
"""

import re
from collections import Counter

import numpy as np

from keras_selfattn.preprocessing.byte_fallback import ByteFallbackSplitter
from keras_selfattn.preprocessing.byte_pair import BytePairSplitter
from keras_selfattn.preprocessing.sentencepiece_model import WORD_START
from keras_selfattn.preprocessing.splitters import CONTINUED, make_splitter

KINDS = ("bert", "byte_pair", "byte_fallback")
MARKS = ("padding", "unknown", "start", "end", "mask")


class SubwordTokenizer:
    """Text to ids of pieces, between a `start` and an `end` mark.

    A mark that is spelt out in a text (`the [MASK] sat`) is that mark. Unlike
    in TextTokenizer, the id of padding is whatever the model was trained with.

    Args:
        vocabulary: list of str, the token of each id.
        split: kind of splitter, "bert", "byte_pair" or "byte_fallback", or a
            dict of its "kind" and options; see `splitters.make_splitter`.
        padding: str, the token that fills a batch.
        unknown: str, the token for what has no id; None: it is left out.
        start, end: str, the tokens before and after every text, or None.
        mask: str, the token that stands for a hidden one, or None.
        max_tokens: int, tokens kept of a text, marks included.
        mask_takes_blank: bool, the mask takes blanks before it along, as
            RoBERTa's does, whose words begin with their blank.

    Raises:
        ValueError: where arguments do not fit together; says how.

    Example:
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "sat"]
        >>> SubwordTokenizer(words).encode("[MASK] sat")
        [2, 4, 5, 3]
    """

    def __init__(
        self,
        vocabulary,
        split="bert",
        padding="[PAD]",
        unknown="[UNK]",
        start="[CLS]",
        end="[SEP]",
        mask="[MASK]",
        max_tokens=512,
        mask_takes_blank=False,
    ):
        self.vocabulary = list(vocabulary)
        self._ids = {token: i for i, token in enumerate(self.vocabulary)}
        if len(self._ids) != len(self.vocabulary):
            twice = [t for t, n in Counter(self.vocabulary).items() if n > 1]
            raise ValueError(
                f"vocabulary holds {twice[:5]} twice; expected each token once."
            )
        self.split = dict(split if isinstance(split, dict) else {"kind": split})
        if self.split.get("kind") not in KINDS:
            raise ValueError(
                f"split={self.split.get('kind')!r} is unknown here; use one of "
                f"{KINDS}."
            )
        self.padding, self.unknown, self.mask = padding, unknown, mask
        self.start, self.end = start, end
        for name in MARKS:
            token = getattr(self, name)
            if (
                token is None
                and name == "padding"
                or (token is not None and token not in self._ids)
            ):
                raise ValueError(
                    f"{name}={token!r} must stand in the vocabulary of "
                    f"{len(self.vocabulary)} tokens."
                )
        if max_tokens < 3:
            raise ValueError(
                f"max_tokens={max_tokens} leaves no room for a token of text."
            )
        self.max_tokens = max_tokens
        self.mask_takes_blank = mask_takes_blank
        self.padding_id = self._ids[padding]
        self.unknown_id = self._ids.get(unknown)
        self.mask_id = self._ids.get(mask)
        marks = {getattr(self, name) for name in MARKS} - {None}
        self.special_ids = sorted(self._ids[mark] for mark in marks)
        options = dict(self.split)
        if options["kind"] == "bert":
            options.update(pieces=self.vocabulary, unknown=unknown)
        elif options["kind"] == "byte_fallback":
            options["pieces"] = self.vocabulary
        self._splitter = make_splitter(**options)
        longest_first = sorted(marks, key=len, reverse=True)
        self._marks = re.compile(
            "(" + "|".join(map(re.escape, longest_first)) + ")"
        )

    @property
    def vocabulary_size(self):
        """Number of ids, marks included."""
        return len(self.vocabulary)

    @property
    def room(self):
        """Tokens of a text that are kept between its marks."""
        return self.max_tokens - len(self._marked([]))

    def tokens(self, text):
        """All pieces of a text, without `start` and `end`, before it is cut."""
        if not isinstance(text, str):
            raise ValueError(
                f"a text is a str; received {type(text).__name__}."
            )
        parts = self._marks.split(text)
        found = []
        for i, part in enumerate(parts):
            if i % 2:
                found.append(part)
                continue
            if self.mask_takes_blank and parts[i + 1 : i + 2] == [self.mask]:
                part = part.rstrip()
            found += self._splitter(part)
        if self.unknown is None:
            return [token for token in found if token in self._ids]
        return [
            token if token in self._ids else self.unknown for token in found
        ]

    def text_ids(self, text):
        """Ids of a whole text, without `start` and `end`."""
        return [self._ids[token] for token in self.tokens(text)]

    def encode(self, text):
        """Ids of a text between its marks, at most `max_tokens`."""
        return self._marked(self.text_ids(text)[: self.room])

    def encode_parts(self, text):
        """Ids of the whole of a text: as many rows as it takes, each marked."""
        ids, room = self.text_ids(text), self.room
        cuts = range(0, len(ids), room)
        return [self._marked(ids[i : i + room]) for i in cuts]

    def _marked(self, ids):
        before = [] if self.start is None else [self._ids[self.start]]
        after = [] if self.end is None else [self._ids[self.end]]
        return [*before, *ids, *after]

    def decode(self, ids):
        """The text of ids; of the marks only the mask is kept."""
        marks = set(self.special_ids) - {self.mask_id}
        tokens = [self.vocabulary[int(i)] for i in ids if int(i) not in marks]
        if self.split["kind"] == "byte_pair":
            return BytePairSplitter.join(tokens)
        if self.split["kind"] == "byte_fallback":
            return ByteFallbackSplitter.join(tokens)
        words = []
        for token in tokens:
            if token.startswith(CONTINUED) and words:
                words[-1] += token.removeprefix(CONTINUED)
            else:
                words.append(token)
        return " ".join(words)

    def batch(self, texts, length=None):
        """Ids of texts, padded to the longest, or to `length` tokens.

        Returns:
            dict of "token_ids", int32 `(B, T)`.
        """
        return self.pad([self.encode(text) for text in texts], length)

    def pad(self, rows, length=None):
        """Rows of ids as `{"token_ids": int32 (B, T)}`."""
        if length is None:
            length = max((len(row) for row in rows), default=1)
        found = np.full((len(rows), max(length, 1)), self.padding_id, "int32")
        for values, row in zip(found, rows, strict=True):
            values[: len(row)] = row[:length]
        return {"token_ids": found}

    def continues(self):
        """Whether each token goes on with the word before it, bool `(V,)`."""
        if self.split["kind"] == "bert":
            goes_on = [t.startswith(CONTINUED) for t in self.vocabulary]
        else:
            # A blank, a line's end; a blank.
            blank = ("\u0120", "\u010a")
            if self.split["kind"] == "byte_fallback":
                blank = (WORD_START,)
            goes_on = [not t.startswith(blank) for t in self.vocabulary]
        goes_on = np.asarray(goes_on)
        goes_on[self.special_ids] = False
        return goes_on

    def get_config(self):
        """JSON-able dict of the constructor's arguments."""
        return {
            "vocabulary": self.vocabulary,
            "split": self.split,
            **{name: getattr(self, name) for name in MARKS},
            "max_tokens": self.max_tokens,
            "mask_takes_blank": self.mask_takes_blank,
        }
