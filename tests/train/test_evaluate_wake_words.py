"""train/evaluate_wake_words.py: thresholds, misses, false alarms."""

import pytest

from tests.decoding.letter_frames import LETTERS, written


@pytest.fixture
def script(load_script):
    return load_script("train/evaluate_wake_words.py")


@pytest.mark.parametrize(
    ("scores", "allowed", "reached"),
    [
        ([-1.0, -2.0, -0.5], 1, 1),
        ([-1.0, -2.0, -0.5], 2, 2),
        ([-1.0, -2.0, -0.5], 0, 0),
        ([-1.0, -1.0, -1.0], 1, 0),  # equal ones come together
        ([-1.0], 3, 1),
        ([], 1, 0),
    ],
)
def test_the_lowest_threshold_that_is_allowed(script, scores, allowed, reached):
    limit = script.threshold(scores, allowed)
    assert sum(score >= limit for score in scores) == reached
    assert reached <= allowed


def test_misses_are_counted_at_that_threshold(script):
    spoken = [
        ("jarvis", written("jarvis")),
        ("jarvis", written("yes jarvos")),
        ("jarvis", written("good morning")),
        ("alexa", written("alexa")),
    ]
    other = [written("we saw jarvos in the garden"), written("a nice day")]
    found = script.measure(LETTERS, {}, spoken, other, hours=0.5)
    jarvis = found["words"]["jarvis"]
    # No alarm is allowed: what sounds like the one in `other` is missed.
    assert (jarvis["recordings"], jarvis["misses"]) == (3, 2)
    assert jarvis["false_alarms"] == 0
    assert found["words"]["alexa"]["misses"] == 0
    helped = script.measure(
        LETTERS, {"jarvis": ["jarvos"]}, spoken, other, hours=1.0
    )
    jarvis = helped["words"]["jarvis"]
    assert (jarvis["misses"], jarvis["false_alarms"]) == (1, 1)
    assert jarvis["spellings"] == 2
    script.show(helped)


def test_recordings_do_not_run_into_one_another(script):
    spotter = script.KeywordSpotter(["jarvis"], LETTERS, -0.5)
    halves = [written("jar"), written("vis")]
    assert script.alarms(spotter, halves) == {}
    assert len(script.alarms(spotter, [written("jarvis")] * 2)["jarvis"]) == 2
