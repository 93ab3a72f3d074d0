"""With attention or without, and where: image generators over seeds.

    python train/ablate_image_attention.py runs/none_0 runs/none_1 ... \
        --judge runs/judge --backend torch --update

RUNs are folders of `train/image_generator.py` on the same corpus, which differ
in `--attention-resolution` and `--seed` and in nothing else. Each draws as many
images as were held out, and is measured as `evaluate_image_generator.py` does.
A variant's figures are the mean and the standard deviation over its seeds;
beside them stand parameters, multiply-adds of an image (counted on torch, by
its own counter) and milliseconds of a training step, variants by turns on the
same machine. `--update` writes benchmarks/results/image_attention.json.
"""

import json
import os
import shlex
import statistics
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import numpy as np
import typer
from evaluation import KeepOption, show, user_errors, wide_console

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.measuring import machine, spread, take_turns

SCRIPT = "train/ablate_image_attention.py"
RESULT = (
    Path(__file__).resolve().parents[1]
    / "benchmarks/results/image_attention.json"
)
# What may differ between runs.
FREE = {"out", "name", "seed", "attention_resolution", "checkpoint_every"}
STEPS = 5  # of a turn
TURNS = {"cell_seconds": 120, "least_turns": 3, "most_turns": 9}


def read_runs(folders):
    """The runs by variant: attention's resolution to a list of (seed, folder).

    Returns:
        dict sorted by resolution, and the arguments that all share.

    Raises:
        ValueError: a folder is no finished run, runs differ in more than they
            may, or one is there twice.
    """
    variants, shared = {}, None
    for folder in map(Path, folders):
        arguments = folder / "arguments.json"
        if not arguments.is_file() or not (folder / "preset").is_dir():
            raise ValueError(
                f"{folder} is no finished run of train/image_generator.py: it "
                "wants arguments.json and preset."
            )
        found = json.loads(arguments.read_text(encoding="utf8"))
        own = {key: value for key, value in found.items() if key not in FREE}
        shared = own if shared is None else shared
        apart = sorted(
            key for key in own | shared if own.get(key) != shared.get(key)
        )
        if apart:
            raise ValueError(
                f"{folder} differs from {folders[0]} in {apart}; expected "
                "runs that differ in attention and seed only."
            )
        runs = variants.setdefault(found["attention_resolution"], [])
        if found["seed"] in dict(runs):
            raise ValueError(f"{folder}: this variant's seed is there twice.")
        runs.append((found["seed"], folder))
    return dict(sorted(variants.items())), shared


def summarise(rows):
    """Mean and standard deviation of each figure over seeds.

    Args:
        rows: list of dict of the same keys.
    """
    return {
        name: {
            "mean": statistics.fmean(row[name] for row in rows),
            "deviation": (
                statistics.stdev(row[name] for row in rows)
                if len(rows) > 1
                else None
            ),
        }
        for name in rows[0]
    }


def multiply_adds(model, inputs):
    """Multiply-adds of one call of a model, by torch's counter.

    Raises:
        ValueError: another backend than torch.
    """
    import keras

    if keras.backend.backend() != "torch":
        raise ValueError("Multiply-adds are counted on torch: --backend torch.")
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(inputs, training=False)
    return counter.get_total_flops() // 2


def cost(model):
    """Parameters and multiply-adds of both halves, a dict."""
    side, channels = model.generator.image_size, model.generator.channels
    label = np.zeros(1, "int32")
    inputs = {
        "generator": np.zeros((1, model.generator.latent_dim), "float32"),
        "discriminator": np.zeros((1, side, side, channels), "float32"),
    }
    names = {"generator": "latents", "discriminator": "images"}
    found = {}
    for half, given in inputs.items():
        own = getattr(model, half)
        found[half] = {
            "parameters": own.count_params(),
            "multiply_adds": multiply_adds(
                own, {names[half]: given, "labels": label}
            ),
        }
    return found


