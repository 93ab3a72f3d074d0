"""Trainings that are stopped in the middle, as by Ctrl-C."""

import contextlib

import pytest

from keras_selfattn.training.callbacks import StepLog


@contextlib.contextmanager
def stopped_at(epoch, batch):
    """What is trained inside stops behind this batch, its row written.

    It fails where nothing was stopped.
    """
    write_row = StepLog.on_train_batch_end

    def stop(log, number, logs=None):
        write_row(log, number, logs)
        if (log.epoch, number) == (epoch, batch):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StepLog, "on_train_batch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            yield
