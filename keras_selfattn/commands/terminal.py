"""How the commands meet a terminal: errors, exit codes, native noise."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn.preprocessing.text_cleaning import decode_bytes
from keras_selfattn.progress import CountProgress

LONGEST_LINE_BYTES = 16 * 2**20

PresetOption = Annotated[
    str,
    typer.Option(
        metavar="NAME_OR_PATH",
        help="Preset name or alias, preset folder, or .tflite file.",
    ),
]
TextsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TEXT]", help="Texts; without one, lines from stdin."
    ),
]
BeamOption = Annotated[
    int, typer.Option(min=1, help="Texts kept while searching; 1: greedy.")
]
WrittenJsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print a JSON object a line: source, text, token_ids, seconds",
    ),
]
ThreadsOption = Annotated[
    int, typer.Option(min=1, help="Threads the interpreter may use.")
]


def model_source(preset):
    """Return the path of a preset's folder, or of a .tflite file.

    A preset of others' weights comes without a file, which is made once; see
    `zoo.device_file`.

    Args:
        preset: str, name or alias of a preset, preset folder, or file.
    """
    from keras_selfattn import zoo

    if preset.endswith(".tflite") or Path(preset).is_file():
        return Path(preset)
    folder = zoo.resolve(preset)
    if (folder / "model.tflite").is_file():
        return folder
    return zoo.device_file(folder, say_making)


def say_making(name):
    """Tell that the file of a preset is made now; see `zoo.device_file`."""
    print(
        f"{name}: its file is made of others' weights, once; a minute",
        file=sys.stderr,
    )


def stdin_lines():
    """Yield each line of stdin, and how many of its bytes are not UTF-8."""
    if sys.stdin.isatty():
        print("texts, a line each; end with Ctrl-D:", file=sys.stderr)
    number = 0
    while line := sys.stdin.buffer.readline(LONGEST_LINE_BYTES):
        number += 1
        if len(line) == LONGEST_LINE_BYTES and not line.endswith(b"\n"):
            raise ValueError(
                f"line {number} of stdin is longer than {LONGEST_LINE_BYTES} "
                "bytes; is it text, a line each?"
            )
        yield decode_bytes(line.rstrip(b"\r\n"))


def answer_texts(texts, answer, verb):
    """Print the answer to each text, or to each line of stdin, at once.

    How many there were is told where they came from stdin, and how many had
    bytes that are not UTF-8.

    Args:
        texts: list of str; empty or None for stdin.
        answer: function of a text that gives the line to print, or None to
            print none.
        verb: str, what was done with a text, such as "classified".
    """
    given = [(text, 0) for text in texts] if texts else stdin_lines()
    done = wrong = 0
    with CountProgress("texts", len(texts) if texts else None) as progress:
        for text, wrong_bytes in given:
            if (line := answer(text)) is not None:
                print(line, flush=True)
            done += 1
            wrong += bool(wrong_bytes)
            progress.advance()
    if not texts:
        print(f"{done} {verb}", file=sys.stderr)
    if wrong:
        print(
            f"{wrong} not UTF-8: wrong bytes were read as U+FFFD",
            file=sys.stderr,
        )


def report(path, error):
    """Print `path: reason` on stderr, on one line."""
    reason = " ".join(str(error).split())
    reason = reason.removeprefix(f"{path}").lstrip(": ")
    print(f"{path}: {reason}", file=sys.stderr)


@contextlib.contextmanager
def user_errors():
    """Turn what a user can cause into one line on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        _let_go_of_stdout()
        raise typer.Exit(141) from None
    except (ValueError, ImportError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"error: {message}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # it was stdout that could not be written to
            _let_go_of_stdout()
        raise typer.Exit(2) from None


def _let_go_of_stdout():
    """Send what stdout still holds to nowhere: Python flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def silent_native_stderr():
    """Hide what native code (interpreter, decoders) prints on stderr.

    What Python prints there goes on to where it went.
    """
    kept, python_stderr = os.dup(2), sys.stderr
    try:
        with contextlib.ExitStack() as opened:
            if python_stderr is sys.__stderr__:
                sys.stderr = opened.enter_context(
                    os.fdopen(
                        os.dup(2),
                        "w",
                        buffering=1,
                        encoding=python_stderr.encoding,
                        errors=python_stderr.errors,
                    )
                )
            os.dup2(opened.enter_context(open(os.devnull, "w")).fileno(), 2)
            yield
    finally:
        sys.stderr = python_stderr
        os.dup2(kept, 2)
        os.close(kept)
