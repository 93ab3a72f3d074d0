"""Speed and vocal tract length of feature frames."""

import numpy as np
import pytest

from keras_selfattn.data.feature_augmentation import (
    FeatureAugmenter,
    cepstral_warp,
    change_feature_speed,
)


def test_speed_plays_the_same_frames_in_another_time():
    ramp = np.arange(100, dtype="float32")[:, None] * [1.0, -2.0]
    for factor, length in ((0.9, 111), (1.1, 91), (2.0, 50)):
        changed = change_feature_speed(ramp, factor)
        assert changed.shape == (length, 2) and changed.dtype == "float32"
        places = (np.arange(length) + 0.5) * (100 / length) - 0.5
        places = np.clip(places, 0, 99)
        np.testing.assert_allclose(changed[:, 0], places, atol=1e-4)
        np.testing.assert_allclose(changed[:, 1], -2 * places, atol=1e-4)
    np.testing.assert_array_equal(change_feature_speed(ramp, 1.0), ramp)
    with pytest.raises(ValueError, match="factor=3"):
        change_feature_speed(ramp, 3.0)


def test_a_warp_bends_the_spectrum_that_cepstra_stand_for():
    cepstra = np.random.default_rng(0).normal(size=13) / np.arange(1, 14) ** 2
    w = (np.arange(400) + 0.5) / 400
    orders = np.arange(13)[:, None]

    def spectrum(c, places):
        return c @ np.cos(np.pi * orders * places)

    warped = cepstra @ cepstral_warp(13, 1.1)
    bent = w + 0.1 * np.sin(np.pi * w) / np.pi
    expected = spectrum(cepstra, bent)
    assert np.abs(spectrum(cepstra, w) - expected).max() > 0.02
    # Thirteen coefficients hold the bent spectrum but for its finest ripples.
    np.testing.assert_allclose(spectrum(warped, w), expected, atol=0.01)
    np.testing.assert_allclose(cepstral_warp(13, 1.0), np.eye(13), atol=1e-9)
    with pytest.raises(ValueError, match=r"factor=0\.1"):
        cepstral_warp(13, 0.1)


def test_an_augmenter_warps_the_cepstra_and_no_more():
    features = np.random.default_rng(0).normal(size=(6, 15))
    augment = FeatureAugmenter(warp=0.1)
    one, other, again = (
        augment(features, np.random.default_rng(seed)) for seed in (1, 2, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    np.testing.assert_allclose(one[:, 13:], features[:, 13:], rtol=1e-6)
    plain = FeatureAugmenter()(features, np.random.default_rng(1))
    np.testing.assert_array_equal(plain, features.astype("float32"))
    speeds = augment.draw_speeds(99, np.random.default_rng(0))
    assert set(speeds) == {0.9, 1.0, 1.1}
    with pytest.raises(ValueError, match="speeds"):
        FeatureAugmenter(speeds=(3.0,))
    with pytest.raises(ValueError, match=r"warp=0\.7"):
        FeatureAugmenter(warp=0.7)
