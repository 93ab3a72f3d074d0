"""The command: its surface, its output and its exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.main import get_command
from typer.testing import CliRunner

from keras_selfattn import cli, zoo
from keras_selfattn.export import lint

TINY = Path(__file__).parent / "golden" / "tiny_asr"
RATE_HZ = 16000
SURFACE = {
    "": ["--help", "--version"],
    "transcribe": ["--help", "--json", "--preset", "--threads", "FILE"],
    "export": [
        "--help",
        "--quantize",
        "--representative",
        "OUT.tflite",
        "PRESET",
    ],
    "lint": ["--help", "FILE.tflite"],
    "zoo": ["--help"],
    "zoo list": ["--help"],
    "zoo card": ["--help", "PRESET"],
    "zoo verify": ["--help", "PRESET"],
}


@pytest.fixture(scope="module")
def text():
    return json.loads((TINY / "preset.json").read_text())["reference"]["text"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A zoo with one preset, `tiny_asr`, alias `asr`."""
    shutil.copytree(TINY, tmp_path / "zoo" / "asr" / "tiny_asr")
    monkeypatch.setattr(zoo, "root", lambda: tmp_path / "zoo")
    zoo.seal(tmp_path / "zoo" / "asr" / "tiny_asr", aliases=["asr"])
    return tmp_path / "zoo"


def run(*arguments):
    """Run the command in this process; never a traceback."""
    result = CliRunner().invoke(cli.app, [str(part) for part in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def transcribe(*arguments):
    return run("transcribe", "--preset", TINY, *arguments)


def command(*arguments, **options):
    """Start the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "keras_selfattn.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


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


def test_the_surface_is_this_one():
    found = {}

    def visit(name, item):
        parts = []
        for part in item.params:
            is_option = part.param_type_name == "option"
            parts += part.opts if is_option else [part.metavar]
        found[name] = sorted([*parts, "--help"])
        for key, child in getattr(item, "commands", {}).items():
            visit(f"{name} {key}".strip(), child)

    visit("", get_command(cli.app))
    assert found == SURFACE


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_help_names_every_option(name):
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    for part in SURFACE[name]:
        assert part in result.stdout


def test_version_is_the_package_version():
    import keras_selfattn

    assert run("--version").stdout == keras_selfattn.__version__ + "\n"


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transcribe", "x.wav", "--preset", "tiny_as"], "Nearest: tiny_asr"),
        (["transcribe", "x.wav", "--preset", "no.tflite"], "does not exist"),
        (["transcribe", "x.wav", "--preset", "./no"], "not a preset folder"),
        (["zoo", "card", "tiny_as"], "Nearest: tiny_asr"),
        (["zoo", "verify", "tiny_as"], "Nearest: tiny_asr"),
        (["export", "tiny_as", "out.tflite"], "Nearest: tiny_asr"),
        (["export", "asr", "no/out.tflite"], "no: no such folder"),
        (["export", "asr", "."], "is a folder"),
        (["lint", "missing.tflite"], "missing.tflite cannot be read"),
    ],
)
def test_bad_arguments_give_one_line_and_exit_code_2(home, arguments, message):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe"],
        ["transcribe", "x.wav", "--threads", "0"],
        ["transcribe", "x.wav", "--threads", "two"],
        ["export", "asr", "out.tflite", "--quantize", "int4"],
        ["unknown"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage:" in result.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("model.tflite", ["transcribe", "x.wav"]),
        ("model.safetensors", ["export", "asr", "OUT"]),
        ("preset.json", ["transcribe", "x.wav"]),
        ("sample.wav", ["zoo", "verify", "asr"]),
    ],
)
def test_one_changed_byte_is_refused(home, tmp_path, name, arguments):
    path = home / "asr" / "tiny_asr" / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    out = tmp_path / "out.tflite"
    result = run(*(out if part == "OUT" else part for part in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{name} is damaged" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()


def test_zoo_lists_shows_and_verifies(home, text):
    columns = run("zoo", "list").stdout.rstrip("\n").split("\t")
    assert columns[:4] == ["tiny_asr", "asr", "SpeechRecognizer", "en"]
    assert run("zoo", "card", "asr").stdout.startswith("# tiny_asr\n")
    result = run("zoo", "verify", "asr")
    assert result.exit_code == 0
    assert repr(text) in result.stdout


def test_lint_is_silent_on_stdout_where_all_is_built_in():
    result = run("lint", TINY / "model.tflite")
    assert (result.exit_code, result.stdout) == (0, "")


def test_lint_names_what_it_finds(monkeypatch):
    finding = lint.Finding("FlexErf", "flex", "encoder/feed_forward")
    monkeypatch.setattr(lint, "lint", lambda path: [finding])
    result = run("lint", TINY / "model.tflite")
    assert result.exit_code == 1
    for part in ("FlexErf", "encoder/feed_forward"):
        assert part in result.stdout


def test_lint_refuses_another_file(tmp_path):
    (tmp_path / "model.tflite").write_text("no model")
    result = run("lint", tmp_path / "model.tflite")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("quantize", [None, "float16"])
def test_export_loads_the_preset_and_exports_it(
    home, tmp_path, monkeypatch, quantize
):
    calls = []

    class Task:
        def export(self, path, quantize):
            calls.append((path, quantize))

    monkeypatch.setattr(zoo, "load", lambda name: Task())
    options = [] if quantize is None else ["--quantize", quantize]
    out = tmp_path / "out.tflite"
    result = run("export", "asr", out, *options)
    assert (result.exit_code, result.stdout) == (0, "")
    assert calls == [(out, quantize or "none")]


@pytest.mark.parametrize("given", [True, False])
def test_export_to_int8_gets_recordings(home, tmp_path, monkeypatch, given):
    calls = []

    class Task:
        def export(self, path, quantize, representative):
            calls.append((quantize, representative))

    monkeypatch.setattr(zoo, "load", lambda name: Task())
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    shutil.copy(TINY / "sample.wav", recordings / "speech.wav")
    options = ["--representative", recordings] if given else []
    out = tmp_path / "out.tflite"
    result = run("export", TINY, out, "--quantize", "int8", *options)
    assert (result.exit_code, result.stdout) == (0, "")
    wanted = recordings / "speech.wav" if given else TINY / "sample.wav"
    assert calls == [("int8", [wanted])]


def test_a_reader_that_goes_away_gives_no_traceback():
    files = [TINY / "sample.wav"] * 300
    child = command("transcribe", *files, "--preset", TINY, "--json")
    assert child.stdout.readline().startswith('{"file"')
    child.stdout.close()
    stderr = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 141
    assert stderr == ""


def test_an_interrupt_gives_exit_code_130():
    files = [TINY / "sample.wav"] * 3000
    child = command("transcribe", *files, "--preset", TINY)
    assert child.stdout.readline()
    child.send_signal(signal.SIGINT)
    stderr = child.communicate()[1]
    assert child.returncode == 130
    assert stderr == "interrupted\n"


def test_a_full_disk_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        child = subprocess.run(
            [sys.executable, "-m", "keras_selfattn.cli"]
            + ["transcribe", TINY / "sample.wav", "--preset", TINY],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert child.returncode == 2
    assert child.stderr.splitlines()[0].startswith("error: ")
    assert "Traceback" not in child.stderr


def test_it_starts_quickly(tmp_path):
    """The best of three; about 0.3 s where nothing else runs."""
    best = 60.0
    for _ in range(3):
        started = time.perf_counter()
        child = command("transcribe", TINY / "sample.wav", "--preset", TINY)
        assert child.communicate()[1] == ""
        best = min(best, time.perf_counter() - started)
    assert best < 2.0
