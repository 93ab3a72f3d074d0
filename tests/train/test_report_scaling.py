"""train/report_scaling.py: hours, parameters, and rescoring."""

import pytest


@pytest.fixture
def script(load_script):
    return load_script("train/report_scaling.py")


def test_a_row_says_how_much_speech_and_how_large(script):
    row = {
        "model": "small",
        "begins": "random weights",
        "hours": 5.863,
        "parameters": 494310,
        "trained": 494310,
        "wer": {"speechocean762 dev": 0.8123},
    }
    text = script.render_scaling({"hardware": "a core", "rows": [row]})
    assert "| small | random weights | 5.9 | 0.5 | 0.5 | 81.2 |  |  |" in text
    assert "a core." in text
    assert "Nothing has been measured" in script.render_scaling(None)


def test_rescoring_is_shown_by_what_ranks(script):
    result = {
        "preset": "asr",
        "beam": 16,
        "command": "python rescore.py",
        "results": {
            "a:dev": {
                "perplexity": {"ngram": 104.7, "causal": 1160.2},
                "wer": {"best tokens": 0.5, "n-gram": 0.25},
            }
        },
    }
    text = script.render_rescoring(result)
    assert "| ranked by | a dev, WER % |" in text
    assert "| best tokens | 50.0 |\n| n-gram | 25.0 |" in text
    assert "causal model | 1,160 |" in text and "python rescore.py" in text
    assert "not been measured" in script.render_rescoring(None)
