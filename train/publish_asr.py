"""Puts a trained recogniser into the zoo: float16 weights, file, reference.

    python train/publish_asr.py runs/mine/preset zoo/asr/NAME \
        --sample sample.wav --quantize dynamic --alias asr \
        --description "..." --licence Apache-2.0

The folder gets `preset.json`, `model.safetensors`, `model.tflite` and
`sample.wav`; `card.md` and `metrics.json` are written by hand and by
`train/evaluate_asr.py`. What is exported are the float16 weights that are
kept, so that anyone can make the same file again.
"""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn import zoo
from keras_selfattn.runtime import Transcriber
from keras_selfattn.runtime.preset_folder import write_json


def publish(trained, folder, sample, quantize, aliases, **facts):
    """Writes and seals a preset folder.

    Args:
        trained: folder that `task.save_preset` wrote.
        folder: folder to write; its name becomes the preset's.
        sample: sound file that may be given away.
        quantize: "none", "float16" or "dynamic", of the shipped file.
        aliases: list of str.
        **facts: entries of preset.json (description, language, license).

    Returns:
        the Transcript of the sample by the shipped file.

    Raises:
        ValueError: the shipped file hears nothing in the sample.
    """
    from keras_selfattn.tasks.task import Task

    folder.mkdir(parents=True, exist_ok=True)
    task = zoo.load(trained)
    task.save_preset(
        folder,
        name=folder.resolve().name,
        sampling_rate_hz=task.sampling_rate_hz,
        **facts,
    )
    kept = Task.from_preset_folder(folder)
    kept.export(folder / "model.tflite", quantize=quantize)
    if Path(sample).resolve() != (folder / "sample.wav").resolve():
        shutil.copyfile(sample, folder / "sample.wav")
    found = Transcriber(folder / "model.tflite").transcribe(
        folder / "sample.wav"
    )
    if not found.text:
        raise ValueError(f"{sample}: the new file hears nothing in it.")
    contents = zoo.seal(folder)
    contents["reference"] = {
        "file": "sample.wav",
        "text": found.text,
        "token_ids": found.token_ids,
    }
    write_json(folder / "preset.json", contents)
    zoo.seal(folder, aliases)
    return found


def main(
    trained: Path,
    folder: Path,
    sample: Annotated[Path, typer.Option(help="WAV that may be given away")],
    description: Annotated[str, typer.Option(help="one sentence")],
    licence: Annotated[str, typer.Option(help="of the weights")],
    language: str = "en",
    quantize: str = "dynamic",
    alias: Annotated[list[str], typer.Option(help="repeatable")] = (),
):
    """Puts the preset folder TRAINED into the zoo as FOLDER."""
    found = publish(
        trained,
        folder,
        sample,
        quantize,
        list(alias),
        description=description,
        language=language,
        license=licence,
    )
    print(f"{folder.name}: {found.text!r}")


if __name__ == "__main__":
    typer.run(main)
