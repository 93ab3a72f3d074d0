"""A small run that goes on where it was killed, as the scripts do.

    python -m tests.distributed.resuming OUT

A translator with dropout, two epochs, a checkpoint every other step.
"""

import sys
from pathlib import Path

EPOCHS = 2


def resume(out):
    """Trains what is left of the run in a folder."""
    import keras

    from keras_selfattn.training.checkpoint import (
        has_checkpoint,
        restore_newest,
        save_checkpoint,
    )
    from keras_selfattn.training.epoch_runs import checkpoint_file, fit_epoch
    from tests.small_trainings import make

    keras.utils.set_random_seed(0)
    task, dataset = make("translation", dropout=0.2)
    path = checkpoint_file(out)
    first_epoch, first_batch, history = 0, 0, []
    if has_checkpoint(path):
        first_epoch, first_batch, history = restore_newest(path, task, print)
    for epoch in range(first_epoch, EPOCHS):
        row = fit_epoch(task, dataset, out, epoch, first_batch, history, 2)
        history.append(row["loss"])
        save_checkpoint(path, task, epoch + 1, 0, history)
        first_batch = 0


if __name__ == "__main__":
    resume(Path(sys.argv[1]))
