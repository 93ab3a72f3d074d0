"""`StreamingTranscriber`: text, times, silence and errors, without Keras."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_selfattn.export import metadata
from keras_selfattn.preprocessing.audio import AudioError, read_audio
from keras_selfattn.runtime import (
    ModelError,
    StreamingTranscriber,
    streaming_transcriber,
)
from tests.tones import RATE_HZ, spoken_tones

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = GOLDEN / "tiny_stream"


@pytest.fixture(scope="module")
def reference():
    return json.loads((TINY / "preset.json").read_text())["reference"]


@pytest.fixture(scope="module")
def samples():
    return read_audio(TINY / "sample.wav")


@pytest.fixture(scope="module")
def opened():
    return StreamingTranscriber(TINY)


@pytest.fixture
def stream(opened):
    opened.reset()
    return opened


def feed_all(stream, samples, block):
    texts = []
    for start in range(0, len(samples), block):
        texts.append(stream.feed(samples[start : start + block]))
    return texts


def silence(seconds):
    return np.zeros(int(seconds * RATE_HZ), "float32")


@pytest.mark.parametrize("block", [1 << 20, 2560, 2561, 777, 16])
def test_blocks_of_any_length_give_what_keras_gives(
    block, stream, samples, reference
):
    feed_all(stream, samples, block)
    found = stream.finish()
    assert found.text == reference["text"]
    assert found.token_ids == reference["token_ids"]
    assert len(samples) % stream.chunk_samples  # a partial chunk at the end


def test_text_comes_while_it_is_spoken(stream, samples, reference):
    texts = feed_all(stream, samples, stream.chunk_samples)
    # The first tone begins at 0.08 s, in the first chunk of 0.16 s.
    assert any(texts[:2])
    for one, other in zip(texts, texts[1:], strict=False):
        assert other.startswith(one)
    assert len(set(texts)) > 5
    assert reference["text"].startswith(texts[-1])


def test_tokens_and_words_have_the_times_of_the_tones(stream, samples):
    stream.feed(samples)
    found = stream.finish()
    letters = [token for token in found.tokens if token["token"] != " "]
    starts, at = [], 0.08
    for letter in found.text:
        if letter == " ":
            at += 0.3
        else:
            starts.append(at)
            at += 0.2
    assert len(letters) == len(starts)
    for token, start in zip(letters, starts, strict=True):
        assert abs(token["time_s"] - start) < 0.2
        assert 0 < token["confidence"] <= 1
    assert [word["word"] for word in found.words] == found.text.split()
    for word in found.words:
        assert word["start_s"] < word["end_s"]
    assert found.duration_s == pytest.approx(len(samples) / RATE_HZ)
    assert found.real_time_factor > 0


def test_silence_ends_a_segment_and_times_go_on(stream):
    assert stream.endpoint_seconds == 1.0
    stream.feed(spoken_tones("abc"))
    assert stream.take_segments() == []
    texts = feed_all(stream, silence(1.6), 1600)
    assert texts[0] == "abc" and texts[-1] == ""
    (first,) = stream.take_segments()
    assert first.text == "abc"
    assert stream.take_segments() == []
    stream.feed(silence(3.0))
    assert stream.take_segments() == []  # nothing was said
    stream.feed(spoken_tones("cab"))
    last = stream.finish()
    assert last.text == "cab"
    shift = len(spoken_tones("abc")) / RATE_HZ + 4.6
    assert abs(last.words[0]["start_s"] - shift - 0.08) < 0.2
    assert abs(first.words[0]["start_s"] - 0.08) < 0.2


def test_what_was_not_taken_is_in_the_end(stream):
    for text in ("ab", "ca"):
        stream.feed(np.concatenate([spoken_tones(text), silence(1.5)]))
    found = stream.finish()
    assert found.text == "ab ca"
    assert len(found.words) == 2
    assert [token["token"] for token in found.tokens if token["token"] != " "]
    stream.reset()
    assert stream.finish().text == ""


def test_without_an_endpoint_a_pause_ends_nothing():
    stream = StreamingTranscriber(TINY, endpoint_seconds=None)
    stream.feed(np.concatenate([spoken_tones("ab"), silence(3.0)]))
    assert stream.take_segments() == []
    stream.feed(spoken_tones("ca"))
    found = stream.finish()
    assert found.text.replace(" ", "") == "abca"
    assert found.words[-1]["end_s"] > 3.5


def test_a_segment_has_a_greatest_length_and_memory_an_end(stream, monkeypatch):
    monkeypatch.setattr(streaming_transcriber, "LONGEST_SEGMENT_SECONDS", 2.0)
    heard, sizes = [], set()
    for _ in range(30):
        stream.feed(spoken_tones("abcabcabcabcabc"))  # no pause for 3 s
        sizes.add(
            sum(
                array.nbytes
                for array in [
                    stream._ids,
                    stream._scores,
                    stream._waiting,
                    *stream._states.values(),
                ]
            )
        )
        heard += stream.take_segments()
    assert len(heard) > 40
    assert max(segment.duration_s for segment in heard) <= 2.0
    assert max(sizes) < 100_000
    text = "".join(segment.text for segment in heard)
    assert text.count("abc") > 100


def test_segments_nobody_takes_are_not_kept_for_ever(stream, monkeypatch):
    monkeypatch.setattr(streaming_transcriber, "KEPT_SEGMENTS", 2)
    stream.reset()
    for text in ("a", "b", "c"):
        stream.feed(np.concatenate([spoken_tones(text), silence(1.5)]))
    assert [segment.text for segment in stream.take_segments()] == ["b", "c"]


def test_positions_from_a_beginning_begin_anew_in_a_pause(tmp_path, samples):
    path = Path(shutil.copy(TINY / "model.tflite", tmp_path))
    found = metadata.read(path)
    found["stream"]["longest_segment_seconds"] = 1.2
    metadata.append(path, found)
    stream = StreamingTranscriber(path)
    frames = []
    for start in range(0, len(samples), 2560):
        stream.feed(samples[start : start + 2560])
        frames.append(int(stream._states["frames"][0]))
    assert 0 in frames[1:]
    assert max(frames) * stream.frame_seconds <= 1.2
    segments = [segment.text for segment in stream.take_segments()]
    assert len(segments) >= 2
    whole = "".join([*segments, stream.finish().text])
    assert whole.replace(" ", "") == "abccabab"


BROKEN = {
    "nan": (np.full(9, np.nan, "float32"), {}, "9 of 9 samples are NaN"),
    "integers": (np.zeros(9, "int16"), {}, "dtype int16; expected floats"),
    "two channels": (np.zeros((9, 2)), {}, r"shape \(9, 2\)"),
    "loud": (np.full(9, 1e4), {}, "the highest sample is 10000"),
    "rate": (
        np.zeros(9, "float32"),
        {"sampling_rate_hz": 44100},
        "at 44100 Hz were fed, but .* takes 16000 Hz",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_stream_goes_on_after_an_error(kind, stream, samples, reference):
    broken, options, message = BROKEN[kind]
    stream.feed(samples[:10000], sampling_rate_hz=16000)
    with pytest.raises(AudioError, match=message):
        stream.feed(broken, **options)
    stream.feed(np.zeros(0, "float32"))
    stream.feed(samples[10000:])
    assert stream.finish().token_ids == reference["token_ids"]


def test_a_finished_stream_takes_no_more(stream, samples):
    stream.feed(samples)
    stream.finish()
    for call in (lambda: stream.feed(samples), stream.finish, stream.snapshot):
        with pytest.raises(ValueError, match="finished; begin a new one"):
            call()


def test_a_snapshot_goes_on_elsewhere(stream, samples, reference, tmp_path):
    stream.feed(samples[:15000])
    np.savez(tmp_path / "state.npz", **stream.snapshot())
    stream.feed(spoken_tones("ccc"))  # goes its own way
    other = StreamingTranscriber(TINY / "model.tflite")
    with np.load(tmp_path / "state.npz") as state:
        other.restore(state)
    other.feed(samples[15000:])
    found = other.finish()
    assert found.token_ids == reference["token_ids"]
    stream.reset()
    stream.feed(samples)
    assert found.tokens == stream.finish().tokens


def test_states_of_another_model_are_refused(stream, samples, reference):
    stream.feed(samples[:10000])
    fine = stream.snapshot()
    assert fine["state_frames"].tolist() == [12]
    cut = fine["state_stage_0_key"][:, :, 1:]
    for change, message in (
        ({"model": np.array("0" * 64)}, "the state of another model"),
        ({"state_stage_0_key": cut}, r"'stage_0_key' is float32 \(1, 1, 15"),
        ({"state_frames": np.zeros(1)}, "'frames' is float64"),
        ({"state_samples": fine["state_samples"] * np.nan}, "holds NaN"),
    ):
        with pytest.raises(ModelError, match=message):
            stream.restore({**fine, **change})
    with pytest.raises(ModelError, match="lacks .*state_last_id"):
        stream.restore({k: v for k, v in fine.items() if "last" not in k})
    stream.feed(samples[10000:])
    assert stream.finish().token_ids == reference["token_ids"]


def test_files_and_arguments_that_cannot_be_used(tmp_path):
    with pytest.raises(ModelError, match="no streaming speech recogniser"):
        StreamingTranscriber(GOLDEN / "tiny_asr")
    with pytest.raises(ValueError, match="endpoint_seconds is 0"):
        StreamingTranscriber(TINY, endpoint_seconds=0)
    path = Path(shutil.copy(TINY / "model.tflite", tmp_path))
    about = metadata.read(path)
    states = about["stream"]["states"]
    for change, message in (
        ({"chunk_frames": 5}, "for a chunk; expected"),
        ({"chunk_samples": 100}, "stream|samples"),
        ({"states": {"frames": states["frames"]}}, "takes .* expected"),
    ):
        stream = {**about["stream"], **change}
        metadata.append(path, {**about, "stream": stream})
        with pytest.raises(ModelError, match=message):
            StreamingTranscriber(path)
