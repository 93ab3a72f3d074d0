"""Same weights, same samples: the same logits on every backend."""

import numpy as np
import pytest

from tests.arrays import prefix_mask, to_numpy
from tests.golden.make_asr_logits import (
    FILE,
    NUM_SAMPLES,
    STAGES,
    recognizer,
    samples,
)

pytestmark = pytest.mark.backend


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_logits_equal_the_golden_ones(name):
    with np.load(FILE) as golden:
        expected = golden[name]
    task = recognizer(STAGES[name])
    found = to_numpy(task({"samples": samples(), "num_samples": NUM_SAMPLES}))
    valid = prefix_mask(task.output_lengths(NUM_SAMPLES), expected.shape[1])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found[valid], expected[valid], atol=1e-4)
    assert np.abs(expected[valid]).max() > 0.5
