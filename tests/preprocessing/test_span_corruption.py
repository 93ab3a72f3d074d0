import numpy as np
import pytest

from keras_selfattn.preprocessing.span_corruption import (
    corrupt_spans,
    noise_mask,
    raw_length,
)

WORDS = "Thank you for inviting me to your party last week .".split()
SENTINELS = [104, 103, 102, 101, 100]
NAMES = {104: "<X>", 103: "<Y>", 102: "<Z>"}


def test_the_figure_of_the_paper():
    """Figure 2: "for inviting" and "last" are left out."""
    mask = np.isin(WORDS, ["for", "inviting", "last"])
    source, target = (
        " ".join(NAMES.get(i) or WORDS[i] for i in side)
        for side in corrupt_spans(np.arange(11), mask, SENTINELS)
    )
    assert source == "Thank you <X> me to your party <Y> week ."
    assert target == "<X> for inviting <Y> last <Z>"


@pytest.mark.parametrize(
    "length, noise, spans",
    # 15 % rounded, a third of that rounded: by hand.
    [
        (2, 1, 1),
        (10, 2, 1),
        (11, 2, 1),
        (40, 6, 2),
        (100, 15, 5),
        (568, 85, 28),
    ],
)
def test_how_much_is_left_out(length, noise, spans):
    masks = [
        noise_mask(length, np.random.default_rng(seed)) for seed in range(20)
    ]
    for mask in masks:
        assert mask.dtype == bool and mask.shape == (length,)
        assert mask.sum() == noise
        begins = mask & ~np.concatenate([[False], mask[:-1]])
        assert begins.sum() == spans
        assert not mask[0] and mask[-1]
    if spans > 1:
        assert len({mask.tobytes() for mask in masks}) > 10
    again = noise_mask(length, np.random.default_rng(0))
    np.testing.assert_array_equal(again, masks[0])


def test_other_shares_and_spans():
    generator = np.random.default_rng(0)
    assert noise_mask(40, generator, 0.5).sum() == 20
    mask = noise_mask(40, generator, 0.5, 1.0)
    assert mask.tolist() == [False, True] * 20
    assert not noise_mask(1, generator).any()
    assert noise_mask(0, generator).shape == (0,)
    # Where the first of two spans begins: four places, each about as often.
    places = [
        np.flatnonzero(noise_mask(9, generator, 0.45, 2.0))[0]
        for _ in range(600)
    ]
    counts = np.bincount(places)
    assert counts[0] == 0 and (counts[1:5] > 60).all()


def test_what_is_left_out_stands_in_the_target():
    ids = np.arange(1, 41)
    mask = noise_mask(40, np.random.default_rng(3))
    source, target = corrupt_spans(ids, mask, SENTINELS)
    filled, gaps = [], iter(np.split(target, np.flatnonzero(target > 99)))
    assert next(gaps).size == 0
    for token in source.tolist():
        if token < 99:
            filled.append(token)
            continue
        gap = next(gaps).tolist()
        assert gap[0] == token
        filled += gap[1:]
    assert filled == ids.tolist()
    assert next(gaps, None) is None  # the text ends with a gap


def test_texts_that_fill_a_source():
    """The sizes that T5 was trained with."""
    assert raw_length(512) == (568, 114)
    for length in (3, 17, 64, 128):
        raw, target_length = raw_length(length)
        sides = [
            corrupt_spans(
                np.arange(n), noise_mask(n, np.random.default_rng(0)), range(99)
            )
            for n in (raw, raw + 1)
        ]
        assert len(sides[0][0]) + 1 <= length < len(sides[1][0]) + 1
        assert len(sides[0][1]) + 1 == target_length


def test_what_cannot_be_is_refused():
    generator = np.random.default_rng(0)
    for wrong in ((1.0, 3.0), (0.15, 0.5)):
        with pytest.raises(ValueError, match="noise_density="):
            noise_mask(10, generator, *wrong)
    with pytest.raises(ValueError, match="a first token that stays"):
        corrupt_spans([1, 2], [True, False], SENTINELS)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        corrupt_spans([1, 2], [False, True, True], SENTINELS)
    with pytest.raises(ValueError, match="2 spans and 1 sentinels"):
        corrupt_spans(range(4), [False, True, False, True], [9])
    with pytest.raises(ValueError, match="source_length=2"):
        raw_length(2)
