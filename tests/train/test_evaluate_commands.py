"""train/evaluate_commands.py: what counts as accepted, and who is asked."""

import json

import pytest

from keras_selfattn.data.corpora import SpeechExample
from tests.decoding.grammars import parsed
from tests.decoding.letter_frames import LETTERS, written


@pytest.fixture
def script(load_script):
    return load_script("train/evaluate_commands.py")


GRAMMAR = parsed("get [(small | large) {size}] (latte | mocha) {drink}")
SAID = [
    ("get small latte", "get smal lotay"),
    ("get large latte", "get larsh lotay"),
    ("get latte", "get lotay"),
    ("get mocha", "get moca"),
    ("get large mocha", "get larsh moca"),
    ("get small mocha", "get smal moca"),
]


def test_all_slots_must_be_right_and_no_others(script):
    frames = [written(text) for text, _ in SAID[:4]]
    slots = [
        {"size": "small", "drink": "latte"},
        {"size": "small", "drink": "latte"},  # it says large
        {"size": "small", "drink": "latte"},  # it says none
        {"drink": "mocha"},
    ]
    search = script.GrammarSearch(GRAMMAR, LETTERS)
    assert script.accepted(search, frames, slots, range(4)) == [0, 3]
    assert script.accepted(search, frames, slots, [1, 3]) == [3]
    nothing = [written("something else was said") for _ in frames]
    assert script.accepted(search, nothing, [{}] * 4, range(4)) == []


def test_each_recording_is_measured_once_in_each_row(script):
    recordings = [(text, written(heard)) for text, heard in SAID]
    collected = script.collect(recordings, LETTERS)
    rows = script.searches(GRAMMAR, LETTERS, collected, 6, 5, 0.5)
    assert list(rows) == ["written", "other recordings", "same recordings"]
    for parts in rows.values():
        measured = [number for _, numbers in parts for number in numbers]
        assert sorted(measured) == list(range(6))
    (same, _), *_ = rows["same recordings"]
    assert same.search(written("get larsh moca")).score > -0.1
    # `mocha` is heard as `moca` in several recordings, so it is known in each.
    for search, _ in rows["other recordings"]:
        assert search.search(written("get moca")).score > -0.1


def test_folds_are_all_recordings_in_five_parts(script):
    parts = script.folds(23)
    assert len(parts) == 5
    assert sorted(number for part in parts for number in part) == [*range(23)]
    assert script.folds(23) == parts


def test_slots_are_read_from_the_manifest(script, tmp_path):
    slots = {"drink": "latte", "milk": " soy milk"}
    (tmp_path / "manifest.tsv").write_text(
        "path\tsplit\tspeaker\tduration_s\ttext\ttext_orig\n"
        f"a.wav\tdev\tx\t1\tget\t{json.dumps(slots)}\n"
    )
    example = SpeechExample(tmp_path / "a.wav", "get", "x", 1.0, "dev")
    assert script.read_slots(tmp_path, [example]) == [
        {"drink": "latte", "milk": "soy milk"}
    ]


def test_the_table_is_printed(script, capsys):
    shares = {"written": 0.5}
    script.show(
        {
            "data": "x:dev",
            "conditions": [
                {"snr_db": None, **shares, "same recordings": 0.75},
                {"snr_db": 6, **shares},
            ],
            "other_speech": {
                "taken_for_commands": 0.25,
                "recordings": 4,
                "data": "y:dev",
            },
        }
    )
    text = capsys.readouterr().out
    assert (
        "none" in text and "6 dB" in text and "50.0" in text and "75.0" in text
    )
    assert "25.0 % of 4 sentences of y:dev" in text
