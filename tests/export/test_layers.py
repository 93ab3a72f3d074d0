"""Every layer converts: built-in operators only, any length, equal outputs."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_selfattn import layers
from keras_selfattn.export.lint import lint
from tests.arrays import to_numpy
from tests.export.layer_cases import CASES, LONG, SHORT

# Layers of the front end have conversions of their own; SpecAugment acts in
# training only.
ELSEWHERE = {
    "Framing",
    "JoinedFeatures",
    "LogMelSpectrogram",
    "MFCC",
    "SpecAugment",
    "SpectralEntropy",
    "WordDropout",  # nothing but a copy outside training
    "ZeroCrossingRate",
}


@pytest.fixture(scope="module")
def converted(tmp_path_factory, repository):
    """A folder of all cases, converted in one TensorFlow process."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the converter needs TensorFlow")
    folder = tmp_path_factory.mktemp("layers")
    child = subprocess.run(
        [sys.executable, "-m", "tests.export.layer_cases", str(folder)],
        cwd=repository,
        env={
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return folder


def test_every_layer_has_a_case():
    public = {
        name
        for name in layers.__all__
        if isinstance(getattr(layers, name), type)
        and issubclass(getattr(layers, name), keras.layers.Layer)
    }
    assert {case.layer.__name__ for case in CASES.values()} == (
        public - ELSEWHERE
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_file_equals_the_layer(name, converted):
    from ai_edge_litert.interpreter import Interpreter

    error = converted / f"{name}.error"
    assert not error.exists(), error.read_text("utf-8")[:2000]
    path = converted / f"{name}.tflite"
    assert lint(path) == []
    runner = Interpreter(str(path), num_threads=1).get_signature_runner()
    case = CASES[name]
    layer = case.make()
    for length in (LONG, SHORT):
        inputs = case.inputs(length)
        found = runner(**inputs)
        expected = case.outputs(layer, **inputs)
        assert set(found) == set(expected)
        for output, value in expected.items():
            np.testing.assert_allclose(
                found[output],
                to_numpy(value),
                atol=5e-5,
                err_msg=f"{output} at length {length}",
            )
