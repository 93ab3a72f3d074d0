import keras
import librosa
import numpy as np
import pytest

from keras_selfattn.layers.spectral import (
    Framing,
    LogMelSpectrogram,
    dft_basis,
    hz_to_mel,
    mel_filter_bank,
    mel_to_hz,
    window_values,
)
from tests.arrays import to_numpy, waveform
from tests.gradients import gradients
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

# Largest difference from librosa, in units of log10(energy): both sum in
# float32, so weak bins beside strong ones carry some noise.
LOG10_TOLERANCE = 1e-3


def log10_mel(layer, samples, num_samples=None):
    """The layer's features without its scale and shift."""
    features, mask = layer(samples, num_samples)
    values = (to_numpy(features) - layer.log_shift) / layer.log_scale
    return values, to_numpy(mask)


def test_frames_are_centred_on_the_hop_as_literal_matrix():
    frames, mask = Framing(4, 2)(np.array([[1.0, 2, 3, 4, 5]], "float32"))
    np.testing.assert_array_equal(
        to_numpy(frames), [[[0, 0, 1, 2], [1, 2, 3, 4], [3, 4, 5, 0]]]
    )
    np.testing.assert_array_equal(to_numpy(mask), [[True, True, True]])


def test_mirrored_frames_see_the_signal_in_reverse_as_literal_matrix():
    samples = np.array([[1.0, 2, 3, 4, 5]], "float32")
    frames, _ = Framing(4, 2, "mirrored")(samples)
    np.testing.assert_array_equal(
        to_numpy(frames), [[[3, 2, 1, 2], [1, 2, 3, 4], [3, 4, 5, 4]]]
    )


