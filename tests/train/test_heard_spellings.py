"""train/heard_spellings.py: what a word sounds like to a recogniser."""

import numpy as np
import pytest

from keras_selfattn.runtime.speech_search import read_spellings
from tests.decoding.letter_frames import LETTERS, written


@pytest.fixture
def script(load_script):
    return load_script("train/heard_spellings.py")


def test_words_are_found_where_they_are_said(script):
    frames = written("get a lotay")
    spans = script.word_spans(frames, "get a latte", LETTERS)
    assert [word for word, _, _ in spans] == ["get", "a", "latte"]
    assert spans[0][1] == 0 and spans[-1][2] == len(frames)
    for (_, _, end), (_, start, _) in zip(spans, spans[1:]):
        assert end == start
    assert script.heard(frames[spans[2][1] :], LETTERS) == "lotay"
    assert script.word_spans(written("a", blanks=0), "b" * 50, LETTERS) == []


def test_the_spellings_that_gain_most_come_first(script):
    said = ["roast", "rost", "rost", "ros", "rost", "zzz", ""]
    pieces = [written(text or "_") for text in said]
    recordings = script.WordRecordings("roast", pieces, LETTERS)
    assert recordings.heard == said
    assert recordings.choose(5, 1.0)[:2] == ["rost", "zzz"]
    assert recordings.choose(1, 1.0) == ["rost"]
    assert recordings.choose(5, 1e6) == []
    assert recordings.choose(5, 1.0, among=[0]) == []
    # Of recordings that do not count, no spelling is taken.
    assert "rost" not in recordings.choose(5, 1.0, among=[0, 3, 5])


def test_all_words_of_all_recordings(script):
    recordings = [
        ("get a latte", written("get a lotay")),
        ("get tea", written("get tee")),
        ("a latte", written("a lotay")),
    ]
    collected = script.collect(recordings, LETTERS)
    assert set(collected) == {"get", "a", "latte", "tea"}
    assert collected["latte"][1] == [0, 2]
    everything = script.choose_all(collected, 3, 1.0)
    assert everything == {"latte": ["lotay"], "tea": ["tee"]}
    assert script.choose_all(collected, 3, 1.0, {1}) == {"tea": ["tee"]}
    whole = script.collect(recordings, LETTERS, whole=True)
    assert script.choose_all(whole, 3, 1.0)["get tea"] == ["get tee"]


def test_the_file_is_read_back(script, tmp_path):
    spellings = {"tea": ["tee", "ti"], "smart mirror": ["smatmiro"]}
    path = tmp_path / "s"
    path.write_text(script.to_text(spellings, "a remark"))
    assert read_spellings(path) == spellings


def test_lost_recordings_do_not_decide_alone(script):
    noise = np.log(np.full((40, len(LETTERS)), 1 / len(LETTERS)))
    recordings = script.WordRecordings("tea", [noise], LETTERS)
    assert recordings.scores.min() >= -script.WORST
