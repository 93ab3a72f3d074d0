"""Checks an exported file: operators, tokens against Keras, size, speed.

Shapes: `L` samples, `T` output frames, `V` vocabulary.
"""

import os
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from keras_selfattn.decoding.ctc import emissions
from keras_selfattn.export.lint import lint, operators

SPEED_SECONDS = 10


@dataclass(frozen=True)
class Report:
    """What is in an exported file and how it compares with the Keras model.

    Args:
        path: str, the file.
        bytes: int, its size.
        quantize: "none", "float16", "dynamic" or "int8".
        ops: Counter, operator name -> how often it stands in the graph.
        not_built_in: list of Finding, Flex and custom operators.
        tokens_equal: int, frames that emit what Keras emits there.
        tokens_compared: int, frames compared.
        max_abs_logit_difference: float, largest difference between the
            log-probabilities; None where nothing was compared.
        real_time_factor: float, seconds of computing for each second of
            audio on one thread; None where not measured.
    """

    path: str
    bytes: int
    quantize: str
    ops: Counter = field(default_factory=Counter)
    not_built_in: list = field(default_factory=list)
    tokens_equal: int = 0
    tokens_compared: int = 0
    max_abs_logit_difference: float | None = None
    real_time_factor: float | None = None

    def __str__(self):
        kinds = "all built in"
        if self.not_built_in:
            kinds = "; ".join(str(finding) for finding in self.not_built_in)
        parts = [
            f"{self.path}: {self.bytes / 1e6:.2f} MB "
            f"(quantize={self.quantize})",
            f"{self.ops.total()} operators, {kinds}",
        ]
        if self.tokens_compared:
            parts.append(
                f"{self.tokens_equal} of {self.tokens_compared} frames emit "
                "what Keras emits (log-probabilities within "
                f"{self.max_abs_logit_difference:.2g})"
            )
        if self.real_time_factor is not None:
            parts.append(f"real-time factor {self.real_time_factor:.4f}")
        return "; ".join(parts)


def inspect(path, quantize):
    """Return a `Report` of what stands in the file, without running it."""
    return Report(
        path=str(path),
        bytes=os.path.getsize(path),
        quantize=quantize,
        ops=operators(path),
        not_built_in=lint(path),
    )


def verify(task, path, waveforms=None):
    """Run a file beside its Keras model.

    Args:
        task: SpeechRecognizer the file was exported from, on any backend.
        path: str or path of the file, with its metadata.
        waveforms: float32 arrays `(L,)`; default: `probe_waveforms(task)`.

    Returns:
        Report.

    Raises:
        FileError, ModelError (ValueErrors): the file cannot be read or run.
    """
    from keras_selfattn.runtime.transcriber import Transcriber

    found = inspect(path, "none")
    transcriber = Transcriber(path, num_threads=1)
    if waveforms is None:
        waveforms = probe_waveforms(task.sampling_rate_hz, task.min_samples)
    outputs = [transcriber.emissions(waveform) for waveform in waveforms]
    equal, compared, difference = compare(task, waveforms, outputs)
    return replace(
        found,
        quantize=transcriber.metadata["quantize"],
        tokens_equal=equal,
        tokens_compared=compared,
        max_abs_logit_difference=difference,
        real_time_factor=_real_time_factor(transcriber),
    )


def compare(task, waveforms, outputs):
    """Compare a file's outputs with the Keras model's.

    Args:
        task: SpeechRecognizer.
        waveforms: float32 arrays `(L,)`.
        outputs: for each, token_ids int32 `(T,)` and log_probabilities
            float32 `(T, V)`.

    Returns:
        int frames that emit the same, int frames compared, and the largest
        difference of log-probabilities, NaN if any is not finite.
    """
    # One at a time, as the file runs: a batch would hide a wrong length.
    expected = task.frame_log_probabilities(list(waveforms), batch_size=1)
    equal = compared = 0
    difference = 0.0
    for (token_ids, scores), wanted in zip(outputs, expected, strict=True):
        if scores.shape != wanted.shape:
            raise ValueError(
                f"The file gives log-probabilities of shape {scores.shape} "
                f"where Keras gives {wanted.shape}."
            )
        emitted = emissions(wanted.argmax(axis=-1))
        equal += int((emitted == token_ids).sum())
        compared += len(emitted)
        # Not max(): that would lose a NaN.
        difference = float(np.max([difference, np.abs(scores - wanted).max()]))
    return equal, compared, difference


def probe_waveforms(sampling_rate_hz, min_samples):
    """Return waveforms of awkward lengths: tones that rise, and noise.

    The shortest, one more, one second, one more, and 3.0077 seconds.
    """
    lengths = [min_samples, min_samples + 1, sampling_rate_hz]
    lengths += [sampling_rate_hz + 1, int(3.0077 * sampling_rate_hz)]
    random = np.random.default_rng(0)
    waveforms = []
    for i, length in enumerate(lengths):
        seconds = np.arange(length) / sampling_rate_hz
        tone = np.sin(2 * np.pi * (200 + 100 * i + 300 * seconds) * seconds)
        noise = random.normal(size=length)
        waveforms.append((0.1 * tone + 0.01 * noise).astype("float32"))
    return waveforms


def _real_time_factor(transcriber):
    random = np.random.default_rng(0)
    length = SPEED_SECONDS * transcriber.sampling_rate_hz
    samples = random.normal(scale=0.1, size=length).astype("float32")
    transcriber.emissions(samples)  # allocates for this length
    times = []
    for _ in range(3):
        started = time.perf_counter()
        transcriber.emissions(samples)
        times.append(time.perf_counter() - started)
    return min(times) / SPEED_SECONDS
