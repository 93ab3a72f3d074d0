"""A progress bar on stderr for work on audio files."""

import sys

LONG_SECONDS = 30.0


class FileProgress:
    """A bar on stderr: files where there are many, seconds in a long one.

    It is shown only where stderr is a terminal, and for many files only where
    stdout is not one: there the lines themselves show how far it is. rich is
    imported when a bar is shown.

    Args:
        num_files: int, files that will be worked on.

    Example:
        >>> with FileProgress(len(paths)) as progress:
        ...     for path in paths:
        ...         transcriber.transcribe(path, progress.seconds)
        ...         progress.next_file()
    """

    def __init__(self, num_files):
        self._many = num_files > 1
        self._num_files = num_files
        self._bar = self._task = None

    def __enter__(self):
        if self._many and not sys.stdout.isatty():
            self._start("files", self._num_files)
        return self

    def __exit__(self, *_):
        self._stop()

    def seconds(self, done, total):
        """Take how far the present file is, in seconds of audio."""
        if self._many or total <= LONG_SECONDS:
            return
        if self._bar is None:
            self._start("seconds", total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def next_file(self):
        """Count one more file as done."""
        if not self._many:
            self._stop()
        elif self._bar is not None:
            self._bar.advance(self._task)

    def _start(self, unit, total):
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        # rich would send what is printed on stdout to stderr.
        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} " + unit),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        self._bar.start()
        self._task = self._bar.add_task(unit, total=total)

    def _stop(self):
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
