"""The `keras-selfattn` command.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 lint
found something or a check differs, 2 bad input, 130 interrupted, 141 the reader
of stdout went away. What is heavy is imported inside the command that needs it,
so that a command starts at once.
"""

from typing import Annotated

import typer

from keras_selfattn import __version__
from keras_selfattn.commands.answer import answer
from keras_selfattn.commands.classify import classify
from keras_selfattn.commands.embed import embed
from keras_selfattn.commands.fill import fill
from keras_selfattn.commands.generate import generate
from keras_selfattn.commands.models import export, lint, zoo_app
from keras_selfattn.commands.serve import serve
from keras_selfattn.commands.transcribe import transcribe
from keras_selfattn.commands.translate import translate
from keras_selfattn.commands.write import write

app = typer.Typer(
    help=(
        "Transcribe speech; translate, classify, embed, answer and fill in "
        "texts; write and draw; serve, export, check and list models."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    transcribe,
    translate,
    classify,
    embed,
    answer,
    fill,
    write,
    generate,
    serve,
    export,
    lint,
):
    app.command()(command)
app.add_typer(zoo_app, name="zoo")


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


if __name__ == "__main__":
    main()
