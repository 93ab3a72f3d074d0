"""`keras-selfattn export`, `lint` and `zoo`: models and presets."""

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import silent_native_stderr, user_errors
from keras_selfattn.commands.transcribe import audio_files

zoo_app = typer.Typer(
    help="The presets that ship with the package.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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


def export(
    preset: PresetName,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.tflite",
            help="File to write; OUT.onnx for ONNX, or a new folder.",
        ),
    ],
    quantize: Annotated[
        Quantize, typer.Option(help="How the weights are kept.")
    ] = Quantize.NONE,
    representative: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE_OR_FOLDER",
            help="Recordings, or files of texts, a line each, that int8 fixes "
            "its ranges on (20 to 200; may be given again). Default: the "
            "preset's own sample.",
        ),
    ] = None,
    chunk_frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Output frames a chunk of a streaming recogniser's file. "
            "Default: the preset's.",
        ),
    ] = None,
    saved_model: Annotated[
        bool,
        typer.Option(
            "--saved-model",
            help="A SavedModel for servers, in the folder OUT.",
        ),
    ] = False,
    text: Annotated[
        bool,
        typer.Option(
            "--text",
            help="A SavedModel that takes and gives texts (needs "
            "tensorflow-text).",
        ),
    ] = False,
):
    """Write PRESET as one .tflite file and verify it.

    Needs Keras with a backend, and TensorFlow for the conversion.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn import zoo

        if not out.parent.is_dir():
            raise ValueError(f"{out.parent}: no such folder to write into.")
        saved_model = saved_model or text
        if out.is_dir() and not saved_model:
            raise ValueError(f"{out} is a folder; name a file to write.")
        plain = saved_model or out.suffix == ".onnx"
        if plain and (quantize is not Quantize.NONE or representative):
            raise ValueError(
                "SavedModel and ONNX keep float32 weights: leave out "
                "--quantize and --representative."
            )
        # The export itself reports on stderr what it does and what came out.
        options = {}
        if representative or quantize is Quantize.INT8:
            options["representative"] = _examples(preset, representative)
        task = zoo.load(preset)
        if chunk_frames is not None:
            if not hasattr(task, "chunk_frames"):
                raise ValueError(
                    f"--chunk-frames: {preset} is no speech recogniser."
                )
            task.chunk_frames = chunk_frames
        if saved_model:
            from keras_selfattn.export.saved_model import export_saved_model

            export_saved_model(task, out, text=text)
        elif out.suffix == ".onnx":
            from keras_selfattn.export.onnx import export_onnx

            export_onnx(task, out)
        else:
            task.export(out, quantize=quantize.value, **options)


def _examples(preset, paths):
    """What int8 fixes its ranges on: recordings, or texts, a line each."""
    from keras_selfattn import zoo

    about = zoo.describe(preset)
    if about["task"] == "ImageGenerator":
        if paths:
            raise ValueError(
                "--representative: an image generator fixes its ranges on "
                "its own classes; leave it out."
            )
        return about["reference"]["labels"]
    if about["task"] == "TextClassifier":
        if not paths:
            return [about["reference"]["text"]]
        lines = (path.read_text("utf-8").splitlines() for path in paths)
        return [line for of_file in lines for line in of_file]
    if not paths:
        return [zoo.resolve(preset) / about["reference"]["file"]]
    return audio_files(paths)[0]


def lint(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.tflite", help="File to check.")
    ],
):
    """List the operators in FILE that are not built in (Flex, custom).

    Exit code 1 where there is one, 0 where there is none.
    """
    with user_errors():
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
    with user_errors():
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
    with user_errors():
        from keras_selfattn import zoo

        print(zoo.card(name).rstrip("\n"))


@zoo_app.command("verify")
def zoo_verify(name: PresetName):
    """Check PRESET's files (sha256) and what it says of its own sample."""
    with user_errors(), silent_native_stderr():
        from keras_selfattn import zoo

        found = zoo.check(name)
        given = next(
            (
                getattr(found, name)
                for name in ("label", "text")
                if hasattr(found, name)
            ),
            None,
        )
        if given is None:
            print(f"{name}: files intact; draws its {len(found)} images")
            return
        print(f"{name}: files intact; sample gives {given!r}")
