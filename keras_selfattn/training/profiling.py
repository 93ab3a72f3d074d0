"""Traces of training steps by the backend's own profiler.

torch writes a Chrome trace, JAX a Perfetto trace beside its XPlane file,
TensorFlow an XPlane file; the line that is said tells how to look at it.
"""

import contextlib
from pathlib import Path

import keras


class ProfileSteps(keras.callbacks.Callback):
    """Traces a few steps of one `fit`, once, behind the first ones.

    The first steps compile and load, and are left out. A `fit` that is shorter
    is traced to its end.

    Args:
        folder: path to write to.
        steps: int >= 1, steps of the trace.
        say: called with a line of text when it is written.
        skip: int, steps before it.

    Example:
        >>> model.fit(x, y, callbacks=[ProfileSteps("run/profile", 5)])
    """

    def __init__(self, folder, steps, say=print, skip=2):
        super().__init__()
        if steps < 1 or skip < 0:
            raise ValueError(
                f"steps={steps}, skip={skip}; expected steps >= 1 and skip >= "
                "0."
            )
        self.folder = Path(folder)
        self.steps = steps
        self.skip = skip
        self.say = say
        self.done = False
        self._running = None
        self._traced = 0

    def on_train_begin(self, logs=None):
        # What a `fit` of too few steps left out is traced in the next one.
        self._traced = 0

    def on_train_batch_begin(self, batch, logs=None):
        if not self.done and self._running is None and batch >= self.skip:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._running = _TRACERS[keras.backend.backend()](self.folder)
            self._how = self._running.__enter__()

    def on_train_batch_end(self, batch, logs=None):
        if self._running is None:
            return
        self._traced += 1
        if self._traced == self.steps:
            self._stop()

    def on_train_end(self, logs=None):
        self._stop()

    def _stop(self):
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running, self.done = None, True
            self.say(f"The trace of {self._traced} steps: {self._how}")


@contextlib.contextmanager
def _torch(folder):
    import torch

    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    path = folder / "torch_trace.json"
    with torch.profiler.profile(activities=activities) as profiler:
        yield f"open {path} in https://ui.perfetto.dev or chrome://tracing."
    profiler.export_chrome_trace(str(path))


@contextlib.contextmanager
def _jax(folder):
    import jax

    with jax.profiler.trace(str(folder), create_perfetto_trace=True):
        yield (
            f"open perfetto_trace.json.gz below {folder} in "
            "https://ui.perfetto.dev, or pip install xprof; xprof "
            f"--logdir {folder}."
        )


@contextlib.contextmanager
def _tensorflow(folder):
    import tensorflow as tf

    tf.profiler.experimental.start(str(folder))
    try:
        yield f"pip install xprof; xprof --logdir {folder}."
    finally:
        tf.profiler.experimental.stop()


_TRACERS = {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}
