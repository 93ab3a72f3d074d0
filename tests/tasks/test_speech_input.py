"""Pieces and padded batches of what users hand over."""

import numpy as np
import pytest

from keras_selfattn.layers.precomputed_features import PrecomputedFeatures
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.preprocessing.audio import AudioError
from keras_selfattn.tasks import speech_input


def test_features_stay_whole_and_sound_is_cut(monkeypatch):
    monkeypatch.setattr(speech_input, "MAX_PIECE_SECONDS", 0.5)
    frames = np.zeros((300, 4))
    pieces, owners = speech_input.read_pieces([frames], PrecomputedFeatures(4))
    assert [piece.shape for piece in pieces] == [(300, 4)]
    assert owners == [(0, 0.0)]
    sound = np.zeros(12000, "float32")
    pieces, owners = speech_input.read_pieces(
        [sound[:10], sound], LogMelSpectrogram()
    )
    assert sum(map(len, pieces)) == 12010
    assert [owner for owner, _ in owners] == [0, 1, 1]
    assert owners[2][1] == len(pieces[1]) / 16000


def test_batches_are_whole_seconds_of_like_lengths():
    pieces = [np.ones((n, 4), "float32") for n in (150, 5, 90)]
    batches = list(
        speech_input.padded_batches(pieces, PrecomputedFeatures(4), 2, 10)
    )
    assert [rows for rows, _ in batches] == [[1, 2], [0]]
    assert [x["samples"].shape for _, x in batches] == [
        (2, 100, 4),
        (1, 200, 4),
    ]
    assert batches[0][1]["num_samples"].tolist() == [10, 90]
    assert batches[0][1]["samples"].sum() == 4 * 95


def test_what_is_not_features_is_named():
    layer = PrecomputedFeatures(4)
    for item in ("speech.wav", np.zeros(9), np.zeros((0, 4)), None):
        with pytest.raises(AudioError, match=r"float array \(frames, 4\)"):
            speech_input.read_pieces([item], layer)


def test_log_softmax_is_one():
    rows = speech_input.log_softmax([[1000.0, 1001.0], [0.0, -5.0]])
    np.testing.assert_allclose(np.exp(rows).sum(axis=-1), 1.0)
