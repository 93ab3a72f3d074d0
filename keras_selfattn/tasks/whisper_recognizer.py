"""Speech recognition by Whisper: samples in, punctuated text out.

Shapes: `B` batch, `L` samples, `T` tokens, `V` vocabulary.
"""

import re
from functools import partial

import keras
from keras import ops

from keras_selfattn.decoding.temperature_fallback import TemperatureFallback
from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.models.whisper import Whisper
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.whisper_languages import (
    code_of,
    language_codes,
)
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
from keras_selfattn.tasks.speech_input import padded_rows, read_pieces
from keras_selfattn.tasks.task import from_config, to_config
from keras_selfattn.tasks.whisper_listener import WhisperListener
from keras_selfattn.tasks.whisper_window import shorter

ENGLISH_ALONE = (
    "this model knows English alone. Take one of many languages: "
    "openai/whisper-tiny, not openai/whisper-tiny.en."
)


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

    Reference: Radford et al. 2022 (arXiv:2212.04356). Differs: no windows by
    predicted times; higher temperatures and the probability of silence
    (section 4.5) where `transcribe` is asked for them: without, it may make
    up words where nobody speaks.

    Args:
        tokenizer: SubwordTokenizer (or its config) with Whisper's marks.
        whisper: Whisper (or its config); default tiny.en's sizes.
        language: str, what is spoken where nobody says otherwise, by code
            or English name ("de", "German"). None for a model of English
            alone, and for one of many languages to detect it: then trainings
            and files have to be told.
        suppressed_ids: ints never written, beside all marks.
        suppressed_first_ids: ints that no text begins with.
        max_new_tokens: int, most tokens of a piece's text.
        label_smoothing: float in [0, 1), of the loss.
        spec_augment: SpecAugment, its config, or None for none.
        multilingual: bool, whether it was trained on many languages; default:
            where `language` is given.
        translate: bool, write English where nobody says otherwise.

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
            mark of the prompt, or the numbers leave no room for text; for a
            language or a task that the model does not know.

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
        multilingual=None,
        translate=False,
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
        if multilingual is None:
            multilingual = language is not None
        self.multilingual = multilingual
        self.id_of = {t: i for i, t in enumerate(tokenizer.vocabulary)}
        self.language_ids = {}  # code to id, of a model of many languages
        if multilingual:
            self.language_ids = language_codes(tokenizer.vocabulary)
        self.language = self._code(language)
        self.translate = translate
        self.suppressed_ids = tuple(suppressed_ids)
        self.suppressed_first_ids = tuple(suppressed_first_ids)
        self.max_new_tokens = max_new_tokens
        self.label_smoothing = label_smoothing
        self.spec_augment = augment
        self.frontend = frontend
        self.sampling_rate_hz = frontend.sampling_rate_hz
        self.max_samples = num_samples
        self.search_parts = (frontend,)
        self._listener = None  # made where it is asked for
        if multilingual and not self.language_ids:
            raise ValueError(
                "The vocabulary has no mark of a language (<|en|>), which a "
                "model of many languages has; give its own tokenizer, or "
                "multilingual=False."
            )
        # Raises where something does not fit.
        self.writing_rules(self.language or next(iter(self.language_ids), None))

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
            "multilingual": self.multilingual,
            "translate": self.translate,
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
        return shorter(self, seconds)

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

    def writing_rules(self, language=None, translate=None):
        """What stands before every text and what in none: WritingRules.

        Args:
            language: str, what is spoken; default: the task's.
            translate: bool, write it in English; default: the task's.

        Raises:
            ValueError: no language, or one that the model does not know.
        """
        language = self._code(self.language if language is None else language)
        if language is None and self.multilingual:
            raise ValueError(
                "This model knows many languages and was not told which is "
                "spoken: set `language` of the task (or give it to `export`); "
                "`transcribe` alone detects it."
            )
        translate = self.translate if translate is None else translate
        marks = prompt_of(language, translate)
        if missing := [t for t in (*marks, END) if t not in self.id_of]:
            raise ValueError(
                f"The vocabulary has no {', '.join(missing)}; expected "
                "Whisper's marks."
            )
        end_id = self.id_of[END]
        room = self.whisper.max_sequence_length - len(marks)
        if not 1 <= self.max_new_tokens <= room:
            raise ValueError(
                f"max_new_tokens={self.max_new_tokens}; expected 1 to {room}, "
                "the model's max_sequence_length less the prompt."
            )
        banned = {i for token, i in self.id_of.items() if is_mark(token)}
        banned |= set(self.suppressed_ids)
        return WritingRules(
            prompt=tuple(self.id_of[mark] for mark in marks),
            end_id=end_id,
            banned_ids=tuple(sorted(banned - {end_id})),
            banned_first_ids=self.suppressed_first_ids,
            max_new_tokens=self.max_new_tokens,
        )

    def _code(self, language):
        """A language's code; None where none is given or none is asked for."""
        if language is None or self.multilingual:
            return language and code_of(language, self.language_ids)
        if code_of(language) != "en":
            raise ValueError(
                f"language={language!r}; expected 'en': {ENGLISH_ALONE}"
            )
        return None

    def context_of(self, samples):
        """Samples `(B, L)` to the decoder's caches of what was heard."""
        features, _ = self.frontend(fit_length(samples, self.max_samples))
        return self.whisper.context_caches(self.whisper.encode(features))

    def heard(self, inputs, rules):
        context, places = inputs.get("context"), rules.num_places
        if context is None:
            context = self.context_of(inputs["samples"])
        batch = ops.shape(context[0]["key"])[0]
        return Heard(
            context,
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

    def detect_language(self, x, batch_size=PIECES_AT_ONCE):
        """Which language is spoken, by what the model would write first.

        Heard is the beginning, as much as the model hears at once. Reference:
        Radford et al. 2022, section 2.3.

        Args:
            x, batch_size: see `transcribe`.

        Returns:
            dict of each code that the model knows ("de") to its probability,
            a float, the likeliest first; a list of them for a list.

        Raises:
            AudioError (a ValueError): see `transcribe`.
            ValueError: a model of English alone.

        Example:
            >>> next(iter(recognizer.detect_language("speech.wav")))
            'de'
        """
        if not self.multilingual:
            raise ValueError(f"No language is detected: {ENGLISH_ALONE}")
        single = not isinstance(x, (list, tuple))
        pieces, owners = read_pieces(
            [x] if single else list(x), self, self.window_seconds
        )
        firsts = [pieces[i] for i, owner in enumerate(owners) if not owner[1]]
        found = self._ears().languages(firsts, batch_size)
        return found[0] if single else found

    def _ears(self):
        if self._listener is None:
            self._listener = WhisperListener(self)
        return self._listener

    def facts_of(self, rules):
        token = self.tokenizer.vocabulary[rules.prompt[1]]
        code = token[2:-2]
        return {"language": code if code in self.language_ids else "en"}

    def transcribe(
        self,
        x,
        beam=1,
        alpha=1.0,
        language=None,
        translate=None,
        details=False,
        batch_size=PIECES_AT_ONCE,
        fallback=None,
    ):
        """Text of speech.

        Args:
            x: a path, a float array `(L,)` at `sampling_rate_hz`, or a list
                of these. Files of any rate and channel count are resampled
                and mixed down; speech longer than the model hears at once is
                cut at its quietest places.
            beam: int >= 1, texts kept while searching; 1 is greedy.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.
            language: str, what is spoken ("de", "German"); default: the
                task's. Where that has none and the model knows many, it is
                detected from the beginning of each recording.
            translate: bool, write it in English; default: the task's.
            details: bool, return dicts of text, token_ids, language and score
                (mean over pieces of log-probability over length penalty);
                with `fallback` also temperatures, a list of each piece's,
                None where it was taken for silence.
            batch_size: int, pieces recognised at once.
            fallback: True, or a TemperatureFallback: a text that is unlikely
                or repeats itself is drawn anew at higher temperatures, and
                what is unlikely where nobody seems to speak is left out.
                Default None: what is written is what one search finds, as in
                the exported file, and chance has no part in it.

        Returns:
            str (or dict with `details`); a list of them for a list.

        Raises:
            AudioError (a ValueError): for a file or array that is missing,
                empty, broken or holds NaN.
            ValueError: a setting out of its range, an unknown language.
        """
        language = self.language if language is None else language
        if language is None and self.multilingual:

            def rules(firsts):
                heard = self._ears().hear(firsts)
                found = self._ears().chances(heard["logits"])
                best = [next(iter(chances)) for chances in found]
                told = [self.writing_rules(code, translate) for code in best]
                return told, {"context": heard["context"]}

        else:
            rules = self.writing_rules(language, translate)
        settle = None
        if fallback:
            if fallback is True:
                fallback = TemperatureFallback()
            if not isinstance(fallback, TemperatureFallback):
                raise ValueError(
                    f"fallback={fallback!r}; expected True, None or a "
                    "TemperatureFallback(...)."
                )
            settle = partial(self._ears().settle, fallback, alpha)
        return self._transcribe(
            x, rules, beam, alpha, details, batch_size, settle
        )

    def export(
        self, path, quantize="none", language=None, translate=None, **kwargs
    ):
        """Writes ONE `.tflite` file of built-in operators, no Flex.

        The file is asked in one language and for one task, its prompt inside.

        Args:
            path: file to write.
            quantize: "none", "float16", "dynamic" or "int8".
            language: str, what the file hears; default: the task's.
            translate: bool, the file writes English; default: the task's.
            **kwargs: see `keras_selfattn.export.litert.export_litert`.

        Returns:
            Report of the file's check against this model.

        Raises:
            ValueError: no language, or one that the model does not know.
        """
        before = self.language, self.translate
        try:
            if language is not None:
                self.language = self._code(language)
            if translate is not None:
                self.translate = translate
            self.writing_rules()
            return super().export(path, quantize, **kwargs)
        finally:
            self.language, self.translate = before

    def export_metadata(self):
        return {
            **super().export_metadata(),
            "language": self._code(self.language) or "en",
            "translate": bool(self.translate),
        }
