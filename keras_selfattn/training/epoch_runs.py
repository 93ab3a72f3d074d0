"""A training as a folder: epochs that are each a `fit`, and can go on.

The folder holds `arguments.json`, `steps.jsonl` (a line a step),
`checkpoint.npz` and the weights after each epoch.
"""

import json
import sys
import time
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.training.callbacks import StepLog, mean_loss, read_rows
from keras_selfattn.training.checkpoint import CheckpointEvery
from keras_selfattn.training.distribution import current


def checkpoint_file(folder):
    """Where a run keeps its checkpoint."""
    return Path(folder) / "checkpoint.npz"


def epoch_file(folder, epoch):
    """Where an epoch's weights are kept."""
    return Path(folder) / f"epoch_{epoch:03d}.safetensors"


def keep_arguments(folder, values, going_on, say):
    """Writes `arguments.json`; says what changed where a run goes on.

    Args:
        folder: path of the run.
        values: dict of the arguments.
        going_on: bool, there is a checkpoint to go on from.
        say: callable, takes a line of text.
    """
    path = Path(folder) / "arguments.json"
    now = json.loads(json.dumps(values, default=str))
    if going_on and path.is_file():
        before = json.loads(path.read_text("utf-8"))
        for name in now:
            if now[name] != before.get(name):
                say(
                    f"Note: {name} was {before.get(name)!r} and is now "
                    f"{now[name]!r}; losses may differ from here."
                )
    write_atomically(path, json.dumps(now, indent=1) + "\n")


def count_steps(dataset, epochs, max_steps=0):
    """Steps of all epochs; `max_steps` of each at most (0: all)."""
    total = 0
    for epoch in range(epochs):
        dataset.set_epoch(epoch)
        total += min(len(dataset), max_steps or len(dataset))
    return total


def fit_epoch(
    model,
    dataset,
    folder,
    epoch,
    first_batch=0,
    history=None,
    checkpoint_every=200,
    max_steps=0,
    callbacks=(),
    **options,
):
    """One epoch, or what is left of it, as a `fit` of its own.

    Of several processes (see `distribution`) each trains on its rows, and the
    first writes.

    Args:
        model: compiled keras.Model.
        dataset: has `set_epoch(epoch, first_batch)`, a length and
            `for_backend()`.
        folder: path of the run.
        epoch: int.
        first_batch: int, batches that were done before.
        history: JSON-able, carried along in checkpoints.
        checkpoint_every: int, steps.
        max_steps: int, of an epoch; 0: all.
        callbacks: more callbacks of `fit`, before those of this function.
        **options: more arguments of `fit`, such as `class_weight`.

    Returns:
        dict of the epoch's number, mean loss and seconds; where the dataset
        keeps what it has fed (`data.feeding`), also the speed of what was
        trained here, such as "audio_seconds_per_second", and the share of the
        seconds in which steps waited for data, "waited".
    """
    process = current()
    dataset = process.rows(dataset)
    dataset.set_epoch(epoch, first_batch=first_batch)
    steps = len(dataset)
    if max_steps:
        steps = min(steps, max_steps - first_batch)
    log = Path(folder) / "steps.jsonl"
    start = time.perf_counter()
    step_log = StepLog(log if process.is_first else None, epoch, first_batch)
    callbacks = [*callbacks, step_log]
    if process.is_first:
        callbacks.append(
            CheckpointEvery(
                checkpoint_file(folder),
                checkpoint_every,
                epoch,
                first_batch,
                history,
            )
        )
    if steps > 0:  # none where a kill fell between the last and the epoch's end
        with process.watched():
            model.fit(
                dataset.for_backend(),
                steps_per_epoch=steps,
                epochs=1,
                shuffle=False,
                verbose=(1 if sys.stdout.isatty() else 2) * process.is_first,
                callbacks=callbacks,
                **options,
            )
    seconds = time.perf_counter() - start
    return {
        "epoch": epoch,
        "loss": mean_loss(read_rows(log), epoch),
        "seconds": round(seconds, 1),
        **speed(getattr(dataset, "fed", None), seconds),
    }


def speed(fed, seconds):
    """What was fed in a second, and the share of waiting for it.

    Args:
        fed: object with `unit`, `amount` and `waited_seconds`, or None.
        seconds: float, that all of it took.
    """
    if fed is None or not fed.amount:
        return {}
    return {
        f"{fed.unit}_per_second": round(fed.amount / seconds, 1),
        "waited": round(min(1.0, fed.waited_seconds / seconds), 4),
    }
