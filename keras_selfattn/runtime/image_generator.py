"""Class to images with one .tflite file, without Keras.

Shapes: `B` images, `Z` latent numbers, `H`, `W` pixels, `C` channels.
"""

import numpy as np

from keras_selfattn.decoding.image_sampling import (
    TRUNCATION,
    class_ids,
    to_pixels,
    truncated_normal,
)
from keras_selfattn.runtime.model_file import (
    ModelError,
    ModelFile,
    model_path,
    read_metadata,
)

REQUIRED = ("labels", "latent_dim", "image_size", "signature")
ROWS = 16  # images at a time


class ImageGenerator:
    """Draws images of the classes that are asked for, with an exported file.

    It needs numpy and ai-edge-litert; no Keras. The same labels, truncation
    and seed give the images of `tasks.ImageGenerator`, but for what kernels
    round otherwise. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `task.export` wrote, or of a
            preset folder (its `model.tflite` is checked against its sha256).
        num_threads: int >= 1; threads the interpreter may use. Default 1.

    Raises:
        ModelError: not a .tflite file, not that of an image generator, or it
            needs operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
    ```python
    from keras_selfattn import zoo
    from keras_selfattn.runtime import ImageGenerator

    generator = ImageGenerator(zoo.resolve("image-generation"))
    images = generator.generate(["7", "7", "3"], truncation=0.8, seed=0)
    ```
    """

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(self.path, REQUIRED, "image generator")
        self.labels = list(self.metadata["labels"])
        self.latent_dim = self.metadata["latent_dim"]
        self.image_size = self.metadata["image_size"]
        self._model = ModelFile(
            self.path,
            self.metadata["signature"],
            ["latents", "labels"],
            ["images"],
            num_threads,
        )
        # Draw one image: what the file lacks shows here.
        shape = self._draw(np.zeros((1, self.latent_dim), "float32"), [0]).shape
        if shape[1:3] != (self.image_size, self.image_size):
            raise ModelError(
                f"{self.path} gives images of shape {shape[1:]}; its metadata "
                f"says {self.image_size} pixels."
            )

    def generate(self, labels, truncation=TRUNCATION, seed=None):
        """Draw an image for each label.

        Args:
            labels: a name or class id, or a list of them: `self.labels`.
            truncation: float > 0; latent numbers beyond it are drawn again. A
                small one gives typical images, infinity all there are.
            seed: int >= 0, or None for other images each time.

        Returns:
            uint8 `(B, H, W, C)`.

        Raises:
            ValueError: an unknown label, a truncation or seed that is none.
        """
        ids = class_ids(labels, self.labels)
        latents = truncated_normal(
            (len(ids), self.latent_dim), truncation, seed
        )
        return to_pixels(self._draw(latents, ids))

    def _draw(self, latents, ids):
        ids = np.asarray(ids, "int32")
        return np.concatenate(
            [
                self._model.run_rows(
                    latents=latents[first : first + ROWS],
                    labels=ids[first : first + ROWS],
                )["images"]
                for first in range(0, len(ids), ROWS)
            ]
        )


def coarse_levels(images, cells=4):
    """The mean level of each cell of a coarse grid over images.

    A preset keeps these of its sample: few numbers, which rounding of kernels
    moves little, and which another image does not give.

    Args:
        images: uint8 `(B, H, W, C)`.
        cells: int, cells along a side; at most H and W.

    Returns:
        float `(B, cells, cells)`, 0 to 255, over the channels.
    """
    levels = np.asarray(images, "float64").mean(-1)
    for axis in (1, 2):
        parts = np.array_split(levels, cells, axis)
        levels = np.stack([part.mean(axis) for part in parts], axis)
    return levels
