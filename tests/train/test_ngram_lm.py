"""train/ngram_lm.py: what goes in, what is held out, how large it gets."""

import lzma

import pytest
import soundfile
from typer.testing import CliRunner

from keras_selfattn.decoding import ngram_file
from tests.decoding.sentences import sentences


@pytest.fixture
def script(load_script):
    return load_script("train/ngram_lm.py")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "toy"
    folder.mkdir()
    soundfile.write(folder / "a.wav", [0.0] * 160, 16000)
    rows = [
        ("train", "the dog runs"),
        ("train", "the cat sees"),
        ("test", "secret words here"),
        ("dev", "the dog sees"),
    ]
    lines = ["path\tsplit\tspeaker\tduration_s\ttext"]
    lines += [f"a.wav\t{split}\tx\t0.01\t{text}" for split, text in rows]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    pairs = ["split\tsrc\ttgt", "train\tEin Hund.\tA dog!"]
    pairs += ["train\tx\tSecret words, here.", "train\tx\tIn 1999", "dev\tx\tz"]
    pairs += [f"train\tx\t{' '.join(line)}" for line in sentences(200)]
    with lzma.open(tmp_path / "pairs.tsv.xz", "wt") as file:
        file.write("\n".join(pairs) + "\n")
    return tmp_path


def run(script, *arguments):
    import typer

    app = typer.Typer()
    app.command()(script.main)
    return CliRunner().invoke(app, [str(part) for part in arguments])


def trained(script, data, *more, name="lm.bin"):
    out = data / name
    result = run(
        script, "--out", out, "--data", data, "--set", "toy:train", "--pairs",
        f"{data / 'pairs.tsv.xz'}:tgt", "--held-out", "toy:test", "--dev",
        "toy:dev", "--min-count", 1, *more,
    )  # fmt: skip
    return result, out


def test_held_out_sentences_are_not_in_it(script, data):
    result, out = trained(script, data)
    assert result.exit_code == 0, result.output
    model = ngram_file.open_model(out)
    assert "dog" in model and "runs" in model
    for word in ("secret", "z", "hund"):
        assert word not in model
    assert "1 refused, 1 held out" in result.output  # digits; the test's
    assert "toy:dev: perplexity" in result.output
    assert "0.00 % unknown words" in result.output


def test_a_smaller_file_keeps_what_matters(script, data):
    _, whole = trained(script, data, name="whole.bin")
    limit = whole.stat().st_size - 1500
    result, out = trained(script, data, "--max-bytes", limit)
    assert result.exit_code == 0, result.output
    assert limit - 1500 < out.stat().st_size <= limit
    result, _ = trained(script, data, "--max-bytes", 1024)
    assert result.exit_code == 2 and "raise --max-bytes" in result.output


def test_arpa_is_the_same_model(script, data):
    _, binary = trained(script, data)
    _, text = trained(script, data, name="lm.arpa")
    assert text.read_text().startswith("\\data\\")
    line = "the dog runs".split()
    assert ngram_file.open_model(text).sentence(line) == pytest.approx(
        ngram_file.open_model(binary).sentence(line), abs=0.3
    )


def test_bad_sources_are_named(script, data):
    for more, message in [
        (("--pairs", f"{data / 'pairs.tsv.xz'}:no"), "expected FILE:COLUMN"),
        (("--text", data / "none.txt"), "none.txt cannot be read"),
        (("--set", "toy"), "CORPUS:SPLIT"),
    ]:
        result, _ = trained(script, data, *more)
        assert result.exit_code == 2 and message in result.output
