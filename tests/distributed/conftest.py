"""Which of these run when nothing is asked for."""

import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Makes proofs of them on JAX and TensorFlow: minutes there, not seconds.

    Each starts processes of its own, and there a process takes long to begin.
    On torch they are part of the suite.
    """
    if os.environ["KERAS_BACKEND"] == "torch":
        return
    for item in items:
        if item.get_closest_marker("distributed"):
            item.add_marker(pytest.mark.proof)
