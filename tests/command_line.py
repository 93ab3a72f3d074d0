"""What the tests of the commands share: running them."""

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from keras_selfattn import cli

GOLDEN = Path(__file__).parent / "golden"
TINY = GOLDEN / "tiny_asr"
TINY_IMAGE = GOLDEN / "tiny_image"
TINY_TEXT = GOLDEN / "tiny_text"
TINY_TRANSLATION = GOLDEN / "tiny_translation"


def run(*arguments, stdin=None):
    """Run the command in this process; never a traceback."""
    result = CliRunner().invoke(
        cli.app, [str(part) for part in arguments], input=stdin
    )
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def command(*arguments, **options):
    """Start the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "keras_selfattn.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
