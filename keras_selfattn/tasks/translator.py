"""Translation: text in one language in, text in another out.

Shapes: `B` batch, `S` source tokens, `T` target tokens, `N` heads,
`V` target vocabulary.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.models.transformer import Transformer
from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    EOS_ID,
    SPECIAL_TOKENS,
    banned_ids,
    cut_lines,
    join_pieces,
    source_ids,
    target_ids,
)
from keras_selfattn.tasks.task import from_config, to_config
from keras_selfattn.tasks.translation_graph import cache_shape
from keras_selfattn.tasks.writing_task import ALPHA, BEAM, WritingTask


@keras.saving.register_keras_serializable(package="keras_selfattn")
class Translator(WritingTask):
    """Text to text, by a Transformer and one or two vocabularies of pieces.

    `compile(optimizer)` is enough: the loss is the cross-entropy of the
    target's tokens, labels smoothed, in nats a token over the whole batch.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762).

    Args:
        tokenizer: SentencePieceTokenizer or MarianTokenizer (or its config)
            whose special tokens are `SPECIAL_TOKENS` (`<pad>`, `<s>`,
            `</s>`); of both languages, or of the source alone.
        transformer: Transformer (or its config); default one of small size
            for the tokenizers.
        target_tokenizer: the target's, where it has a vocabulary of its own,
            or cuts other pieces out of the same.
        label_smoothing: float in [0, 1).
        max_source_tokens: int, a longer line is cut into pieces.
        max_target_tokens: int, no piece's translation is longer (nor longer
            than twice the source's tokens and ten).
        rules: how beams are searched; see `decoding.beam_search`. Under those
            of `transformers` a translation may have unknown pieces.

    Call arguments:
        inputs: dict of "source_ids", int32 `(B, S)`, padded with 0, and
            "target_ids", int32 `(B, T)`, which begin with `<s>`.
        training: bool.

    Returns:
        logits, float `(B, T, V)`, of the token after each target token.

    Raises:
        ValueError: where a vocabulary does not fit the Transformer's, or a
            tokenizer has other special tokens.

    Example:
        >>> translator = Translator(tokenizer)
        >>> translator.compile("adamw")
        >>> translator.fit(
        ...     {"source_ids": sources, "target_ids": targets}, labels
        ... )  # labels: the targets one token further
        >>> translator.translate("A dog runs.")
    """

    signature = "translate"
    begin_id, end_id = BOS_ID, EOS_ID
    first_id = len(SPECIAL_TOKENS)

    def __init__(
        self,
        tokenizer,
        transformer=None,
        target_tokenizer=None,
        label_smoothing=0.1,
        max_source_tokens=128,
        max_target_tokens=160,
        rules="gnmt",
        **kwargs,
    ):
        # Layers
        if isinstance(tokenizer, dict):
            tokenizer = tokenizer_from_config(tokenizer)
        if isinstance(target_tokenizer, dict):
            target_tokenizer = tokenizer_from_config(target_tokenizer)
        sizes = [tokenizer.vocabulary_size, None]
        if target_tokenizer is not None:
            sizes[1] = target_tokenizer.vocabulary_size
        if transformer is None:
            transformer = Transformer(
                sizes[0], target_vocabulary_size=sizes[1], name="transformer"
            )
        if isinstance(transformer, dict):
            transformer = from_config(transformer, name="transformer")
        _check_vocabularies(tokenizer, target_tokenizer, transformer, sizes)

        super().__init__(transformer, **kwargs)

        # Config
        self.tokenizer = tokenizer
        self.target_tokenizer = target_tokenizer
        self.label_smoothing = label_smoothing
        self.max_source_tokens = max_source_tokens
        self.max_target_tokens = max_target_tokens
        self.rules = rules

    def task_config(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "transformer": to_config(self.transformer),
            "target_tokenizer": None
            if self.target_tokenizer is None
            else self.target_tokenizer.get_config(),
            "label_smoothing": self.label_smoothing,
            "max_source_tokens": self.max_source_tokens,
            "max_target_tokens": self.max_target_tokens,
            "rules": self.rules,
        }

    @property
    def writer(self):
        """The tokenizer of the target language."""
        return self.target_tokenizer or self.tokenizer

    def source_ids(self, text):
        """Token ids of a source, with the end: list of int."""
        return source_ids(self.tokenizer, text)

    def write(self, rows, beam=BEAM, alpha=ALPHA, no_repeat_ngram=0):
        """Translates token ids.

        Args:
            rows: list of lists of source ids, each with the end.
            beam: see `translate`.
            alpha: see `translate`.
            no_repeat_ngram: see `translate`.

        Returns:
            list of (int32 array of target ids without the end, score).
        """
        return self.text_writer.write(rows, beam, alpha, no_repeat_ngram)

    @property
    def banned_ids(self):
        return banned_ids(self.writer, self.rules)

    @property
    def most_target_tokens(self):
        """Most tokens of a translation."""
        most = self.max_target_tokens
        return min(most, self.transformer.max_sequence_length or most)

    @property
    def most_source_tokens(self):
        """Most tokens of a piece of a source."""
        most = self.max_source_tokens
        return min(most, self.transformer.max_sequence_length or most)

    def translate(
        self,
        texts,
        beam=BEAM,
        alpha=ALPHA,
        no_repeat_ngram=0,
        details=False,
        batch_size=32,
    ):
        """Text in the other language.

        Args:
            texts: str, or a list of them. An empty line stays empty. A line
                of more than `max_source_tokens` tokens is cut into sentences
                (if need be clauses, words), which are translated one by one
                and joined with blanks.
            beam: int >= 1, texts kept while searching; 1 is greedy.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.
            no_repeat_ngram: int, so many tokens in a row stand once in a
                translation; 0 for no such rule.
            details: bool, return dicts of text, token_ids and score (mean
                over pieces of log-probability over length penalty).
            batch_size: int, pieces translated at once.

        Returns:
            str (or dict with `details`); a list of them for a list.

        Raises:
            ValueError: for what is not text, or settings out of range.
        """
        single = isinstance(texts, str)
        lines = [texts] if single else list(texts)
        rows, owners = cut_lines(lines, self.tokenizer, self.most_source_tokens)
        written = self.text_writer.write_sorted(
            rows, batch_size, beam, alpha, no_repeat_ngram
        )
        results = join_pieces(len(lines), owners, written, self.writer)
        if not details:
            results = [result["text"] for result in results]
        return results[0] if single else results

    def attention(self, text, translation=None):
        """What each written token looked at, for `plots.plot_attention`.

        Args:
            text: str, the source.
            translation: str, or None for `translate(text)`.

        Returns:
            dict of "source_tokens" and "target_tokens" (pieces, with the
            end) and "scores", float32 `(layers, N, T, S)`.
        """
        if translation is None:
            translation = self.translate(text)
        source = source_ids(self.tokenizer, text)
        target = target_ids(self.writer, translation)
        inputs = {
            "source_ids": np.array([source], "int32"),
            "source_padding_mask": np.ones((1, len(source)), bool),
            "target_ids": np.array([[BOS_ID, *target[:-1]]], "int32"),
        }
        weights = self.transformer.attention_scores(inputs)
        scores = [
            ops.convert_to_numpy(ops.cast(layer[0], "float32"))
            for layer in weights
        ]
        return {
            "source_tokens": [self.tokenizer.vocabulary[i] for i in source],
            "target_tokens": [self.writer.vocabulary[i] for i in target],
            "scores": np.stack(scores),
        }

    def text_parts(self):
        part = {
            "kind": "write",
            "name": "translate_text",
            "of": "translate",
            "tokenizer": self.tokenizer,
            "end_id": self.end_id,
            "most_tokens": self.most_source_tokens,
            "vocabulary": self.writer.vocabulary,
        }
        beam = {
            "name": "translate_text_beam",
            "of": "translate_beam",
            "more_inputs": {"alpha": ([], "float32")},
        }
        return [part, part | beam]

    def export_metadata(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "target_tokenizer": self.target_tokenizer
            and self.target_tokenizer.get_config(),
            "max_source_tokens": self.most_source_tokens,
            "max_target_tokens": self.most_target_tokens,
            "cache_shape": cache_shape(self.transformer, 1, None),
            "beam": BEAM,
            "rules": self.rules,
        }


def _check_vocabularies(tokenizer, target_tokenizer, transformer, sizes):
    for name, part in (
        ("tokenizer", tokenizer),
        ("target_tokenizer", target_tokenizer),
    ):
        if part is None:
            continue
        begin = tuple(part.vocabulary[: len(SPECIAL_TOKENS)])
        if begin != SPECIAL_TOKENS:
            raise ValueError(
                f"The {name}'s vocabulary begins with {begin}; expected "
                f"{SPECIAL_TOKENS}: SentencePieceTokenizer.train(..., "
                "special_tokens=SPECIAL_TOKENS, keep_unknown=True)."
            )
    expected = [transformer.vocabulary_size, transformer.target_vocabulary_size]
    if (
        expected[1] is None
        and target_tokenizer is not None
        and target_tokenizer.vocabulary == tokenizer.vocabulary
    ):
        sizes = [sizes[0], None]  # other pieces of the same vocabulary
    if sizes != expected:
        raise ValueError(
            f"The vocabularies (source, target) have {sizes} tokens, but the "
            f"Transformer was built for {expected} (None: one for both); "
            "give the tokenizers it was trained with."
        )
