"""A bar or a count where somebody looks, nothing elsewhere."""

import io
import sys

import pytest

from keras_selfattn.progress import CountProgress, FileProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def streams(monkeypatch):
    """Replace stdout and stderr; return what they received."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")

    def replace(stdout, stderr):
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", stderr)
        return stdout, stderr

    return replace


def run(num_files, seconds=0.0):
    with FileProgress(num_files) as progress:
        for number in range(num_files):
            if seconds:
                progress.seconds(seconds / 2, seconds)
                progress.seconds(seconds, seconds)
            progress.next_file()
            print("text", number)


def test_many_files_show_how_many_are_done(streams):
    out, err = streams(io.StringIO(), Terminal())
    run(3)
    assert "3/3 files" in err.getvalue()
    assert out.getvalue() == "text 0\ntext 1\ntext 2\n"


def test_a_long_file_shows_seconds_and_is_gone_before_its_text(streams):
    terminal = Terminal()
    streams(terminal, terminal)
    run(1, seconds=60.0)
    assert "60/60 seconds" in terminal.getvalue()
    assert terminal.getvalue().endswith("text 0\n")


@pytest.mark.parametrize(
    ("stdout", "stderr", "num_files", "seconds"),
    [
        (Terminal, Terminal, 3, 0.0),  # the lines show it
        (io.StringIO, io.StringIO, 3, 60.0),  # nobody looks
        (io.StringIO, Terminal, 1, 30.0),  # short
        (io.StringIO, Terminal, 0, 0.0),
    ],
)
def test_otherwise_there_is_none(streams, stdout, stderr, num_files, seconds):
    out, err = streams(stdout(), stderr())
    run(num_files, seconds)
    assert err.getvalue() == ""
    assert out.getvalue().count("text") == num_files


def count(total, number=3):
    with CountProgress("texts", total) as progress:
        for _ in range(number):
            progress.advance()
            print("label")


def test_a_count_shows_its_total_where_there_is_one(streams):
    _, err = streams(io.StringIO(), Terminal())
    count(3)
    assert "3/3 texts" in err.getvalue()
    _, err = streams(io.StringIO(), Terminal())
    count(None)
    assert "3 texts" in err.getvalue()


@pytest.mark.parametrize(
    ("stdout", "stderr"), [(Terminal, Terminal), (io.StringIO, io.StringIO)]
)
def test_nobody_counts_where_lines_show_it_or_nobody_looks(
    streams, stdout, stderr
):
    _, err = streams(stdout(), stderr())
    count(None)
    assert err.getvalue() == ""


def test_a_count_can_be_told(streams):
    _, err = streams(io.StringIO(), Terminal())
    with CountProgress("texts", 9) as progress:
        progress.update(7, 9)
    assert "7/9 texts" in err.getvalue()
