"""Two processes on loopback give what one with all rows gives.

The trainings are those of `tests/small_trainings.py`: batches whose rows do not
divide, tokens that differ from process to process, losses that are means over
rows, over tokens, and over two kinds of tokens.
"""

import keras
import numpy as np
import pytest

from tests.distributed import processes
from tests.distributed.worker import train_job
from tests.small_trainings import TRAININGS

pytestmark = [
    pytest.mark.backend,
    pytest.mark.distributed,
    pytest.mark.slow,
]

SPOILED = {
    "training": "text_classification",
    "name": "spoiled",
    "steps": 4,
    "spoil": 1,
}
ACCUMULATED = {
    "training": "translation",
    "name": "accumulated",
    "steps": 8,
    "optimizer": {"gradient_accumulation_steps": 2},
}
MIXED = {
    "training": "translation",
    "name": "mixed",
    "steps": 4,
    "policy": "mixed_bfloat16",
}
JOBS = [*({"training": name} for name in TRAININGS), MIXED]
if keras.backend.backend() != "torch":  # each shape is compiled, three times
    JOBS = [{"training": "hybrid_recognition"}]
JOBS += [SPOILED, ACCUMULATED]
NAMES = [job.get("name", job["training"]) for job in JOBS]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """All jobs done by two processes: the folder, and what they printed."""
    out = tmp_path_factory.mktemp("together")
    return out, processes.run(2, out, {"jobs": JOBS, "disagree": True})


@pytest.mark.parametrize("job", JOBS, ids=NAMES)
def test_the_same_weights_and_losses(together, job):
    name = job.get("name", job["training"])
    losses, skipped, found = processes.values(
        together[0] / f"{name}_data_parallel.npz"
    )
    alone = train_job(None, **job)
    # bfloat16 rounds activations of other rows otherwise.
    limit = 1e-3 if name == "mixed" else 1e-5
    np.testing.assert_allclose(
        losses, alone.pop("losses"), atol=10 * limit, rtol=0
    )
    assert skipped == alone.pop("skipped") == (name == "spoiled")
    outputs = found.pop("outputs"), alone.pop("outputs")
    assert processes.largest_difference(found, alone) <= limit
    assert np.abs(np.subtract(*outputs)).max() <= 100 * limit


def test_each_says_what_was_set_up(together):
    backend = keras.backend.backend()
    for said in together[1]:
        first = [line for line in said.splitlines() if backend in line][0]
        assert first.startswith("data_parallel: 2 process")
        assert "(RANK and WORLD_SIZE)" in first


def test_what_differs_is_named_in_both(together):
    for said in together[1]:
        assert (
            "disagree: Process 1 of 2 differs from process 0 in the data (20 "
            "in process 0, 21 in process 1). Start all with the same" in said
        )


def test_what_fails_in_the_first_ends_both(together):
    first, second = together[1]
    assert "first: of another model" in first
    assert "first: The first process failed: of another model" in second
