import keras
import librosa
import numpy as np
import pytest
import python_speech_features
from scipy.fft import dct

from keras_selfattn.layers.classic_features import (
    MFCC,
    SpectralEntropy,
    ZeroCrossingRate,
    dct_matrix,
    deltas,
    lifter_values,
)
from keras_selfattn.layers.spectral import LogMelSpectrogram
from tests.arrays import prefix_mask, to_numpy, waveform
from tests.gradients import gradients
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

LENGTH = 1600  # samples; 10 frames


def signal(length=LENGTH, seed=0):
    return waveform(length, seed, noise=0.05)


def centred_frames(samples, window=400, hop=160):
    """Frames centred on every hop, zeros outside, float64 `(T, W)`."""
    padded = np.pad(samples.astype("float64"), window)
    starts = np.arange(0, len(samples), hop) + window - window // 2
    return np.stack([padded[s : s + window] for s in starts])


def entropy_reference(samples, window, fft_length, floor):
    power = np.abs(np.fft.rfft(centred_frames(samples) * window, fft_length))
    p = power**2 + floor
    p /= p.sum(axis=1, keepdims=True)
    return -(p * np.log(p)).sum(axis=1) / np.log(fft_length // 2 + 1)


def layers():
    return [
        MFCC(delta_order=2, name="mfcc"),
        ZeroCrossingRate(name="zero_crossing_rate"),
        SpectralEntropy(name="spectral_entropy"),
    ]


each_layer = pytest.mark.parametrize(
    "layer", layers(), ids=lambda layer: layer.name
)


def test_dct_is_scipys_orthonormal_dct():
    inputs = np.random.default_rng(0).normal(size=(3, 26))
    np.testing.assert_allclose(
        inputs @ dct_matrix(26, 13),
        dct(inputs, type=2, norm="ortho")[:, :13],
        atol=1e-12,
    )
    whole = dct_matrix(26, 26)
    np.testing.assert_allclose(whole @ whole.T, np.eye(26), atol=1e-12)


def test_lifter_is_python_speech_features_lifter():
    ones = np.ones((1, 13))
    for lifter in (22, 10, 0):
        np.testing.assert_allclose(
            lifter_values(13, lifter),
            python_speech_features.lifter(ones, lifter)[0],
            atol=1e-12,
        )


def test_mfcc_equals_python_speech_features(monkeypatch):
    """Parity over its whole chain, with Slaney's filters put in its place.

    Its filters are rounded to whole bins, so they are replaced by librosa's;
    its frames start at the hop, so half a window of zeros goes before.
    """
    samples = signal()
    monkeypatch.setattr(
        python_speech_features.base,
        "get_filterbanks",
        lambda *_: librosa.filters.mel(
            sr=16000, n_fft=400, n_mels=26, dtype=np.float64
        ),
    )
    expected = python_speech_features.mfcc(
        np.pad(samples.astype("float64"), (200, 200)),
        samplerate=16000,
        winlen=0.025,
        winstep=0.01,
        numcep=13,
        nfilt=26,
        nfft=400,
        preemph=0.0,
        ceplifter=22,
        appendEnergy=False,
        winfunc=lambda n: np.hanning(n + 1)[:-1],  # periodic
    )[:10]
    # Its power spectrum is divided by n_fft: a constant in the 0th.
    expected[:, 0] += np.log(400) * np.sqrt(26)
    found, _ = MFCC()(samples[None])
    np.testing.assert_allclose(to_numpy(found)[0], expected, atol=5e-3)


@pytest.mark.slow
def test_mfcc_equals_librosas():
    samples = signal()
    mel = librosa.feature.melspectrogram(
        y=samples.astype("float64"),
        sr=16000,
        n_fft=400,
        hop_length=160,
        pad_mode="constant",
        n_mels=26,
    )
    expected = librosa.feature.mfcc(S=np.log(mel + 1e-12), n_mfcc=20).T[:10]
    found, _ = MFCC(num_coefficients=20, lifter=0)(samples[None])
    np.testing.assert_allclose(to_numpy(found)[0], expected, atol=5e-3)


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_deltas_equal_python_speech_features_row_by_row(reach):
    features = np.random.default_rng(0).normal(size=(3, 9, 4))
    features = features.astype("float32")
    lengths = [9, 5, 1]
    mask = prefix_mask(lengths, 9)
    found = to_numpy(
        deltas(keras.ops.array(features), keras.ops.array(mask), reach)
    )
    for row, length in enumerate(lengths):
        expected = python_speech_features.delta(
            features[row, :length].astype("float64"), reach
        )
        np.testing.assert_allclose(found[row, :length], expected, atol=1e-5)
        assert not found[row, length:].any()


def test_mfcc_appends_deltas_of_deltas():
    samples = signal()[None]
    found = to_numpy(MFCC(delta_order=2)(samples)[0])
    alone = to_numpy(MFCC()(samples)[0])
    first = python_speech_features.delta(alone[0], 2)
    np.testing.assert_allclose(found[..., :13], alone, atol=1e-5)
    np.testing.assert_allclose(found[0, :, 13:26], first, atol=1e-4)
    np.testing.assert_allclose(
        found[0, :, 26:], python_speech_features.delta(first, 2), atol=1e-4
    )


def test_zero_crossing_rate_equals_librosas_and_a_count():
    samples = signal()
    samples[100:110] = 0.0  # zero counts as positive
    found = to_numpy(ZeroCrossingRate()(samples[None])[0])[0, :, 0]
    frames = centred_frames(samples)
    count = [
        sum((a < 0) != (b < 0) for a, b in zip(f, f[1:], strict=False))
        for f in frames
    ]
    np.testing.assert_allclose(found, np.array(count) / 400, atol=1e-7)
    peer = librosa.feature.zero_crossing_rate(
        np.pad(samples, 200), frame_length=400, hop_length=160, center=False
    )[0]
    np.testing.assert_allclose(found, peer[:10], atol=1e-7)


def test_zero_crossing_rate_of_an_alternating_signal_is_near_one():
    samples = np.tile(np.array([1.0, -1.0], "float32"), LENGTH // 2)
    found = to_numpy(ZeroCrossingRate()(samples[None])[0])[0, :, 0]
    np.testing.assert_allclose(found[2:8], 399 / 400, atol=1e-7)


@pytest.mark.parametrize("fft_length,window", [(400, "hann"), (512, "hamming")])
def test_spectral_entropy_equals_its_formula(fft_length, window):
    samples = signal()
    layer = SpectralEntropy(fft_length=fft_length, window=window)
    found = to_numpy(layer(samples[None])[0])[0, :, 0]
    values = librosa.filters.get_window(window, 400, fftbins=True)
    expected = entropy_reference(samples, values, fft_length, 1e-10)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_spectral_entropy_orders_tone_noise_and_silence():
    t = np.arange(LENGTH) / 16000
    tone = np.sin(2 * np.pi * 1000 * t)
    noise = np.random.default_rng(0).normal(size=LENGTH)
    batch = np.stack([tone, noise, 0 * t]).astype("float32")
    found = to_numpy(SpectralEntropy()(batch)[0])[:, 4, 0]
    assert found[0] < 0.25
    assert 0.8 < found[1] < 1
    np.testing.assert_allclose(found[2], 1.0, atol=1e-5)


@pytest.mark.slow
@each_layer
def test_padding_content_cannot_change_features(layer):
    samples = signal()
    lengths = np.array([1000, 0], "int32")
    batch = np.zeros((2, LENGTH), "float32")
    batch[0, :1000] = samples[:1000]
    clean, mask = layer(batch, lengths)
    assert to_numpy(mask).sum(axis=1).tolist() == [7, 0]
    alone = to_numpy(layer(samples[None, :1000])[0])
    np.testing.assert_allclose(
        to_numpy(clean)[0, :7], alone[0], rtol=1e-4, atol=1e-3
    )
    for filling in (-1e3, np.nan):
        batch[0, 1000:] = filling
        batch[1] = filling
        features = to_numpy(layer(batch, lengths)[0])
        np.testing.assert_array_equal(features, to_numpy(clean))
        assert not features[0, 7:].any()
        assert not features[1].any()


@each_layer
def test_one_sample_gives_one_finite_frame(layer):
    features, mask = layer(np.array([[-0.5]], "float32"))
    assert to_numpy(features).shape[:2] == (1, 1)
    assert np.isfinite(to_numpy(features)).all()
    assert to_numpy(mask).tolist() == [[True]]


@each_layer
def test_keras_file_round_trip(layer, tmp_path):
    samples = np.stack([signal(), signal(seed=1)])
    assert_round_trip(
        layer,
        tmp_path,
        samples=samples,
        num_samples=np.array([LENGTH, 900], "int32"),
    )


def test_config_keeps_every_parameter(tmp_path):
    front_end = LogMelSpectrogram(num_mel_bins=20, window="hamming")
    layer = MFCC(10, 12, 1, 3, front_end=front_end, name="mfcc")
    assert_round_trip(layer, tmp_path, samples=signal()[None])
    twin = MFCC.from_config(layer.get_config())
    assert twin.front_end.get_config() == front_end.get_config()
    config = {
        "window_length_samples": 320,
        "hop_length_samples": 80,
        "fft_length": 512,
        "window": "rectangular",
        "energy_floor": 1e-3,
    }
    assert config.items() <= SpectralEntropy(**config).get_config().items()


@pytest.mark.slow
@pytest.mark.parametrize(
    "cls,change",
    [
        (MFCC, {"lifter": 0}),
        (MFCC, {"delta_reach": 3}),
        (MFCC, {"num_coefficients": 12}),
        (MFCC, {"delta_order": 2}),
        (MFCC, {"front_end": LogMelSpectrogram(num_mel_bins=26)}),
        (ZeroCrossingRate, {"window_length_samples": 300}),
        (ZeroCrossingRate, {"hop_length_samples": 200}),
        (SpectralEntropy, {"window_length_samples": 300}),
        (SpectralEntropy, {"hop_length_samples": 200}),
        (SpectralEntropy, {"fft_length": 512}),
        (SpectralEntropy, {"window": "rectangular"}),
        (SpectralEntropy, {"energy_floor": 1.0}),
    ],
)
def test_each_parameter_changes_the_features(cls, change):
    usual = {"delta_order": 1} if cls is MFCC else {}
    samples = signal()[None]
    before = to_numpy(cls(**usual)(samples)[0])
    after = to_numpy(cls(**{**usual, **change})(samples)[0])
    if {"num_coefficients", "delta_order", "hop_length_samples"} & set(change):
        assert after.shape != before.shape
    else:
        assert np.abs(after - before).max() > 1e-3


@pytest.mark.parametrize("cls", [MFCC, SpectralEntropy])
def test_gradients_reach_the_samples_and_are_finite(cls):
    layer = cls()
    samples = signal()
    samples[800:] = 0.0  # silence must not divide by zero
    samples = keras.Variable(samples[None])
    _, (gradient,) = gradients(
        lambda: keras.ops.sum(layer(samples.value)[0][:, :3, -1]), [samples]
    )
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0, :500]).max() > 0


