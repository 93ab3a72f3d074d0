"""Text to token ids and back as T5 has them. No Keras."""

import base64
import io
import re

from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
    import_sentencepiece,
)
from keras_selfattn.preprocessing.unigram import character_map
from keras_selfattn.preprocessing.vocabulary import EOS, PAD, detokenize

_SENTINEL = re.compile(r"<extra_id_(\d+)>")


class SentinelTokenizer:
    """Pieces of a SentencePiece model that has its own marks, and sentinels.

    The model has `<pad>` with the id 0, `</s>` and an unknown piece. Behind
    its pieces stand the sentinels `<extra_id_0>`, `<extra_id_1>`, ..., the
    first with the highest id; each stands for a span that is left out of a
    text (`preprocessing.span_corruption`). They may stand in a text that is
    encoded.

    Reference: Raffel et al. 2020 (arXiv:1910.10683), sections 2.2 and 3.1.4.

    Attributes:
        vocabulary: list of str.
        end_id, unknown_id: int, ids of `</s>` and of the unknown piece.
        sentinel_ids: list of int, in the order of their numbers.

    Args:
        model_bytes: bytes, a serialised SentencePiece model.
        sentinels: int, how many.

    Raises:
        ValueError: a model without these marks.

    Example:
    ```python
    tokenizer = SentinelTokenizer.train(texts, vocabulary_size=1000)
    ids = tokenizer.encode("Thank you <extra_id_0> to your party")
    tokenizer.decode(ids, keep_sentinels=True)
    ```
    """

    def __init__(self, model_bytes, sentinels=100):
        self._pieces = SentencePieceTokenizer(model_bytes, (), True)
        pieces = self._pieces.vocabulary
        self.unknown_id = self._pieces.unknown_id
        if pieces[0] != PAD or EOS not in pieces:
            raise ValueError(
                f"The SentencePiece model begins with {pieces[:3]}; expected "
                f"{PAD!r} with the id 0, and {EOS!r} among its pieces "
                "(SentinelTokenizer.train makes such a model)."
            )
        if sentinels < 0:
            raise ValueError(f"sentinels={sentinels}; expected 0 or more.")
        self.model_bytes = self._pieces.model_bytes
        self.sentinels = sentinels
        self.end_id = pieces.index(EOS)
        names = [f"<extra_id_{i}>" for i in range(sentinels)]
        self.vocabulary = [*pieces, *reversed(names)]
        last = len(self.vocabulary) - 1
        self.sentinel_ids = [last - i for i in range(sentinels)]
        self._maps = bool(character_map(self.model_bytes))

    @classmethod
    def train(
        cls, texts, vocabulary_size, sentinels=100, character_coverage=1.0
    ):
        """A tokenizer whose pieces are learned from texts (unigram model).

        Needs the package `sentencepiece`.

        Args:
            texts: iterable of str.
            vocabulary_size: int, number of ids, marks and sentinels included.
            sentinels: int.
            character_coverage: float, share of the texts' characters that
                become pieces; the rarest others are unknown.

        Returns:
            `SentinelTokenizer`.
        """
        proto = io.BytesIO()
        try:
            import_sentencepiece().SentencePieceTrainer.train(
                sentence_iterator=(" ".join(text.split()) for text in texts),
                model_writer=proto,
                vocab_size=vocabulary_size - sentinels,
                model_type="unigram",
                normalization_rule_name="identity",
                character_coverage=character_coverage,
                pad_id=0,
                eos_id=1,
                unk_id=2,
                bos_id=-1,
                num_threads=1,  # the order of sums, so the pieces, stay put
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            raise ValueError(
                f"No SentencePiece model of vocabulary_size={vocabulary_size}"
                f" could be trained on these texts: {error}"
            ) from error
        return cls(proto.getvalue(), sentinels)

    @property
    def vocabulary_size(self):
        """Number of ids, sentinels included."""
        return len(self.vocabulary)

    def encode(self, text):
        """Token ids of a text, without the end; sentinels as themselves."""
        if not isinstance(text, str):
            raise ValueError(
                f"Expected a text (str), received {type(text).__name__}."
            )
        ids, start = [], 0
        for match in _SENTINEL.finditer(text):
            number = int(match[1])
            if number < self.sentinels:
                ids += self._encoded(text[start : match.start()])
                ids.append(self.sentinel_ids[number])
                start = match.end()
        return ids + self._encoded(text[start:])

    def _encoded(self, text):
        if not self._maps:
            text = " ".join(text.split())
        return self._pieces.encode(text)

    def decode(self, ids, keep_sentinels=False):
        """Text of token ids; marks, and mostly sentinels, are left out."""
        if not keep_sentinels:
            return detokenize(ids, self.vocabulary)
        parts, held = [], []
        first = len(self.vocabulary) - self.sentinels
        for token_id in map(int, ids):
            if first <= token_id < len(self.vocabulary):
                parts += [detokenize(held, self.vocabulary)]
                parts += [self.vocabulary[token_id]]
                held = []
            else:
                held.append(token_id)
        parts.append(detokenize(held, self.vocabulary))
        return " ".join(part for part in parts if part)

    def get_config(self):
        """JSON-able dict for `tokenizer_from_config`."""
        model = base64.b64encode(self.model_bytes).decode("ascii")
        return {
            "type": "sentinels",
            "model": model,
            "sentinels": self.sentinels,
        }
