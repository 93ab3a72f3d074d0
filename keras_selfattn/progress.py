"""Progress bars on stderr: for audio files, and for things to count."""

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
        self._bar = make_bar(unit)
        self._bar.start()
        self._task = self._bar.add_task(unit, total=total)

    def _stop(self):
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class CountProgress:
    """A counter on stderr; with a total, a bar.

    It is shown only where stderr is a terminal and stdout is not one: there
    the lines themselves show how far it is.

    Args:
        unit: str, what is counted ("texts").
        total: int, or None where it is not known.

    Example:
        >>> with CountProgress("texts") as progress:
        ...     for line in sys.stdin:
        ...         classifier.classify(line)
        ...         progress.advance()
    """

    def __init__(self, unit, total=None):
        self._unit = unit
        self._total = total
        self._bar = self._task = None

    def __enter__(self):
        if sys.stderr.isatty() and not sys.stdout.isatty():
            self._bar = make_bar(self._unit, self._total is not None)
            self._bar.start()
            self._task = self._bar.add_task(self._unit, total=self._total)
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def advance(self):
        """Count one more."""
        if self._bar is not None:
            self._bar.advance(self._task)

    def update(self, done, total=None):
        """Say how many are done, and how many there are."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)


def make_bar(unit, is_counted=True):
    """A bar of rich on stderr, not started; a counter without a total."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    if is_counted:
        columns = [
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} " + unit),
            TimeRemainingColumn(),
        ]
    else:
        columns = [
            TextColumn("{task.completed:.0f} " + unit),
            TimeElapsedColumn(),
        ]
    # rich would send what is printed on stdout to stderr.
    return Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
