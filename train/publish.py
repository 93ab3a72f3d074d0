"""Puts a trained task into the zoo: float16 weights, file, reference.

    python train/publish.py runs/mine/preset zoo/asr/NAME \
        --sample sample.wav --quantize dynamic --alias asr \
        --description "..." --licence Apache-2.0

    python train/publish.py runs/mine/preset zoo/text_classification/NAME \
        --text "A fine film." --quantize float16 ...

    python train/publish.py runs/mine/preset zoo/translation/NAME \
        --text "Ein Hund." --quantize dynamic --language de-en ...

    python train/publish.py runs/mine/preset zoo/masked_lm/NAME \
        --text "A very [MASK] film." --quantize dynamic ...

    python train/publish.py runs/mine/preset zoo/image_generation/NAME \
        --truncation 0.8 --quantize float16 ...

The folder gets `preset.json`, `model.safetensors`, `model.tflite` and, for
speech, `sample.wav`, for images `sample.png`; `card.md` and `metrics.json` are
written by hand and by `train/evaluate_*.py`. What is exported are the float16
weights that are kept, so that anyone can make the same file again, as
`export_preset.py` does. What the new file answers to the sample is the
preset's reference, which `zoo.check` compares with.
"""

import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from keras_selfattn import zoo
from keras_selfattn.runtime.preset_folder import write_json

CONTINUATION = 40  # tokens that a language model writes as its reference
DRAWN = 8  # images of a class in the sample of an image generator


def hear(folder, sample):
    """The reference of a recogniser: text and tokens of a recording.

    Raises:
        ValueError: the shipped file hears nothing in it.
    """
    from keras_selfattn.runtime import Transcriber

    if Path(sample).resolve() != (folder / "sample.wav").resolve():
        shutil.copyfile(sample, folder / "sample.wav")
    found = Transcriber(folder / "model.tflite").transcribe(
        folder / "sample.wav"
    )
    if not found.text:
        raise ValueError(f"{sample}: the new file hears nothing in it.")
    return {
        "file": "sample.wav",
        "text": found.text,
        "token_ids": found.token_ids,
    }


def classify(folder, text):
    """The reference of a classifier: label and scores of a text."""
    from keras_selfattn.runtime import Classifier

    found = Classifier(folder / "model.tflite").classify(text)
    return {
        "text": text,
        "label": found.label,
        "scores": {name: float(s) for name, s in found.scores.items()},
    }


def translate(folder, text):
    """The reference of a translator: text and tokens of a translation.

    Raises:
        ValueError: the shipped file writes nothing for it.
    """
    from keras_selfattn.runtime import Translator

    found = Translator(folder / "model.tflite").translate(text)
    if not found.text:
        raise ValueError(f"{text!r}: the new file writes nothing for it.")
    return {
        "source": text,
        "text": found.text,
        "token_ids": found.token_ids,
    }


def go_on(folder, text):
    """The reference of a language model: what it writes behind a text.

    Raises:
        ValueError: the shipped file writes nothing.
    """
    from keras_selfattn.runtime import TextGenerator

    found = TextGenerator(folder / "model.tflite").generate(
        text, CONTINUATION, search="greedy"
    )
    if not found.text:
        raise ValueError(f"{text!r}: the new file writes nothing behind it.")
    return {
        "prompt": text,
        "text": found.text,
        "token_ids": found.token_ids,
    }


def answer(folder, text):
    """The reference of a text-to-text model: what it writes for a text.

    Raises:
        ValueError: the shipped file writes nothing for it.
    """
    from keras_selfattn.runtime import TextToText

    found = TextToText(folder / "model.tflite").generate(text)
    if not found.text:
        raise ValueError(f"{text!r}: the new file writes nothing for it.")
    return {
        "question": text,
        "text": found.text,
        "token_ids": found.token_ids,
    }


def fill(folder, text):
    """The reference of a masked language model: what it fills a mask with."""
    from keras_selfattn.runtime import MaskFiller

    best = MaskFiller(folder / "model.tflite").fill_mask(text)[0]
    return {"masked": text, "text": best.text, "token": best.token}