@pytest.mark.parametrize("window,hop", [(5, 2), (3, 3), (2, 5), (7, 1)])
def test_frames_equal_a_loop_over_samples(window, hop):
    samples = np.arange(1.0, 14.0, dtype="float32")
    expected = [
        [
            samples[i] if 0 <= i < len(samples) else 0.0
            for i in range(start, start + window)
        ]
        for start in range(-(window // 2), 13 - window // 2, hop)
    ]
    frames, _ = Framing(window, hop)(samples[None])
    np.testing.assert_array_equal(to_numpy(frames)[0], expected)


def test_frames_after_num_samples_see_zeros_and_are_masked():
    samples = np.full((2, 6), 9.0, "float32")
    frames, mask = Framing(4, 2)(samples, np.array([3, 0], "int32"))
    np.testing.assert_array_equal(
        to_numpy(frames)[0], [[0, 0, 9, 9], [9, 9, 9, 0], [9, 0, 0, 0]]
    )
    assert not to_numpy(frames)[1].any()
    np.testing.assert_array_equal(
        to_numpy(mask), [[True, True, False], [False, False, False]]
    )


@pytest.mark.parametrize("name", ["hann", "hamming", "rectangular"])
def test_windows_equal_librosas(name):
    peer = {"rectangular": "boxcar"}.get(name, name)
    np.testing.assert_allclose(
        window_values(name, 400),
        librosa.filters.get_window(peer, 400, fftbins=True),
        atol=1e-12,
    )


def test_dft_basis_equals_the_fft_of_a_zero_padded_frame():
    frame = np.random.default_rng(0).normal(size=25)
    found = dft_basis(32, np.ones(25)) @ frame
    expected = np.fft.rfft(frame, 32)
    np.testing.assert_allclose(found[:17], expected.real, atol=1e-12)
    np.testing.assert_allclose(found[17:], expected.imag, atol=1e-12)


@pytest.mark.parametrize(
    "bins,fft,low,high", [(80, 400, 0, None), (26, 512, 100, 7000)]
)
def test_mel_filters_equal_librosas(bins, fft, low, high):
    expected = librosa.filters.mel(
        sr=16000,
        n_fft=fft,
        n_mels=bins,
        fmin=low,
        fmax=high,
        htk=False,
        norm="slaney",
        dtype=np.float64,
    )
    found = mel_filter_bank(bins, fft, 16000, low, high)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_mel_scale_is_inverted_exactly():
    hz = np.array([0.0, 500.0, 999.0, 1000.0, 1001.0, 7999.0])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, atol=1e-9)


@pytest.mark.parametrize(
    "bins,window_length,fft,window,peer",
    [
        (80, 400, 400, "hann", "hann"),
        (40, 400, 512, "hamming", "hamming"),
        (26, 320, 320, "rectangular", "boxcar"),
    ],
)
def test_log_mel_equals_librosas(bins, window_length, fft, window, peer):
    samples = waveform(4000)
    layer = LogMelSpectrogram(
        num_mel_bins=bins,
        window_length_samples=window_length,
        fft_length=fft,
        window=window,
        energy_floor=1e-10,
    )
    found, _ = log10_mel(layer, samples[None])
    mel = librosa.feature.melspectrogram(
        y=samples.astype("float64"),
        sr=16000,
        n_fft=fft,
        win_length=window_length,
        hop_length=160,
        window=peer,
        center=True,
        pad_mode="constant",
        power=2.0,
        n_mels=bins,
        htk=False,
        norm="slaney",
    )
    expected = np.log10(np.maximum(mel, 1e-10)).T[: found.shape[1]]
    assert found.shape == (1, 25, bins)
    np.testing.assert_allclose(found[0], expected, atol=LOG10_TOLERANCE)


def test_whispers_parameters_give_whispers_formula():
    samples = np.concatenate([waveform(2400), np.zeros(1600, "float32")])
    layer = LogMelSpectrogram(energy_floor=1e-10, dynamic_range_db=80.0)
    found, _ = layer(samples[None])
    mel = librosa.feature.melspectrogram(
        y=samples.astype("float64"),
        sr=16000,
        n_fft=400,
        hop_length=160,
        pad_mode="constant",
        n_mels=80,
    )
    log = np.log10(np.maximum(mel, 1e-10)).T[:25]
    expected = (np.maximum(log, log.max() - 8.0) + 4.0) / 4.0
    np.testing.assert_allclose(
        to_numpy(found)[0], expected, atol=LOG10_TOLERANCE / 4
    )


@pytest.mark.parametrize("dynamic_range_db", [None, 80.0])
def test_padding_content_cannot_change_features(dynamic_range_db):
    layer = LogMelSpectrogram(dynamic_range_db=dynamic_range_db)
    samples = waveform(3000)
    alone, _ = layer(samples[None])
    outputs = []
    for filling in (0.0, 1e3, np.nan):
        batch = np.full((2, 4000), filling, "float32")
        batch[0, :3000] = samples
        features, mask = layer(batch, np.array([3000, 0], "int32"))
        assert to_numpy(mask).sum(axis=1).tolist() == [19, 0]
        outputs.append(to_numpy(features))
    for features in outputs:
        np.testing.assert_allclose(
            features[0, :19], to_numpy(alone)[0], atol=1e-4
        )
        assert not features[0, 19:].any()
        assert not features[1].any()


@pytest.mark.parametrize("length", [1, 159, 160, 161])
def test_short_input_gives_one_frame_a_started_hop(length):
    features, mask = LogMelSpectrogram()(waveform(length)[None])
    frames = -(-length // 160)
    assert to_numpy(features).shape == (1, frames, 80)
    assert np.isfinite(to_numpy(features)).all()
    assert to_numpy(mask).all()


def test_silence_stands_on_the_energy_floor():
    layer = LogMelSpectrogram(energy_floor=1e-7)
    found, _ = log10_mel(layer, np.zeros((1, 800), "float32"))
    np.testing.assert_allclose(found, -7.0, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"sampling_rate_hz": 8000},
        {"window_length_samples": 320},
        {"hop_length_samples": 100},
        {"fft_length": 512},
        {"num_mel_bins": 40},
        {"min_hz": 300.0},
        {"max_hz": 4000.0},
        {"window": "hamming"},
        {"energy_floor": 1.0},
        {"dynamic_range_db": 10.0},
        {"log_scale": 1.0},
        {"log_shift": 0.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_parameter_changes_the_features(change):
    samples = waveform(1600)[None]
    usual = to_numpy(LogMelSpectrogram()(samples)[0])
    changed = to_numpy(LogMelSpectrogram(**change)(samples)[0])
    if changed.shape == usual.shape:
        assert np.abs(changed - usual).max() > 1e-3
    else:
        assert "hop_length_samples" in change or "num_mel_bins" in change


@pytest.mark.parametrize(
    "layer",
    [
        Framing(40, 16, name="framing"),
        LogMelSpectrogram(
            window="hamming",
            num_mel_bins=20,
            fft_length=512,
            min_hz=50.0,
            dynamic_range_db=60.0,
            name="log_mel",
        ),
    ],
    ids=["framing", "log_mel"],
)
def test_keras_file_round_trip(layer, tmp_path):
    samples = np.stack([waveform(900), waveform(900, seed=1)])
    assert_round_trip(
        layer,
        tmp_path,
        samples=samples,
        num_samples=np.array([900, 500], "int32"),
    )


def test_gradients_reach_the_samples_and_are_finite():
    samples = keras.Variable(
        np.concatenate([waveform(700), np.zeros(300, "float32")])[None]
    )
    layer = LogMelSpectrogram()
    _, (gradient,) = gradients(
        lambda: keras.ops.sum(layer(samples.value)[0]), [samples]
    )
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0, :700]).max() > 0


def test_stays_in_float32_under_a_narrow_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        features, _ = LogMelSpectrogram()(waveform(800)[None])
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(features.dtype) == "float32"


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"window": "kaiser"}, "kaiser"),
        ({"fft_length": 256}, "256"),
        ({"energy_floor": 0.0}, "energy_floor"),
        ({"max_hz": 9000.0}, "9000"),
        ({"min_hz": -1.0}, "-1"),
        ({"hop_length_samples": 0}, "hop_length_samples"),
        ({"window_length_samples": 25.0, "fft_length": 32}, "25.0"),
    ],
)
def test_wrong_parameters_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        LogMelSpectrogram(**arguments)


