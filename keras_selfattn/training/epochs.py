"""One epoch of a training that can be killed, and what a run keeps of itself.

Shared by the scripts in `train/`. A dataset is a `PyDataset` with
`set_epoch(epoch, first_batch)` and `for_backend()`.
"""

import json
import sys
import time
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.training.callbacks import StepLog, mean_loss, read_rows
from keras_selfattn.training.checkpoint import CheckpointEvery

CHECKPOINT = "checkpoint.npz"
STEPS = "steps.jsonl"


def fit_epoch(
    model,
    dataset,
    folder,
    epoch,
    first_batch=0,
    history=None,
    checkpoint_every=200,
    max_steps=0,
    **fit_options,
):
    """One epoch, or what is left of it, as a `fit` of its own.

    Args:
        model: compiled keras.Model.
        dataset: as above; its epoch is set here.
        folder: path of the run; the step log and the checkpoint are in it.
        epoch: int.
        first_batch: int, batches of it that were done before.
        history: JSON-able, kept in the checkpoints.
        checkpoint_every: int, steps.
        max_steps: int, of a whole epoch; 0: all.
        **fit_options: more arguments of `fit` (class_weight).

    Returns:
        dict of the "epoch", its mean "loss" and "seconds".
    """
    folder = Path(folder)
    dataset.set_epoch(epoch, first_batch=first_batch)
    steps = len(dataset)
    if max_steps:
        steps = min(steps, max_steps - first_batch)
    start = time.perf_counter()
    if steps > 0:  # none where a kill fell between the last and the epoch's end
        model.fit(
            dataset.for_backend(),
            steps_per_epoch=steps,
            epochs=1,
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                StepLog(folder / STEPS, epoch, first_batch),
                CheckpointEvery(
                    folder / CHECKPOINT,
                    checkpoint_every,
                    epoch,
                    first_batch,
                    history,
                ),
            ],
            **fit_options,
        )
    return {
        "epoch": epoch,
        "loss": mean_loss(read_rows(folder / STEPS), epoch),
        "seconds": round(time.perf_counter() - start, 1),
    }


def epoch_file(folder, epoch):
    """Where an epoch's weights are kept."""
    return Path(folder) / f"epoch_{epoch:03d}.safetensors"


def keep_arguments(folder, arguments):
    """Writes a run's `arguments.json`.

    Args:
        folder: path of the run.
        arguments: dict; what is not JSON-able is written as its str.

    Returns:
        list of str: what differs from the file that was there, if a run goes
        on (there is a checkpoint).
    """
    folder = Path(folder)
    path = folder / "arguments.json"
    now = json.loads(json.dumps(arguments, default=str))
    notes = []
    if (folder / CHECKPOINT).is_file() and path.is_file():
        before = json.loads(path.read_text("utf-8"))
        notes = [
            f"Note: {name} was {before.get(name)!r} and is now "
            f"{now[name]!r}; losses may differ from here."
            for name in now
            if now[name] != before.get(name)
        ]
    write_atomically(path, json.dumps(now, indent=1) + "\n")
    return notes
