import math

import numpy as np
import pytest

from keras_selfattn.training.naive_bayes import log_count_ratios

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
