"""Speech recognition by Moonshine: samples in, punctuated text out.

Shapes: `B` batch, `L` samples, `S` encoder frames, `T` tokens, `V` vocabulary.
"""

from fractions import Fraction

import keras
from keras import ops

from keras_selfattn.models.moonshine import Moonshine
from keras_selfattn.preprocessing.moonshine_text import END, START, text_of
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.tasks.dictation_graph import Heard, WritingRules
from keras_selfattn.tasks.dictation_task import (
    PIECES_AT_ONCE,
    DictationTask,
)
from keras_selfattn.tasks.speech_input import whole_seconds
from keras_selfattn.tasks.task import from_config, to_config

SAMPLING_RATE_HZ = 16000
LONGEST_SECONDS = 30  # what it was trained on (section 3.2)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class MoonshineRecognizer(DictationTask):
    """Waveform to text by Moonshine: convolutions, encoder and decoder in one.

    A recording is heard for as long as it lasts: nothing is filled up, and
    work grows with it. Those longer than the model writes of, 30 s at most,
    are cut at their quietest places and the pieces heard one by one. A text
    has so many tokens a second at most, which ends what would be repeated for
    ever. `compile(optimizer)` is enough to fine-tune: the loss is the
    cross-entropy of the text's tokens, in nats a token.

    Reference: Jeffries et al. 2024 (arXiv:2410.15608). Differs: each row of a
    batch is heard as it is alone; see `models.Moonshine`.

    Args:
        tokenizer: SubwordTokenizer (or its config) with `<s>` and `</s>`.
        moonshine: Moonshine (or its config); default tiny's sizes.
        tokens_per_second: float > 0, most tokens of a text for each second of
            sound, one at least: 6.5 for English, as `transformers` advises;
            13 for the models of languages that take more.

    Call arguments:
        inputs: dict of "samples", float32 `(B, L)` in [-1, 1], "num_samples",
            int32 `(B,)`, and "token_ids", int32 `(B, T)`, which begin with
            `<s>`.
        training: bool.

    Returns:
        logits, float `(B, T, V)`, of the token after each token.

    Raises:
        ValueError: where the vocabulary does not fit the model's or lacks a
            mark, or for tokens a second out of range.

    Example:
        >>> recognizer = zoo.load("hf://UsefulSensors/moonshine-tiny")
        >>> recognizer.transcribe("speech.wav")
    """

    # Sound spans more than eight bits, and the stem is small beside the rest.
    float_layers = ("stem",)
    sampling_rate_hz = SAMPLING_RATE_HZ

    def __init__(
        self, tokenizer, moonshine=None, tokens_per_second=6.5, **kwargs
    ):
        # Layers
        if isinstance(tokenizer, dict):
            tokenizer = SubwordTokenizer(**tokenizer)
        if moonshine is None:
            moonshine = Moonshine(tokenizer.vocabulary_size, name="moonshine")
        if isinstance(moonshine, dict):
            moonshine = from_config(moonshine, name="moonshine")
        if tokenizer.vocabulary_size != moonshine.vocabulary_size:
            raise ValueError(
                f"The tokenizer has {tokenizer.vocabulary_size} tokens, but "
                f"the model was built for {moonshine.vocabulary_size}; give "
                "the one it was trained with."
            )
        ids = {token: i for i, token in enumerate(tokenizer.vocabulary)}
        if missing := [mark for mark in (START, END) if mark not in ids]:
            raise ValueError(
                f"The vocabulary has no {', '.join(missing)}; expected "
                "Moonshine's."
            )
        frames_per_second = SAMPLING_RATE_HZ / moonshine.stem.stride_samples
        if not 0 < tokens_per_second < frames_per_second / 2:
            raise ValueError(
                f"tokens_per_second={tokens_per_second}; expected more than 0 "
                f"and less than {frames_per_second / 2:.1f}, half of the "
                "encoder's frames a second."
            )

        # Functional model
        samples = keras.Input((None,), dtype="float32", name="samples")
        num_samples = keras.Input((), dtype="int32", name="num_samples")
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        inputs = {
            "samples": samples,
            "num_samples": num_samples,
            "token_ids": token_ids,
        }
        super().__init__(inputs=inputs, outputs=moonshine(inputs), **kwargs)

        # Config
        self.tokenizer = tokenizer
        self.moonshine = moonshine
        self.tokens_per_second = tokens_per_second
        self._ids = ids
        # Of encoder frames, so many have a place for a token: enough, and a
        # slice, whose length an interpreter knows before it runs.
        self._frames_per_token = int(frames_per_second / tokens_per_second)
        rate = Fraction(tokens_per_second).limit_denominator(100)
        rate = rate / SAMPLING_RATE_HZ  # tokens a sample
        self._rate = rate.numerator, rate.denominator
        longest = int(moonshine.max_sequence_length / rate)
        self.max_samples = min(longest, LONGEST_SECONDS * SAMPLING_RATE_HZ)

    def task_config(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "moonshine": to_config(self.moonshine),
            "tokens_per_second": self.tokens_per_second,
        }

    @property
    def writer(self):
        return self.moonshine

    @property
    def min_samples(self):
        return max(super().min_samples, self.moonshine.stem.min_samples)

    def writing_rules(self):
        return WritingRules(
            prompt=(self._ids[START],),
            end_id=self._ids[END],
            banned_ids=(),
            banned_first_ids=(),
            max_new_tokens=self.moonshine.max_sequence_length - 1,
        )

    def heard(self, inputs, rules):
        samples = ops.convert_to_tensor(inputs["samples"])
        counts = inputs.get("num_samples")
        hidden, mask = self.moonshine.encode(samples, counts)
        blank = hidden[:, :: self._frames_per_token, 0]  # (B, Q)
        blank = ops.cast(ops.zeros_like(blank), "int32")
        if counts is None:
            counts = ops.zeros_like(blank[:, 0]) + ops.shape(samples)[1]
        numerator, denominator = self._rate
        limits = ops.cast(counts, "int32") * numerator // denominator
        limits = ops.minimum(limits, rules.max_new_tokens)
        limits = ops.minimum(limits, ops.shape(blank)[1])
        context = self.moonshine.context_caches(hidden)
        return Heard(context, blank, ops.maximum(limits, 1), mask)

    def sound_rows(self, pieces):
        """As long as the longest, in whole seconds: few shapes to compile."""
        return whole_seconds(pieces, SAMPLING_RATE_HZ, self.min_samples)

    def text_ids(self, text):
        return self.tokenizer.text_ids(text)

    def text_of(self, ids):
        return text_of(ids, self.tokenizer.vocabulary)

    def transcribe(
        self,
        x,
        beam=1,
        alpha=1.0,
        details=False,
        batch_size=PIECES_AT_ONCE,
    ):
        """Text of speech.

        Args:
            x: a path, a float array `(L,)` at `sampling_rate_hz`, or a list
                of these. Files of any rate and channel count are resampled
                and mixed down; speech longer than the model hears at once is
                cut at its quietest places.
            beam: int >= 1, texts kept while searching; 1 is greedy.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.
            details: bool, return dicts of text, token_ids and score (mean
                over pieces of log-probability over length penalty).
            batch_size: int, pieces recognised at once.

        Returns:
            str (or dict with `details`); a list of them for a list.

        Raises:
            AudioError (a ValueError): for a file or array that is missing,
                empty, broken or holds NaN.
            ValueError: a setting out of its range.
        """
        rules = self.writing_rules()
        return self._transcribe(x, rules, beam, alpha, details, batch_size)

    def export_metadata(self):
        return {
            **super().export_metadata(),
            "min_samples": int(self.min_samples),
        }
