"""Trainings on several devices or processes, by what each backend has.

| backend | data_parallel | model_parallel |
|---|---|---|
| torch | processes, `torch.distributed` (gloo; nccl on GPUs) | - |
| TensorFlow | processes, TensorFlow's collectives | - |
| JAX | devices and processes, `keras.distribution` | devices of a process |

On torch and TensorFlow a process is its own model on its own device, and the
gradients are summed before the optimizer sees them; so all processes clip,
skip and step alike. On JAX one program runs on all devices.
"""

import contextlib
import hashlib
import json
import re

import keras
import numpy as np

from keras_selfattn.training.cluster import read_cluster

# Of an error of many lines, the one that says what happened.
_TELLING = re.compile("unhealthy|closed|refused|reset|UNAVAILABLE|heartbeat")
STRATEGIES = ("data_parallel", "model_parallel", "none")

_current = None


class FirstProcessError(ValueError):
    """What the first process was to do failed there, and it says why."""


class Distribution:
    """One process on one device; the others add what differs.

    Attributes:
        rank: int, this process.
        size: int, processes.
        row_multiple: int, rows that a process's batches are a multiple of.
    """

    row_multiple = 1

    def __init__(self, rank=0, size=1):
        self.rank, self.size = rank, size

    @property
    def is_first(self):
        """Whether this process writes, measures and speaks."""
        return self.rank == 0

    def describe(self):
        """One line: what was set up."""
        return f"one process, {keras.backend.backend()}"

    def sum_integers(self, values):
        """The sum over all processes of an int32 array, which each has."""
        return values

    def gather(self, value):
        """A JSON-able value of every process, in their order: list."""
        own = np.frombuffer(json.dumps(value).encode(), "uint8")
        sizes = np.zeros(self.size, "int32")
        sizes[self.rank] = len(own)
        ends = np.cumsum(self.sum_integers(sizes))
        everything = np.zeros(ends[-1], "int32")
        everything[ends[self.rank] - len(own) : ends[self.rank]] = own
        everything = self.sum_integers(everything).astype("uint8")
        parts = np.split(everything, ends[:-1])
        return [json.loads(part.tobytes()) for part in parts]

    def from_first(self, function):
        """What a function gives in the first process, in all of them.

        Args:
            function: without arguments, of a JSON-able value; the others do
                not call it, and wait. Where it raises, all end with an error.
        """
        value, error = None, None
        if self.is_first:
            try:
                value = function()
            except Exception as failure:
                error = failure
        if self.size == 1:
            if error is not None:
                raise error
            return value
        found, failed = self.gather([value, error and str(error)])[0]
        if error is not None:
            raise error
        if failed is not None:
            raise FirstProcessError(f"The first process failed: {failed}")
        return found

    def agree(self, facts):
        """Makes sure that all processes are at the same work.

        Args:
            facts: dict of what is compared to a JSON-able value, of which a
                digest is exchanged.

        Raises:
            ValueError: in every process, where one differs from the first.
        """
        shown = {name: _digest(value) for name, value in facts.items()}
        first, *others = self.gather(shown)
        for rank, other in enumerate(others, start=1):
            if wrong := [name for name in first if first[name] != other[name]]:
                listed = "; ".join(
                    f"{name} ({first[name]} in process 0, {other[name]} in "
                    f"process {rank})"
                    for name in wrong
                )
                raise ValueError(
                    f"Process {rank} of {self.size} differs from process 0 "
                    f"in {listed}. Start all with the same arguments, data "
                    "and version."
                )

    def prepare(self, model, restore=None):
        """Makes `fit` train over all processes, from the same values.

        Args:
            model: compiled keras.Model; all get the first process's values.
            restore: function without arguments that puts a checkpoint into
                the model, and gives a JSON-able value; only the first process
                calls it.

        Returns:
            what `restore` gave, in all processes.
        """
        model.optimizer.build(model.trainable_variables)
        return self.from_first(restore) if restore else None

    def rows(self, dataset):
        """The dataset's batches, cut to this process's rows.

        See `data.process_rows.ProcessRows`.
        """
        if self.size == 1 and self.row_multiple == 1:
            return dataset
        from keras_selfattn.data.process_rows import ProcessRows

        return ProcessRows(dataset, self.rank, self.size, self.row_multiple)

    @contextlib.contextmanager
    def alone(self, model):
        """Within, the model computes in this process alone, to measure it."""
        yield

    @contextlib.contextmanager
    def watched(self):
        """Within, what the backend says of a lost process is one clear error.

        Raises:
            ConnectionError: another process is gone, or answers no longer.
        """
        try:
            yield
        except Exception as error:
            if self.size == 1 or not self.tells_of_loss(error):
                raise
            raise self.lost(error) from error

    def tells_of_loss(self, error):
        """Whether an error of the backend's means that a process is gone."""
        return False

    def lost(self, error):
        """The clear error for it."""
        lines = str(error).strip().splitlines()
        telling = [line for line in lines if _TELLING.search(line)]
        reason = (telling or lines or [""])[0]
        return ConnectionError(
            f"Process {self.rank} of {self.size} lost another process: {reason}"
        )

    def leave(self, model):
        """Ends the training: the first process goes on with the model alone.

        `current()` is one process from here on.
        """
        global _current
        _current = None

    def finish(self):
        """Waits until all processes are here; the last call of each."""
        if self.size > 1:
            self.gather(None)


