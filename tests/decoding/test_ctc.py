"""CTC's best path: tokens, where they begin, words and their times."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_selfattn.decoding.ctc import (
    checked_frames,
    collapse,
    emissions,
    softened,
    words_with_times,
)

FRAMES = st.lists(st.integers(0, 3), max_size=40)
CHARACTERS = ["<blank>", " ", "a", "b", "c"]


@given(FRAMES)
def test_collapse_is_groupby_without_blanks(frame_ids):
    token_ids, frames = collapse(frame_ids)
    groups = [key for key, _ in itertools.groupby(frame_ids)]
    assert token_ids.tolist() == [key for key in groups if key]
    assert token_ids.dtype == frames.dtype == np.int32
    assert frames.tolist() == sorted(set(frames.tolist()))
    for token_id, frame in zip(token_ids, frames, strict=True):
        assert frame_ids[frame] == token_id
        assert frame == 0 or frame_ids[frame - 1] != token_id


@given(FRAMES)
def test_emissions_hold_the_same_as_collapse(frame_ids):
    emitted = emissions(frame_ids)
    token_ids, frames = collapse(frame_ids)
    assert emitted.shape == (len(frame_ids),)
    assert emitted.dtype == np.int32
    np.testing.assert_array_equal(np.flatnonzero(emitted), frames)
    np.testing.assert_array_equal(emitted[frames], token_ids)


def test_another_blank():
    token_ids, frames = collapse([2, 0, 0, 2, 2, 1], blank_id=2)
    assert token_ids.tolist() == [0, 1]
    assert frames.tolist() == [1, 5]


@pytest.mark.parametrize("ids", [[[1, 2]], [0.5, 1.0], 3])
def test_only_one_row_of_integers_is_taken(ids):
    with pytest.raises(ValueError, match="expected integers of shape"):
        collapse(ids)
    with pytest.raises(ValueError, match="expected integers of shape"):
        emissions(ids)


def scores(frame_ids, num_tokens, probability=0.5):
    """Log-probabilities whose best path is `frame_ids`."""
    rest = (1 - probability) / (num_tokens - 1)
    table = np.full((len(frame_ids), num_tokens), rest)
    table[np.arange(len(frame_ids)), frame_ids] = probability
    return np.log(table)


def words(frame_ids, vocabulary, frame_seconds=0.04, **kwargs):
    table = scores(frame_ids, len(vocabulary), **kwargs)
    return words_with_times(
        emissions(frame_ids), table, vocabulary, frame_seconds
    )


def test_words_of_characters():
    found = words([0, 2, 2, 0, 3, 3, 0, 1, 1, 0, 4, 4, 4], CHARACTERS, 0.5)
    assert [word["word"] for word in found] == ["ab", "c"]
    assert [word["start_s"] for word in found] == [0.5, 5.0]
    assert [word["end_s"] for word in found] == [3.0, 6.5]
    assert found[0]["confidence"] == pytest.approx(0.5)


def test_words_of_pieces():
    vocabulary = ["<blank>", "<unk>", "\u2581he", "llo", "\u2581", "w"]
    found = words([2, 3, 0, 1, 4, 5, 0, 2], vocabulary, 1.0)
    assert [word["word"] for word in found] == ["hello", "w", "he"]
    assert [word["start_s"] for word in found] == [0.0, 5.0, 7.0]
    assert [word["end_s"] for word in found] == [2.0, 6.0, 8.0]


def test_equal_letters_are_two_tokens_of_one_word():
    found = words([2, 0, 2, 2], CHARACTERS, 1.0)
    assert [(w["word"], w["end_s"]) for w in found] == [("aa", 4.0)]


def test_no_words_in_blanks_and_word_breaks():
    assert words([0, 0, 1, 1, 0], CHARACTERS) == []
    assert words([], CHARACTERS) == []


def test_confidence_is_the_geometric_mean_at_the_beginnings():
    frame_ids = [2, 2, 3]
    table = scores(frame_ids, 5)
    table[0, 2], table[1, 2], table[2, 3] = np.log([0.9, 0.6, 0.4])
    (word,) = words_with_times(emissions(frame_ids), table, CHARACTERS, 1.0)
    assert word["confidence"] == pytest.approx(np.sqrt(0.9 * 0.4))


def test_results_are_plain_numbers_for_json():
    (word,) = words([2], CHARACTERS)
    assert [type(value) for value in word.values()] == [
        str,
        float,
        float,
        float,
    ]


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\); expected \(2, 5\)"):
        words_with_times([0, 2], np.zeros((3, 4)), CHARACTERS, 1.0)


@given(st.lists(st.integers(0, 4), max_size=40))
def test_words_are_the_text_in_order_of_time(frame_ids):
    found = words(frame_ids, CHARACTERS, 1.0)
    text = "".join(CHARACTERS[i] for i in collapse(frame_ids)[0])
    assert [word["word"] for word in found] == text.split()
    times = [t for word in found for t in (word["start_s"], word["end_s"])]
    assert times == sorted(times)
    assert all(word["start_s"] < word["end_s"] for word in found)


def test_frames_are_checked():
    frames = checked_frames([[-1, -2], [-3, -4]], 2)
    assert frames.dtype == np.float32 and frames.shape == (2, 2)
    with pytest.raises(ValueError, match=r"\(2, 2\); expected \(frames, 3\)"):
        checked_frames(frames, 3)
    with pytest.raises(ValueError, match="that are NaN"):
        checked_frames([[np.nan, 0]], 2)


def test_a_part_is_shared_among_all_tokens():
    frames = np.log(np.array([[0.9, 0.1, 1e-30], [0.2, 0.3, 0.5]]))
    np.testing.assert_array_equal(softened(frames, 0.0), np.exp(frames))
    soft = softened(frames, 0.3)
    np.testing.assert_allclose(soft.sum(axis=1), 1.0)
    np.testing.assert_allclose(soft[0], [0.73, 0.17, 0.1])
