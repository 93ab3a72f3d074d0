import keras
import numpy as np
import pytest

from keras_selfattn.losses import frame_distillation
from tests.arrays import to_numpy

pytestmark = pytest.mark.backend


def draw(seed):
    return np.random.default_rng(seed).normal(size=(3, 7, 5)).astype("float32")


def log_softmax(x):
    x = x.astype("float64")
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_equals_the_sum_over_valid_frames(delay):
    teacher, learner, lengths = draw(0), draw(1), np.array([7, 4, 1])
    found = frame_distillation(teacher, learner, lengths, delay)
    wanted, given = log_softmax(teacher), log_softmax(learner)
    for row, length in enumerate(lengths):
        expected = sum(
            np.sum(
                np.exp(wanted[row, t - delay])
                * (wanted[row, t - delay] - given[row, t])
            )
            for t in range(delay, length)
        )
        assert float(found[row]) == pytest.approx(expected, abs=1e-5)


def test_is_nothing_between_equals_and_blind_to_padding():
    teacher, lengths = draw(0), np.array([7, 4, 1])
    same = frame_distillation(teacher, teacher + 3.0, lengths)
    np.testing.assert_allclose(to_numpy(same), 0, atol=1e-5)
    learner = draw(1)
    clean = to_numpy(frame_distillation(teacher, learner, lengths))
    spoilt = teacher.copy()
    spoilt[1, 4:] = 1e4
    found = to_numpy(frame_distillation(spoilt, learner, lengths))
    np.testing.assert_array_equal(found, clean)


def test_the_teacher_learns_nothing():
    """The weight that makes both logits moves as if the teacher were fixed."""

    class Both(keras.Model):
        def __init__(self, fixed):
            super().__init__()
            self.fixed = fixed
            self.factor = self.add_weight(
                shape=(), initializer="ones", name="factor"
            )

        def call(self, x):
            return x * self.factor

        def compute_loss(self, x, y, y_pred, *args, **kwargs):
            teacher = keras.ops.roll(x, 1, axis=-1)
            if not self.fixed:
                teacher = teacher * self.factor
            lengths = keras.ops.full((3,), 7, dtype="int32")
            losses = frame_distillation(teacher, y_pred, lengths)
            return keras.ops.sum(losses)

    moved = []
    for fixed in (True, False):
        model = Both(fixed)
        model.compile(keras.optimizers.SGD(0.01))
        model.train_on_batch(draw(0), np.zeros(3))
        moved.append(float(to_numpy(model.factor.value)))
    assert moved[0] == pytest.approx(moved[1], abs=1e-6)
    assert abs(moved[0] - 1) > 1e-3
