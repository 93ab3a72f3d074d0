"""What README.md shows is what works."""

import json
import os
import re
import subprocess
import sys
from difflib import SequenceMatcher

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="module")
def readme(repository):
    return (repository / "README.md").read_text(encoding="utf8")


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_two_set_up_commands_are_the_ones_used_elsewhere(
    readme, repository
):
    first, second = blocks(readme, "bash")[:2]
    assert first.startswith("pip install . && keras-selfattn transcribe zoo/")
    install, tests = second.strip().split(" && ")
    extras = '-e ".[tensorflow,jax,torch,train,test]"'
    assert install == f"pip install -c constraints.txt {extras}"
    assert tests == "python -m tests"
    assert f"-c constraints.txt {extras}" in (repository / ".ci/run").read_text(
        encoding="utf8"
    )
    assert second.strip().replace(" && ", "\n") in (
        repository / "CONTRIBUTING.md"
    ).read_text(encoding="utf8")


def test_paths_that_are_named_are_there(readme, repository):
    named = re.findall(
        r"(?:train|zoo|benchmarks)/[\w/]+\.(?:py|wav|md)", readme
    )
    assert len(named) > 3
    assert not [path for path in named if not (repository / path).is_file()]


def test_the_presets_that_are_named_are_in_the_zoo(readme, repository):
    index = json.loads((repository / "zoo/index.json").read_text())
    rows = re.findall(r"^\| `([\w-]+)` \| \[`([\w-]+)`\]", readme, re.MULTILINE)
    assert dict(rows) == index["aliases"]


def section(text, title):
    """What stands under a heading of the second level."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(
    "title",
    [
        "Load, fit, export",
        "While it is spoken",
        "The layers",
        "Classify texts",
        "Translate",
    ],
)
def test_the_code_is_twenty_lines_or_so(readme, title):
    lines = [
        line
        for block in blocks(section(readme, title), "python")
        for line in block.splitlines()
        if line.strip()
    ]
    assert len(lines) <= 25


def run_code(readme, title, folder, repository, before=""):
    """Runs a section's code blocks as they stand; what they print, by line."""
    code = "\n".join([before, *blocks(section(readme, title), "python")])
    (folder / "example.py").write_text(code, encoding="utf8")
    child = subprocess.run(
        [sys.executable, "example.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.splitlines()


def test_the_code_streams(readme, repository, tmp_path):
    """The microphone is the preset's sample, in pieces of 0.1 s."""
    preset = repository / "zoo/asr/asr_conformer_small_en"
    microphone = f"""
import soundfile
samples, _ = soundfile.read({str(preset / "sample.wav")!r}, dtype="float32")
microphone = [samples[i : i + 1600] for i in range(0, len(samples), 1600)]
"""
    lines = run_code(
        readme, "While it is spoken", tmp_path, repository, microphone
    )
    contents = json.loads((preset / "preset.json").read_text())
    assert len(set(lines)) > 2
    assert lines[-1] == contents["reference"]["text"]


@pytest.mark.slow
def test_the_code_draws_attention(readme, repository, tmp_path):
    run_code(readme, "The layers", tmp_path, repository)
    assert (tmp_path / "attention.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_code_classifies_texts(readme, repository, tmp_path):
    numbers = " ".join(["0.5"] * 50)
    vectors = "".join(f"{word} {numbers}\n" for word in ("a", "film"))
    (tmp_path / "glove.6B.50d.txt").write_text(vectors)
    lines = run_code(readme, "Classify texts", tmp_path, repository)
    assert lines[0].startswith("Classification(label=")
    assert lines[1] in ("bad", "good")
    assert "50 features, 2 of" in lines[2]
    assert "funny" in (tmp_path / "why.html").read_text()
    assert (tmp_path / "my_classifier" / "model.tflite").is_file()


@pytest.mark.slow
def test_the_code_translates(readme, repository, tmp_path):
    both, one = run_code(readme, "Translate", tmp_path, repository)
    assert both.startswith("['") and " cat" in both and " dog" in both
    assert " dog" in one


@pytest.mark.slow
def test_the_code_loads_fits_exports_and_transcribes(
    readme, repository, tmp_path
):
    """The code blocks run as they stand, in a folder with `my_speech`."""
    corpus = tmp_path / "my_speech"
    corpus.mkdir()
    rows = ["path\tsplit\tspeaker\tduration_s\ttext"]
    generator = np.random.default_rng(0)
    for i in range(2):
        noise = 0.05 * generator.standard_normal(16000)
        soundfile.write(corpus / f"{i}.wav", noise, 16000)
        rows.append(f"{i}.wav\ttrain\ts\t1.0\ta word")
    (corpus / "manifest.tsv").write_text("\n".join(rows) + "\n")
    lines = run_code(readme, "Load, fit, export", tmp_path, repository)
    preset = json.loads((tmp_path / "my_preset/preset.json").read_text())
    assert preset["task"] == "SpeechRecognizer"
    assert (tmp_path / "my_model.tflite").stat().st_size > 1000
    sample = json.loads(
        (repository / "zoo/asr/asr_conformer_small_en/preset.json").read_text()
    )["reference"]["text"]
    # The text is the int8 file's; the weights here are float16.
    assert SequenceMatcher(None, lines[0], sample).ratio() > 0.95
