"""JAX: two devices of one process give what one device gives."""

import keras
import numpy as np
import pytest

from tests.distributed import processes
from tests.distributed.worker import train_job

pytestmark = [
    pytest.mark.backend,
    pytest.mark.distributed,
    pytest.mark.slow,
]

STRATEGIES = ["data_parallel", "model_parallel"]
JOBS = [{"training": "hybrid_recognition"}]


def test_sharing_the_batch_or_the_model_changes_nothing(tmp_path):
    if keras.backend.backend() != "jax":
        pytest.skip("several devices in one process: JAX")
    (said,) = processes.run(
        1,
        tmp_path,
        {"jobs": JOBS, "strategies": STRATEGIES},
        XLA_FLAGS=processes.with_devices(2),
    )
    for strategy in STRATEGIES:
        assert f"{strategy}: 1 process(es), jax, 2 devices in all" in said
    for job in JOBS:
        alone = train_job(None, **job)
        losses, outputs = alone.pop("losses"), alone.pop("outputs")
        alone.pop("skipped")
        for strategy in STRATEGIES:
            ours, _, found = processes.values(
                tmp_path / f"{job['training']}_{strategy}.npz"
            )
            np.testing.assert_allclose(ours, losses, atol=1e-4, rtol=0)
            assert np.abs(found.pop("outputs") - outputs).max() < 1e-3
            assert processes.largest_difference(found, alone) <= 1e-5
