"""Speech recognition by Whisper: samples in, punctuated text out.

Shapes: `B` batch, `L` samples, `T` tokens, `V` vocabulary.
"""

import math
import re

import keras
from keras import ops

from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.models.whisper import Whisper
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.whisper_text import (
    END,
    is_mark,
    prompt_of,
    text_of,
)
from keras_selfattn.tasks.dictation_graph import (
    Heard,
    WritingRules,
    fit_length,
)
from keras_selfattn.tasks.dictation_task import (
    PIECES_AT_ONCE,
    DictationTask,
)
from keras_selfattn.tasks.speech_input import padded_rows
from keras_selfattn.tasks.task import from_config, to_config
from keras_selfattn.weight_copies import value_of


@keras.saving.register_keras_serializable(package="keras_selfattn")
class WhisperRecognizer(DictationTask):
    """Waveform to text by Whisper: front end, encoder and decoder in one.

    The model hears pieces of one length, its window of `2 whisper.max_frames`
    frames of 10 ms (30 s); shorter ones are followed by silence, longer
    recordings are cut at their quietest places and the pieces heard one by
    one. `with_window` makes one that hears less at once, for less work. Times
    are not written (`<|notimestamps|>`). `compile(optimizer)` is enough to
    fine-tune: the loss is the cross-entropy of the text's tokens, in nats a
    token; `label_smoothing` smooths it.

    Reference: Radford et al. 2022 (arXiv:2212.04356). Differs: no fallback to
    higher temperatures, no windows by predicted times, no probability of
    silence: where nobody speaks, it may make up words.

    Args:
        tokenizer: SubwordTokenizer (or its config) with Whisper's marks.
        whisper: Whisper (or its config); default tiny.en's sizes.
        language: str, what is spoken where `transcribe` is not told
            otherwise, None for a model of English alone.
        suppressed_ids: ints never written, beside all marks.
        suppressed_first_ids: ints that no text begins with.
        max_new_tokens: int, most tokens of a piece's text.
        label_smoothing: float in [0, 1), of the loss.
        spec_augment: SpecAugment, its config, or None for none.

    Call arguments:
        inputs: dict of "samples", float32 `(B, L)` in [-1, 1], and
            "token_ids", int32 `(B, T)`, which begin with the prompt. Heard
            are the `L` samples and no silence behind them, so a training may
            have shorter windows; `training_batch` gives whole ones.
        training: bool.

    Returns:
        logits, float `(B, T, V)`, of the token after each token.

    Raises:
        ValueError: where the vocabulary does not fit the model's, lacks a
            mark of the prompt, or the numbers leave no room for text.

    Example:
        >>> recognizer = zoo.load("asr_whisper_tiny_en")
        >>> recognizer.transcribe("speech.wav")
    """

    # The front end's output spans 100 dB and more: eight bits cannot hold it.
    float_layers = ("frontend",)

    def __init__(
        self,
        tokenizer,
        whisper=None,
        language=None,
        suppressed_ids=(),
        suppressed_first_ids=(),
        max_new_tokens=224,
        label_smoothing=0.0,
        spec_augment=None,
        **kwargs,
    ):
        # Layers. The front end's name is known to the quantiser, which
        # leaves it in floating point.
        if isinstance(tokenizer, dict):
            tokenizer = SubwordTokenizer(**tokenizer)
        if whisper is None:
            whisper = Whisper(tokenizer.vocabulary_size, name="whisper")
        if isinstance(whisper, dict):
            whisper = from_config(whisper, name="whisper")
        if tokenizer.vocabulary_size != whisper.vocabulary_size:
            raise ValueError(
                f"The tokenizer has {tokenizer.vocabulary_size} tokens, but "
                f"the model was built for {whisper.vocabulary_size}; give the "
                "one it was trained with."
            )
        frontend = LogMelSpectrogram(
            num_mel_bins=whisper.num_mel_bins,
            energy_floor=1e-10,
            dynamic_range_db=80.0,
            padding="mirrored",
            name="frontend",
        )
        if isinstance(spec_augment, SpecAugment):
            spec_augment = to_config(spec_augment)
        augment = None
        if spec_augment is not None:
            augment = from_config(spec_augment, name="spec_augment")
        num_samples = 2 * whisper.max_frames * frontend.hop_length_samples

        # Functional model
        samples = keras.Input((None,), dtype="float32", name="samples")
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        features, _ = frontend(samples[:, :num_samples])
        if augment is not None:
            features = augment(features)
        logits = whisper({"features": features, "token_ids": token_ids})
        super().__init__(
            inputs={"samples": samples, "token_ids": token_ids},
            outputs=logits,
            **kwargs,
        )

        # Config
        self.tokenizer = tokenizer
        self.whisper = whisper
        self.language = language
        self.suppressed_ids = tuple(suppressed_ids)
        self.suppressed_first_ids = tuple(suppressed_first_ids)
        self.max_new_tokens = max_new_tokens
        self.label_smoothing = label_smoothing
        self.spec_augment = augment
        self.frontend = frontend
        self.sampling_rate_hz = frontend.sampling_rate_hz
        self.max_samples = num_samples
        self.search_parts = (frontend,)
        self._ids = {t: i for i, t in enumerate(tokenizer.vocabulary)}
        self.writing_rules()  # raises where something does not fit

    def task_config(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "whisper": to_config(self.whisper),
            "language": self.language,
            "suppressed_ids": list(self.suppressed_ids),
            "suppressed_first_ids": list(self.suppressed_first_ids),
            "max_new_tokens": self.max_new_tokens,
            "label_smoothing": self.label_smoothing,
            "spec_augment": None
            if self.spec_augment is None
            else to_config(self.spec_augment),
        }

    @property
    def writer(self):
        return self.whisper

    @property
    def window_seconds(self):
        """Seconds heard at once."""
        return self.max_samples / self.sampling_rate_hz

    def with_window(self, seconds):
        """A recogniser of the same weights that hears less at once.

        It has the first positions of the encoder, and room for so much less
        text (a window of 10 s has a third of `max_new_tokens`). What the
        encoder makes of a recording depends on the silence behind it, so its
        texts may differ.

        Args:
            seconds: float, a multiple of 0.02, at most `window_seconds`.

        Returns:
            WhisperRecognizer, new, not compiled.

        Raises:
            ValueError: another length.
        """
        frame_samples = self.max_samples // self.whisper.max_frames
        frames = round(seconds * self.sampling_rate_hz / frame_samples, 6)
        if frames != int(frames) or not 1 <= frames <= self.whisper.max_frames:
            raise ValueError(
                f"A window of {seconds} s; expected a multiple of "
                f"{frame_samples / self.sampling_rate_hz} s, at most "
                f"{self.window_seconds} s, which are what the model hears."
            )
        config = self.task_config()
        config["whisper"]["config"]["max_frames"] = int(frames)
        room = self.max_new_tokens * int(frames) / self.whisper.max_frames
        config["max_new_tokens"] = math.ceil(room)
        found = WhisperRecognizer(**config)
        for new, old in zip(found.weights, self.weights, strict=True):
            value = value_of(old)
            new.assign(value[: new.shape[0]] if new.shape else value)
        return found

    def write_only(self, pattern):
        """From now on writes tokens of a pattern alone.

        Args:
            pattern: str, a regular expression (`re.fullmatch`) of a token's
                text, such as `LETTERS`: small letters, no digits, no marks of
                punctuation.

        Raises:
            ValueError: no token matches.
        """
        vocabulary = self.tokenizer.vocabulary
        banned = [
            i
            for i in range(len(vocabulary))
            if not re.fullmatch(pattern, text_of([i], vocabulary))
        ]
        if len(banned) == len(vocabulary):
            raise ValueError(f"No token of the vocabulary matches {pattern!r}.")
        self.suppressed_ids = tuple(sorted({*self.suppressed_ids, *banned}))

    def writing_rules(self, language=None, translate=False):
        """What stands before every text and what in none: WritingRules.

        Args:
            language, translate: see `transcribe`.
        """
        marks = prompt_of(language or self.language, translate)
        if missing := [t for t in (*marks, END) if t not in self._ids]:
            raise ValueError(
                f"The vocabulary has no {', '.join(missing)}; expected "
                "Whisper's marks, and a language that this model knows."
            )
        end_id = self._ids[END]
        room = self.whisper.max_sequence_length - len(marks)
        if not 1 <= self.max_new_tokens <= room:
            raise ValueError(
                f"max_new_tokens={self.max_new_tokens}; expected 1 to {room}, "
                "the model's max_sequence_length less the prompt."
            )
        banned = {i for token, i in self._ids.items() if is_mark(token)}
        banned |= set(self.suppressed_ids)
        return WritingRules(
            prompt=tuple(self._ids[mark] for mark in marks),
            end_id=end_id,
            banned_ids=tuple(sorted(banned - {end_id})),
            banned_first_ids=self.suppressed_first_ids,
            max_new_tokens=self.max_new_tokens,
        )

    def heard(self, inputs, rules):
        samples = fit_length(inputs["samples"], self.max_samples)
        features, _ = self.frontend(samples)
        batch, places = ops.shape(features)[0], rules.num_places
        return Heard(
            self.whisper.context_caches(self.whisper.encode(features)),
            ops.zeros((batch, places), dtype="int32"),
            ops.zeros((batch,), dtype="int32") + places,
        )

    def sound_rows(self, pieces):
        """All as long as the model hears at once."""
        return {"samples": padded_rows(pieces, self.max_samples)}

    def text_ids(self, text):
        return self.tokenizer.encode(f" {text}")

    def text_of(self, ids):
        return text_of(ids, self.tokenizer.vocabulary)

    def transcribe(
        self,
        x,
        beam=1,
        alpha=1.0,
        language=None,
        translate=False,
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
            language: str, what is spoken ("de"); default: the task's.
            translate: bool, write it in English.
            details: bool, return dicts of text, token_ids and score (mean
                over pieces of log-probability over length penalty).
            batch_size: int, pieces recognised at once.

        Returns:
            str (or dict with `details`); a list of them for a list.

        Raises:
            AudioError (a ValueError): for a file or array that is missing,
                empty, broken or holds NaN.
            ValueError: a setting out of its range, an unknown language.
        """
        rules = self.writing_rules(language, translate)
        return self._transcribe(x, rules, beam, alpha, details, batch_size)

    def export_metadata(self):
        language = self.language or "en"
        return {**super().export_metadata(), "language": language}
