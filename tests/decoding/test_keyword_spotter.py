"""Keywords in a stream: once each, in any portions, where they are."""

import numpy as np
import pytest

from keras_selfattn.decoding.keyword_spotter import KeywordSpotter
from tests.decoding.letter_frames import IDS, LETTERS, random_frames, written

TEXT = "hello jarvis what is the time dear smart mirror"


def spotted(spotter, frames, portion=None):
    portion = portion or len(frames)
    found = []
    for start in range(0, len(frames), portion):
        found += spotter.feed(frames[start : start + portion])
    return found + spotter.finish()


@pytest.mark.parametrize("portion", [None, 1, 7])
def test_each_is_heard_once_and_where_it_is(portion):
    spotter = KeywordSpotter(["jarvis", "smart mirror", "alexa"], LETTERS)
    found = spotted(spotter, written(TEXT), portion)
    assert [s.keyword for s in found] == ["jarvis", "smart mirror"]
    for one in found:
        first = TEXT.index(one.keyword)
        last = first + len(one.keyword) - 1
        assert (one.first_frame, one.last_frame) == (2 * first, 2 * last)
        assert one.score == pytest.approx(0.0, abs=1e-3)
    assert spotter.num_frames == 2 * len(TEXT)


def test_it_is_heard_again_when_it_is_said_again():
    spotter = KeywordSpotter(["jarvis"], LETTERS)
    frames = written("jarvis jarvis so jarvis")
    found = spotted(spotter, frames, 3)
    assert [s.first_frame for s in found] == [0, 14, 34]


def test_the_threshold_decides():
    near = written("hello jarvos now", sure=0.99)
    loose = KeywordSpotter({"jarvis": -1.5}, LETTERS)
    strict = KeywordSpotter({"jarvis": -0.3}, LETTERS)
    (found,) = spotted(loose, near)
    assert -1.5 <= found.score < -0.3
    assert spotted(strict, near) == []
    helped = KeywordSpotter(
        {"jarvis": -0.3}, LETTERS, spellings={"jarvis": ["jarvos"]}
    )
    (found,) = spotted(helped, near)
    assert found.keyword == "jarvis" and found.score > -0.1


def test_silence_changes_nothing_but_the_place():
    quiet = written("_" * 200, sure=0.9999, blanks=0)
    spotter = KeywordSpotter(["jarvis"], LETTERS)
    frames = np.concatenate([quiet, written("jarvis"), quiet])
    heard = spotter.feed(frames)  # it has waited long enough
    assert [(s.first_frame, s.last_frame) for s in heard] == [(200, 210)]
    assert spotter.finish() == []
    spotter.reset()
    assert spotted(spotter, written("jarvis"))[0].first_frame == 0


def test_the_score_is_that_of_trying_every_window():
    from keras_selfattn.decoding.ctc_alignment import text_scores

    frames = random_frames(9, len(LETTERS), 1)
    spotter = KeywordSpotter(["ab"], LETTERS, left_out=None, other=0.0)
    ratios = frames - frames.max(axis=1, keepdims=True)
    tokens = [IDS["a"], IDS["b"]]
    for stop in range(2, 10):
        spotter.reset()
        spotter.feed(frames[:stop])
        ending = []
        for start in range(stop - 1):
            # The last frame is that of the last token.
            window = np.concatenate(
                [ratios[start:stop], [np.full(len(LETTERS), -1e9)]]
            )
            window[-1, 0] = 0.0
            window[-2, 0] = -1e9
            ending.append(text_scores(window, [tokens])[0])
        assert spotter.best_scores()["ab"] == pytest.approx(
            max(ending) / 2, abs=1e-4
        )


@pytest.mark.parametrize(
    ("keywords", "options", "message"),
    [
        ([], {}, "at least one"),
        ({"a": 0.5}, {}, "at most 0"),
        (["a"], {"other": 1.0}, "other=1.0"),
        (["a"], {"wait_frames": 0}, "wait_frames=0"),
        (["7"], {}, "'7'"),
    ],
)
def test_settings_out_of_range_are_named(keywords, options, message):
    with pytest.raises(ValueError, match=message):
        KeywordSpotter(keywords, LETTERS, **options)


def test_bad_frames_are_refused_and_the_stream_goes_on():
    frames = written("jarvis")
    spotter = KeywordSpotter(["jarvis"], LETTERS)
    spotter.feed(frames[:5])
    broken = frames.copy()
    broken[0, 0] = np.nan
    for wrong in (broken, frames[:, :4], frames[0]):
        with pytest.raises(ValueError, match="Received"):
            spotter.feed(wrong)
    assert len(spotter.feed(frames[5:]) + spotter.finish()) == 1
    assert spotter.feed(frames[:0]) == []
