"""train/report_robustness.py: error rates through noise and front ends."""

import pytest


@pytest.fixture
def report(load_script):
    return load_script("train/report_robustness.py")


def test_growth_at_ten_decibels_stands_beside_whispers(report):
    def cells(**rates):
        return {n.replace("_", "-"): {"wer": w} for n, w in rates.items()}

    names = ("clean", "white-20", "white-10", "mp3")
    groups = ("clean", "noise", "noise", "codec")
    result = {
        "data": {
            "utterances": 30,
            "audio_s": 90.0,
            "dataset": "d",
            "split": "test",
            "seed": 1,
            "babble": "5 recordings of d train",
        },
        "machine": "m",
        "command": "python measure.py",
        "systems": {n: {"title": n} for n in ("ours", "whisper-greedy", "p")},
        "conditions": [
            {"name": name, "group": group, "title": name.upper()}
            for name, group in zip(names, groups)
        ],
        "cells": {
            "ours": cells(clean=0.4, white_20=0.5, white_10=0.6, mp3=0.44),
            "whisper-greedy": cells(clean=0.2, white_10=0.25, mp3=0.3),
            "p": cells(clean=0.0, white_10=0.1),
        },
    }
    text = report.render_robustness(result)
    row = "| white | ours | 40.0 | 50.0 | 60.0 |  |  | +50 | +25 |"
    assert row in text
    assert "| white | whisper-greedy | 20.0 |  | 25.0 |  |  | +25 |" in text
    assert "| white | p | 0.0 |  | 10.0 |  |  |  | +25 |" in text
    assert "| MP3 | 44.0 | 30.0 |" in text and "|  | ours | whis" in text
    assert "30 utterances (1.5 min) of d test" in text
    assert "python measure.py" in text
    assert "not been measured" in report.render_robustness(None)


def test_front_ends_show_their_sizes(report):
    result = {
        "utterances": 180,
        "data": "fsdd:dev",
        "epochs": 3,
        "seed": 0,
        "conditions": ["clean", "white, 0 dB"],
        "front_ends": {
            "mfcc": {
                "title": "MFCC",
                "features": 39,
                "parameters": 312345,
                "wer": {"clean": 0.01, "white, 0 dB": 0.255},
            }
        },
        "command": "python compare.py",
    }
    text = report.render_keywords(result)
    assert "| MFCC | 39 | 312,345 | 1.0 | 25.5 |" in text
    assert "180 recordings of fsdd:dev, 3 epochs, seed 0" in text
    assert "not been compared" in report.render_keywords(None)
