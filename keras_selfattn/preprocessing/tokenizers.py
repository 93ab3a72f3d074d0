"""Text to the ids of characters or words, and any tokenizer from its config.

Id 0 is padding, and the CTC blank where there is one; it never stands in
encoded text. A tokenizer is rebuilt from its JSON config alone, and text is
rebuilt from the list of its vocabulary alone (`vocabulary.detokenize`).
"""

import base64
import binascii

from keras_selfattn.preprocessing.sentencepiece_model import WORD_START
from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.vocabulary import (
    BLANK,
    UNKNOWN_WORD,
    detokenize,
    is_special,
)


def tokenizer_from_config(config):
    """Rebuilds a tokenizer from what its `get_config()` gave.

    Args:
        config: dict with `"type"`: `"characters"`, `"words"`,
            `"sentencepiece"`, `"sentinels"` or `"marian"`; or that of a
            SubwordTokenizer, which has none.

    Returns:
        `CharacterTokenizer`, `WordTokenizer`, `SentencePieceTokenizer`,
        `SentinelTokenizer`, `MarianTokenizer` or `SubwordTokenizer`.
    """
    config = dict(config)
    kind = config.pop("type", None)
    if kind is None and "split" in config:
        from keras_selfattn.preprocessing.subword_tokenizer import (
            SubwordTokenizer,
        )

        return SubwordTokenizer(**config)
    if kind == "marian":
        from keras_selfattn.preprocessing.marian_tokenizer import (
            MarianTokenizer,
        )

        return MarianTokenizer.from_config(config)
    if kind == "characters":
        return CharacterTokenizer(**config)
    if kind == "words":
        return WordTokenizer(**config)
    if kind in ("sentencepiece", "sentinels"):
        try:
            proto = base64.b64decode(config["model"], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise ValueError(
                f'A "{kind}" tokenizer config needs "model", the '
                "SentencePiece model in base64."
            ) from error
        options = {k: v for k, v in config.items() if k != "model"}
        if kind == "sentencepiece":
            return SentencePieceTokenizer(proto, **options)
        from keras_selfattn.preprocessing.sentinel_tokenizer import (
            SentinelTokenizer,
        )

        return SentinelTokenizer(proto, **options)
    raise ValueError(
        f"Unknown tokenizer type {kind!r}; expected 'characters', 'words', "
        "'sentencepiece' or 'sentinels'."
    )


class CharacterTokenizer:
    """One token per character.

    Args:
        tokens: str. The characters, in order of their ids from 1. Defaults
            to the blank, the apostrophe and a to z (29 ids with id 0).

    Example:
    ```python
    tokenizer = CharacterTokenizer()
    tokenizer.encode("it's")  # [11, 22, 2, 21]
    tokenizer.decode([11, 22, 2, 21])  # "it's"
    ```
    """

    def __init__(self, tokens=" 'abcdefghijklmnopqrstuvwxyz"):
        if not tokens or len(set(tokens)) != len(tokens):
            raise ValueError(
                "tokens must be characters, each of them once; received "
                f"{tokens!r}."
            )
        self.tokens = tokens
        self.vocabulary = [BLANK, *tokens]
        self._ids = {token: i for i, token in enumerate(tokens, start=1)}

    @property
    def vocabulary_size(self):
        """Number of ids, the blank included."""
        return len(self.vocabulary)

    def encode(self, text):
        """Token ids of a text; a character without an id raises."""
        try:
            return [self._ids[character] for character in text]
        except KeyError:
            unknown = sorted(set(text) - set(self.tokens))
            raise ValueError(
                f"The text {text!r} holds {unknown}, not among the tokens "
                f"{self.tokens!r}; use normalize_transcript first."
            ) from None

    def decode(self, ids):
        """Text of token ids; zeros are left out."""
        return detokenize(ids, self.vocabulary)

    def get_config(self):
        """JSON-able dict for `tokenizer_from_config`."""
        return {"type": "characters", "tokens": self.tokens}


class WordTokenizer:
    """One token a word of a short list; all other speech is one token.

    For a recogniser of commands and wake words. Words outside the list
    become `<unk>`, a row of them once, which `decode` leaves out: so that
    such a recogniser learns from any transcript what it is not asked for.

    Args:
        words: iterable of str without blanks, in order of their ids from 1.
            `<unk>` has the last id.

    Example:
    ```python
    tokenizer = WordTokenizer(["yes", "no"])
    tokenizer.encode("oh dear no")  # [3, 2]
    tokenizer.decode([3, 2])  # "no"
    ```
    """

    def __init__(self, words):
        words = tuple(words)
        if (
            not words
            or len(set(words)) != len(words)
            or any(word.split() != [word] or is_special(word) for word in words)
        ):
            raise ValueError(
                "words must be a list of words without blanks, each of them "
                f"once; received {list(words)}."
            )
        self.words = words
        starts = (WORD_START + word for word in words)
        self.vocabulary = [BLANK, *starts, UNKNOWN_WORD]
        self._ids = {word: i for i, word in enumerate(words, start=1)}

    @property
    def vocabulary_size(self):
        """Number of ids, the blank and `<unk>` included."""
        return len(self.vocabulary)

    def encode(self, text):
        """Token ids of a text."""
        unknown = self.vocabulary_size - 1
        ids = [self._ids.get(word, unknown) for word in text.split()]
        return [
            token_id
            for before, token_id in zip([0, *ids], ids)
            if token_id != unknown or before != unknown
        ]

    def decode(self, ids):
        """Text of token ids; zeros and `<unk>` are left out."""
        return detokenize(ids, self.vocabulary)

    def get_config(self):
        """JSON-able dict for `tokenizer_from_config`."""
        return {"type": "words", "words": list(self.words)}