def train_models(variants, shared, yardstick):
    """Models of the variants, untrained, and batches to time them with."""
    from image_generator import build_model

    from keras_selfattn.data.adversarial_dataset import AdversarialDataset

    images, labels = yardstick.train
    options = SimpleNamespace(**shared)
    number = STEPS * options.batch_size * options.discriminator_steps
    dataset = AdversarialDataset(
        images[:number],
        labels[:number],
        len(yardstick.names),
        options.latent_dim,
        options.batch_size,
        options.discriminator_steps,
        False,
        options.translation,
        options.cutout,
    )
    models = {}
    for variant in variants:
        options.attention_resolution = variant
        models[variant] = build_model(options, images, len(yardstick.names))
    return models, dataset


def time_steps(models, dataset):
    """Milliseconds of a training step, variants by turns."""

    def run(variant):
        start = time.perf_counter()
        models[variant].fit(dataset.for_backend(), shuffle=False, verbose=0)
        return (time.perf_counter() - start) / STEPS

    for variant in models:  # what is compiled
        run(variant)
    taken = take_turns(run, models, TURNS)
    return {
        variant: {
            name.replace("_s", "_ms"): 1000 * value
            if name.endswith("_s")
            else value
            for name, value in spread(seconds).items()
        }
        for variant, seconds in taken.items()
    }


def main(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...")],
    judge: Annotated[Path, typer.Option(help="FOLDER of image_judge.py.")],
    truncation: Annotated[float, typer.Option(help="Of all images.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the images drawn.")] = 0,
    backend: str = "torch",
    update: KeepOption = False,
) -> None:
    """Prints what attention gives an image generator, and what it costs."""
    os.environ["KERAS_BACKEND"] = backend
    with user_errors():
        import keras
        from evaluate_image_generator import COLUMNS, measure
        from image_yardstick import Yardstick

        variants, shared = read_runs(runs)
        yardstick = Yardstick(
            judge,
            shared["data"],
            shared["held_out"],
            image_size=shared["image_size"] or None,
        )
        models, dataset = train_models(variants, shared, yardstick)
        seconds = time_steps(models, dataset)
        kept = []
        for variant, found in variants.items():
            rows = []
            for run_seed, folder in sorted(found):
                task = zoo.load(folder / "preset")
                row = measure(task, yardstick, [truncation], seed)[truncation]
                rows.append({"seed": run_seed, **row})
            figures = [
                {k: v for k, v in row.items() if k not in ("seed", "images")}
                for row in rows
            ]
            kept.append(
                {
                    "attention_resolution": variant,
                    "runs": rows,
                    "figures": summarise(figures),
                    "cost": cost(models[variant]),
                    "step": seconds[variant],
                }
            )
        real = yardstick.real()
        table = {
            f"attention at {entry['attention_resolution']}": {
                name: value["mean"] for name, value in entry["figures"].items()
            }
            for entry in kept
        }
        show(table | {"real images": real}, "means", COLUMNS, wide_console())
        if update:
            names = [f"runs/{folder.name}" for folder in runs]
            words = [*names, "--judge", "runs/judge", "--truncation"]
            words += [f"{truncation:g}", "--backend", backend, "--update"]
            result = {
                "format": 1,
                "machine": machine(),
                "backend": keras.backend.backend(),
                "command": f"python {SCRIPT} {shlex.join(words)}",
                "data": shared["data"],
                "epochs": shared["epochs"],
                "batch_size": shared["batch_size"],
                "trained_with": shared["backend"],
                "images": len(yardstick.labels),
                "truncation": truncation,
                "judge": yardstick.judge.facts,
                "real": real,
                "variants": kept,
            }
            write_atomically(RESULT, json.dumps(result, indent=1) + "\n")
            typer.echo(f"wrote {RESULT}")


if __name__ == "__main__":
    typer.run(main)
