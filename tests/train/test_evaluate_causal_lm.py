"""train/evaluate_causal_lm.py: losses by a file are those of plain calls."""

import numpy as np
import pytest

from tests.decoding.causal_reader import logits_of

TEXT = [3, 1, 4, 1, 2, 0, 2, 3, 1]


class Generator:
    """Reads by rule; sees four tokens, and all in a longer text."""

    metadata = {"max_sequence_length": 4}

    def text_ids(self, text):
        return TEXT

    def score_ids(self, ids):
        if len(ids) > 4:
            return np.full(len(ids) - 1, -0.5)
        return np.array([log_prob(ids[:i], ids[i]) for i in range(1, len(ids))])


def log_prob(before, token):
    logits = logits_of(before)
    return logits[token] - np.log(np.exp(logits).sum())


def test_windows_are_read_from_nothing(load_script):
    script = load_script("train/evaluate_causal_lm.py")
    expected = -np.mean(
        [
            log_prob(TEXT[place // 3 * 3 : place + 1], TEXT[place + 1])
            for place in range(8)
        ]
    )
    assert script.windows_loss(Generator(), TEXT) == pytest.approx(expected)
    found = script.measure(Generator(), "a" * 16)
    assert found["tokens"] == 8 and found["sliding_loss"] == 0.5
    assert found["loss"] == pytest.approx(expected, abs=1e-4)
    assert found["bits_a_character"] == pytest.approx(
        expected / 2 / np.log(2), abs=1e-4
    )
