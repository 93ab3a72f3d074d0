"""train/hybrid_asr.py and evaluate_hybrid_asr.py: two steps, and all ways."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, ROOT / "train" / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=1200,
    )


def test_the_smoke_run_trains_and_is_measured(tmp_path):
    out = tmp_path / "run"
    done = run("hybrid_asr.py", "--smoke", "--out", out)
    assert done.returncode == 0, done.stderr
    assert (out / "preset" / "preset.json").is_file()
    words = tmp_path / "words.arpa"
    done = run(
        "ngram_lm.py",
        *("--out", words, "--data", out, "--set", "patterns:train"),
        *("--order", 2, "--min-count", 1),
    )
    assert done.returncode == 0, done.stderr
    kept = tmp_path / "kept.json"
    command = (
        *("--preset", out / "preset", "--set", f"{out / 'patterns'}:train"),
        *("--lm", words, "--beam", 2, "--keep", kept),
    )
    done = run("evaluate_hybrid_asr.py", *command, "--hardware", "a core")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("WER") == 4
    found = json.loads(kept.read_text("utf-8"))
    assert found["hardware"] == "a core" and found["parameters"] > 1000
    (entry,) = found["runs"]
    assert entry["seed"] == 0
    assert set(entry["train"]) == {"greedy", "ctc-lm", "joint", "joint-lm"}
    assert entry["train"]["greedy"]["utterances"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no --train FOLDER:SPLIT"),
        (("--train", "nowhere"), "'nowhere': expected FOLDER:SPLIT"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_line(tmp_path, arguments, message):
    done = run("hybrid_asr.py", "--out", tmp_path / "run", *arguments)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
