"""Small trainings in one of several processes, for the tests beside it.

    python -m tests.distributed.worker OUT '{"jobs": [...]}'

The environment says which process it is. The first writes a file for each job:
the values of all weights, the losses and the skipped steps.
"""

import json
import sys
from pathlib import Path

import numpy as np


def main(out, words):
    """One process's part.

    Args:
        out: folder.
        words: dict of "jobs", a list of dicts for `train_job`; "strategies"
            (["data_parallel"]), with each of which the jobs are done;
            "disagree", try what goes wrong; and "endless", train on until
            something ends it.
    """
    import keras

    from keras_selfattn.training.distribution import distribute

    for strategy in words.get("strategies", ["data_parallel"]):
        keras.distribution.set_distribution(None)
        distribution = distribute(strategy)
        print(distribution.describe(), flush=True)
        if words.get("disagree"):
            disagree(distribution)
        for job in words["jobs"]:
            found = train_job(distribution, **job)
            if distribution.is_first:
                name = f"{job.get('name', job['training'])}_{strategy}"
                np.savez(out / f"{name}.npz", **found)
    if words.get("endless"):
        train_on(distribution)
    distribution.finish()


def train_job(
    distribution,
    training,
    name=None,
    steps=20,
    optimizer=None,
    policy="float32",
    spoil=None,
):
    """Trains one of `tests.small_trainings`.

    Args:
        distribution: Distribution, or None for one process without.
        training: str, which.
        name: str, of its file.
        steps: int.
        optimizer: dict, its options.
        policy: str, of the dtypes.
        spoil: int, a batch of the first epoch whose rows weigh NaN in the
            last process.

    Returns:
        dict of arrays: losses, skipped, and the weights by path.
    """
    import keras

    from keras_selfattn.training.distribution import (
        Distribution,
        batch_digest,
        model_facts,
    )
    from tests.small_trainings import make, train

    keras.utils.set_random_seed(0)
    distribution = distribution or Distribution()
    keras.config.set_dtype_policy(policy)
    task, dataset = make(training, **(optimizer or {}))
    keras.config.set_dtype_policy("float32")
    distribution.agree(
        {
            "the first batch": batch_digest(dataset[0]),
            "the model": model_facts(task),
        }
    )
    rank, last = distribution.rank, distribution.size - 1
    if rank != 0 and keras.backend.backend() != "jax":  # it looks itself
        # Which the first one's values replace.
        task.set_weights([value + 1 for value in task.get_weights()])
    place = distribution.prepare(task, lambda: {"place": [0, 1]})
    assert place == {"place": [0, 1]}
    rows = distribution.rows(dataset)
    if spoil is not None and rank == last:
        rows = spoiled(rows, spoil)
    losses = train(task, rows, steps)
    inner = getattr(task.optimizer, "inner_optimizer", task.optimizer)
    skipped = keras.ops.convert_to_numpy(inner.skipped)
    with distribution.alone(task):
        # A batch of one row, which no two devices can share.
        inputs = keras.tree.map_structure(lambda a: a[:1], dataset[0][0])
        outputs = task.predict_on_batch(inputs)
        found = {
            f"{i:03d}/{v.path}": keras.ops.convert_to_numpy(v.value)
            for i, v in enumerate(task.weights)
            if "seed_generator" not in v.path
        }
    found["outputs"] = keras.tree.flatten(outputs)[0]
    return {"losses": losses, "skipped": skipped, **found}


def spoiled(rows, index):
    """Rows of which one batch weighs NaN."""
    from keras_selfattn.data.process_rows import ProcessRows

    class Spoiled(type(rows)):
        def __getitem__(self, place):
            inputs, targets, *weights = super().__getitem__(place)
            weights = weights[0] if weights else np.ones(len(targets), "f4")
            dataset = self.dataset if isinstance(self, ProcessRows) else self
            if dataset.epoch == 0 and place == index:
                weights = weights * np.float32("nan")
            return inputs, targets, weights

    rows.__class__ = Spoiled
    return rows


def disagree(distribution):
    """Prints the errors of what processes may do wrong."""
    try:
        distribution.agree({"the data": 20 + distribution.rank, "seed": 0})
    except ValueError as error:
        print(f"disagree: {error}")

    def fail():
        raise ValueError("of another model")

    try:
        distribution.from_first(fail)
    except ValueError as error:
        print(f"first: {error}")
    assert distribution.gather(distribution.rank) == list(
        range(distribution.size)
    )
    assert distribution.from_first(lambda: distribution.rank) == 0


def train_on(distribution):
    """Trains until a process is lost; prints the error that says so."""
    import keras

    from tests.small_trainings import make, train

    keras.utils.set_random_seed(0)  # JAX wants the same first weights
    task, dataset = make("translation")
    distribution.prepare(task)
    rows = distribution.rows(dataset)
    try:
        with distribution.watched():
            train(task, rows, 3)
            print("trains", flush=True)
            train(task, rows, 10**9)
    except ConnectionError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
