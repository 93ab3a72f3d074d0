"""How every command ends: interrupted, without a reader, on a full disk."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from keras_selfattn import zoo
from keras_selfattn.commands.terminal import (
    answer_texts,
    model_source,
    report,
    silent_native_stderr,
    user_errors,
)
from tests.command_line import (
    TINY,
    TINY_TEXT,
    TINY_TRANSLATION,
    command,
)


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
    # More lines than a pipe holds: it cannot be done before it is interrupted.
    files = [TINY / "sample.wav"] * 6000
    child = command(
        *("transcribe", *files, "--preset", TINY),
        # A shell lets what it runs in the background ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
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


LOADED = """
import atexit, json, sys
sys.argv = ["keras-selfattn", *sys.argv[1:]]
atexit.register(lambda: print(json.dumps(sorted(
    {name.split(".")[0] for name in sys.modules})), file=sys.stderr))
from keras_selfattn.cli import main
main()
"""
SLOW = {"jax", "keras", "matplotlib", "pandas", "scipy", "sklearn"}
SLOW |= {"tensorflow", "torch"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("transcribe", TINY / "sample.wav", "--preset", TINY),
        ("classify", "so good", "--preset", TINY_TEXT),
        ("translate", "six", "--preset", TINY_TRANSLATION),
    ],
)
def test_a_command_loads_nothing_that_is_slow(arguments):
    """So it starts and ends in about a second: 0.3 s where all is idle."""
    child = subprocess.run(
        [sys.executable, "-c", LOADED, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(child.stderr.splitlines()[-1]))
    assert "ai_edge_litert" in loaded
    assert not loaded & SLOW


def test_a_model_is_a_name_a_folder_or_a_file(home):
    folder = home / "asr" / "tiny_asr"
    for name in ("asr", "tiny_asr", str(folder)):
        assert model_source(name) == folder
    file = str(folder / "model.tflite")
    assert model_source(file) == Path(file)
    with pytest.raises(zoo.PresetError, match="Nearest: asr"):
        model_source("asrr")


def read_from(monkeypatch, content):
    stdin = io.TextIOWrapper(io.BytesIO(content), encoding="utf8")
    monkeypatch.setattr(sys, "stdin", stdin)


def test_texts_are_answered_a_line_each(monkeypatch, capsys):
    read_from(monkeypatch, b"not read")
    answer_texts(["one", "", "two"], str.upper, "shouted")
    assert tuple(capsys.readouterr()) == ("ONE\n\nTWO\n", "")


@pytest.mark.parametrize("texts", [None, []])
def test_without_texts_lines_of_stdin_are_answered(texts, monkeypatch, capsys):
    read_from(monkeypatch, b"one\r\n\ntwo \xff")
    answer_texts(texts, str.upper, "shouted")
    out, err = capsys.readouterr()
    assert out == "ONE\n\nTWO \ufffd\n"
    assert err == ("3 shouted\n1 not UTF-8: wrong bytes were read as U+FFFD\n")


def test_an_answer_is_printed_before_the_next_text_is_read(monkeypatch, capsys):
    """So that what reads along sees it, and an error leaves those before."""
    printed = []

    def answer(text):
        printed.append(capsys.readouterr().out)
        if text == "three":
            raise ValueError(text)
        return text

    read_from(monkeypatch, b"one\ntwo\nthree\nfour\n")
    with pytest.raises(ValueError, match="three"):
        answer_texts(None, answer, "read")
    assert printed == ["", "one\n", "two\n"]


def test_a_report_is_one_line_with_the_path_once(capsys):
    report("a/b.wav", ValueError("a/b.wav: is\n  empty"))
    assert capsys.readouterr().err == "a/b.wav: is empty\n"


@pytest.mark.parametrize(
    "error, status, said",
    [
        (ValueError("two\nlines"), 2, "error: two lines\n"),
        (ImportError("no x"), 2, "error: no x\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_what_a_user_can_cause_is_a_line_and_a_status(
    error, status, said, capsys
):
    with pytest.raises(typer.Exit) as ended, user_errors():
        raise error
    assert ended.value.exit_code == status
    assert capsys.readouterr().err == said


def test_a_bug_stays_a_traceback():
    with pytest.raises(ZeroDivisionError), user_errors():
        _ = 1 / 0


def test_native_noise_is_hidden_and_python_is_not(capfd):
    with silent_native_stderr():
        os.write(2, b"noise of a library\n")
        print("said", file=sys.stderr)
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "said\nlater\n"
