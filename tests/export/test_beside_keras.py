import numpy as np
import pytest

from keras_selfattn.export import beside_keras
from keras_selfattn.export.child import ExportError
from keras_selfattn.export.verify import Agreement


class Task:
    def export_signature(self):
        return None

    def reference_outputs(self, inputs):
        return {}


def held(monkeypatch, *found):
    monkeypatch.setattr(beside_keras, "compare", lambda *_: Agreement(*found))
    return beside_keras.agreement(Task(), [], [], "ONNX file")


def test_what_agrees_is_told(monkeypatch):
    difference, how = held(monkeypatch, 9, 10, 1e-3)
    assert difference == 1e-3
    assert how == "9 of 10 decide as Keras (log-probabilities within 0.001)"
    assert held(monkeypatch, 96, 100, None) == (
        None,
        "96 of 100 decide as Keras",
    )


@pytest.mark.parametrize("difference", [0.02, np.nan, np.inf])
def test_scores_that_differ_are_refused(monkeypatch, difference):
    with pytest.raises(ExportError, match="The ONNX file's log-prob"):
        held(monkeypatch, 10, 10, difference)


def test_decisions_that_differ_are_refused(monkeypatch):
    with pytest.raises(ExportError, match="Only 94 of the ONNX file's 100"):
        held(monkeypatch, 94, 100, None)
