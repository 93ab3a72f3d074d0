"""What a run writes for other programs: tables, TensorBoard, a trace.

Beside `steps.jsonl`, which is written step by step (`callbacks.StepLog`),
stand `steps.csv`, `epochs.csv` and `epochs.jsonl`, whole after each epoch.
"""

import csv
import io
import json
import time
from pathlib import Path

import keras

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.training.callbacks import read_rows
from keras_selfattn.training.profiling import ProfileSteps


class RunLogs:
    """The logs of one run, as its options ask for them.

    Args:
        folder: path of the run.
        tensorboard: bool, also for TensorBoard, in the folder `tensorboard`;
            needs tensorboardX, and TensorBoard to look at it.
        profile: int, steps to trace once, in the folder `profile`; 0: none.
        say: called with a line of text.

    Raises:
        ImportError: tensorboardX is asked for and not installed.

    Example:
    ```python
    logs = RunLogs("runs/mine", tensorboard=True)
    model.fit(dataset, callbacks=logs.callbacks(epoch=0))
    logs.write_epochs([{"epoch": 0, "loss": 1.5}])
    ```
    """

    def __init__(self, folder, tensorboard=False, profile=0, say=print):
        self.folder = Path(folder)
        self._tensorboard = None
        if tensorboard:
            summary_writer()
            self._tensorboard = self.folder / "tensorboard"
            say(f"To look at it: tensorboard --logdir {self._tensorboard}")
        self._profile = None
        if profile:
            self._profile = ProfileSteps(self.folder / "profile", profile, say)

    def callbacks(self, epoch, first_batch=0):
        """Callbacks of the `fit` of an epoch; put them before `StepLog`."""
        found = []
        if self._tensorboard is not None:
            rows = read_rows(self.folder / "steps.jsonl")
            place = epoch, first_batch
            before = sum((r["epoch"], r["batch"]) < place for r in rows)
            found.append(TensorBoardSteps(self._tensorboard, before))
        if self._profile is not None and not self._profile.done:
            found.append(self._profile)
        return found

    def write_epochs(self, history):
        """Writes the tables anew, and the last epoch for TensorBoard.

        Args:
            history: list of dict, a row an epoch.
        """
        lines = "".join(json.dumps(row) + "\n" for row in history)
        write_atomically(self.folder / "epochs.jsonl", lines)
        write_atomically(self.folder / "epochs.csv", as_csv(history))
        steps = read_rows(self.folder / "steps.jsonl")
        write_atomically(self.folder / "steps.csv", as_csv(steps))
        if self._tensorboard is not None:
            row = history[-1]
            with summary_writer()(
                str(self._tensorboard / "epochs"),
                purge_step=row["epoch"],
                filename_suffix=f".{time.time_ns()}",
            ) as writer:
                for name, value in row.items():
                    if name != "epoch" and isinstance(value, int | float):
                        writer.add_scalar(f"epoch/{name}", value, row["epoch"])


class TensorBoardSteps(keras.callbacks.Callback):
    """Loss and learning rate of every step, for TensorBoard.

    Put it before `StepLog`, which takes the loss of each step for itself and
    leaves the mean so far. What another run, which was killed, wrote of the
    same steps is hidden.

    Args:
        folder: path to write to.
        first_step: int, number of this `fit`'s first step.
    """

    def __init__(self, folder, first_step=0):
        super().__init__()
        self.folder = Path(folder)
        self.first_step = first_step
        self._writer = None

    def on_train_begin(self, logs=None):
        self._writer = summary_writer()(
            str(self.folder / "steps"),
            purge_step=self.first_step,
            # Files are named by the second, and an epoch may be shorter.
            filename_suffix=f".{time.time_ns()}",
        )

    def on_train_batch_begin(self, batch, logs=None):
        self._learning_rate = float(self.model.optimizer.learning_rate)

    def on_train_batch_end(self, batch, logs=None):
        step = self.first_step + batch
        self._writer.add_scalar("step/loss", float(logs["loss"]), step)
        self._writer.add_scalar("step/learning_rate", self._learning_rate, step)

    def on_train_end(self, logs=None):
        self._writer.close()


def summary_writer():
    """The class that writes for TensorBoard.

    Raises:
        ImportError: tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "--tensorboard needs tensorboardX, and TensorBoard to look at it: "
            "pip install 'keras-selfattn[tensorboard]'."
        ) from error
    return SummaryWriter


def as_csv(rows):
    """Rows as a table with a column for every name, in order of coming."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
