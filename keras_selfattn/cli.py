"""The `keras-selfattn` command.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 lint
found something or a check differs, 2 bad input, 130 interrupted, 141 the reader
of stdout went away. What is heavy is imported inside the command that needs it,
so that a command starts at once.
"""

import contextlib
import enum
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn import __version__
from keras_selfattn.progress import FileProgress

AUDIO_SUFFIXES = tuple(
    ".aif .aiff .au .caf .flac .mp3 .oga .ogg .opus .rf64 .w64 .wav".split()
)

app = typer.Typer(
    help="Transcribe speech; export, check and list models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
zoo_app = typer.Typer(
    help="The presets that ship with the package.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(zoo_app, name="zoo")


class Quantize(enum.StrEnum):
    """How an exported file keeps its weights."""

    NONE = "none"
    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT8 = "int8"


PresetName = Annotated[
    str,
    typer.Argument(metavar="PRESET", help="Alias, name or folder of a preset."),
]


def main():
    """Run the command; the entry point of the package."""
    app(prog_name="keras-selfattn")


def _show_version(wanted: bool):
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_show_version,
            help="Print the version and exit.",
        ),
    ] = False,
):
    pass


@app.command()
def transcribe(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Audio files, or folders that are searched for them.",
        ),
    ],
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME_OR_PATH",
            help="Preset name or alias, preset folder, or .tflite file.",
        ),
    ] = "asr",
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object a line: text, words, times, confidence.",
        ),
    ] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads the interpreter may use.")
    ] = 1,
):
    """Print what is said in each FILE, one line a file.

    A file that cannot be read is reported on stderr and the others are still
    transcribed; the exit code is then 2.
    """
    with _user_errors(), _silent_native_stderr():
        transcriber = _open_transcriber(preset, threads)
        paths, failed = _audio_files(files)
        transcribed = 0
        with FileProgress(len(paths)) as progress:
            for path in paths:
                try:
                    transcript = transcriber.transcribe(path, progress.seconds)
                except (ValueError, OSError) as error:
                    progress.next_file()
                    _report(path, error)
                    failed += 1
                else:
                    progress.next_file()
                    line = transcript.json(path) if json else transcript.text
                    print(line, flush=True)
                    transcribed += 1
        if transcribed + failed > 1:
            summary = f"{transcribed} transcribed, {failed} failed"
            print(summary, file=sys.stderr)
        if failed:
            raise typer.Exit(2)


@app.command()
def export(
    preset: PresetName,
    out: Annotated[
        Path, typer.Argument(metavar="OUT.tflite", help="File to write.")
    ],
    quantize: Annotated[
        Quantize, typer.Option(help="How the weights are kept.")
    ] = Quantize.NONE,
    representative: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE_OR_FOLDER",
            help="Recordings that int8 fixes its ranges on (20 to 200; may "
            "be given again). Default: the preset's own sample.",
        ),
    ] = None,
):
    """Write PRESET as one .tflite file and verify it.

    Needs Keras with a backend, and TensorFlow for the conversion.
    """
    with _user_errors(), _silent_native_stderr():
        from keras_selfattn import zoo

        if not out.parent.is_dir():
            raise ValueError(f"{out.parent}: no such folder to write into.")
        if out.is_dir():
            raise ValueError(f"{out} is a folder; name a file to write.")
        # The export itself reports on stderr what it does and what came out.
        options = {}
        if representative:
            options["representative"] = _audio_files(representative)[0]
        elif quantize is Quantize.INT8:
            sample = zoo.describe(preset)["reference"]["file"]
            options["representative"] = [zoo.resolve(preset) / sample]
        zoo.load(preset).export(out, quantize=quantize.value, **options)


@app.command()
def lint(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.tflite", help="File to check.")
    ],
):
    """List the operators in FILE that are not built in (Flex, custom).

    Exit code 1 where there is one, 0 where there is none.
    """
    with _user_errors():
        from keras_selfattn.export.lint import lint as find

        findings = find(file)
        for finding in findings:
            print(finding)
        if findings:
            raise typer.Exit(1)
        print(f"{file}: built-in operators only", file=sys.stderr)


@zoo_app.command("list")
def zoo_list():
    """List the presets: name, aliases, task, language, licence, about."""
    with _user_errors():
        from keras_selfattn import zoo

        contents = zoo.index()
        for name in zoo.list_presets():
            about = zoo.describe(name)
            aliases = [a for a, n in contents["aliases"].items() if n == name]
            keys = ("task", "language", "license", "description")
            columns = [about.get(key, "-") for key in keys]
            print(name, ",".join(aliases) or "-", *columns, sep="\t")


@zoo_app.command("card")
def zoo_card(name: PresetName):
    """Print the model card of PRESET (Markdown)."""
    with _user_errors():
        from keras_selfattn import zoo

        print(zoo.card(name).rstrip("\n"))


@zoo_app.command("verify")
def zoo_verify(name: PresetName):
    """Check PRESET's files (sha256) and what it says of its own sample."""
    with _user_errors(), _silent_native_stderr():
        from keras_selfattn import zoo

        transcript = zoo.check(name)
        print(f"{name}: files intact; sample gives {transcript.text!r}")


def _open_transcriber(preset, threads):
    from keras_selfattn import zoo
    from keras_selfattn.runtime.transcriber import Transcriber

    is_model = preset.endswith(".tflite") or Path(preset).is_file()
    source = Path(preset) if is_model else zoo.resolve(preset)
    return Transcriber(source, num_threads=threads)


def _audio_files(paths):
    """Return the files to read, and how many folders have none (reported)."""
    found, failed = [], 0
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = [
            Path(folder) / name
            for folder, _, names in os.walk(path)
            for name in names
            if name.lower().endswith(AUDIO_SUFFIXES)
        ]
        if not inside:
            _report(path, f"no audio files ({' '.join(AUDIO_SUFFIXES)})")
            failed += 1
        found += sorted(inside)
    return found, failed


def _report(path, error):
    """Print `path: reason` on stderr, on one line."""
    reason = " ".join(str(error).split())
    reason = reason.removeprefix(f"{path}").lstrip(": ")
    print(f"{path}: {reason}", file=sys.stderr)


@contextlib.contextmanager
def _user_errors():
    """Turn what a user can cause into one line on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # Python flushes stdout once more at exit; there is no reader left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None
    except (ValueError, ImportError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"error: {message}", file=sys.stderr)
        raise typer.Exit(2) from None


@contextlib.contextmanager
def _silent_native_stderr():
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


if __name__ == "__main__":
    main()
