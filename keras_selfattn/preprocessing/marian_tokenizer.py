"""Pieces of SentencePiece, numbered by a list of their own. No Keras.

Marian's translators have a SentencePiece model for each language, and one
vocabulary for both, whose ids are not those of the models.
"""

import base64
import binascii

from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.vocabulary import detokenize


class MarianTokenizer:
    """Text to the ids of pieces, by a SentencePiece model and a vocabulary.

    A piece that is not in the vocabulary is unknown. A text may begin with the
    code of a language (`>>fr<<`), which is one token where it is known.
    Encoding needs the package `sentencepiece`, unless its model is a plain one
    (see `UnigramSplitter`); decoding never does.

    Reference: Junczys-Dowmunt et al. 2018 (arXiv:1804.00344).

    Args:
        model_bytes: bytes, the content of a `.spm` file.
        vocabulary: list of str, the token of each id; special tokens first.
        unknown: str, one of them, for pieces without an id.

    Raises:
        ValueError: `unknown` is not in the vocabulary, or the bytes are no
            model.

    Example:
        >>> vocabulary = ["<pad>", "<s>", "</s>", "<unk>", "\u2581good"]
        >>> MarianTokenizer(model_bytes, vocabulary).encode("good morning")
        [4, 3]
    """

    def __init__(self, model_bytes, vocabulary, unknown="<unk>"):
        self._pieces = SentencePieceTokenizer(model_bytes)
        self.vocabulary = list(vocabulary)
        self.unknown = unknown
        self._ids = {token: i for i, token in enumerate(self.vocabulary)}
        if unknown not in self._ids:
            raise ValueError(
                f"unknown={unknown!r} must stand in the vocabulary of "
                f"{len(self.vocabulary)} tokens."
            )
        self.unknown_id = self._ids[unknown]

    @property
    def model_bytes(self):
        """The content of its `.spm` file."""
        return self._pieces.model_bytes

    @property
    def vocabulary_size(self):
        """Number of ids, the special ones included."""
        return len(self.vocabulary)

    def encode(self, text):
        """Token ids of a text."""
        found = []
        end = text.find("<<")
        if text.startswith(">>") and end != -1:
            found.append(text[: end + 2])
            text = text[end + 2 :]
        found += self._pieces.pieces(text)
        return [self._ids.get(piece, self.unknown_id) for piece in found]

    def encode_best(self, text, count):
        """As `SentencePieceTokenizer.encode_best`, by our ids."""
        names = self._pieces.vocabulary
        return [
            ([self._ids.get(names[i], self.unknown_id) for i in ids], score)
            for ids, score in self._pieces.encode_best(text, count)
        ]

    def decode(self, ids):
        """Text of token ids; special ones are left out."""
        return detokenize(ids, self.vocabulary)

    def get_config(self):
        """JSON-able dict for `tokenizer_from_config`."""
        model = base64.b64encode(self.model_bytes).decode("ascii")
        return {
            "type": "marian",
            "model": model,
            "vocabulary": self.vocabulary,
            "unknown": self.unknown,
        }

    @classmethod
    def from_config(cls, config):
        """Back from `get_config`."""
        config = {k: v for k, v in config.items() if k != "type"}
        try:
            model = base64.b64decode(config.pop("model"), validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise ValueError(
                'A "marian" tokenizer config needs "model", the SentencePiece '
                "model in base64."
            ) from error
        return cls(model, **config)
