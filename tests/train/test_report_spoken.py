"""train/report_spoken.py: the tables of commands and wake words."""

import pytest


@pytest.fixture
def report(load_script):
    return load_script("train/report_spoken.py")


def test_commands_stand_beside_published_averages(report):
    def condition(level, share):
        rows = ["written", "other recordings"]
        rows += ["same recordings"] * (level is None)
        return {"snr_db": level, **dict.fromkeys(rows, share)}

    result = {
        "data": "orders:dev",
        "recordings": 200,
        "conditions": [
            condition(None, 0.95),
            condition(24, 0.9),
            condition(6, 0.7),
        ],
        "other_speech": {
            "data": "others:dev",
            "recordings": 50,
            "taken_for_commands": 0.02,
        },
        "command": "python measure.py",
    }
    peers = [{"system": "Peer", "acceptance": 0.976, "source": "published"}]
    text = report.render_commands(result, peers)
    assert "| system | clean | 24 dB | 6 dB | mean of noisy |" in text
    assert "| 95.0 | 90.0 | 70.0 | 80.0 |" in text
    assert "on these recordings | 95.0 |  |  |  |" in text
    assert "| Peer (published) |  |  |  | 97.6 |" in text
    assert "2.0 % of 50 sentences" in text and "python measure.py" in text
    assert "not been measured" in report.render_commands(None, peers)


def test_wake_words_show_misses_and_threshold(report):
    found = {
        "recordings": 40,
        "misses": 3,
        "false_alarms": 2,
        "threshold": -0.333,
    }
    result = {
        "hours": 2.5,
        "other": ["others:dev"],
        "words": {"jarvis": found},
        "command": "python measure.py",
    }
    text = report.render_wake_words(result)
    assert "| jarvis | 40 | 3 | 7.5 | 2 | -0.33 |" in text
    assert "2.50 hours of others:dev" in text
    assert "not been measured" in report.render_wake_words(None)
