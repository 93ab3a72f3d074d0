"""Speech recognition by Whisper: samples in, punctuated text out.

Shapes: `B` batch, `L` samples, `T` tokens, `V` vocabulary.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.export.probes import probe_waveforms
from keras_selfattn.export.signature import Signature
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.models.whisper import Whisper
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.whisper_text import (
    END,
    is_mark,
    prompt_of,
    text_of,
)
from keras_selfattn.tasks.speech_input import read_pieces, read_whole
from keras_selfattn.tasks.task import Task, from_config, to_config
from keras_selfattn.tasks.text_writer import text_loss
from keras_selfattn.tasks.whisper_graph import (
    WhisperSearch,
    WritingRules,
    fit_length,
    greedy_ids,
)

NO_LABEL = -1  # a place of the labels that costs nothing
PIECES_AT_ONCE = 4


@keras.saving.register_keras_serializable(package="keras_selfattn")
class WhisperRecognizer(Task):
    """Waveform to text by Whisper: front end, encoder and decoder in one.

    The model hears pieces of one length, `2 whisper.max_frames` frames of 10
    ms (30 s); shorter ones are followed by silence, longer recordings are cut
    at their quietest places and the pieces heard one by one. Times are not
    written (`<|notimestamps|>`). `compile(optimizer)` is enough to fine-tune:
    the loss is the cross-entropy of the text's tokens, in nats a token.

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

    Call arguments:
        inputs: dict of "samples", float32 `(B, L)` in [-1, 1], and
            "token_ids", int32 `(B, T)`, which begin with the prompt.
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

    def __init__(
        self,
        tokenizer,
        whisper=None,
        language=None,
        suppressed_ids=(),
        suppressed_first_ids=(),
        max_new_tokens=224,
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
        num_samples = 2 * whisper.max_frames * frontend.hop_length_samples

        # Functional model
        samples = keras.Input((None,), dtype="float32", name="samples")
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        features, _ = frontend(fit_length(samples, num_samples))
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
        self.frontend = frontend
        self.num_samples = num_samples
        self._ids = {t: i for i, t in enumerate(tokenizer.vocabulary)}
        self._searches = {}  # (rules, beam) to WhisperSearch
        self.writing_rules()  # raises where something does not fit

    def task_config(self):
        return {
            "tokenizer": self.tokenizer.get_config(),
            "whisper": to_config(self.whisper),
            "language": self.language,
            "suppressed_ids": list(self.suppressed_ids),
            "suppressed_first_ids": list(self.suppressed_first_ids),
            "max_new_tokens": self.max_new_tokens,
        }

    @property
    def sampling_rate_hz(self):
        return self.frontend.sampling_rate_hz

    @property
    def min_samples(self):
        """Shorter input is padded with zeros up to this: 0.1 s."""
        return min(self.sampling_rate_hz // 10, self.num_samples)

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

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """Nats a token: summed over the batch, over its labels."""
        y = ops.cast(y, "int32")
        return text_loss(y, y_pred, 0.0, sample_weight, NO_LABEL)

    def training_batch(self, items, texts):
        """What `fit` takes: recordings and what is said in them.

        Args:
            items: list of paths or float arrays `(L,)`, each at most as long
                as the model hears at once.
            texts: list of str.

        Returns:
            dict of "samples" and "token_ids", and labels, int32 `(B, T)`, -1
            where there is none.

        Raises:
            ValueError: a recording or a text that is too long.
        """
        samples = self._rows(list(read_whole(items, self.frontend)))
        rules = self.writing_rules()
        rows = [
            [*rules.prompt, *self.tokenizer.encode(f" {text}"), rules.end_id]
            for text in texts
        ]
        width = max(map(len, rows)) - 1
        if width > self.whisper.max_sequence_length:
            raise ValueError(
                f"A text has {width} tokens with its prompt; the model writes "
                f"at most {self.whisper.max_sequence_length}."
            )
        ids = np.full((len(rows), width), rules.end_id, "int32")
        labels = np.full((len(rows), width), NO_LABEL, "int32")
        first = len(rules.prompt) - 1
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens) - 1] = tokens[:-1]
            labels[row, first : len(tokens) - 1] = tokens[first + 1 :]
        return {"samples": samples, "token_ids": ids}, labels

    def _rows(self, pieces):
        """Pieces as rows of one length, float32 `(B, num_samples)`."""
        found = np.zeros((len(pieces), self.num_samples), "float32")
        for row, samples in zip(found, pieces, strict=True):
            if len(samples) > len(row):
                raise ValueError(
                    f"A recording of {len(samples)} samples; the model hears "
                    f"at most {len(row)} at once. `transcribe` cuts."
                )
            row[: len(samples)] = samples
        return found

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
        if beam < 1 or alpha < 0:
            raise ValueError(
                f"beam={beam}, alpha={alpha}; expected beam >= 1 (1 is "
                "greedy) and alpha >= 0."
            )
        rules = self.writing_rules(language, translate)
        single = not isinstance(x, (list, tuple))
        items = [x] if single else list(x)
        seconds = self.num_samples / self.sampling_rate_hz
        pieces, owners = read_pieces(items, self.frontend, seconds)
        results = [{"text": [], "token_ids": [], "score": []} for _ in items]
        for start in range(0, len(pieces), batch_size):
            chosen = slice(start, start + batch_size)
            found = self._write(self._rows(pieces[chosen]), rules, beam, alpha)
            for (owner, _), (ids, score) in zip(owners[chosen], found):
                result = results[owner]
                result["token_ids"] += [int(i) for i in ids]
                result["text"].append(text_of(ids, self.tokenizer.vocabulary))
                result["score"].append(score)
        for result in results:
            result["text"] = " ".join(t for t in result["text"] if t)
            result["score"] = float(np.mean(result["score"]))
        if not details:
            results = [result["text"] for result in results]
        return results[0] if single else results

    def _write(self, samples, rules, beam, alpha):
        key = rules, beam
        if key not in self._searches:
            self._searches[key] = WhisperSearch(
                self.frontend, self.whisper, rules, beam
            )
        # A power of two, so few shapes to compile; copies end when it ends.
        count = 1 << (len(samples) - 1).bit_length()
        more = np.repeat(samples[-1:], count - len(samples), axis=0)
        found = self._searches[key].write(np.append(samples, more, 0), alpha)
        return found[: len(samples)]

    def export_signature(self):
        return Signature(
            "transcribe",
            inputs={"samples": "float32"},
            outputs={"token_ids": "int32"},
            agreement="places hold the token that Keras writes",
            decisions="token_ids",
            # Its output spans 100 dB and more: eight bits cannot hold it.
            float_layers=("frontend",),
        )

    def export_metadata(self):
        return {
            "sampling_rate_hz": int(self.sampling_rate_hz),
            "vocabulary": list(self.tokenizer.vocabulary),
            "end_id": self._ids[END],
            "max_samples": int(self.num_samples),
            "language": self.language or "en",
        }

    def export_outputs(self, inputs):
        """`token_ids`: the text, then the token that ends it."""
        samples = fit_length(inputs["samples"], self.num_samples)
        features, _ = self.frontend(samples)
        ids = greedy_ids(self.whisper, features, self.writing_rules())
        return {"token_ids": ids}

    def reference_outputs(self, inputs):
        """As `export_outputs`, by a search that shares no code with it."""
        rules, whisper = self.writing_rules(), self.whisper
        features, _ = self.frontend(self._rows([inputs["samples"]]))
        context = whisper.context_caches(whisper.encode(features))
        caches = whisper.self_caches(1, rules.num_places + 1)
        given, place, written = np.array([rules.prompt]), 0, []
        while len(written) < rules.max_new_tokens:
            logits, caches = whisper.decode_step(given, place, caches, context)
            scores = np.array(ops.convert_to_numpy(logits)[0, -1], "float64")
            scores[list(rules.banned_ids)] = -np.inf
            if not written:
                scores[list(rules.banned_first_ids)] = -np.inf
            place += given.shape[1]
            given = scores.argmax().reshape(1, 1)
            if given.item() == rules.end_id:
                break
            written.append(given.item())
        written += [rules.end_id] * (rules.max_new_tokens - len(written))
        return {"token_ids": np.array(written, "int32")}

    def export_probes(self):
        """Two awkward lengths."""
        waves = probe_waveforms(self.sampling_rate_hz, self.min_samples)
        return [
            {"samples": wave[: self.num_samples]}
            for wave in (waves[1], waves[4])
        ]

    def typical_input(self):
        size = min(10 * self.sampling_rate_hz, self.num_samples)
        noise = np.random.default_rng(0).normal(scale=0.1, size=size)
        return {"samples": noise.astype("float32")}, "10 s of noise"

    def calibration_inputs(self, items):
        return [
            {"samples": samples[: self.num_samples]}
            for samples in read_whole(items, self.frontend)
        ]
