"""Any task as text in and text out, by T5.

Shapes: `B` batch, `S` source tokens, `T` target tokens, `V` vocabulary.
"""

import keras

from keras_selfattn.models.t5 import T5
from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
from keras_selfattn.preprocessing.translation_text import PAD_ID
from keras_selfattn.tasks.task import from_config, to_config
from keras_selfattn.tasks.translation_graph import cache_shape
from keras_selfattn.tasks.writing_task import ALPHA, BEAM, WritingTask

LONGEST_PROBE = 128  # tokens of the longest source that a file is checked with


@keras.saving.register_keras_serializable(package="keras_selfattn")
class TextToText(WritingTask):
    """Reads a text that begins with its task, and writes the answer.

    "translate English to German: A dog runs." gives a translation, "sst2
    sentence: a gem" gives "positive": what a prefix asks for, the model has
    learned (`data.text_to_text_dataset`, `train/text_to_text.py`) or came
    with (`zoo.load("hf://google-t5/t5-small")`).

    `compile(optimizer)` is enough: the loss is the cross-entropy of the
    target's tokens, in nats a token over the whole batch.

    Reference: Raffel et al. 2020 (arXiv:1910.10683), section 2.4.

    Args:
        tokenizer: SentinelTokenizer (or its config).
        transformer: T5 (or its config), whose vocabulary may be larger than
            the tokenizer's: what is over is never written. Default one of
            small size.
        label_smoothing: float in [0, 1).
        max_source_tokens: int, of a longer text the rest is left out.
        max_target_tokens: int, no answer is longer (nor longer than twice
            the source's tokens and ten).
        rules: how beams are searched; see `decoding.beam_search`. What
            `zoo.load` makes of a checkpoint is searched as `transformers`
            does.

    Call arguments:
        inputs: dict of "source_ids", int32 `(B, S)`, padded with 0, and
            "target_ids", int32 `(B, T)`, which begin with 0.
        training: bool.

    Returns:
        logits, float `(B, T, V)`, of the token after each target token.

    Raises:
        ValueError: where the tokenizer does not fit the Transformer.

    Example:
        >>> task = TextToText(SentinelTokenizer.train(texts, 1000))
        >>> task.compile("adamw")
        >>> task.fit(
        ...     {"source_ids": sources, "target_ids": targets}, labels
        ... )  # labels: the targets one token further
        >>> task.generate("sst2 sentence: a gem")
    """

    signature = "generate"
    begin_id = PAD_ID

    def __init__(
        self,
        tokenizer,
        transformer=None,
        label_smoothing=0.0,
        max_source_tokens=512,
        max_target_tokens=128,
        rules="gnmt",
        **kwargs,
    ):
        # Layers
        if isinstance(tokenizer, dict):
            tokenizer = tokenizer_from_config(tokenizer)
        size = tokenizer.vocabulary_size
        if transformer is None:
            transformer = T5(size, name="transformer")
        if isinstance(transformer, dict):
            transformer = from_config(transformer, name="transformer")
        if transformer.vocabulary_size < size:
            raise ValueError(
                f"The tokenizer has {size} tokens, but the transformer was "
                f"built for {transformer.vocabulary_size}; give the tokenizer "
                "it was trained with."
            )

        super().__init__(transformer, **kwargs)

        # Config
        self.tokenizer = tokenizer
        self.label_smoothing = label_smoothing
        self.max_source_tokens = max_source_tokens
        self.max_target_tokens = max_target_tokens
        self.rules = rules

    def task_config(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "transformer": to_config(self.transformer),
            "label_smoothing": self.label_smoothing,
            "max_source_tokens": self.max_source_tokens,
            "max_target_tokens": self.max_target_tokens,
            "rules": self.rules,
        }

    def source_ids(self, text):
        """Token ids of a source, cut where it is too long, and the end."""
        ids = self.tokenizer.encode(text)[: self.max_source_tokens - 1]
        return [*ids, self.end_id]

    @property
    def end_id(self):
        return self.tokenizer.end_id

    @property
    def first_id(self):
        return self.tokenizer.unknown_id + 1

    @property
    def banned_ids(self):
        size = self.tokenizer.vocabulary_size
        return (PAD_ID, *range(size, self.transformer.vocabulary_size))

    @property
    def most_source_tokens(self):
        return self.max_source_tokens

    @property
    def most_target_tokens(self):
        return self.max_target_tokens

    def generate(
        self,
        texts,
        prefix="",
        beam=1,
        alpha=ALPHA,
        no_repeat_ngram=0,
        keep_sentinels=False,
        details=False,
        batch_size=32,
    ):
        """The answers to texts.

        Args:
            texts: str, or a list of them.
            prefix: str, put before each text as it is.
            beam: int >= 1, answers kept while searching; 1 is greedy.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.
            no_repeat_ngram: int, so many tokens in a row stand once in an
                answer; 0 for no such rule.
            keep_sentinels: bool, keep `<extra_id_0>` and the like, which say
                what span of the source the words behind them fill.
            details: bool, return dicts of text, token_ids and score
                (log-probability over length penalty).
            batch_size: int, texts at once.

        Returns:
            str (or dict with `details`); a list of them for a list.

        Raises:
            ValueError: for what is not text, or settings out of range.
        """
        single = isinstance(texts, str)
        lines = [texts] if single else list(texts)
        for line in lines:
            if not isinstance(line, str):
                raise ValueError(
                    f"Expected a text (str), received {type(line).__name__}."
                )
        written = self.text_writer.write_sorted(
            [self.source_ids(prefix + line) for line in lines],
            batch_size,
            beam,
            alpha,
            no_repeat_ngram,
        )
        results = [
            {
                "text": self.tokenizer.decode(ids, keep_sentinels),
                "token_ids": [int(i) for i in ids],
                "score": float(score),
            }
            for ids, score in written
        ]
        if not details:
            results = [result["text"] for result in results]
        return results[0] if single else results

    def export_metadata(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "begin_id": PAD_ID,
            "end_id": self.end_id,
            "banned_ids": list(self.banned_ids),
            "max_source_tokens": self.max_source_tokens,
            "max_target_tokens": self.max_target_tokens,
            "cache_shape": cache_shape(self.transformer, 1, None),
            "beam": BEAM,
            "rules": self.rules,
        }

    def export_probes(self):
        return self._probes(min(self.max_source_tokens, LONGEST_PROBE))
