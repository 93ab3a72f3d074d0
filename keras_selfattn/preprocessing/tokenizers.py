"""Text to token ids and back.

Id 0 is padding, and the CTC blank where there is one; it never stands in
encoded text. A tokenizer is rebuilt from its JSON config alone, and text is
rebuilt from the list of its vocabulary alone (`detokenize`), which is what an
exported file carries to a device.
"""

import base64
import binascii
import io

from keras_selfattn.preprocessing.sentencepiece_model import (
    UNKNOWN,
    WORD_START,
    read_pieces,
)
from keras_selfattn.preprocessing.unigram import UnigramSplitter

BLANK = "<blank>"
# What a translator's vocabulary begins with; SentencePiece's own unknown
# piece comes next.
PAD, BOS, EOS = "<pad>", "<s>", "</s>"
UNKNOWN_WORD = "<unk>"


def detokenize(ids, vocabulary):
    """Text of token ids, from the vocabulary list only.

    Handles character vocabularies (words parted by `" "`) and SentencePiece
    ones (a word begins with U+2581). Special tokens (`<...>`) are left out.

    Args:
        ids: iterable of ints, already collapsed (no CTC repeats).
        vocabulary: list of str; `vocabulary[0]` is the blank.

    Returns:
        str with single blanks between words.
    """
    pieces = []
    for token_id in ids:
        token_id = int(token_id)
        if not 0 <= token_id < len(vocabulary):
            raise ValueError(
                f"Token id {token_id} is outside the vocabulary of "
                f"{len(vocabulary)} tokens."
            )
        piece = vocabulary[token_id]
        if not is_special(piece):
            pieces.append(piece)
    return " ".join("".join(pieces).replace(WORD_START, " ").split())


def written_text(ids, vocabulary):
    """As `detokenize`, with blanks and line ends as they were written.

    What language models write: ids of a text's middle may begin with a blank.

    Args:
        ids: iterable of ints.
        vocabulary: list of str.

    Returns:
        str.
    """
    pieces = (vocabulary[int(token_id)] for token_id in ids)
    kept = "".join(piece for piece in pieces if not is_special(piece))
    return kept.replace(WORD_START, " ")


def is_special(piece):
    """Whether a piece of a vocabulary stands for no text (`<blank>`)."""
    return len(piece) > 2 and piece[0] == "<" and piece[-1] == ">"


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
