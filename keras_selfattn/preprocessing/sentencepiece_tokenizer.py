"""Text to the ids of SentencePiece's pieces, and back."""

import base64
import io

from keras_selfattn.preprocessing.sentencepiece_model import (
    UNKNOWN,
    read_pieces,
)
from keras_selfattn.preprocessing.unigram import UnigramSplitter
from keras_selfattn.preprocessing.vocabulary import (
    BLANK,
    detokenize,
    is_special,
)


class SentencePieceTokenizer:
    """Subword pieces of a SentencePiece model, behind a few special tokens.

    Training needs the package `sentencepiece`. Encoding is done by it where it
    is installed and else, for unigram models, by `UnigramSplitter`; loading
    and decoding never need it.

    Reference: Kudo and Richardson 2018, SentencePiece, arXiv:1808.06226.

    Attributes:
        vocabulary: list of str, the special tokens and the pieces.
        unknown_id: int, id of the unknown piece.

    Args:
        model_bytes: bytes. A serialised SentencePiece model.
        special_tokens: str each; they have the ids from 0 on, and the pieces
            those behind. Default: the CTC blank. None where the model has
            its own (`SentinelTokenizer`).
        keep_unknown: bool. Text without a piece becomes the unknown piece's
            id; without it, it raises.
        replacements: a str of characters, and a str of those that are read
            in their place, of the same length; or None. See
            `chinese_script.traditional_to_simplified`.

    Example:
    ```python
    tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=256)
    tokenizer.decode(tokenizer.encode("good morning"))  # "good morning"
    ```
    """

    def __init__(
        self,
        model_bytes,
        special_tokens=(BLANK,),
        keep_unknown=False,
        replacements=None,
    ):
        special_tokens = tuple(special_tokens)
        if not all(map(is_special, special_tokens)):
            raise ValueError(
                f"special_tokens={special_tokens}; expected each like '<pad>'."
            )
        self.model_bytes = bytes(model_bytes)
        self.special_tokens = special_tokens
        self.keep_unknown = keep_unknown
        self.replacements = replacements and tuple(replacements)
        self._table = _replacement_table(self.replacements)
        pieces = read_pieces(self.model_bytes)
        self.vocabulary = [*special_tokens, *(piece for piece, *_ in pieces)]
        unknown = (i for i, piece in enumerate(pieces) if piece[2] == UNKNOWN)
        # Every model has one; where it has none, no id is that.
        self.unknown_id = len(special_tokens) + next(unknown, len(pieces))
        self._processor = self._split = self._ids = None

    @classmethod
    def train(
        cls,
        texts,
        vocabulary_size,
        special_tokens=(BLANK,),
        keep_unknown=False,
        character_coverage=1.0,
        replacements=None,
    ):
        """A tokenizer whose pieces are learned from texts (unigram model).

        Args:
            texts: iterable of str, as they will be encoded (normalised).
            vocabulary_size: int. Number of ids, the special ones included.
            special_tokens: as the class has it.
            keep_unknown: as the class has it.
            character_coverage: float. Share of the texts' characters that
                become pieces; the rarest others are unknown.
            replacements: as the class has it.

        Returns:
            `SentencePieceTokenizer`.
        """
        sentencepiece = import_sentencepiece()
        table = _replacement_table(replacements)
        proto = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=(text.translate(table) for text in texts),
                model_writer=proto,
                vocab_size=vocabulary_size - len(special_tokens),
                model_type="unigram",
                normalization_rule_name="identity",
                character_coverage=character_coverage,
                unk_id=0,
                bos_id=-1,
                eos_id=-1,
                pad_id=-1,
                num_threads=1,  # the order of sums, so the pieces, stay put
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            raise ValueError(
                f"No SentencePiece model of vocabulary_size={vocabulary_size}"
                f" could be trained on these texts: {error}"
            ) from error
        return cls(proto.getvalue(), special_tokens, keep_unknown, replacements)

    @property
    def vocabulary_size(self):
        """Number of ids, the special ones included."""
        return len(self.vocabulary)

    def _loaded(self):
        if self._processor is None:
            sentencepiece = import_sentencepiece()
            self._processor = sentencepiece.SentencePieceProcessor(
                model_proto=self.model_bytes
            )
        return self._processor

    def encode(self, text):
        """Token ids of a text; without a piece for a character, see above."""
        ids = self._encoded(text.translate(self._table))
        if not self.keep_unknown and self.unknown_id in ids:
            known = set("".join(self.vocabulary[1:])) | {" "}
            raise ValueError(
                f"The text {text!r} holds {sorted(set(text) - known)}, not "
                "in the SentencePiece model; use normalize_transcript first."
            )
        return ids

    def pieces(self, text):
        """The pieces of a text; what has none stands as it is written."""
        self._load_any()
        if self._split is None:
            return self._processor.encode(text, out_type=str)
        if not self._split.maps:
            text = " ".join(text.split())
        return self._split(text)

    def _load_any(self):
        """The package's processor, or what stands in for it."""
        if self._split is None and self._processor is None:
            try:
                self._loaded()
            except ImportError as missing:
                try:
                    self._split = UnigramSplitter(self.model_bytes)
                except ValueError:  # a model of another kind
                    raise missing from None
                self._ids = {p: i for i, p in enumerate(self.vocabulary)}

    def _encoded(self, text):
        self._load_any()
        if self._split is None:
            first = len(self.special_tokens)
            return [i + first for i in self._processor.encode(text)]
        pieces = self.pieces(text)
        return [self._ids.get(piece, self.unknown_id) for piece in pieces]

    def encode_best(self, text, count):
        """The likeliest ways to cut a text into pieces, best first.

        Needs the package `sentencepiece`.

        Args:
            text: str.
            count: int >= 1, most ways.

        Returns:
            list of (token ids, log-probability of the pieces).
        """
        processor = self._loaded()
        first = len(self.special_tokens)
        return [
            (
                [token_id + first for token_id in ids],
                sum(map(processor.get_score, ids)),
            )
            for ids in processor.nbest_encode(
                text.translate(self._table), nbest_size=count
            )
        ]

    def decode(self, ids):
        """Text of token ids; special ones are left out."""
        return detokenize(ids, self.vocabulary)

    def get_config(self):
        """JSON-able dict for `tokenizer_from_config`."""
        model = base64.b64encode(self.model_bytes).decode("ascii")
        config = {"type": "sentencepiece", "model": model}
        if self.special_tokens != (BLANK,):
            config["special_tokens"] = list(self.special_tokens)
        if self.keep_unknown:
            config["keep_unknown"] = True
        if self.replacements is not None:
            config["replacements"] = list(self.replacements)
        return config


def _replacement_table(replacements):
    """What `str.translate` takes; empty for None."""
    if replacements is None:
        return {}
    try:
        before, after = replacements
        return str.maketrans(before, after)
    except (TypeError, ValueError):
        raise ValueError(
            "replacements must be two str of the same length: characters, "
            "and those that are read in their place."
        ) from None


def import_sentencepiece():
    """The package, or an ImportError that says how to get it."""
    try:
        import sentencepiece
    except ImportError as error:
        raise ImportError(
            "This needs the package sentencepiece: pip install sentencepiece"
        ) from error
    return sentencepiece
