import json
import shutil

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from keras_selfattn.data.corpora import SpeechExample
from keras_selfattn.runtime.preset_folder import sha256

GOLDEN = "tests/golden/tiny_asr"


@pytest.fixture
def evaluate(load_script):
    return load_script("train/evaluate_asr.py")


class Heard:
    """Stands in for a transcriber: gives the texts it was made with."""

    def __init__(self, texts):
        self.texts = list(texts)

    def transcribe(self, path):
        text = self.texts.pop(0)

        class Transcript:
            duration_s = 2.0
            real_time_factor = 0.5
            token_ids = [ord(letter) for letter in text]

        Transcript.text = text
        return Transcript


@pytest.fixture
def spoken(tmp_path):
    return [
        SpeechExample(tmp_path / f"{i}.wav", text, "s", 2.0, "test")
        for i, text in enumerate(["A cat sat.", "two"])
    ]


def test_rates_are_over_all_words_and_texts_are_normalised(evaluate, spoken):
    result = evaluate.measure(Heard(["a hat sat", "TWO!"]), spoken)
    assert result["words"] == 4
    assert result["substitutions"] == 1
    assert result["wer"] == 0.25
    assert result["cer"] == pytest.approx(1 / 12)
    assert result["utterances"] == 2
    assert result["real_time_factor"] == 0.5
    assert result["audio_s"] == 4.0
    assert result["texts"][0] == {
        "file": "0.wav",
        "reference": "a cat sat",
        "hypothesis": "a hat sat",
    }


def test_compare_counts_utterances_whose_tokens_differ(evaluate, spoken):
    other = Heard(["a cat sat", "too"])
    result = evaluate.measure(
        Heard(["a cat sat", "two"]),
        spoken,
        other=lambda path: other.transcribe(path).token_ids,
    )
    assert result["equal"] == 1
    assert result["unequal"] == ["1.wav"]


@pytest.mark.parametrize("named", ["fsdd", "fsdd:", ":test"])
def test_a_set_needs_a_corpus_and_a_split(evaluate, named):
    with pytest.raises(ValueError, match="CORPUS:SPLIT"):
        evaluate.parse_set(named)


def test_metrics_are_replaced_by_set_and_file_and_others_kept(
    evaluate, tmp_path
):
    def entry(dataset, file, wer):
        return {"dataset": dataset, "split": "t", "file": file, "wer": wer}

    evaluate.update_metrics(
        tmp_path, [entry("b", "m.tflite", 0.5), entry("a", "m.tflite", 0.4)]
    )
    path = evaluate.update_metrics(
        tmp_path, [entry("b", "m.tflite", 0.3), entry("b", "q.tflite", 0.6)]
    )
    kept = json.loads(path.read_text())["results"]
    assert [(e["dataset"], e["file"], e["wer"]) for e in kept] == [
        ("a", "m.tflite", 0.4),
        ("b", "m.tflite", 0.3),
        ("b", "q.tflite", 0.6),
    ]
    assert [found.name for found in tmp_path.iterdir()] == ["metrics.json"]


