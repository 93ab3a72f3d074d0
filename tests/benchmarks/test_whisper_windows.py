"""benchmarks/whisper_windows.py: all hear each recording, in turn."""

from types import SimpleNamespace

import pytest

from keras_selfattn.data.corpora import SpeechExample


def test_errors_and_seconds_are_of_each_system(load_script):
    bench = load_script("benchmarks/whisper_windows.py")
    heard = []

    def system(name, texts):
        def transcribe(path):
            heard.append((name, path))
            return SimpleNamespace(text=texts.pop(0), duration_s=2.0)

        return SimpleNamespace(transcribe=transcribe)

    examples = [
        SpeechExample(name, text, "s", 2.0, "dev")
        for name, text in (("a", "two cats"), ("b", "hello"))
    ]
    clock = iter(range(100))
    found = bench.measure(
        {"30": system("30", ["2 cats", "hallo"]), "10": system("10", ["", ""])},
        examples,
        lambda: next(clock),
    )
    assert heard == [("30", "a"), ("10", "a"), ("30", "b"), ("10", "b")]
    counts, seconds, sound = found["30"]
    assert (counts.errors, counts.reference_length) == (1, 3)
    assert (seconds, sound) == (2, 4.0)
    assert found["10"][0].rate == pytest.approx(1.0)
