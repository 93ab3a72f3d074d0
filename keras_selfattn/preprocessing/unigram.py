"""Splitting by a SentencePiece unigram model, without its package.

Standard library only, for devices: the models that `SentencePieceTokenizer`
trains are of this kind.
"""

from keras_selfattn.preprocessing.character_map import CharacterMap
from keras_selfattn.preprocessing.sentencepiece_model import (
    CONTROL,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    UNUSED,
    WORD_START,
    proto_fields,
    read_pieces,
)

_UNKNOWN_PENALTY = 10.0


class UnigramSplitter:
    """The likeliest pieces of a text: the best path over all segmentations.

    A character without a piece costs the lowest score less ten; such
    characters in a row are one piece. A model may have a map of characters,
    by which the text is read first. Blanks in a row are one, at the ends
    none. Pieces are those of the package but where two paths weigh the same,
    as in long runs of one sign.

    Attributes:
        maps: bool, whether the model has a map of characters.

    Reference: Kudo 2018 (arXiv:1804.10959), section 3.2.

    Args:
        model_bytes: bytes, a serialised SentencePiece model.

    Raises:
        ValueError: a model of another kind (see `is_supported`).

    Example:
    ```python
    UnigramSplitter(tokenizer.model_bytes)("good morning")
    # ["▁good", "▁morn", "ing"]
    ```
    """

    def __init__(self, model_bytes):
        pieces = read_pieces(model_bytes)
        if not _is_plain(model_bytes, pieces):
            raise ValueError(
                "This SentencePiece model is no plain unigram model (BPE, "
                "blanks of its own, or user-defined pieces); it needs the "
                "package: pip install sentencepiece"
            )
        charsmap = character_map(model_bytes)
        self.maps = bool(charsmap)
        self._map = CharacterMap(charsmap) if charsmap else None
        self._scores = {
            piece: score for piece, score, kind in pieces if kind == NORMAL
        }
        self._longest = max(map(len, self._scores), default=1)
        self._unknown = min(self._scores.values(), default=0.0)
        self._unknown -= _UNKNOWN_PENALTY

    def __call__(self, text):
        if self._map is not None:
            text = self._map(text)
        text = " ".join(filter(None, text.split(" ")))
        if not text:
            return []
        text = WORD_START + text.replace(" ", WORD_START)
        best = [0.0] + [float("-inf")] * len(text)
        begins = [0] * (len(text) + 1)
        for start in range(len(text)):
            before = best[start]
            longest = min(start + self._longest, len(text))
            for stop in range(start + 1, longest + 1):
                score = self._scores.get(text[start:stop])
                if score is None:
                    if stop > start + 1:
                        continue
                    score = self._unknown
                if before + score > best[stop]:
                    best[stop], begins[stop] = before + score, start
        found, stop, after_unknown = [], len(text), False
        while stop:
            start = begins[stop]
            piece = text[start:stop]
            is_unknown = piece not in self._scores
            if is_unknown and after_unknown:
                found[-1] = piece + found[-1]
            else:
                found.append(piece)
            stop, after_unknown = start, is_unknown
        return found[::-1]


def is_supported(model_bytes):
    """Whether a model is a unigram model that we can do."""
    return _is_plain(model_bytes, read_pieces(model_bytes))


def character_map(model_bytes):
    """A model's map of characters; empty where it leaves them as they are."""
    for field, value in proto_fields(model_bytes):
        if field == 3:  # NormalizerSpec
            return dict(proto_fields(value)).get(2, b"")
    return b""


def _is_plain(model_bytes, pieces):
    for field, value in proto_fields(model_bytes):
        if field == 2:  # TrainerSpec
            spec = dict(proto_fields(value))
            if spec.get(3, UNIGRAM) != UNIGRAM or spec.get(35, 0):
                return False
        elif field == 3:  # NormalizerSpec
            spec = dict(proto_fields(value))
            if not all(spec.get(i, 1) for i in (3, 4, 5)):
                return False
    kinds = {kind for _, _, kind in pieces}
    return kinds <= {NORMAL, UNKNOWN, CONTROL, UNUSED}