@pytest.mark.parametrize(
    "cls,arguments,said",
    [
        (MFCC, {"num_coefficients": 27}, "26"),
        (MFCC, {"num_coefficients": 0}, "num_coefficients=0"),
        (MFCC, {"lifter": -1}, "lifter"),
        (MFCC, {"delta_order": 3}, "delta_order"),
        (MFCC, {"delta_reach": 0}, "delta_reach"),
        (ZeroCrossingRate, {"window_length_samples": 0}, "positive int"),
        (SpectralEntropy, {"fft_length": 256}, "256"),
        (SpectralEntropy, {"energy_floor": 0.0}, "energy_floor"),
        (SpectralEntropy, {"window": "kaiser"}, "kaiser"),
    ],
)
def test_wrong_parameters_are_refused(cls, arguments, said):
    with pytest.raises(ValueError, match=said):
        cls(**arguments)


@needs_tensorflow
@each_layer
def test_converts_to_built_in_operations(layer):
    samples = signal()[None]
    num_samples = np.array([1500], "int32")
    found = run_converted(
        lambda samples, num_samples: layer(samples, num_samples)[0],
        samples=samples,
        num_samples=num_samples,
    )
    expected, _ = layer(samples, num_samples)
    np.testing.assert_allclose(found, to_numpy(expected), atol=5e-3)
