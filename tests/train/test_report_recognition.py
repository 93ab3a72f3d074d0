"""train/report_recognition.py: the table of the hybrid recogniser."""

import pytest


@pytest.fixture
def report(load_script):
    return load_script("train/report_recognition.py")


def test_ways_of_decoding_stand_beside_published_rates(report):
    def run(seed, wer, test=None):
        found = {"greedy": {"wer": wer, "cer": wer / 2}}
        split = {"joint-lm": {"wer": test, "cer": 0.03}}
        return {
            "seed": seed,
            "dev": found,
            **({} if test is None else {"test": split}),
        }

    result = {
        "parameters": 1234567,
        "hardware": "one core",
        "command": "train/runs/asr_an4.sh OUT SEED",
        "runs": [run(0, 0.2, 0.07), run(1, 0.3, 0.08)],
    }
    peers = [{"system": "Peer", "wer": 0.074, "cer": 0.036, "source": "paper"}]
    text = report.render_hybrid(result, peers)
    assert "1,234,567 parameters; seeds 0, 1; one core." in text
    assert "| CTC, best frames | 25.0 ± 7.1 | 12.5 ± 3.5 |  |  |" in text
    assert "word n-gram |  |  | 7.5 ± 0.7 | 3.0 ± 0.0 |" in text
    assert "| Peer (paper) |  |  | 7.4 | 3.6 |" in text
    result["runs"] = result["runs"][:1]
    assert "seed 0; one core" in report.render_hybrid(result, [])
    assert "not been measured" in report.render_hybrid(None, peers)