def draw(folder, truncation):
    """The reference of an image generator: levels of an image a class.

    `sample.png` shows these, a row a class, and seven others behind each.
    """
    from keras_selfattn.runtime import ImageGenerator
    from keras_selfattn.runtime.image_generator import coarse_levels
    from keras_selfattn.runtime.png import image_grid, write_png

    generator = ImageGenerator(folder / "model.tflite")
    columns = [
        generator.generate(generator.labels, truncation, seed)
        for seed in range(DRAWN)
    ]
    shown = np.stack(columns, 1).reshape(-1, *columns[0].shape[1:])
    write_png(folder / "sample.png", image_grid(shown, DRAWN))
    return {
        "labels": generator.labels,
        "truncation": truncation,
        "seed": 0,
        "levels": coarse_levels(columns[0]).round(1).tolist(),
    }


# Task -> (option that names its sample, what gives the reference).
REFERENCES = {
    "CausalLM": ("text", go_on),
    "ImageGenerator": ("truncation", draw),
    "MaskedLM": ("text", fill),
    "SpeechRecognizer": ("sample", hear),
    "TextClassifier": ("text", classify),
    "TextToText": ("text", answer),
    "Translator": ("text", translate),
}


def publish(trained, folder, samples, quantize, aliases, **facts):
    """Writes and seals a preset folder.

    Args:
        trained: folder that `task.save_preset` wrote.
        folder: folder to write; its name becomes the preset's.
        samples: dict; "sample": sound file, or "text": str, that may be given
            away; or "truncation": float.
        quantize: "none", "float16" or "dynamic", of the shipped file.
        aliases: list of str.
        **facts: entries of preset.json (description, language, license).

    Returns:
        dict: the reference, by the shipped file.

    Raises:
        ValueError: the task has no reference here, or its sample is missing.
    """
    from keras_selfattn.tasks.task import Task

    task = zoo.load(trained)
    kind = type(task).__name__
    if kind not in REFERENCES:
        raise ValueError(
            f"{trained} holds a {kind}; known here: {sorted(REFERENCES)}."
        )
    option, _ = REFERENCES[kind]
    if not samples.get(option):
        raise ValueError(f"A {kind} is published with --{option}; give it.")
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(task, "sampling_rate_hz"):
        facts["sampling_rate_hz"] = task.sampling_rate_hz
    task.save_preset(folder, name=folder.resolve().name, **facts)
    kept = Task.from_preset_folder(folder)
    return ship(kept, folder, samples[option], quantize, aliases)


def ship(task, folder, sample, quantize, aliases=()):
    """Exports the file of a preset folder, and seals it with its reference.

    Args:
        task: the task whose weights are in the folder.
        folder: path of the preset folder.
        sample: what its reference is the answer to; see `REFERENCES`.
        quantize: see `publish`.
        aliases: see `publish`.

    Returns:
        dict: the reference, by the new file.
    """
    _, refer = REFERENCES[type(task).__name__]
    task.export(folder / "model.tflite", quantize=quantize)
    reference = refer(folder, sample)
    contents = zoo.seal(folder)
    contents["reference"] = reference
    write_json(folder / "preset.json", contents)
    zoo.seal(folder, aliases)
    return reference


def main(
    trained: Path,
    folder: Path,
    description: Annotated[str, typer.Option(help="one sentence")],
    licence: Annotated[str, typer.Option(help="of the weights")],
    sample: Annotated[
        Path | None, typer.Option(help="WAV that may be given away")
    ] = None,
    text: Annotated[str, typer.Option(help="that may be given away")] = "",
    truncation: Annotated[
        float, typer.Option(help="of an image generator's sample")
    ] = 0.0,
    language: str = "en",
    quantize: str = "dynamic",
    alias: Annotated[list[str], typer.Option(help="repeatable")] = (),
):
    """Puts the preset folder TRAINED into the zoo as FOLDER."""
    try:
        reference = publish(
            trained,
            folder,
            {"sample": sample, "text": text, "truncation": truncation},
            quantize,
            list(alias),
            description=description,
            language=language,
            license=licence,
        )
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    reference.pop("levels", None)
    print(f"{folder.name}: {reference}")


if __name__ == "__main__":
    typer.run(main)
