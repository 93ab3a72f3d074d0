"""`keras-selfattn transcribe`: sound files to lines of text."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn.commands.searching import speech_search
from keras_selfattn.commands.streaming import STDIN, transcribe_streams
from keras_selfattn.commands.terminal import (
    PresetOption,
    ThreadsOption,
    model_source,
    report,
    silent_native_stderr,
    user_errors,
)
from keras_selfattn.progress import FileProgress

AUDIO_SUFFIXES = tuple(
    ".aif .aiff .au .caf .flac .mp3 .oga .ogg .opus .rf64 .w64 .wav".split()
)


def transcribe(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Audio files, or folders that are searched for them; with "
            "--stream also -, raw 16-bit mono samples on stdin.",
        ),
    ],
    preset: PresetOption = "asr",
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object a line: text, words, times, confidence.",
        ),
    ] = False,
    threads: ThreadsOption = 1,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Hear chunk by chunk, and print a line when a segment ends.",
        ),
    ] = False,
    endpoint_seconds: Annotated[
        float,
        typer.Option(
            min=0.1, help="Silence that ends a segment, with --stream."
        ),
    ] = 1.0,
    one_pass: Annotated[
        bool,
        typer.Option(
            "--one-pass",
            help="With --stream, print what was heard chunk by chunk; without "
            "it, an ended segment is heard again as a whole.",
        ),
    ] = False,
    beam: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Texts kept while searching; 16 unless only the best tokens "
            "are read.",
        ),
    ] = None,
    lm: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Language model: ARPA, one of train/ngram_lm.py, `preset` "
            "for the preset's own, which is the default where there is one, "
            "or `none`.",
        ),
    ] = None,
    phrase: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="A name or phrase that is likely to be said; repeatable.",
        ),
    ] = None,
    grammar: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsgf",
            help="Only what this grammar allows comes out; an empty line "
            "where nothing of it was said.",
        ),
    ] = None,
    spellings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="How words of the grammar are heard, `word: spelling, ...`.",
        ),
    ] = None,
):
    """Print what is said in each FILE, one line a file.

    With --stream, one line a segment, as soon as it has ended; for live
    dictation: arecord -f S16_LE -c 1 -r 16000 | keras-selfattn transcribe
    --stream -

    A file that cannot be read is reported on stderr and the others are still
    transcribed; the exit code is then 2.
    """
    with user_errors(), silent_native_stderr():
        search = speech_search(preset, beam, lm, phrase, grammar, spellings)
        if stream:
            live = [path for path in files if str(path) == STDIN]
            if live and len(files) > 1:
                raise ValueError("- (stdin) goes alone; give no other FILE.")
            paths, failed = (live, 0) if live else audio_files(files)
            failed += transcribe_streams(
                paths,
                preset,
                json,
                threads,
                endpoint_seconds,
                not one_pass,
                search,
            )
            if failed:
                raise typer.Exit(2)
            return

        from keras_selfattn.runtime.dictation_transcriber import (
            open_transcriber,
        )

        transcriber = open_transcriber(model_source(preset), threads)
        paths, failed = audio_files(files)
        transcribed = 0
        with FileProgress(len(paths)) as progress:
            for path in paths:
                try:
                    transcript = transcriber.transcribe(
                        path, progress.seconds, search
                    )
                except (ValueError, OSError) as error:
                    progress.next_file()
                    report(path, error)
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


def audio_files(paths):
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
            report(path, f"no audio files ({' '.join(AUDIO_SUFFIXES)})")
            failed += 1
        found += sorted(inside)
    return found, failed