@pytest.fixture
def tiny(repository, tmp_path):
    """A copy of the tiny preset beside a corpus of two recordings."""
    preset = tmp_path / "tiny_asr"
    shutil.copytree(repository / GOLDEN, preset)
    corpus = tmp_path / "speech" / "tones"
    corpus.mkdir(parents=True)
    rows = ["path\tsplit\tspeaker\tduration_s\ttext"]
    for i, hertz in enumerate([300, 700]):
        seconds = np.arange(8000) / 16000
        tone = 0.3 * np.sin(2 * np.pi * hertz * seconds)
        soundfile.write(corpus / f"{i}.wav", tone, 16000)
        rows.append(f"{i}.wav\ttest\ts\t0.5\tone tone")
    (corpus / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return preset


def run(evaluate, preset, *options):
    app = evaluate.typer.Typer()
    app.command()(evaluate.main)
    data = preset.parent / "speech"
    command = ["--preset", preset, "--data", data, *options]
    return CliRunner().invoke(app, [str(word) for word in command])


def test_the_command_measures_a_preset_and_keeps_the_figures(evaluate, tiny):
    out = tiny.parent / "deep" / "out.json"
    result = run(
        evaluate, tiny, "--set", "tones:test", "--update-metrics",
        "--json", out, "--compare", tiny / "model.tflite",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "2/2" in result.output
    entry = json.loads((tiny / "metrics.json").read_text())["results"][-1]
    assert entry["words"] == 4
    assert entry["utterances"] == 2
    assert entry["file_sha256"] == sha256(tiny / "model.tflite")
    kept = json.loads(out.read_text())["results"]["tones:test"]
    assert [text["reference"] for text in kept["texts"]] == ["one tone"] * 2
    assert entry["wer"] == pytest.approx(kept["wer"], abs=1e-6)


def test_with_a_grammar_only_its_sentences_come_out(evaluate, tiny):
    grammar = tiny.parent / "tones.jsgf"
    grammar.write_text("#JSGF V1.0; grammar g; public <g> = one tone | ten;")
    out = tiny.parent / "out.json"
    asked = ["--set", "tones:test", "--update-metrics"]
    assert run(evaluate, tiny, *asked).exit_code == 0
    found = run(evaluate, tiny, *asked, "--grammar", grammar, "--json", out)
    assert found.exit_code == 0, found.output
    kept = json.loads(out.read_text())["results"]["tones:test"]
    heard = {text["hypothesis"] for text in kept["texts"]}
    assert heard <= {"one tone", "ten", ""}
    plain, entry = json.loads((tiny / "metrics.json").read_text())["results"]
    assert "grammar" not in plain
    assert entry["grammar"] == str(grammar)
    assert entry["command"].endswith(f"--grammar {grammar}")
    assert entry["wer"] == pytest.approx(kept["wer"], abs=1e-6)


def test_a_stream_is_measured_and_held_against_keras(
    evaluate, repository, tiny
):
    folder = repository / "tests/golden/tiny_stream"
    preset = shutil.copytree(folder, tiny.parent / "tiny_stream")
    corpus = tiny.parent / "speech" / "tones"
    shutil.copy(preset / "sample.wav", corpus)
    rows = (corpus / "manifest.tsv").read_text()
    rows += "sample.wav\ttest\ts\t2.3\tabc ca ba\n"
    (corpus / "manifest.tsv").write_text(rows)
    out = tiny.parent / "out.json"
    result = run(
        evaluate, preset, "--set", "tones:test", "--stream",
        "--json", out, "--compare", "keras",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "3/3" in result.output
    kept = json.loads(out.read_text())["results"]["tones:test"]
    assert kept["texts"][2]["hypothesis"] == "abc ca bab"
    assert kept["texts"][2]["second_pass"] == "abc ca bab"
    assert kept["audio_s"] == pytest.approx(0.5 + 0.5 + 36480 / 16000)
    assert 0 < kept["real_time_factor"] < kept["both_passes_real_time_factor"]
    assert (kept["chunk_seconds"], kept["latency_ms"]) == (0.16, 160)
    # "abc" begins at 0.08 s: it is heard when the first or second chunk ends.
    assert 0 < kept["first_text_ms"]["median"] < 500
    assert kept["chunk_ms"]["median"] <= kept["chunk_ms"]["p95"]
    assert "160" in result.output and "first text" in result.output
    update = ["--set", "tones:test", "--update-metrics"]
    result = run(evaluate, preset, "--stream", *update)
    assert result.exit_code == 2 and "without --stream" in result.output
    assert run(evaluate, preset, *update).exit_code == 0
    result = run(evaluate, preset, "--stream", *update)
    assert result.exit_code == 0, result.output
    (entry,) = json.loads((preset / "metrics.json").read_text())["results"]
    assert not entry["command"].endswith("--stream")
    assert entry["stream"]["command"].endswith("--stream")
    assert entry["stream"]["chunk_seconds"] == 0.16
    assert entry["stream"]["second_pass_wer"] == entry["wer"]
    assert entry["stream"]["wer"] == pytest.approx(kept["wer"], abs=1e-6)
    result = run(evaluate, tiny, "--set", "tones:test", "--stream")
    assert result.exit_code == 2 and "no streaming" in result.output


@pytest.mark.parametrize(
    "options, message",
    [
        (["--set", "tones:dev"], "has no split 'dev'"),
        (["--set", "other:test"], "is missing"),
        (["--set", "tones:test", "--file", "x.tflite"], "no such file"),
        (["--set", "tones:test", "--preset", "/none"], "not a preset"),
        (
            ["--set", "tones:test", "--limit", "1", "--update-metrics"],
            "whole sets",
        ),
        (
            ["--set", "tones:test", "--grammar", "g", "--lm", "preset"],
            "leave out --lm or --grammar",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_error_and_nothing_written(
    evaluate, tiny, options, message
):
    before = sorted(tiny.iterdir())
    result = run(evaluate, tiny, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert sorted(tiny.iterdir()) == before