def distribute(strategy="data_parallel", cluster=None):
    """Sets up a training's devices and processes; call it before all else.

    Nothing of the backend may have been used before. What launcher started
    the process is read from the environment (see `cluster.read_cluster`).

    Args:
        strategy: "data_parallel", each device has its rows of a batch;
            "model_parallel" (JAX), the devices of a process share attention
            heads and feed-forward features; "none" or None, one device.
        cluster: Cluster, default: what the environment says.

    Returns:
        Distribution, which `current()` gives from here on.

    Raises:
        ValueError: a strategy that the backend does not have, or processes
            that cannot meet.

    Example:
    ```python
    distribution = distribute("data_parallel")
    model = ...  # built and compiled as ever
    distribution.prepare(model)
    dataset = distribution.rows(dataset)
    ```
    """
    global _current
    backend = keras.backend.backend()
    if strategy not in (*STRATEGIES, None):
        raise ValueError(
            f"strategy={strategy!r} is unknown; use one of "
            f"{', '.join(STRATEGIES)}."
        )
    if keras.distribution.distribution() is not None:
        raise ValueError(
            "keras.distribution is set already, so this would be a second "
            "one; leave one of the two out."
        )
    cluster = cluster or read_cluster()
    if strategy in ("none", None):
        if cluster is not None:
            raise ValueError(
                f"{cluster.source} says process {cluster.rank} of "
                f"{cluster.size}, but no distribution is asked for: all would "
                "train the same. Give data_parallel, or start one process."
            )
        _current = Distribution()
        return _current
    if strategy == "model_parallel" and backend != "jax":
        raise ValueError(
            f"model_parallel needs the backend jax; this is {backend}."
        )
    if backend == "jax":
        from keras_selfattn.training.distribution_jax import JaxDistribution

        _current = JaxDistribution(cluster, strategy == "model_parallel")
    elif cluster is None:
        _current = Distribution()
    elif backend == "torch":
        from keras_selfattn.training.distribution_torch import (
            TorchDistribution,
        )

        _current = TorchDistribution(cluster)
    elif backend == "tensorflow":
        from keras_selfattn.training.distribution_tensorflow import (
            TensorFlowDistribution,
        )

        _current = TensorFlowDistribution(cluster)
    else:
        raise ValueError(f"The backend {backend} is not distributed here.")
    return _current


def current():
    """The Distribution that was set up last; one process without."""
    return Distribution() if _current is None else _current


def model_facts(model):
    """What a model is, for `Distribution.agree`: paths and shapes."""
    return [[v.path, list(v.shape)] for v in model.variables]


def batch_digest(batch):
    """A digest of a batch's arrays, for `Distribution.agree`: str."""
    found = hashlib.sha256()
    for array in keras.tree.flatten(batch):
        array = np.ascontiguousarray(array)
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()[:12]


def _digest(value):
    text = json.dumps(value, sort_keys=True, default=str)
    if len(text) <= 24:
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:12]
