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
# The hybrid has losses over two kinds of tokens: what the others have, too.
HYBRID = "hybrid_recognition"
JOBS = [{"training": HYBRID}, SPOILED, ACCUMULATED]
MORE = [*({"training": name} for name in TRAININGS if name != HYBRID), MIXED]


def name_of(job):
    return job.get("name", job["training"])


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """All jobs done by two processes: the folder, and what they printed."""
    out = tmp_path_factory.mktemp("together")
    return out, processes.run(2, out, {"jobs": JOBS, "disagree": True})


@pytest.fixture(scope="module")
def more_together(tmp_path_factory):
    """The other trainings, likewise: the folder."""
    out = tmp_path_factory.mktemp("more")
    processes.run(2, out, {"jobs": MORE})
    return out


@pytest.mark.parametrize("job", JOBS, ids=name_of)
def test_the_same_weights_and_losses(together, job):
    check_same(together[0], job)


@pytest.mark.proof
@pytest.mark.parametrize("job", MORE, ids=name_of)
def test_the_same_in_other_trainings(more_together, job):
    if keras.backend.backend() != "torch":
        pytest.skip("each shape is compiled three times: on torch alone")
    check_same(more_together, job)


def check_same(folder, job):
    """Holds what two processes gave against one with all rows."""
    name = name_of(job)
    losses, skipped, found = processes.values(
        folder / f"{name}_data_parallel.npz"
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
