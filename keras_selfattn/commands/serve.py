"""`keras-selfattn serve`: the models behind HTTP."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import (
    say_making,
    silent_native_stderr,
    user_errors,
)

PRESETS = ("asr", "translation", "text-classification")
TOKEN_VARIABLE = "KERAS_SELFATTN_TOKEN"
MIB = 2**20


def serve(
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME_OR_PATH",
            help="Preset name or alias, preset folder, or .tflite file; "
            f"repeatable. Default: {', '.join(PRESETS)}.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port to listen at; 0: any."),
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            show_envvar=True,
            help="Bearer token that requests have to bring. Better given by "
            "the environment, where other users do not see it.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Host name under which it is called, besides the loopback's "
            "and --host; repeatable; * for any.",
        ),
    ] = None,
    search_folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder of texts that can be searched."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Processes that compute. Default: one a core."
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(min=1, max=64, help="Requests a worker is given at once."),
    ] = 8,
    batch_wait_ms: Annotated[
        float,
        typer.Option(
            min=0, max=1000, help="Longest wait of a request for others."
        ),
    ] = 0.0,
    queue: Annotated[
        int,
        typer.Option(min=1, help="Requests accepted at once; more get 429."),
    ] = 64,
    max_upload_mib: Annotated[
        float, typer.Option(min=0.001, help="Largest body of a request, MiB.")
    ] = 25.0,
    max_audio_seconds: Annotated[
        float, typer.Option(min=1, help="Longest recording.")
    ] = 900.0,
    time_limit: Annotated[
        float,
        typer.Option(
            min=0.1, help="Seconds within which a request is answered."
        ),
    ] = 60.0,
    max_streams: Annotated[
        int, typer.Option(min=0, help="Live streams at once.")
    ] = 8,
):
    """Serve transcription, translation, classification, vectors by HTTP.

    With a page for people at /, OpenAI's and LibreTranslate's requests for
    programs, and the list of all at /openapi.json. Ends at SIGTERM or Ctrl-C
    when it has answered what it accepted. Needs the extra `serve`.
    """
    with user_errors(), silent_native_stderr():
        try:
            from keras_selfattn.serve.server import default_workers
            from keras_selfattn.serve.server import serve as run
        except ImportError as error:
            raise ImportError(
                f"serving needs further packages ({error.name} is missing): "
                "pip install 'keras-selfattn[serve]'"
            ) from None
        from keras_selfattn.serve.served_models import open_models
        from keras_selfattn.serve.settings import LOOPBACK, Settings

        # An empty variable is none.
        token = token or None
        settings = Settings(
            workers=workers or default_workers(),
            batch_size=batch_size,
            batch_wait_ms=batch_wait_ms,
            queue_size=queue,
            max_upload_bytes=int(max_upload_mib * MIB),
            max_audio_seconds=max_audio_seconds,
            time_limit_s=time_limit,
            max_streams=max_streams,
            token=token,
            hosts=(*LOOPBACK, host, *(allow_host or ())),
        )
        if token is None and host not in LOOPBACK:
            print(
                f"warning: whoever reaches {host} can use this; --token, or "
                f"{TOKEN_VARIABLE}, keeps others out",
                file=sys.stderr,
            )
        # Worker processes read it from nowhere.
        os.environ.pop(TOKEN_VARIABLE, None)
        models = open_models(preset or PRESETS, say_making)
        run(models, settings, host, port, search_folder)
