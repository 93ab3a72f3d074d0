"""Latents, class ids and pixels."""

import math

import numpy as np
import pytest

from keras_selfattn.decoding.image_sampling import (
    class_ids,
    to_pixels,
    truncated_normal,
)


@pytest.mark.parametrize("truncation", [1e-6, 0.3, 1.0, 2.0, math.inf])
def test_truncated_normal_has_the_variance_of_its_distribution(truncation):
    found = truncated_normal((200, 100), truncation, seed=3)
    assert found.dtype == np.float32 and found.shape == (200, 100)
    assert np.abs(found).max() <= truncation
    grid = np.linspace(-min(truncation, 9), min(truncation, 9), 20001)
    density = np.exp(-0.5 * grid**2)
    variance = (grid**2 * density).sum() / density.sum()
    assert found.var() == pytest.approx(variance, rel=0.03)
    again = truncated_normal((200, 100), truncation, seed=3)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("truncation", [0, -1, math.nan, "wide", None])
def test_bad_truncations_are_named(truncation):
    with pytest.raises(ValueError, match="truncation=.*expected a number > 0"):
        truncated_normal((1, 2), truncation)


@pytest.mark.parametrize("seed", [-1, 0.5, "x"])
def test_bad_seeds_are_named(seed):
    with pytest.raises(ValueError, match="seed=.*expected an int >= 0"):
        truncated_normal((1, 2), 1.0, seed)


def test_class_ids():
    names = ["zero", "one", "1"]
    np.testing.assert_array_equal(class_ids("one", names), [1])
    np.testing.assert_array_equal(class_ids(2, names), [2])
    found = class_ids(["1", 1, np.int64(0)], names)
    np.testing.assert_array_equal(found, [2, 1, 0])
    assert found.dtype == np.int32


@pytest.mark.parametrize("label", ["two", 3, -1, 1.0, True, None])
def test_bad_labels_are_named(label):
    with pytest.raises(ValueError, match="is no class of this model; expected"):
        class_ids([label], ["zero", "one"])


def test_no_labels():
    with pytest.raises(ValueError, match="No labels"):
        class_ids([], ["zero"])


def test_pixels_are_rounded_and_clipped():
    found = to_pixels([[[[-0.1], [0.5]], [[1.0], [2.0]]]])
    np.testing.assert_array_equal(found.ravel(), [0, 128, 255, 255])
    assert found.dtype == np.uint8
