"""A trace is written by the backend's profiler, once, and the line says how."""

import keras
import numpy as np
import pytest

from keras_selfattn.training.profiling import ProfileSteps
from tests.sums_to_learn import model

X, Y = np.ones((12, 2), "float32"), np.ones((12, 1), "float32")
FILES = {
    "torch": "torch_trace.json",
    "jax": "**/perfetto_trace.json.gz",
    "tensorflow": "**/*.xplane.pb",
}


@pytest.mark.backend
def test_steps_are_traced_once(tmp_path):
    said, trained = [], model()
    tracing = ProfileSteps(tmp_path / "profile", 2, said.append)

    def fit(rows):
        trained.fit(
            X[:rows], Y[:rows], batch_size=2, verbose=0, callbacks=[tracing]
        )

    fit(4)  # too short: both steps are left out
    assert not said and not tracing.done
    fit(12)
    assert tracing.done
    (line,) = said
    assert line.startswith("The trace of 2 steps: ")
    assert str(tmp_path / "profile") in line
    (file,) = (tmp_path / "profile").glob(FILES[keras.backend.backend()])
    assert file.stat().st_size > 500
    fit(12)
    assert len(said) == 1


def test_a_short_fit_is_traced_to_its_end(tmp_path):
    said = []
    tracing = ProfileSteps(tmp_path, 50, said.append, skip=0)
    model().fit(X, Y, batch_size=6, verbose=0, callbacks=[tracing])
    assert said[0].startswith("The trace of 2 steps")


def test_no_steps_are_refused(tmp_path):
    with pytest.raises(ValueError, match="steps=0"):
        ProfileSteps(tmp_path, 0)
