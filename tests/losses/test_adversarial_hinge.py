import numpy as np
import pytest

from keras_selfattn.losses.adversarial_hinge import (
    discriminator_hinge,
    generator_hinge,
)
from tests.arrays import to_numpy


@pytest.mark.backend
def test_hinge():
    real = np.array([2.0, 0.5, -1.0], "float32")
    fake = np.array([-3.0, 0.0, 0.5], "float32")
    found = float(to_numpy(discriminator_hinge(real, fake)))
    assert found == pytest.approx((0.5 + 2.0) / 3 + (1.0 + 1.5) / 3)
    found = float(to_numpy(generator_hinge(fake)))
    assert found == pytest.approx(2.5 / 3)
