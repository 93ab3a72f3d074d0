"""A small training as one of several processes, for the tests beside it.

    python -m tests.distributed.worker OUT '{"trainings": ["translation"]}'

The environment says which process it is. The first writes a file for each
training: the values of all weights, the losses and the skipped steps. What
the second argument may say, see `main`.
"""

import json
import sys
from pathlib import Path

import numpy as np


def main(out, words):
    """One process's part.

    Args:
        out: folder.
        words: dict of "trainings" (list of str), "steps" (20), "strategy",
            "optimizer" (its options), "spoil" (the batch whose rows weigh NaN
            in process 1), "precision", "differ" (process 1 lacks a row).
    """
    import keras

    from keras_selfattn.training.distribution import distribute

    if words.get("precision"):
        keras.config.set_dtype_policy(words["precision"])
    distribution = distribute(words.get("strategy", "data_parallel"))
    print(distribution.describe(), flush=True)
    for name in words["trainings"]:
        _train(out, name, words, distribution)
    distribution.finish()


def _train(out, name, words, distribution):
    import keras

    from keras_selfattn.training.distribution import model_facts
    from tests.small_trainings import make, train

    keras.utils.set_random_seed(0)
    task, dataset = make(name, **words.get("optimizer", {}))
    if words.get("differ") and distribution.rank == 1:
        dataset.examples.pop()
    distribution.agree(
        {
            "the dataset's size": len(dataset.examples),
            "the model": model_facts(task),
        }
    )
    if distribution.rank == 1:  # which the first one's values replace
        task.set_weights([value + 1 for value in task.get_weights()])
    distribution.prepare(task)
    rows = distribution.rows(dataset)
    if "spoil" in words and distribution.rank == 1:
        rows = _spoiled(rows, words["spoil"])
    losses = train(task, rows, words.get("steps", 20))
    with distribution.alone(task):
        values = {
            f"{i:03d}/{v.path}": keras.ops.convert_to_numpy(v.value)
            for i, v in enumerate(task.weights)
        }
    if distribution.is_first:
        out.mkdir(parents=True, exist_ok=True)
        skipped = keras.ops.convert_to_numpy(_skipped(task.optimizer))
        np.savez(out / f"{name}.npz", losses=losses, skipped=skipped, **values)


def _skipped(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer).skipped


def _spoiled(rows, index):
    """Rows of which one batch weighs NaN, in this process alone."""
    make = type(rows).__getitem__

    class Spoiled(type(rows)):
        def __getitem__(self, place):
            inputs, targets, weights = make(self, place)
            if self.dataset.epoch == 0 and place == index:
                weights = weights * np.nan
            return inputs, targets, weights

    rows.__class__ = Spoiled
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