@needs_tensorflow
def test_converts_to_built_in_operations():
    samples = waveform(1000)[None]
    layer = LogMelSpectrogram(dynamic_range_db=80.0)
    found = run_converted(
        lambda samples, num_samples: layer(samples, num_samples)[0],
        samples=samples,
        num_samples=np.array([900], "int32"),
    )
    expected, _ = layer(samples, np.array([900], "int32"))
    np.testing.assert_allclose(found, to_numpy(expected), atol=1e-3)


def test_causal_frames_end_with_their_hop_as_literal_matrix():
    samples = np.array([[1.0, 2, 3, 4, 5]], "float32")
    frames, mask = Framing(4, 2, "causal")(samples)
    np.testing.assert_array_equal(
        to_numpy(frames), [[[0, 0, 1, 2], [1, 2, 3, 4], [3, 4, 5, 0]]]
    )
    frames, _ = Framing(5, 2, "causal")(samples)
    np.testing.assert_array_equal(
        to_numpy(frames)[0, :2], [[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]
    )
    assert Framing(400, 160, "causal").left_samples == 240
    assert Framing(400, 160).left_samples == 200
    short, _ = Framing(1, 2, "causal")(samples)
    np.testing.assert_array_equal(to_numpy(short)[0, :, 0], [1, 3, 5])
    assert to_numpy(mask).all()


@pytest.mark.parametrize("padding,ahead", [("causal", 0), ("centred", 1)])
def test_what_comes_later_changes_causal_frames_of_whole_hops_never(
    padding, ahead
):
    layer = LogMelSpectrogram(padding=padding)
    samples = waveform(1600)
    usual = to_numpy(layer(samples[None])[0])[0]
    samples[800:] = 0.5
    changed = to_numpy(layer(samples[None])[0])[0]
    moved = np.abs(changed - usual).max(axis=-1) > 0
    assert moved.tolist() == [False] * (5 - ahead) + [True] * (5 + ahead)


def test_the_padding_stands_in_the_config_only_where_it_was_chosen():
    assert "padding" not in LogMelSpectrogram().get_config()
    config = LogMelSpectrogram(padding="causal").get_config()
    assert LogMelSpectrogram.from_config(config).framing.padding == "causal"
    with pytest.raises(ValueError, match="padding='same' is unknown"):
        LogMelSpectrogram(padding="same")
