"""Speech recognition: samples in, text out, by an encoder with a CTC head.

Shapes: `B` batch, `L` samples, `T` encoder frames, `U` labels,
`V` vocabulary (id 0 = blank).
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.decoding.ctc import emissions, words_with_times
from keras_selfattn.export.probes import probe_waveforms
from keras_selfattn.export.signature import Signature
from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.losses.batch_mean import batch_mean
from keras_selfattn.losses.ctc import ctc_loss
from keras_selfattn.losses.distillation import frame_distillation
from keras_selfattn.models.conformer import ConformerEncoder
from keras_selfattn.preprocessing.tokenizers import (
    CharacterTokenizer,
    tokenizer_from_config,
)
from keras_selfattn.tasks import streaming_graph
from keras_selfattn.tasks.speech_input import (
    check_feature_dim,
    encoder_frames,
    log_softmax,
    padded_batches,
    read_pieces,
    read_whole,
    sample_shape,
    symbolic_inputs,
)
from keras_selfattn.tasks.task import Task, from_config, to_config


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SpeechRecognizer(Task):
    """Waveform to text: front end, encoder and CTC head in one model.

    The front end is inside, so `fit` takes samples and the exported file
    takes what a microphone gives. `compile(optimizer)` is enough: the loss
    is CTC, in nats a label.

    With an encoder that streams (`ConformerEncoder(streaming=...)`), one set
    of weights serves recordings, in full context, and streams, in chunks:
    `transcribe(x, chunk_frames=16)` gives what a stream gives, and the
    exported file has the signature `stream` beside `transcribe`; see
    `tasks.streaming_graph`.

    Reference: CTC: Graves et al. 2006 (ICML), section 3; Conformer encoder:
    Gulati et al. 2020 (arXiv:2005.08100).

    Args:
        frontend: LogMelSpectrogram, MFCC or JoinedFeatures (or its config);
            default Whisper-like log-mel features.
        encoder: ConformerEncoder (or its config); default the paper's
            small shape.
        tokenizer: CharacterTokenizer, SentencePieceTokenizer, WordTokenizer
            or its config; default lower-case English letters.
        spec_augment: SpecAugment, its config, or None for none.
        chunk_frames: int, output frames a chunk of the exported `stream`;
            default: the largest that the encoder was trained with, None
            where it does not stream.

    Call arguments:
        inputs: dict of "samples", float32 `(B, L)` in [-1, 1], and
            "num_samples", int32 `(B,)`.
        training: bool.

    Returns:
        logits, float32 `(B, T, V)`; row b is valid up to
        `output_lengths(num_samples)[b]`.

    Raises:
        ValueError: where the front end's features are not the encoder's, or
            it looks ahead and the encoder streams.

    Example:
        >>> recognizer = SpeechRecognizer()
        >>> recognizer.compile("adamw")
        >>> recognizer.fit(
        ...     {"samples": samples, "num_samples": lengths}, token_ids
        ... )  # (B, U), padded with 0
        >>> recognizer.transcribe("speech.wav")
    """

    def __init__(
        self,
        frontend=None,
        encoder=None,
        tokenizer=None,
        spec_augment=None,
        chunk_frames=None,
        **kwargs,
    ):
        # Layers. The front end's name is known to the quantiser, which
        # leaves it in floating point.
        encoder = ConformerEncoder() if encoder is None else encoder
        if isinstance(encoder, dict):
            encoder = from_config(encoder, name="encoder")
        if frontend is None:
            frontend = {"class_name": LogMelSpectrogram.__name__, "config": {}}
            if encoder.streaming is not None:
                frontend["config"]["padding"] = "causal"
        tokenizer = CharacterTokenizer() if tokenizer is None else tokenizer
        if isinstance(spec_augment, SpecAugment):
            spec_augment = to_config(spec_augment)
        if not isinstance(frontend, dict):
            frontend = to_config(frontend)
        frontend = from_config(frontend, name="frontend")
        if isinstance(tokenizer, dict):
            tokenizer = tokenizer_from_config(tokenizer)
        check_feature_dim(frontend, encoder)
        if encoder.streaming is not None:
            streaming_graph.check_frontend(frontend)
        augment = None
        if spec_augment is not None:
            augment = from_config(spec_augment, name="spec_augment")
        head = keras.layers.Dense(
            tokenizer.vocabulary_size, dtype="float32", name="ctc_head"
        )

        # Functional model
        samples, num_samples = symbolic_inputs(frontend)
        features, mask = frontend(samples, num_samples)
        if augment is not None:
            features = augment(features, mask)
        encoded = encoder({"features": features, "padding_mask": mask})
        logits = head(encoded["hidden"])
        super().__init__(
            inputs={"samples": samples, "num_samples": num_samples},
            outputs=logits,
            **kwargs,
        )

        # Config
        self.frontend = frontend
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.spec_augment = augment
        self.head = head
        self._distillation = None
        self._predict_functions = {}
        self._chunk_frames = None
        self.chunk_frames = chunk_frames

    @property
    def chunk_frames(self):
        """Output frames a chunk of the exported `stream`."""
        streaming = self.encoder.streaming
        if self._chunk_frames is None and streaming is not None:
            return max(streaming["chunk_frames"])
        return self._chunk_frames

    @chunk_frames.setter
    def chunk_frames(self, chunk_frames):
        if chunk_frames is not None:
            self.encoder.check_chunk_frames(chunk_frames)
        self._chunk_frames = chunk_frames

    def task_config(self):
        config = {
            "frontend": to_config(self.frontend),
            "encoder": to_config(self.encoder),
            "tokenizer": self.tokenizer.get_config(),
            "spec_augment": None
            if self.spec_augment is None
            else to_config(self.spec_augment),
        }
        # Presets made before there was a choice say nothing of it.
        if self._chunk_frames is not None:
            config["chunk_frames"] = self._chunk_frames
        return config

    @property
    def sampling_rate_hz(self):
        return self.frontend.sampling_rate_hz

    @property
    def frame_seconds(self):
        """Seconds from one output frame to the next."""
        hop = self.frontend.hop_length_samples * self.encoder.stride
        return hop / self.sampling_rate_hz

    @property
    def min_samples(self):
        """Shorter input is padded with zeros up to this: 0.1 s."""
        return self.sampling_rate_hz // 10

    def output_lengths(self, num_samples):
        """Valid output frames for `num_samples` (int or array)."""
        return encoder_frames(self.frontend, self.encoder, num_samples)

    def compute_loss(
        self,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """CTC in nats a label: summed over the batch, over its labels.

        In training, after `distill`, its loss is added.
        """
        lengths = self.output_lengths(ops.cast(x["num_samples"], "int32"))
        losses = ctc_loss(y, y_pred, lengths)  # (B,)
        labels = ops.sum(ops.cast(y != 0, "float32"), axis=1)
        if training and self._distillation is not None:
            weight, delay_frames = self._distillation
            losses = losses + weight * frame_distillation(
                self._full_context(x), y_pred, lengths, delay_frames
            )
        if sample_weight is not None:
            weight = ops.cast(sample_weight, "float32")
            losses, labels = losses * weight, labels * weight
        return batch_mean(ops.sum(losses), ops.sum(labels))

    def distill(self, weight, delay_frames=0):
        """From here on, training in chunks learns from full context, too.

        Each step hears the recordings once more, with full context and
        without dropout or SpecAugment, as a teacher whose frames the step's
        frames shall resemble; see `losses.frame_distillation`. That costs the
        time of a forward pass. Steps with full context learn CTC as before,
        so leave the encoder's `full_context_rate` above 0: a teacher that
        learns nothing teaches nothing. Call it before the first step.

        Args:
            weight: float >= 0, of the divergence in nats a label beside CTC;
                0 for none.
            delay_frames: int >= 0, output frames that chunks may be later.

        Raises:
            ValueError: the encoder does not stream, or a number is negative.
        """
        if self.encoder.streaming is None:
            raise ValueError(
                "distill() is for an encoder that streams; make it with "
                "ConformerEncoder(streaming={'chunk_frames': [16]}), say."
            )
        if not weight >= 0 or type(delay_frames) is not int or delay_frames < 0:
            raise ValueError(
                f"weight={weight!r}, delay_frames={delay_frames!r}: expected "
                "a number >= 0 and an int >= 0."
            )
        self._distillation = (float(weight), delay_frames) if weight else None

    def _full_context(self, x):
        """Logits of full context, without anything random."""
        samples = ops.convert_to_tensor(x["samples"])
        features, mask = self.frontend(samples, x["num_samples"])
        encoded = self.encoder(
            {"features": features, "padding_mask": mask}, training=False
        )
        return self.head(encoded["hidden"])

    def _look_ahead(self, chunk_frames):
        """From here on, `predict` sees chunks; None: full context.

        A compiled function keeps the chunks that it was traced with, so each
        size has its own.
        """
        before = self.encoder.chunk_frames
        if chunk_frames == before:
            return
        self.encoder.chunk_frames = chunk_frames
        self._predict_functions[str(before)] = self.predict_function
        self.predict_function = self._predict_functions.get(str(chunk_frames))

    def frame_log_probabilities(self, pieces, batch_size=8, chunk_frames=None):
        """Log-probabilities `(T, V)` of each float32 array of samples.

        Pieces are batched by length and padded to whole seconds (few
        shapes, so few compilations). For `chunk_frames` see `transcribe`.
        """
        self._look_ahead(chunk_frames)
        try:
            return self._frame_log_probabilities(pieces, batch_size)
        finally:
            self._look_ahead(None)

    def _frame_log_probabilities(self, pieces, batch_size):
        results = [None] * len(pieces)
        for rows, inputs in padded_batches(
            pieces, self.frontend, batch_size, self.min_samples
        ):
            logits = log_softmax(self.predict_on_batch(inputs))
            for row, i in enumerate(rows):
                length = int(inputs["num_samples"][row])
                valid = int(self.output_lengths(length))
                results[i] = logits[row, :valid].astype("float32")
        return results

    def transcribe(self, x, details=False, batch_size=8, chunk_frames=None):
        """Text of speech.

        Args:
            x: a path, a float array `(L,)` at `sampling_rate_hz`, or a list
                of these. Files of any rate and channel count are resampled
                and mixed down; speech longer than 20 s is cut at its
                quietest places.
            details: bool, return dicts of text, token_ids and words with
                times (seconds) and confidences instead of text alone.
            batch_size: int, pieces recognised at once.
            chunk_frames: int, recognise as a stream in chunks of so many
                output frames; None for full context.

        Returns:
            str (or dict with `details`); a list of them for a list.

        Raises:
            AudioError (a ValueError): for a file or array that is missing,
                empty, broken or holds NaN.
        """
        single = not isinstance(x, (list, tuple))
        items = [x] if single else list(x)
        pieces, owners = read_pieces(items, self.frontend)
        scores = self.frame_log_probabilities(pieces, batch_size, chunk_frames)
        results = [{"text": [], "token_ids": [], "words": []} for _ in items]
        for (owner, offset), rows in zip(owners, scores, strict=True):
            emitted = emissions(rows.argmax(axis=-1))
            ids = [int(i) for i in emitted if i]
            results[owner]["token_ids"] += ids
            results[owner]["text"].append(self.tokenizer.decode(ids))
            for word in words_with_times(
                emitted, rows, self.tokenizer.vocabulary, self.frame_seconds
            ):
                for edge in ("start_s", "end_s"):
                    word[edge] = round(word[edge] + offset, 3)
                results[owner]["words"].append(word)
        for result in results:
            result["text"] = " ".join(t for t in result["text"] if t)
        if not details:
            results = [result["text"] for result in results]
        return results[0] if single else results

    def export_signature(self):
        return Signature(
            "transcribe",
            inputs={"samples": "float32"},
            outputs={"token_ids": "int32", "log_probabilities": "float32"},
            agreement="frames emit what Keras emits",
            decisions="token_ids",
            lengths="num_samples",
            # Its output spans 100 dB and more: eight bits cannot hold it.
            float_layers=("frontend",),
            item_shape=sample_shape(self.frontend),
        )

    def export_parts(self, rows=None):
        """`stream`, where the encoder streams; see `streaming_graph`."""
        if self.encoder.streaming is None:
            return {}
        return {"stream": streaming_graph.part(self)}

    def text_parts(self):
        return [
            {
                "kind": "hear",
                "name": "transcribe_text",
                "of": "transcribe",
                "vocabulary": self.tokenizer.vocabulary,
                "sampling_rate_hz": self.sampling_rate_hz,
            }
        ]

    def export_metadata(self):
        found = {
            "sampling_rate_hz": int(self.sampling_rate_hz),
            "vocabulary": list(self.tokenizer.vocabulary),
            "blank_id": 0,
            "frame_seconds": float(self.frame_seconds),
            "min_samples": int(self.min_samples),
        }
        if self.encoder.streaming is not None:
            found["stream"] = streaming_graph.describe(self)
        return found

    def export_outputs(self, inputs):
        """`token_ids`, each at the frame where it starts and 0 elsewhere."""
        logits = self(inputs, training=False)  # (B, T, V)
        # argmax of floats has no built-in operator: Keras patches -0.0.
        best = ops.top_k(logits, 1)[1][..., 0]  # (B, T)
        previous = ops.pad(best, [[0, 0], [1, 0]])[:, :-1]
        starts = ops.not_equal(best, previous)  # a blank start is 0 anyway
        frames = ops.arange(ops.shape(best)[1])
        valid = self.output_lengths(inputs["num_samples"])
        starts = ops.logical_and(starts, frames < ops.expand_dims(valid, -1))
        return {
            "token_ids": ops.where(starts, best, ops.zeros_like(best)),
            "log_probabilities": ops.log_softmax(logits, axis=-1),
        }

    def reference_outputs(self, inputs, chunk_frames=None):
        # One at a time, as a file runs: a batch would hide a wrong length.
        (rows,) = self.frame_log_probabilities(
            [inputs["samples"]], chunk_frames=chunk_frames
        )
        emitted = emissions(rows.argmax(axis=-1))
        return {"token_ids": emitted, "log_probabilities": rows}

    def export_part_checks(self):
        """A stream of chunks is held against one run under chunk masks."""
        if self.encoder.streaming is None:
            return {}
        return {"stream": streaming_graph.check(self)}

    def export_part_examples(self, examples):
        if self.encoder.streaming is None:
            return []
        found = streaming_graph.chunks_of(
            self, [e["samples"] for e in examples]
        )
        return [("stream", inputs) for inputs in found]

    def export_probes(self):
        probes = probe_waveforms(self.sampling_rate_hz, self.min_samples)
        shape = sample_shape(self.frontend)
        if shape:  # features: as many frames of noise
            random = np.random.default_rng(0)
            probes = [
                random.normal(size=(len(probe), *shape)).astype("float32")
                for probe in probes
            ]
        return [{"samples": probe} for probe in probes]

    def typical_input(self):
        size = (10 * self.sampling_rate_hz, *sample_shape(self.frontend))
        noise = np.random.default_rng(0).normal(scale=0.1, size=size)
        return {"samples": noise.astype("float32")}, "10 s of sound"

    def calibration_inputs(self, items):
        found = []
        for samples in read_whole(items, self.frontend):
            short = max(0, self.min_samples - len(samples))
            around = [(0, short)] + [(0, 0)] * (samples.ndim - 1)
            found.append({"samples": np.pad(samples, around)})
        return found
