"""What `evaluate_asr.py --stream` measures: recordings fed as a microphone.

A chunk is fed when it is full. Its text is there after the time that one
thread computes it; an ended recording is heard again in full context (the
second pass). All figures of time are those of this machine.
"""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from preset_metrics import EvaluationError

from keras_selfattn.metrics.error_rate import ErrorRate
from keras_selfattn.preprocessing.audio import read_audio
from keras_selfattn.preprocessing.transcripts import normalize_transcript
from keras_selfattn.runtime import StreamingTranscriber, Transcriber


@dataclass
class Timings:
    """What was seen of the streams of one set.

    Args:
        chunk_s: list of float, seconds of computing of each chunk.
        first_text_s: list of float, of each recording with a word in it: from
            where full context hears the first word begin to the first partial
            text, the wait for a full chunk included.
        final_texts: list of str, what the second pass heard.
        final_s: list of float, seconds of computing of each second pass.
    """

    chunk_s: list = field(default_factory=list)
    first_text_s: list = field(default_factory=list)
    final_texts: list = field(default_factory=list)
    final_s: list = field(default_factory=list)


class StreamedFile:
    """Hears files as a microphone would give them.

    Args:
        file: path of a .tflite file with the signature `stream`.
        second_pass: bool, hear each again with full context.
    """

    def __init__(self, file: Path, second_pass: bool = True):
        # No end at silence: a file is one utterance.
        self.stream = StreamingTranscriber(file, endpoint_seconds=None)
        self._whole = Transcriber(file) if second_pass else None
        self.timings = Timings()

    def transcribe(self, path: Path):
        """Returns the first pass's `Transcript`; `timings` has the rest."""
        stream, seen = self.stream, self.timings
        stream.reset()
        samples = read_audio(path, stream.sampling_rate_hz)
        duration_s = len(samples) / stream.sampling_rate_hz
        first_s = None
        used_s = 0.0
        for start in range(0, len(samples), stream.chunk_samples):
            chunk = samples[start : start + stream.chunk_samples]
            begun = time.perf_counter()
            text = stream.feed(chunk)
            if len(chunk) < stream.chunk_samples:
                break
            spent_s = time.perf_counter() - begun
            used_s += spent_s
            seen.chunk_s.append(spent_s)
            if text and first_s is None:
                end = start + len(chunk)
                first_s = end / stream.sampling_rate_hz + spent_s
        begun = time.perf_counter()
        heard = stream.finish()
        used_s += time.perf_counter() - begun
        if self._whole is not None:
            whole = self._whole.transcribe(samples)
            seen.final_texts.append(whole.text)
            seen.final_s.append(whole.duration_s * whole.real_time_factor)
            if whole.words:
                said_s = duration_s + used_s if first_s is None else first_s
                seen.first_text_s.append(said_s - whole.words[0]["start_s"])
        # Of all of it, and not of the segments in which something was heard.
        return replace(
            heard, duration_s=duration_s, real_time_factor=used_s / duration_s
        )


def stream_figures(streamed: StreamedFile, result: dict) -> dict:
    """What `measure` cannot see of a set that a `StreamedFile` heard.

    Args:
        streamed: the object that heard this set and nothing before it.
        result: what `measure` gave.

    Returns:
        dict: chunk_seconds, latency_ms (of the algorithm), rates and texts of
        the second pass, milliseconds a chunk, real-time factor of both passes
        together, milliseconds to the first text.
    """
    seen = streamed.timings
    errors = ErrorRate()
    for text, heard in zip(result["texts"], seen.final_texts, strict=True):
        text["second_pass"] = normalize_transcript(heard)
        errors.update(text["reference"], text["second_pass"])
    rates = errors.result()
    compute_s = result["real_time_factor"] * result["audio_s"]
    both_s = compute_s + sum(seen.final_s)
    return {
        "chunk_seconds": streamed.stream.chunk_seconds,
        "latency_ms": streamed.stream.latency_ms,
        "second_pass_wer": rates["wer"],
        "second_pass_cer": rates["cer"],
        "second_pass_ms": _milliseconds(seen.final_s),
        "chunk_ms": _milliseconds(seen.chunk_s),
        "both_passes_real_time_factor": both_s / result["audio_s"],
        "first_text_ms": _milliseconds(seen.first_text_s),
    }


def _milliseconds(seconds: list) -> dict | None:
    if not seconds:
        return None
    found = 1000 * np.array(seconds)
    return {
        "median": float(np.median(found)),
        "p95": float(np.quantile(found, 0.95)),
        "max": float(found.max()),
    }


def _spread(key: str):
    """The column of a median and a 95th percentile."""

    def cell(result):
        found = result[key]
        return found and f"{found['median']:.1f} ({found['p95']:.1f})"

    return cell


STREAM_COLUMNS = {
    "2nd pass: WER %": lambda result: f"{100 * result['second_pass_wer']:.2f}",
    "CER %": lambda result: f"{100 * result['second_pass_cer']:.2f}",
    "ms (95 %)": _spread("second_pass_ms"),
    "both: real-time factor": lambda result: (
        f"{result['both_passes_real_time_factor']:.4f}"
    ),
    "latency ms": lambda result: f"{result['latency_ms']:g}",
    "ms a chunk (95 %)": _spread("chunk_ms"),
    "first text ms (95 %)": _spread("first_text_ms"),
}


def metrics_of_streams(
    entries: list[dict], results: dict, kept: list[dict], command: str
) -> list[dict]:
    """The kept entries of whole recordings, each with its stream's rates.

    Args:
        entries: what metrics.json would keep of the first passes.
        results: name of a set to its figures, in the order of `entries`.
        kept: entries that metrics.json has.
        command: that prints these figures.

    Raises:
        EvaluationError: it has none of a set and this file.
    """
    found = []
    for entry, result in zip(entries, results.values(), strict=True):
        same = ("dataset", "split", "file", "file_sha256")
        whole = next(
            (old for old in kept if all(old[n] == entry[n] for n in same)), None
        )
        if whole is None:
            raise EvaluationError(
                "metrics.json has nothing of whole recordings of "
                f"{entry['dataset']}:{entry['split']} by this file: measure "
                "them first, without --stream."
            )
        stream = {
            "chunk_seconds": result["chunk_seconds"],
            "wer": entry["wer"],
            "cer": entry["cer"],
            "second_pass_wer": round(result["second_pass_wer"], 6),
            "second_pass_cer": round(result["second_pass_cer"], 6),
            "command": command,
        }
        found.append({**whole, "stream": stream})
    return found
