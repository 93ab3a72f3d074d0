"""`keras-selfattn transcribe --stream`: lines as they are spoken."""

import json
import subprocess

import numpy as np
import pytest
import soundfile

from tests.command_line import GOLDEN, TINY, command, run
from tests.tones import RATE_HZ, spoken_tones

TINY_STREAM = GOLDEN / "tiny_stream"


def transcribe(*arguments, stdin=None):
    return run(
        "transcribe",
        "--stream",
        "--preset",
        TINY_STREAM,
        *arguments,
        stdin=stdin,
    )


def pcm(samples):
    return (samples * 32767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def two_segments():
    pause = np.zeros(int(1.5 * RATE_HZ), "float32")
    return np.concatenate([spoken_tones("abc ca"), pause, spoken_tones("bab")])


def test_raw_samples_on_stdin_give_a_line_a_segment(two_segments):
    result = transcribe("-", stdin=pcm(two_segments))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "abc ca\nbab\n"


def test_files_too_and_json(two_segments, tmp_path):
    path = tmp_path / "two.wav"
    soundfile.write(path, two_segments, RATE_HZ)
    assert transcribe(path).stdout == "abc ca\nbab\n"
    lines = transcribe(path, "--json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [entry["text"] for entry in found] == ["abc ca", "bab"]
    assert found[1]["words"][0]["start_s"] > 2.5
    assert {entry["file"] for entry in found} == {str(path)}
    late = transcribe(path, "--endpoint-seconds", "9")
    assert late.stdout.count("\n") == 1
    assert late.stdout.replace(" ", "") == "abccabab\n"


def test_a_line_is_of_a_second_pass_unless_one_will_do(two_segments, tmp_path):
    path = tmp_path / "two.wav"
    soundfile.write(path, two_segments, RATE_HZ)
    found = {}
    for options in ((), ("--one-pass",)):
        lines = transcribe(path, "--json", *options).stdout.splitlines()
        found[options] = [json.loads(line) for line in lines]
    for one, other in zip(*found.values(), strict=True):
        assert one["text"] == other["text"]
        assert one["confidence"] != other["confidence"]


def test_a_line_comes_before_the_pipe_ends(two_segments):
    """Live: what is said is printed while the pipe is still open."""
    child = command(
        "transcribe",
        "--stream",
        "--preset",
        TINY_STREAM,
        "-",
        stdin=subprocess.PIPE,
    )
    child.stdin.buffer.write(pcm(two_segments[: 3 * RATE_HZ]))
    child.stdin.buffer.flush()
    assert child.stdout.readline() == "abc ca\n"
    child.stdin.buffer.write(pcm(two_segments[3 * RATE_HZ :]))
    child.stdin.close()
    assert child.stdout.read() == "bab\n"
    assert child.wait() == 0
    child.stdout.close()
    child.stderr.close()


def test_what_cannot_be_heard_is_reported(tmp_path):
    path = tmp_path / "fast.wav"
    soundfile.write(path, spoken_tones("ab"), 44100)
    result = transcribe("-", stdin=path.read_bytes())
    assert result.exit_code == 2
    assert "44100 Hz" in result.stderr and "arecord" in result.stderr
    odd = transcribe("-", stdin=pcm(spoken_tones("ab")) + b"x")
    assert odd.exit_code == 2
    assert odd.stdout == "ab\n"  # what was said is not lost
    assert odd.stderr.startswith("stdin: ends with half a sample")
    result = transcribe(tmp_path / "none.wav")
    assert result.exit_code == 2 and "no such file" in result.stderr
    result = transcribe("-", path)
    assert result.exit_code == 2 and "- (stdin) goes alone" in result.stderr
    result = run("transcribe", "--stream", "--preset", TINY, path)
    assert result.exit_code == 2
    assert "no streaming speech recogniser" in result.stderr
