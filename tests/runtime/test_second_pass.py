"""Segments of a stream that are heard again with full context."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_selfattn.preprocessing.audio import AudioError, read_audio
from keras_selfattn.runtime import (
    ModelError,
    StreamingTranscriber,
    Transcriber,
    Transcript,
)
from keras_selfattn.runtime.second_pass import (
    LEAD_SECONDS,
    LONGEST_SEGMENT_SECONDS,
    SecondPass,
)
from tests.tones import RATE_HZ, spoken_tones

TINY = Path(__file__).parents[1] / "golden" / "tiny_stream"


class Written:
    """A transcriber that says how many samples it was given."""

    sampling_rate_hz = RATE_HZ

    def __init__(self):
        self.given = []

    def transcribe(self, samples, search=None):
        self.given.append(samples)
        word = {"word": "so", "start_s": 0.5, "end_s": 0.75, "confidence": 1.0}
        token = {"id": 1, "token": "so", "time_s": 0.5, "confidence": 1.0}
        return Transcript("so", [word], [token], 1.0, 1.0, 0.1)


@pytest.fixture(scope="module")
def whole():
    return Transcriber(TINY)


def silence(seconds):
    return np.zeros(int(seconds * RATE_HZ), "float32")


def test_a_segment_keeps_half_of_the_silence_before_it():
    written = Written()
    second = SecondPass(written, RATE_HZ)
    sound = np.arange(RATE_HZ, dtype="float32")
    second.add(sound[:700])
    second.add(sound[700:])
    found = second.read(3.0)
    np.testing.assert_array_equal(written.given[0], sound)
    assert found.words[0]["start_s"] == 3.5 and found.words[0]["end_s"] == 3.75
    assert found.tokens[0]["time_s"] == 3.5
    for silent_s, lead in ((0.6, 4800), (9.0, 8000), (0.4, 0)):
        second.reset(sound)
        second.next_segment(silent_s)
        np.testing.assert_array_equal(second.samples, sound[16000 - lead :])
    second.reset(sound[:100])
    second.next_segment(9.0)  # longer than what there is
    second.add(sound)
    assert len(second.samples) == 100 + len(sound)
    time_s = second.read(3.0).tokens[0]["time_s"]
    assert time_s == pytest.approx(3.5 - 100 / RATE_HZ, abs=1e-3)


def test_another_sampling_rate_is_refused():
    with pytest.raises(AudioError, match="takes 16000 Hz, the stream 8000"):
        SecondPass(Written(), 8000)


def test_the_last_text_is_that_of_full_context(whole):
    samples = read_audio(TINY / "sample.wav")
    stream = StreamingTranscriber(TINY, second_pass=True)
    partial = stream.feed(samples)
    found, expected = stream.finish(), whole.transcribe(samples)
    assert found.text == expected.text and len(found.text) > 5
    assert found.tokens == expected.tokens and found.words == expected.words
    first = StreamingTranscriber(TINY)
    assert first.feed(samples) == partial
    assert first.finish().tokens != found.tokens  # its confidences


def test_each_segment_is_heard_by_itself_and_timed_in_the_stream():
    written = Written()
    stream = StreamingTranscriber(TINY, second_pass=written)
    parts = [spoken_tones("abc"), silence(1.6), silence(2.0)]
    for samples in (*parts, spoken_tones("cab")):
        stream.feed(samples)
    (first,) = stream.take_segments()
    last = stream.finish()
    assert (first.text, last.text) == ("so", "so")
    assert len(written.given) == 2  # not for silence
    sounds = [np.flatnonzero(samples) for samples in written.given]
    assert all(len(sound) for sound in sounds)
    # What was said before is not in the second; all that is new is.
    np.testing.assert_array_equal(
        written.given[1][-len(spoken_tones("cab")) :], spoken_tones("cab")
    )
    heard_s = len(np.concatenate([*parts, spoken_tones("cab")])) / RATE_HZ
    begins_s = heard_s - len(written.given[1]) / RATE_HZ
    assert last.words[0]["start_s"] == pytest.approx(begins_s + 0.5, abs=2e-3)
    assert sounds[1][0] / RATE_HZ > LEAD_SECONDS / 2


def test_what_full_context_calls_silence_is_no_segment():
    class Deaf(Written):
        def transcribe(self, samples, search=None):
            said = super().transcribe(samples)
            return replace(said, text="", words=[], tokens=[])

    stream = StreamingTranscriber(TINY, second_pass=Deaf())
    assert stream.feed(spoken_tones("abc"))
    assert stream.finish().text == ""


def test_samples_are_kept_for_one_segment_at_most():
    written = Written()
    stream = StreamingTranscriber(
        TINY, endpoint_seconds=None, second_pass=written
    )
    spoken = spoken_tones("abcabcabcabcabc")
    for _ in range(20):
        stream.feed(spoken)  # a minute without a pause
    longest = max(len(samples) for samples in written.given) / RATE_HZ
    assert 15 < longest <= LONGEST_SEGMENT_SECONDS + LEAD_SECONDS
    assert len(stream._second.samples) <= 20 * RATE_HZ
    total = sum(len(samples) for samples in written.given)
    assert total + len(stream._second.samples) == pytest.approx(
        20 * len(spoken), abs=stream.chunk_samples
    )


def test_a_snapshot_has_what_will_be_heard_again(whole):
    samples = read_audio(TINY / "sample.wav")
    stream = StreamingTranscriber(TINY, second_pass=True)
    stream.feed(samples[:15000])
    state = stream.snapshot()
    stream.feed(spoken_tones("ccc"))
    other = StreamingTranscriber(TINY, second_pass=True)
    other.restore(state)
    other.feed(samples[15000:])
    assert other.finish().tokens == whole.transcribe(samples).tokens
    first = StreamingTranscriber(TINY)
    first.feed(samples[:15000])
    other.reset()
    with pytest.raises(ModelError, match="without a second pass"):
        other.restore(first.snapshot())
    first.restore(state)  # what it does not need it leaves
    first.feed(samples[15000:])
    assert first.finish().text
