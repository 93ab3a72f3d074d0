"""A small image generator and its training: the same weights everywhere."""

import keras
import numpy as np

from keras_selfattn.data.adversarial_dataset import AdversarialDataset
from keras_selfattn.models import BigGANDiscriminator, BigGANGenerator
from keras_selfattn.tasks import ImageGenerator
from keras_selfattn.training.adversarial_model import AdversarialModel
from keras_selfattn.training.paired_optimizer import PairedOptimizer
from tests.fixed_weights import draw_weights

NAMES = ["lower", "upper"]


def generator():
    return BigGANGenerator(
        2,
        image_size=8,
        widths=[6, 4],
        latent_dim=6,
        class_dim=3,
        attention_resolution=4,
        name="generator",
    )


def task():
    return draw_weights(ImageGenerator(NAMES, generator()))


def halves():
    """Images whose lower or upper half is white, a little noisy."""
    random = np.random.default_rng(0)
    labels = np.arange(16) % 2
    images = random.integers(0, 40, (16, 8, 8, 1))
    images[labels == 0, 4:] += 200
    images[labels == 1, :4] += 200
    return images.astype("uint8"), labels


def dataset(discriminator_steps=2, **options):
    return AdversarialDataset(
        *halves(), 2, 6, 4, discriminator_steps, cutout=0.25, **options
    )


def adversarial_model(discriminator_steps=2):
    """Compiled; Adam's epsilon is one that forgives rounding."""
    averaged = generator()
    with keras.name_scope("generator"):
        own = generator()
    with keras.name_scope("discriminator"):
        judge = BigGANDiscriminator(
            2, image_size=8, widths=[4, 6], attention_resolution=4
        )
    for model in (own, judge):
        draw_weights(model)
    model = AdversarialModel(
        own,
        judge,
        averaged,
        discriminator_steps,
        decay=0.5,
        orthogonality=0.01,
        cutout_size=2,
    )
    adam = keras.optimizers.Adam
    model.compile(
        PairedOptimizer(
            adam(1e-3, 0.0, epsilon=1e-3), adam(2e-3, 0.0, epsilon=1e-3)
        )
    )
    return model
