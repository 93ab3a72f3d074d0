"""`keras-selfattn transcribe`: its output and its exit codes."""

import json
import os

import numpy as np
import pytest
import soundfile

from tests.command_line import TINY, command, run

RATE_HZ = 16000


@pytest.fixture(scope="module")
def text():
    return json.loads((TINY / "preset.json").read_text())["reference"]["text"]


def transcribe(*arguments):
    return run("transcribe", "--preset", TINY, *arguments)


def write(path, samples, rate_hz=RATE_HZ, **options):
    soundfile.write(path, samples, rate_hz, **options)
    return path


def tone(seconds=0.2, rate_hz=RATE_HZ):
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    return 0.3 * np.sin(2 * np.pi * 440 * times)


def bad_files(folder):
    """Write one file of every kind that cannot be transcribed."""
    whole = write(folder / "truncated.wav", tone()).read_bytes()
    (folder / "truncated.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is no sound\n" * 50)
    write(folder / "nothing.wav", np.zeros(0))
    nan = tone()
    nan[100] = np.nan
    write(folder / "nan.wav", nan, subtype="FLOAT")
    return {
        "missing.wav": "no such file",
        "truncated.wav": "cut short",
        "empty.wav": "empty",
        "text.wav": "not a sound file",
        "nothing.wav": "0 samples",
        "nan.wav": "NaN",
    }


def test_one_file_gives_one_line(text):
    result = transcribe(TINY / "sample.wav")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == text + "\n"


@pytest.mark.parametrize("source", ["alias", "name", "folder", "file"])
def test_a_preset_is_a_name_a_folder_or_a_file(home, source, text):
    preset = {
        "alias": "asr",
        "name": "tiny_asr",
        "folder": TINY,
        "file": TINY / "model.tflite",
    }[source]
    result = run("transcribe", TINY / "sample.wav", "--preset", preset)
    assert result.stdout == text + "\n"


def test_the_preset_of_the_alias_asr_is_the_default(home, text):
    assert run("transcribe", TINY / "sample.wav").stdout == text + "\n"


def test_json_gives_an_object_a_line(tmp_path):
    other = write(tmp_path / "tøne.wav", tone())
    result = transcribe(TINY / "sample.wav", other, "--json")
    values = [json.loads(line) for line in result.stdout.splitlines()]
    assert [v["file"] for v in values] == [
        str(TINY / "sample.wav"),
        str(other),
    ]
    assert values[1]["duration_s"] == pytest.approx(0.2)
    for value in values:
        assert list(value) == [
            "file",
            "text",
            "words",
            "tokens",
            "confidence",
            "duration_s",
            "real_time_factor",
        ]
    assert result.stderr == "2 transcribed, 0 failed\n"


def test_a_folder_is_walked_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("c.wav", "a.FLAC", "b/d.ogg"):
        write(tmp_path / name, tone())
    (tmp_path / "notes.txt").write_text("no sound")
    result = transcribe("--json", tmp_path)
    files = [json.loads(line)["file"] for line in result.stdout.splitlines()]
    expected = ["a.FLAC", "b/d.ogg", "c.wav"]
    assert files == [str(tmp_path / name) for name in expected]


def test_a_folder_without_sound_fails(tmp_path):
    result = transcribe(tmp_path, TINY / "sample.wav")
    assert result.exit_code == 2
    assert f"{tmp_path}: no audio files" in result.stderr
    assert result.stderr.endswith("1 transcribed, 1 failed\n")


@pytest.mark.parametrize(
    "name",
    [
        "missing.wav",
        "truncated.wav",
        "empty.wav",
        "text.wav",
        "nothing.wav",
        "nan.wav",
    ],
)
def test_a_bad_file_gives_one_line_and_exit_code_2(tmp_path, name):
    reason = bad_files(tmp_path)[name]
    result = transcribe(tmp_path / name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{tmp_path / name}: ")
    assert result.stderr.count(str(tmp_path / name)) == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_eight_channels_and_192_khz_are_read(tmp_path):
    wide = np.stack([tone()] * 8, axis=1)
    result = transcribe(
        write(tmp_path / "wide.wav", wide),
        write(tmp_path / "fast.wav", tone(rate_hz=192000), 192000),
        write(tmp_path / "both.wav", wide, 192000),
    )
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 3


def test_decoders_add_no_lines_of_their_own(tmp_path):
    """What libmpg123 says of bytes between frames is not for users."""
    path = write(tmp_path / "tone.mp3", tone(2.0), format="MP3")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2] = b"no frame" * 20
    path.write_bytes(content)
    child = command("transcribe", path, "--preset", TINY)
    stdout, stderr = child.communicate()
    assert stderr.count("\n") <= 1
    assert not stderr or stderr.startswith(f"{path}: ")
    assert (child.returncode, stdout.count("\n")) in {(0, 1), (2, 0)}


def test_200_good_files_and_3_bad_ones(tmp_path):
    write(tmp_path / "tone_000.wav", tone())
    for number in range(1, 200):
        os.link(tmp_path / "tone_000.wav", tmp_path / f"tone_{number:03}.wav")
    for name in ("empty.wav", "tone_050_text.wav", "z_empty.wav"):
        (tmp_path / name).write_bytes(b"" if "empty" in name else b"no sound")
    child = command("transcribe", tmp_path, "--preset", TINY)
    stdout, stderr = child.communicate()
    assert child.returncode == 2
    assert stdout.count("\n") == 200
    lines = stderr.splitlines()
    assert len(lines) == 4
    for line, name in zip(
        lines, ("empty", "tone_050_text", "z_empty"), strict=False
    ):
        assert line.startswith(f"{tmp_path / name}.wav: ")
    assert lines[-1] == "200 transcribed, 3 failed"
