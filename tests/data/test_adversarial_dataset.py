import numpy as np
import pytest

from keras_selfattn.data.adversarial_dataset import AdversarialDataset

LABELS = np.array([0] * 11 + [1] * 3 + [2] * 7)
IMAGES = np.broadcast_to(
    np.arange(21, dtype="uint8")[:, None, None, None], (21, 8, 8, 1)
)


def made(**options):
    return AdversarialDataset(
        IMAGES, LABELS, 3, 4, batch_size=3, discriminator_steps=2, **options
    )


def places(batch):
    """Which images a batch has, by their grey levels."""
    grey = (batch["images"][:, 0, 0, 0] + 1) * 127.5
    return np.round(grey).astype(int)


def test_shapes_ranges_and_every_image_once():
    data = made(cutout=0.5)
    assert len(data) == 3
    batches = [batch for (batch,) in data.batches()]
    seen = np.concatenate([places(batch) for batch in batches])
    assert len(set(seen)) == len(seen) == 18
    for batch in batches:
        np.testing.assert_array_equal(batch["labels"], LABELS[places(batch)])
        shapes = {name: array.shape for name, array in batch.items()}
        assert shapes == {
            "images": (6, 8, 8, 1),
            "labels": (6,),
            "latents": (9, 4),
            "drawn_labels": (9,),
            "shifts": (15, 2),
            "corners": (15, 2),
        }
        assert np.abs(batch["shifts"]).max() == 1  # an eighth of eight
        assert set(batch["drawn_labels"]) <= {0, 1, 2}
        assert batch["corners"].min() >= -2 and batch["corners"].max() <= 5


def test_epochs_differ_and_a_resumed_one_is_the_same():
    data, again = made(), made()
    first = [batch for (batch,) in data.batches()]
    data.set_epoch(1)
    second = [batch for (batch,) in data.batches()]
    assert not np.array_equal(first[0]["latents"], second[0]["latents"])
    again.set_epoch(1, first_batch=2)
    assert len(again) == 1
    (rest,) = [batch for (batch,) in again.batches()]
    for name, array in second[2].items():
        np.testing.assert_array_equal(rest[name], array)


def test_balanced_batches_hold_all_classes_alike():
    data = made(balanced=True)
    for (batch,) in data.batches():
        assert np.bincount(batch["labels"]).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("images", "labels", "options", "words"),
    [
        (IMAGES / 255, LABELS, {}, "expected uint8"),
        (IMAGES, LABELS[1:], {}, "20 labels came with 21 images"),
        (IMAGES, LABELS + 1, {}, "each from 0 to 2"),
        (IMAGES, LABELS, {"batch_size": 22}, "need 22 images a step"),
        (IMAGES, LABELS, {"discriminator_steps": 0}, "at least 1"),
    ],
)
def test_bad_arguments_are_named(images, labels, options, words):
    with pytest.raises(ValueError, match=words):
        AdversarialDataset(images, labels, 3, 4, **{"batch_size": 3, **options})
