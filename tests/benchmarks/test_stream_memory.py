import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

RATE_HZ = 16000


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/stream_memory.py")


@pytest.fixture
def speech(repository, tmp_path):
    corpus = tmp_path / "speech" / "tones"
    corpus.mkdir(parents=True)
    preset = repository / "tests/golden/tiny_stream"
    shutil.copy(preset / "sample.wav", corpus / "a.wav")
    rows = "path\tsplit\tspeaker\tduration_s\ttext\na.wav\tdev\ts\t2\tabc\n"
    (corpus / "manifest.tsv").write_text(rows)
    return preset, corpus.parent


def run(bench, speech, *options):
    app = bench.typer.Typer()
    app.command()(bench.main)
    preset, data = speech
    command = ["--data", data, "--preset", preset, "--set", "tones:dev"]
    command += ["--hours", "0.05", "--warm-up-minutes", "1", *options]
    return CliRunner().invoke(app, [str(word) for word in command])


def test_memory_is_read_each_minute_and_kept(bench, speech, tmp_path):
    out = tmp_path / "results" / "memory.json"
    result = run(bench, speech, "--json", out)
    assert result.exit_code == 0, result.output
    assert "0.05 h of audio" in result.output
    kept = json.loads(out.read_text())
    assert len(kept["resident_bytes"]) == 3
    assert min(kept["resident_bytes"]) > 10 * 2**20
    assert kept["growth_bytes"] == (
        kept["resident_bytes"][2] - kept["resident_bytes"][1]
    )
    assert kept["segments"] > 20 and kept["words"] > 2 * kept["segments"]
    assert kept["second_pass"] is True
    assert 0 < kept["real_time_factor"] < 1
    assert "--hours 0.05" in kept["command"]
    result = run(bench, speech, "--one-pass", "--warm-up-minutes", "3")
    assert result.exit_code == 2 and "not longer than" in result.output


def test_growth_is_between_medians_of_quarters(bench):
    assert bench.growth([1, 2, 90, 5, 5, 5, 5, 5, 5, 8, 9, 7]) == 6
    assert bench.growth([3]) == 0
    assert bench.growth([3, 5]) == 2


def test_a_leak_is_seen(bench, speech, monkeypatch):
    leaked = []

    class Leaking(bench.StreamingTranscriber):
        def feed(self, samples):
            leaked.append(np.ones(1 << 15))  # 256 KiB
            return super().feed(samples)

    monkeypatch.setattr(bench, "StreamingTranscriber", Leaking)
    result = run(bench, speech)
    assert result.exit_code == 1
    assert "Not flat" in result.output


def test_speech_is_the_same_for_the_same_seed(bench):
    recordings = [np.full(10, i, "float32") for i in range(5)]

    def first(seed):
        pieces = bench.speech(recordings, RATE_HZ, seed)
        return [next(pieces) for _ in range(20)]

    one, other = first(1), first(1)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert sorted(piece[0] for piece in one[:10:2]) == [0, 1, 2, 3, 4]
    assert {len(p) for p in first(2)[1::2]} != {len(p) for p in one[1::2]}
    shortest, longest = (s * RATE_HZ for s in bench.PAUSE_SECONDS)
    assert all(shortest - 1 <= len(p) <= longest for p in one[1::2])
