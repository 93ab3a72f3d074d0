"""Batches for a generator and a discriminator: images, and all chance.

Latents, classes and augmentations come with the batch, so that a step draws
nothing: the same on all backends, and when a training goes on.

Shapes: `B` images of a step of one half, `K` steps of the discriminator before
one of the generator, `Z` latent dimension, `Y` height, `X` width, `C` channels.
"""

import keras
import numpy as np

from keras_selfattn.data.feeding import for_backend


class AdversarialDataset(keras.utils.PyDataset):
    """Real images, and what generated ones are made from.

    A batch is a dict, in a tuple of one, of "images" float32
    `(K * B, Y, X, C)` in [-1, 1], "labels" int32 `(K * B,)`; "latents" float32
    `((K + 1) * B, Z)` and "drawn_labels" int32 `((K + 1) * B,)`, the last `B`
    for the generator's step; and "shifts" and "corners", int32
    `((2 * K + 1) * B, 2)`, for real and generated images of each of the
    discriminator's steps in turn, then for those of the generator's.

    Args:
        images: uint8 array `(N, Y, X, C)`.
        labels: int array `(N,)`.
        num_classes: int.
        latent_dim: int, `Z`.
        batch_size: int, `B`.
        discriminator_steps: int >= 1, `K`.
        balanced: bool, classes take turns in a batch; else as they come.
        translation: float in [0, 1), the most that images are moved, as a
            share of their size; 0: not at all.
        cutout: float in [0, 1), the size of the square that is cut out, as a
            share; 0: none.
        seed: int.

    Raises:
        ValueError: fewer images than a batch needs, or labels that are none.

    Example:
    ```python
    dataset = AdversarialDataset(images, labels, 10, latent_dim=48)
    dataset.set_epoch(0)
    model.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(
        self,
        images,
        labels,
        num_classes,
        latent_dim,
        batch_size=32,
        discriminator_steps=1,
        balanced=False,
        translation=0.125,
        cutout=0.0,
        seed=0,
    ):
        super().__init__()
        images, labels = np.asarray(images), np.asarray(labels)
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(
                f"images are {images.dtype} {images.shape}; expected uint8 "
                "(number, height, width, channels)."
            )
        if len(labels) != len(images) or not (
            len(labels) and 0 <= labels.min() and labels.max() < num_classes
        ):
            raise ValueError(
                f"{len(labels)} labels came with {len(images)} images; "
                f"expected one an image, each from 0 to {num_classes - 1}."
            )
        needed = batch_size * discriminator_steps
        if batch_size < 1 or discriminator_steps < 1 or needed > len(images):
            raise ValueError(
                f"batch_size={batch_size} and discriminator_steps="
                f"{discriminator_steps} need {needed} images a step; there "
                f"are {len(images)}. Both must be at least 1."
            )
        self._images, self._labels = images, labels.astype("int32")
        self._num_classes, self._latent_dim = num_classes, latent_dim
        self._batch_size, self._steps = batch_size, discriminator_steps
        self._balanced = balanced
        height = images.shape[1]
        self._furthest = round(translation * height)
        self.cutout_size = round(cutout * height)
        self._seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch, first_batch=0):
        """Fixes order and chance, exactly, for an epoch.

        Args:
            epoch: int, from 0.
            first_batch: int. Leave out the batches before it, to resume.
        """
        needed = self._batch_size * self._steps
        number = len(self._images) // needed
        if not 0 <= first_batch <= number:
            raise ValueError(
                f"first_batch={first_batch}; there are {number} batches."
            )
        generator = np.random.default_rng([self._seed, epoch])
        order = generator.permutation(len(self._images))
        if self._balanced:
            order = self._take_turns(order)
        self._batches = order[: number * needed].reshape(number, needed)
        self.epoch, self._first = epoch, first_batch

    def _take_turns(self, order):
        """The classes in turn; rare ones begin again, frequent ones rest."""
        places = [
            order[self._labels[order] == label]
            for label in range(self._num_classes)
        ]
        places = [own for own in places if len(own)]
        rounds = -(-len(order) // len(places))
        columns = [np.resize(own, rounds) for own in places]
        return np.stack(columns, axis=1).reshape(-1)[: len(order)]

    def __len__(self):
        return len(self._batches) - self._first

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        number = self._first + index
        chosen = self._batches[number]
        size, steps = self._batch_size, self._steps
        generator = np.random.default_rng([self._seed, self.epoch, 1, number])
        drawn, moved = (steps + 1) * size, (2 * steps + 1) * size
        latents = generator.standard_normal(
            (drawn, self._latent_dim), dtype="float32"
        )
        drawn_labels = generator.integers(self._num_classes, size=drawn)
        far, cut = self._furthest, self.cutout_size
        shifts = generator.integers(-far, far + 1, (moved, 2))
        # The square's middle is anywhere in the image.
        middles = generator.integers(self._images.shape[1:3], size=(moved, 2))
        images = self._images[chosen].astype("float32") / 127.5 - 1.0
        return (
            {
                "images": images,
                "labels": self._labels[chosen],
                "latents": latents,
                "drawn_labels": drawn_labels.astype("int32"),
                "shifts": shifts.astype("int32"),
                "corners": (middles - cut // 2).astype("int32"),
            },
        )

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)
