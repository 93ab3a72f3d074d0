import keras
import numpy as np
import pytest

from keras_selfattn.layers.waveform_stem import WaveformStem
from tests.arrays import TOLERANCES, to_numpy, waveform
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.reference import ACTIVATIONS, below, weights_of
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

DIM = 4
LENGTH = 2500
SAMPLES = np.stack([waveform(LENGTH), waveform(LENGTH, 1, noise=0.1)])
COUNTS = np.array([LENGTH, 1700], "int32")


def stem(**kwargs):
    layer = WaveformStem(DIM, name="stem", **kwargs)
    layer.build()
    return draw_weights(layer)


def convolved(x, w, stride):
    """`(T, F)` -> `(T', F')` by a loop over frames, in float64."""
    kernel = w["kernel"]
    width = len(kernel)
    starts = range(0, len(x) - width + 1, stride)
    rows = [np.einsum("kd,kdf->f", x[t : t + width], kernel) for t in starts]
    return np.stack(rows) + w.get("bias", 0.0)


def by_loops(samples, w, epsilon=1e-5):
    """One row, `(L,)` -> `(S, D)`."""
    x = np.asarray(samples, "float64")[:, None]
    x = np.tanh(convolved(x, below(w, "convolution_0"), 64))
    x = (x - x.mean()) / np.sqrt(x.var() + epsilon)
    x = x * w["gamma"] + w["beta"]
    for i, stride in ((1, 3), (2, 2)):
        x = convolved(x, below(w, f"convolution_{i}"), stride)
        x = ACTIVATIONS["gelu"](x)
    return x


@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_each_row_equals_the_reference_alone(epsilon):
    layer = stem(epsilon=epsilon)
    found, mask = (to_numpy(x) for x in layer(SAMPLES, COUNTS))
    for row, count in enumerate(COUNTS):
        expected = by_loops(SAMPLES[row, :count], weights_of(layer), epsilon)
        assert mask[row].sum() == len(expected) == layer.output_length(count)
        np.testing.assert_allclose(
            found[row, : len(expected)], expected, atol=2e-5
        )
    assert mask.tolist() == [[True] * 5, [True] * 3 + [False] * 2]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_narrow_floats_are_near_it(policy):
    layer = stem(dtype=policy)
    found = to_numpy(layer(SAMPLES)[0])
    expected = np.stack([by_loops(x, weights_of(layer)) for x in SAMPLES])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        found / scale, expected / scale, atol=2 * TOLERANCES[policy]
    )


def test_padding_content_cannot_change_valid_frames():
    layer = stem()
    spoilt = SAMPLES.copy()
    spoilt[1, 1700:] = 1e3
    clean, mask = layer(SAMPLES, COUNTS)
    found, _ = layer(spoilt, COUNTS)
    mask = to_numpy(mask)
    np.testing.assert_allclose(
        to_numpy(found)[mask], to_numpy(clean)[mask], atol=1e-5
    )


def test_lengths_are_those_that_come_out():
    layer = stem()
    assert (layer.min_samples, layer.stride_samples) == (895, 384)
    for length in (895, 1278, 1279, 2000):
        features, mask = layer(SAMPLES[:, :length])
        assert features.shape[1] == layer.output_length(length)
        assert to_numpy(mask).all()
        spec, _ = layer(keras.Input((length,)))
        assert spec.shape == (None, *features.shape[1:])


def test_gradients_are_finite_and_reach_every_weight():
    layer = stem()
    # Each feature counts otherwise: or no weight before the norm would count.
    weigh = keras.ops.arange(1, DIM + 1, dtype="float32")
    assert_finite_and_used(
        layer,
        lambda: keras.ops.mean(
            keras.ops.square(layer(SAMPLES, COUNTS)[0] * weigh)
        ),
    )


def test_keras_file_round_trip(tmp_path):
    layer = stem(epsilon=1e-3)
    assert_round_trip(layer, tmp_path, samples=SAMPLES, num_samples=COUNTS)
    assert_round_trip(layer, tmp_path, samples=SAMPLES)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="894 samples came; a frame takes 895"):
        stem()(SAMPLES[:, :894])
    with pytest.raises(ValueError, match="hidden_dim must be.*received 0"):
        WaveformStem(0)


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = stem()
    found = run_converted(
        lambda samples: layer(samples)[0], samples=SAMPLES[:1]
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(SAMPLES[:1])[0]), atol=1e-5
    )
