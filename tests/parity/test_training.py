"""From the same weights and data the backends' losses stay together."""

import numpy as np
import pytest

from tests.golden.make_training_losses import NAMES, PATH, losses


@pytest.mark.backend
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_fifty_steps_lose_the_same_on_every_backend(name, record_property):
    with np.load(PATH) as data:
        expected = data[name]
    found = losses(name)
    largest = np.abs(found - expected).max()
    record_property("largest difference", float(largest))
    print(f"{name}: largest difference {largest:.2e}")
    # So that any two of them are within 1e-3.
    assert largest <= 5e-4
    assert expected[-5:].mean() < expected[:5].mean()  # it learns
