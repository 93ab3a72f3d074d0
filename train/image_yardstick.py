"""What generated images are measured with: a judge, and images held out.

Shared by `evaluate_image_generator.py` and `ablate_image_attention.py`. The
features are the judge's (`image_judge.py`); the measures are those of
`metrics.image_scores`. As many images are generated as were held out, of the
same classes, so all figures are of as many as their reference.
"""

import numpy as np
from image_judge import Judge

from keras_selfattn.data.image_corpora import read_images, split_images
from keras_selfattn.metrics.image_scores import (
    frechet_distance,
    kernel_distance,
    nearest_distances,
    neighbourhood_scores,
    within_class_distance,
)

NEIGHBOURS = 5
DIGITS = {"frechet": 3, "kernel": 5, "nearest_train": 3}  # kept; others 4


class Yardstick:
    """Measures images against those held out of a corpus.

    Args:
        judge: folder of a judge.
        data: str, what `data.image_corpora.read_images` reads.
        held_out: int, images that neither generator nor judge learnt from.
        split_seed: int, of what is held out.
        image_size: int, pixels to resize to; None: none.

    Raises:
        ValueError: there is no judge, or it was trained on other images.
    """

    def __init__(
        self, judge, data, held_out=1000, split_seed=0, image_size=None
    ):
        self.judge = Judge(judge)
        facts = self.judge.facts
        asked = {"data": data, "held_out": held_out, "split_seed": split_seed}
        other = {
            name: facts[name]
            for name, value in asked.items()
            if facts[name] != value
        }
        if other:
            raise ValueError(
                f"{judge} was trained with {other}, but {asked} is asked for: "
                "it would have seen the images that are held out. Train "
                "another judge: python train/image_judge.py"
            )
        corpus = read_images(data, image_size=image_size)
        self.names = corpus.names
        self.train, (self.images, self.labels) = split_images(
            corpus.images, corpus.labels, held_out, split_seed
        )
        self._features = self.judge.read(self.images)[1]

    def real(self):
        """Figures of training images in place of generated ones.

        What these lack to the best figures there could be, the number of
        images and the judge make; the accuracy is that on what is held out.
        """
        images, labels = self.train
        number = len(self.labels)
        if number < len(labels):
            _, (images, labels) = split_images(images, labels, number)
        found = self.measure(images, labels)
        read, _ = self.judge.read(self.images)
        nearest = nearest_distances(flat(self.images), flat(self.train[0]))
        return found | rounded(
            {
                "accuracy": (read == self.labels).mean(),
                "nearest_train": np.median(nearest),
            }
        )

    def measure(self, images, labels):
        """Figures of images.

        Args:
            images: uint8 `(B, H, W, C)`.
            labels: int `(B,)`, the classes they are meant to be of.

        Returns:
            dict: "images"; "accuracy", the share that the judge reads right;
            "frechet" and "kernel" distance, "precision", "recall", "density",
            "coverage" on the judge's features; "class_spread", the mean
            distance of two images of a class over that of real ones, and
            "nearest_train", the median distance to the nearest image trained
            on, both between pixels in [0, 1].
        """
        read, features = self.judge.read(images)
        real = within_class_distance(flat(self.images), self.labels)
        spread = within_class_distance(flat(images), labels) / real
        nearest = nearest_distances(flat(images), flat(self.train[0]))
        found = {
            "accuracy": (read == labels).mean(),
            "frechet": frechet_distance(self._features, features),
            "kernel": kernel_distance(self._features, features),
            **neighbourhood_scores(self._features, features, NEIGHBOURS),
            "class_spread": spread,
            "nearest_train": np.median(nearest),
        }
        return {"images": len(images), **rounded(found)}


def flat(images):
    """Pixels as rows, 0 to 1."""
    return images.reshape(len(images), -1) / 255


def rounded(figures):
    """The digits that are kept of each figure."""
    return {
        name: round(float(value), DIGITS.get(name, 4))
        for name, value in figures.items()
    }
