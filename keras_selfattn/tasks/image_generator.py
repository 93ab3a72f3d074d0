"""Images of a class, drawn by a generator with self-attention.

Shapes: `B` images, `Z` latent dimension, `Y` height, `X` width, `C` channels,
`N` heads, `T` queries, `S` keys.
"""

import keras
import numpy as np

from keras_selfattn.decoding.image_sampling import (
    TRUNCATION,
    class_ids,
    to_pixels,
    truncated_normal,
)
from keras_selfattn.export.signature import Signature
from keras_selfattn.models.biggan_generator import BigGANGenerator
from keras_selfattn.tasks.task import Task, from_config, to_config


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ImageGenerator(Task):
    """Label to image: latents by chance, a class, and a generator.

    It is trained as half of `training.adversarial_model.AdversarialModel`
    (see `train/image_generator.py`); what is saved is the generator alone.

    Reference: Zhang et al. 2019 (arXiv:1805.08318); Brock et al. 2019
    (arXiv:1809.11096).

    Args:
        labels: list of str, the classes' names; class i is `labels[i]`.
        generator: BigGANGenerator or its config. Default: one of 28x28 grey
            pixels.

    Call arguments:
        inputs: dict of "latents", float32 `(B, Z)`, and "labels", int32
            `(B,)`.
        training: bool.

    Returns:
        images, float32 `(B, Y, X, C)` in [0, 1].

    Raises:
        ValueError: where labels and generator do not fit together.

    Example:
        >>> task = zoo.load("image-generation")
        >>> task.generate(["7", "3"], truncation=0.8, seed=0).shape
        (2, 28, 28, 1)
    """

    def __init__(self, labels, generator=None, **kwargs):
        # Layers
        labels = [str(label) for label in labels]
        if not labels or len(set(labels)) != len(labels):
            raise ValueError(
                "labels must be the names of one class or more, each once; "
                f"received {labels}."
            )
        if generator is None:
            generator = BigGANGenerator(len(labels))
        elif isinstance(generator, dict):
            generator = from_config(generator, name="generator")
        if generator.num_classes != len(labels):
            raise ValueError(
                f"The generator knows {generator.num_classes} classes; "
                f"received {len(labels)} labels."
            )

        # Functional model
        inputs = {
            "latents": keras.Input(
                (generator.latent_dim,), dtype="float32", name="latents"
            ),
            "labels": keras.Input((), dtype="int32", name="labels"),
        }
        images = 0.5 * generator(inputs) + 0.5
        super().__init__(inputs=inputs, outputs=images, **kwargs)

        # Config
        self.labels = labels
        self.generator = generator
        self.image_size = generator.image_size
        self.channels = generator.channels
        self.latent_dim = generator.latent_dim
        self.attention_resolution = generator.attention_resolution
        self._attention = None

    def task_config(self):
        return {"labels": self.labels, "generator": to_config(self.generator)}

    def draw_inputs(
        self, labels, truncation=TRUNCATION, seed=None, latents=None
    ):
        """Latents and class ids of images, as the model takes them.

        Args:
            labels: names (str) or class ids (int) of the images, or one.
            truncation, seed: see `decoding.image_sampling.truncated_normal`.
            latents: float `(B, Z)`, in place of drawn ones.

        Returns:
            dict of "latents", float32 `(B, Z)`, and "labels", int32 `(B,)`.
        """
        labels = class_ids(labels, self.labels)
        shape = len(labels), self.latent_dim
        drawn = truncated_normal(shape, truncation, seed)
        if latents is not None:
            drawn = self._checked(latents, len(labels))
        return {"latents": drawn, "labels": labels}

    def generate(
        self,
        labels,
        truncation=TRUNCATION,
        seed=None,
        latents=None,
        batch_size=64,
    ):
        """Draws an image for each label.

        Args:
            labels: names (str) or class ids (int) of the images, or one.
            truncation: float > 0, the largest latent; less is more typical.
            seed: int >= 0, the same images again; None: others each time.
            latents: float `(B, Z)`, in place of drawn ones.
            batch_size: int, images at once.

        Returns:
            uint8 `(B, Y, X, C)`.

        Raises:
            ValueError: for a label, truncation, seed or latents that it
                cannot take.
        """
        inputs = self.draw_inputs(labels, truncation, seed, latents)
        return to_pixels(_in_batches(self, inputs, batch_size))

    def attention_maps(
        self,
        labels,
        truncation=TRUNCATION,
        seed=None,
        latents=None,
        batch_size=64,
    ):
        """Where each place looks while an image is drawn.

        Args:
            labels, truncation, seed, latents, batch_size: as in `generate`;
                the same give the maps of the same images.

        Returns:
            float32 `(B, N, T, S)`: a row for each of `R * R` places, from the
            upper left, `R = attention_resolution`, over the `R/2 * R/2` places
            of pooled keys.

        Raises:
            ValueError: as `generate`, and where there is no attention.
        """
        inputs = self.draw_inputs(labels, truncation, seed, latents)
        if self._attention is None:
            self._attention = self.generator.attention_model()
        return _in_batches(self._attention, inputs, batch_size)

    def _checked(self, latents, number):
        latents = np.asarray(latents, "float32")
        if latents.shape != (number, self.latent_dim):
            raise ValueError(
                f"latents have the shape {latents.shape}; expected "
                f"{(number, self.latent_dim)}: a row for each label."
            )
        if not np.isfinite(latents).all():
            raise ValueError("latents hold values that are not finite.")
        return latents

    def export_signature(self):
        return Signature(
            "generate",
            inputs={"latents": "float32", "labels": "int32"},
            outputs={"images": "float32"},
            agreement="images are within a grey level in 255 of Keras's",
            shapes={"latents": (self.latent_dim,), "labels": ()},
            tolerance=1.0 / 255,
            values="pixels",
        )

    def export_metadata(self):
        return {
            "labels": self.labels,
            "latent_dim": self.latent_dim,
            "image_size": self.image_size,
            "channels": self.channels,
            "attention_resolution": self.attention_resolution,
        }

    def export_outputs(self, inputs):
        return {"images": self(inputs, training=False)}

    def reference_outputs(self, inputs):
        batch = {name: np.asarray(x)[None] for name, x in inputs.items()}
        return {"images": np.asarray(self.predict_on_batch(batch))[0]}

    def export_probes(self):
        number = max(12, len(self.labels))
        labels = [i % len(self.labels) for i in range(number)]
        inputs = self.draw_inputs(labels, truncation=2.0, seed=0)
        return [
            {name: value[i] for name, value in inputs.items()}
            for i in range(number)
        ]

    def typical_input(self):
        return self.export_probes()[0], "an image"

    def calibration_inputs(self, items):
        inputs = self.draw_inputs(items, seed=0)
        return [
            {name: value[i] for name, value in inputs.items()}
            for i in range(len(items))
        ]


def _in_batches(model, inputs, batch_size):
    """A model's outputs for inputs of any number; float32 array."""
    number = len(inputs["labels"])
    found = []
    for start in range(0, number, batch_size):
        batch = {k: v[start : start + batch_size] for k, v in inputs.items()}
        own = len(batch["labels"])
        if start and own < batch_size:  # of one shape: compiled once
            batch = {
                k: np.concatenate(
                    [v, np.repeat(v[-1:], batch_size - own, axis=0)]
                )
                for k, v in batch.items()
            }
        outputs = np.asarray(model.predict_on_batch(batch), "float32")
        found.append(outputs[:own])
    return np.concatenate(found)
