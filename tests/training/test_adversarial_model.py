"""One step by hand, the same on the backends, and after a kill."""

import keras
import numpy as np
import pytest

from keras_selfattn.training.adversarial_model import AdversarialModel
from keras_selfattn.training.callbacks import StepLog, read_rows
from keras_selfattn.training.checkpoint import (
    restore_checkpoint,
    save_checkpoint,
)
from tests import tiny_image_generator as tiny
from tests.arrays import to_numpy

# Loss of two steps, and sums of weights after them, on torch.
LOSSES = [12.11267, 8.16235]
SUMS = {
    "generator": 335.9343,
    "discriminator": 166.5366,
    "averaged": 335.8075,
}


def values(model):
    found = [*model.variables, *model.optimizer.variables]
    return [to_numpy(variable.value).copy() for variable in found]


def fit(model, log, epoch=0, first_batch=0, steps=None):
    data = tiny.dataset()
    data.set_epoch(epoch, first_batch)
    model.fit(
        data.for_backend(),
        steps_per_epoch=steps or len(data),
        epochs=1,
        shuffle=False,
        verbose=0,
        callbacks=[StepLog(log, epoch, first_batch)],
    )


@pytest.mark.backend
def test_steps_are_the_same_on_every_backend_and_after_a_kill(tmp_path):
    model = tiny.adversarial_model()
    before = {
        name: [to_numpy(v.value).copy() for v in getattr(model, name).weights]
        for name in SUMS
    }
    fit(model, tmp_path / "whole.jsonl", steps=1)
    for name in SUMS:  # both halves learn, the mean follows
        same = {
            variable.path
            for old, variable in zip(
                before[name], getattr(model, name).weights, strict=True
            )
            if np.array_equal(to_numpy(variable.value), old)
        }
        # Behind some biases stands a norm, which takes them out again.
        assert all(path.endswith("bias") for path in same), name
    # The mean has gone the share 1 - 2/11 of the way, at its first step.
    for old, own, mine in zip(
        before["generator"],
        model.generator.weights,
        model.averaged.weights,
        strict=True,
    ):
        expected = old + (9 / 11) * (to_numpy(own.value) - old)
        np.testing.assert_allclose(to_numpy(mine.value), expected, atol=1e-5)
    save_checkpoint(tmp_path / "checkpoint.npz", model, 0, 1)
    fit(model, tmp_path / "whole.jsonl", first_batch=1)
    rows = read_rows(tmp_path / "whole.jsonl")
    np.testing.assert_allclose([row["loss"] for row in rows], LOSSES, rtol=1e-3)
    sums = {
        name: sum(
            float(np.abs(to_numpy(v.value)).sum())
            for v in getattr(model, name).weights
        )
        for name in SUMS
    }
    assert sums == pytest.approx(SUMS, rel=1e-3)

    keras.utils.set_random_seed(7)
    again = tiny.adversarial_model()
    place = restore_checkpoint(tmp_path / "checkpoint.npz", again)
    assert place == (0, 1, None)
    fit(again, tmp_path / "again.jsonl", first_batch=1)
    (row,) = read_rows(tmp_path / "again.jsonl")
    assert row["loss"] == rows[1]["loss"]
    for one, other in zip(values(model), values(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_discriminator_that_learns_alone_tells_images_apart():
    model = tiny.adversarial_model(discriminator_steps=1)
    data = tiny.dataset(discriminator_steps=1)
    batch = {
        name: keras.ops.convert_to_tensor(x) for name, x in data[0][0].items()
    }
    losses = [
        float(to_numpy(model._discriminator_step(batch, 0, 4)))
        for _ in range(30)
    ]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    "change",
    [{"discriminator_steps": 0}, {"decay": 1.0}, {"orthogonality": -1.0}],
    ids=str,
)
def test_bad_arguments_are_named(change):
    model = tiny.adversarial_model()
    with pytest.raises(ValueError, match="expected a step at least"):
        AdversarialModel(
            model.generator, model.discriminator, model.averaged, **change
        )


def test_one_optimizer_is_not_enough():
    with pytest.raises(ValueError, match="expected a PairedOptimizer"):
        tiny.adversarial_model().compile(keras.optimizers.Adam())
