import math

import numpy as np
import pytest

from keras_selfattn.training.naive_bayes import (
    linear_ngram_weights,
    log_count_ratios,
)

ROWS = [np.array([1, 1, 2]), np.array([2]), np.array([3, 2, 0])]


def test_ratios_are_those_worked_out_by_hand():
    found = log_count_ratios(ROWS, [0, 0, 1], num_ids=6, num_classes=2)
    # Texts that have ids 1, 2, 3 (once each), plus one: of class 0 (2, 3, 1)
    # in 6, of class 1 (1, 2, 2) in 5.
    for i, (a, b) in {1: (2, 1), 2: (3, 2), 3: (1, 2)}.items():
        ratio = math.log(a / 6) - math.log(b / 5)
        np.testing.assert_allclose(found[i], [ratio / 2, -ratio / 2], 1e-6)
    assert not found[[0, 4, 5]].any()
    assert found.dtype == "float32"


def test_more_smoothing_brings_ratios_nearer_to_none():
    def size(smoothing):
        found = log_count_ratios(ROWS, [0, 0, 1], 4, 2, smoothing)
        return np.abs(found[1]).max()

    assert size(0.1) > size(1.0) > size(10.0) > 0


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="smoothing=0"):
        log_count_ratios(ROWS, [0, 0, 1], 4, 2, 0)
    with pytest.raises(ValueError, match="3 texts and 2 class ids"):
        log_count_ratios(ROWS, [0, 0], 4, 2)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_linear_weights_classify_and_a_new_text_adds_up(num_classes):
    generator = np.random.default_rng(0)
    class_ids = np.arange(60) % num_classes
    # Ids 1..C mark a class, the others are noise; padded as in a batch.
    rows = [
        np.array([1 + c, *generator.integers(5, 20, size=3), 0])
        for c in class_ids
    ]
    weights, bias = linear_ngram_weights(rows, class_ids, 21, num_classes, 10)
    assert weights.shape == (21, num_classes)
    assert not weights[[0, 20]].any()

    def logits(row):
        return weights[row[row > 0]].sum(0) / np.sqrt((row > 0).sum()) + bias

    assert [logits(row).argmax() for row in rows] == class_ids.tolist()
    if num_classes == 2:
        np.testing.assert_array_equal(weights[:, 0], -weights[:, 1])
    weak, _ = linear_ngram_weights(rows, class_ids, 21, num_classes, 0.1)
    assert np.abs(weak).max() < np.abs(weights).max()
