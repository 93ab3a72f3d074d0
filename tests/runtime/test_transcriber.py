"""`Transcriber`: text, times and errors of an exported file, without Keras."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_selfattn.export import metadata
from keras_selfattn.preprocessing.audio import (
    AudioError,
    read_audio,
    split_at_silence,
)
from keras_selfattn.runtime import ModelError, PresetError, Transcriber

TINY = Path(__file__).parents[1] / "golden" / "tiny_asr"
RATE_HZ = 16000
WITHOUT_KERAS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

BLOCKED = {"keras", "tensorflow", "torch", "jax", "safetensors",
           "sentencepiece", "typer", "rich"}
if sys.argv[3] == "block":
    sys.meta_path.insert(0, Blocked())
from keras_selfattn.runtime import Transcriber
print(Transcriber(sys.argv[1]).transcribe(sys.argv[2]).text)
print(sorted(BLOCKED & {name.split(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def transcriber():
    return Transcriber(TINY)


@pytest.fixture(scope="module")
def reference():
    return json.loads((TINY / "preset.json").read_text())["reference"]


@pytest.fixture(scope="module")
def samples():
    return read_audio(TINY / "sample.wav")


def copy_with(tmp_path, **entries):
    """Return a copy of the small model with changed metadata."""
    path = Path(shutil.copy(TINY / "model.tflite", tmp_path))
    found = metadata.read(path) | entries
    metadata.append(path, {k: v for k, v in found.items() if v is not None})
    return path


def test_the_sample_gives_its_reference(transcriber, reference, samples):
    found = transcriber.transcribe(TINY / "sample.wav")
    assert found.text == reference["text"]
    assert found.token_ids == reference["token_ids"]
    assert len(found.token_ids) > 3
    for same in (str(TINY / "sample.wav"), samples, samples.astype("float64")):
        assert transcriber.transcribe(same).token_ids == found.token_ids


def test_a_folder_and_its_file_are_the_same_model(reference, samples):
    found = Transcriber(str(TINY / "model.tflite"), num_threads=2)
    assert found.transcribe(samples).text == reference["text"]


@pytest.mark.parametrize("mode", ["block", "free"])
def test_it_runs_without_keras_and_without_a_backend(mode, reference):
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_KERAS,
            str(TINY),
            str(TINY / "sample.wav"),
            mode,
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    text, loaded = child.stdout.splitlines()
    assert text == reference["text"]
    assert loaded == "[]"


def test_times_lie_in_the_recording_and_in_order(transcriber, samples):
    found = transcriber.transcribe(samples)
    assert found.duration_s == len(samples) / RATE_HZ
    starts = [token["time_s"] for token in found.tokens]
    assert starts == sorted(starts)
    assert 0 <= starts[0] and starts[-1] < found.duration_s
    assert " ".join(word["word"] for word in found.words) == found.text
    for word in found.words:
        assert word["start_s"] <= word["end_s"]
        assert 0 <= word["confidence"] <= 1
    assert found.real_time_factor > 0


def test_tokens_carry_what_the_file_emits(transcriber, samples):
    emitted, log_probabilities = transcriber.emissions(samples)
    frames = np.flatnonzero(emitted)
    found = transcriber.transcribe(samples).tokens
    assert [token["id"] for token in found] == emitted[frames].tolist()
    for token, frame in zip(found, frames, strict=True):
        assert token["token"] == transcriber.vocabulary[token["id"]]
        assert token["time_s"] == pytest.approx(
            frame * transcriber.frame_seconds
        )
        assert token["confidence"] == pytest.approx(
            math.exp(log_probabilities[frame, token["id"]])
        )


def test_confidence_is_the_geometric_mean(transcriber, samples):
    found = transcriber.transcribe(samples)
    product = math.prod(token["confidence"] for token in found.tokens)
    assert found.confidence == pytest.approx(product ** (1 / len(found.tokens)))


def test_long_audio_is_cut_and_joined_with_times(transcriber, samples):
    silence = np.zeros(RATE_HZ, "float32")
    long = np.concatenate([samples, silence] * 18)  # 45 s
    pieces = split_at_silence(long, RATE_HZ, 20.0)
    assert len(pieces) > 2
    calls = []
    found = transcriber.transcribe(long, lambda *call: calls.append(call))
    texts, times = [], []
    for start, stop in pieces:
        assert stop - start <= 20 * RATE_HZ
        piece = transcriber.transcribe(long[start:stop])
        texts.append(piece.text)
        times += [t["time_s"] + start / RATE_HZ for t in piece.tokens]
    assert found.text == " ".join(text for text in texts if text)
    assert [t["time_s"] for t in found.tokens] == pytest.approx(times)
    assert found.words[-1]["end_s"] > 25
    assert found.duration_s == 45.0
    assert calls == [(stop / RATE_HZ, 45.0) for _, stop in pieces]


@pytest.mark.parametrize("num_samples", [1, 2, 159, 1599])
def test_short_audio_is_padded_with_zeros(transcriber, samples, num_samples):
    assert num_samples < transcriber.min_samples
    short = samples[1000 : 1000 + num_samples]
    padded = np.zeros(transcriber.min_samples, "float32")
    padded[:num_samples] = short
    found = transcriber.transcribe(short)
    assert found.token_ids == transcriber.transcribe(padded).token_ids
    assert found.duration_s == num_samples / RATE_HZ


def test_nothing_said_gives_an_empty_text(tmp_path, samples):
    """All tokens but the blank are special, so that no text comes out."""
    vocabulary = metadata.read(TINY / "model.tflite")["vocabulary"]
    special = ["<blank>", *("<none>" for _ in vocabulary[1:])]
    path = copy_with(tmp_path, vocabulary=special)
    assert Transcriber(path).transcribe(samples).text == ""


def test_earlier_lengths_leave_nothing_behind(transcriber, samples, reference):
    for length in (3000, 8000, 3000, len(samples), 20000, len(samples)):
        transcriber.transcribe(samples[:length])
    assert transcriber.transcribe(samples).text == reference["text"]


@pytest.mark.parametrize("channels", [2, 8])
@pytest.mark.parametrize("rate_hz", [8000, 44100, 192000])
def test_any_rate_and_channels_are_read(
    transcriber, tmp_path, channels, rate_hz
):
    seconds = np.arange(rate_hz) / rate_hz
    tone = 0.3 * np.sin(2 * np.pi * 440 * seconds)
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.stack([tone] * channels, axis=1), rate_hz)
    found = transcriber.transcribe(path)
    assert found.duration_s == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(0, "float32"),
        np.full(1600, np.nan, "float32"),
        np.zeros((2, 1600), "float32"),
        np.zeros(1600, "int16"),
        "missing.wav",
        ["one.wav"],
        None,
    ],
    ids=repr,
)
def test_bad_audio_is_an_audio_error(transcriber, value):
    with pytest.raises(AudioError):
        transcriber.transcribe(value)


def test_all_times_move_together(transcriber, samples):
    found = transcriber.transcribe(samples)
    moved = found.moved(1.5)
    for one, other in zip(found.words, moved.words, strict=True):
        for edge in ("start_s", "end_s"):
            assert other[edge] == pytest.approx(one[edge] + 1.5)
        assert other["word"] == one["word"]
    times = [token["time_s"] for token in moved.tokens]
    assert times == pytest.approx([t["time_s"] + 1.5 for t in found.tokens])
    assert found.tokens and moved.text == found.text


def test_json_is_one_line_of_plain_values(transcriber, samples):
    found = transcriber.transcribe(samples)
    line = found.json("a/b.wav")
    value = json.loads(line)
    assert "\n" not in line
    assert value == found.to_dict("a/b.wav")
    assert list(value) == [
        "file",
        "text",
        "words",
        "tokens",
        "confidence",
        "duration_s",
        "real_time_factor",
    ]
    assert "file" not in found.to_dict()
    assert list(value["words"][0]) == ["word", "start_s", "end_s", "confidence"]
    assert list(value["tokens"][0]) == ["id", "token", "time_s", "confidence"]


@pytest.mark.parametrize("num_threads", [0, -1, 1.5, "2", True])
def test_threads_are_counted_from_one(num_threads):
    with pytest.raises(ValueError, match="num_threads"):
        Transcriber(TINY, num_threads=num_threads)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a .tflite file"),
        (b"this is text, not a model", "not a .tflite file"),
        (b"\x1c\0\0\0TFL3", "broken .tflite file"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as error:
        Transcriber(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_model_is_refused(tmp_path, part):
    content = (TINY / "model.tflite").read_bytes()
    path = tmp_path / "model.tflite"
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ModelError, match=r"model\.tflite"):
        Transcriber(path)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": 2}, "format 2; this version reads up to format 1"),
        ({"vocabulary": None}, "lacks vocabulary"),
        ({"signature": "translate"}, "translate"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path, entries, message):
    with pytest.raises(ModelError, match=message):
        Transcriber(copy_with(tmp_path, **entries))


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        Transcriber(tmp_path / "none.tflite")
    with pytest.raises(PresetError, match="not a preset folder"):
        Transcriber(tmp_path)


def test_a_changed_byte_in_a_preset_is_refused(tmp_path):
    folder = Path(shutil.copytree(TINY, tmp_path / "tiny_asr"))
    with open(folder / "model.tflite", "r+b") as file:
        file.seek(20000)
        byte = file.read(1)[0]
        file.seek(20000)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(PresetError, match=r"model\.tflite is damaged"):
        Transcriber(folder)
