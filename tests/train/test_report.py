import json

import pytest
from typer.testing import CliRunner

RESULT = {
    "dataset": "speechocean762",
    "split": "test",
    "utterances": 1260,
    "words": 8000,
    "wer": 0.5234,
    "cer": 0.2567,
    "file": "model.tflite",
    "file_sha256": "ab",
    "command": "python train/evaluate_asr.py --preset asr",
}
README = """# Title
<!-- report:results -->
old
<!-- /report -->
text <!-- not a block -->
<!-- report:benchmark -->
<!-- /report -->
"""


@pytest.fixture
def report(load_script):
    return load_script("train/report.py")


@pytest.fixture
def checkout(tmp_path):
    """A small checkout: README.md and a zoo with one measured preset."""
    folder = tmp_path / "zoo/asr/small"
    folder.mkdir(parents=True)
    (tmp_path / "README.md").write_text(README, encoding="utf8")
    for path, content in {
        tmp_path / "zoo/index.json": {
            "presets": {"small": {"folder": "asr/small"}}
        },
        folder / "preset.json": {
            "task": "SpeechRecognizer",
            "files": {"model.tflite": {"sha256": "ab"}},
        },
        folder / "metrics.json": {"format": 1, "results": [RESULT]},
    }.items():
        path.write_text(json.dumps(content), encoding="utf8")
    (folder / "card.md").write_text(
        "<!-- report:results -->\n<!-- /report -->\n", encoding="utf8"
    )
    return tmp_path


def run(report, *options):
    app = report.typer.Typer()
    app.command()(report.main)
    return CliRunner().invoke(app, [str(option) for option in options])


def test_writes_the_figures_between_the_markers_only(report, checkout):
    result = run(report, "--root", checkout)
    assert result.exit_code == 0, result.output
    text = (checkout / "README.md").read_text(encoding="utf8")
    row = (
        "| `small` | `model.tflite` | speechocean762 test | 1,260 | 8,000 "
        "| best tokens | 52.3 | 25.7 |"
    )
    assert row in text
    assert RESULT["command"] in text
    assert "old" not in text
    assert text.startswith("# Title\n")
    assert "text <!-- not a block -->" in text
    assert "has not been run yet" in text
    card = (checkout / "zoo/asr/small/card.md").read_text(encoding="utf8")
    assert row in card


def test_check_changes_nothing_and_fails_until_it_is_written(report, checkout):
    stale = run(report, "--root", checkout, "--check")
    assert stale.exit_code == 1
    assert "README.md is out of date" in stale.output
    assert (checkout / "README.md").read_text(encoding="utf8") == README
    run(report, "--root", checkout)
    assert run(report, "--root", checkout, "--check").exit_code == 0


@pytest.mark.parametrize(
    ("made_of", "key"),
    [
        (
            {
                "base": {"name": "theirs"},
                "files": {"adapters.safetensors": {"sha256": "ef"}},
            },
            "adapters_sha256",
        ),
        (
            {"source": {"sha256": {"weights": "ef"}}, "files": {}},
            "weights_sha256",
        ),
    ],
)
def test_figures_of_others_weights_are_held_to_these(
    report, checkout, made_of, key
):
    other = {"task": "SpeechRecognizer", **made_of}
    (checkout / "zoo/asr/small/preset.json").write_text(json.dumps(other))
    metrics = checkout / "zoo/asr/small/metrics.json"
    kept = json.loads(metrics.read_text())
    with pytest.raises(report.ReportError, match="sha256 None, but the preset"):
        report.stale_files(checkout)
    for result in kept["results"]:
        result[key] = "ef"
    metrics.write_text(json.dumps(kept))
    report.stale_files(checkout)


def test_a_second_run_writes_nothing(report, checkout):
    assert "wrote README.md" in run(report, "--root", checkout).output
    assert run(report, "--root", checkout).output == ""


def test_a_figure_of_another_file_is_an_error(report, checkout):
    other = {
        "task": "SpeechRecognizer",
        "files": {"model.tflite": {"sha256": "cd"}},
    }
    (checkout / "zoo/asr/small/preset.json").write_text(json.dumps(other))
    with pytest.raises(report.ReportError, match="the preset ships cd"):
        report.stale_files(checkout)
    assert run(report, "--root", checkout).exit_code == 2


def test_a_result_that_lacks_a_key_is_named(report, checkout):
    lacking = {key: RESULT[key] for key in RESULT if key != "words"}
    (checkout / "zoo/asr/small/metrics.json").write_text(
        json.dumps({"results": [lacking]})
    )
    with pytest.raises(report.ReportError, match="words"):
        report.stale_files(checkout)


def test_with_a_language_model_is_a_row_of_its_own(report, checkout):
    searched = {**RESULT, "beam": 16, "wer": 0.35}
    (checkout / "zoo/asr/small/metrics.json").write_text(
        json.dumps({"results": [RESULT, searched]})
    )
    run(report, "--root", checkout)
    text = (checkout / "README.md").read_text(encoding="utf8")
    assert "| best tokens | 52.3 |" in text
    assert "| language model | 35.0 |" in text


@pytest.mark.parametrize(
    "text, message",
    [
        ("<!-- report:unheard -->\n<!-- /report -->\n", "unheard"),
        ("<!-- report:results -->\nno end\n", "closes"),
    ],
)
def test_bad_markers_are_errors(report, text, message):
    with pytest.raises(report.ReportError, match=message):
        report.fill(text, "README.md", {"results": "x"})


def test_classifiers_have_a_table_of_their_own(report, checkout):
    folder = checkout / "zoo/asr/small"
    preset = {
        "task": "TextClassifier",
        "files": {"model.tflite": {"sha256": "ab"}},
    }
    common = ("dataset", "split", "file", "file_sha256", "command")
    figures = {
        "examples": 1821,
        "accuracy": 0.8456,
        "macro_f1": 0.8451,
        "seen_in_train": 11,
        "unseen_accuracy": 0.844,
    }
    result = {**{key: RESULT[key] for key in common}, **figures}
    (folder / "preset.json").write_text(json.dumps(preset))
    (folder / "metrics.json").write_text(json.dumps({"results": [result]}))
    (folder / "card.md").write_text(
        "<!-- report:classification -->\n<!-- /report -->\n"
    )
    assert run(report, "--root", checkout).exit_code == 0
    card = (folder / "card.md").read_text(encoding="utf8")
    assert "| 1,821 | 84.56 | 84.51 | 11 | 84.40 |" in card
    assert RESULT["command"] in card
    assert "84.56" not in (checkout / "README.md").read_text(encoding="utf8")
    del result["macro_f1"]
    (folder / "metrics.json").write_text(json.dumps({"results": [result]}))
    with pytest.raises(report.ReportError, match="macro_f1"):
        report.stale_files(checkout)


def test_translators_have_a_table_of_their_own(report, checkout):
    folder = checkout / "zoo/asr/small"
    preset = {"task": "Translator", "files": {"model.tflite": {"sha256": "ab"}}}
    common = ("dataset", "split", "file", "file_sha256", "command")
    result = {key: RESULT[key] for key in common} | {
        "sentences": 1000,
        "beam": 4,
        "bleu": 39.118,
        "bleu_lower": 40.0,
        "chrf": 61.25,
        "seen_in_train": 95,
        "unseen_bleu": 38.0,
        "signature": "nrefs:1|case:mixed",
    }
    (folder / "preset.json").write_text(json.dumps(preset))
    (folder / "metrics.json").write_text(json.dumps({"results": [result]}))
    (folder / "card.md").write_text(
        "<!-- report:translation -->\n<!-- /report -->\n"
    )
    assert run(report, "--root", checkout).exit_code == 0
    card = (folder / "card.md").read_text(encoding="utf8")
    assert "| 1,000 | 4 | 39.12 | 40.00 | 61.25 | 95 | 38.00 |" in card
    assert "`nrefs:1|case:mixed`" in card and RESULT["command"] in card
    del result["beam"]
    (folder / "metrics.json").write_text(json.dumps({"results": [result]}))
    with pytest.raises(report.ReportError, match="lacks .'beam'"):
        report.stale_files(checkout)


def test_other_translators_are_told_with_their_source(report):
    system = {"system": "T", "data": "d", "source": "s", "counted": "as d"}
    text = report.render_published([{**system, "bleu": 41.02}])
    assert "| T | d | s | as d | 41.02 |" in text
    assert "on record" in report.render_published([])


def test_translators_stand_side_by_side(report):
    entry = {"tokens": 100, "sentences": 10, "median_s": 0.5}
    entry |= {"same_as_reference": 9}
    rates = {"clock": 0.91, "processor": 1.04}
    cell = {
        "batch": 1,
        "beam": 4,
        "systems": {
            "a": {**entry, "to_ctranslate2": rates},
            "b": {**entry, "to_ctranslate2": {}},
        },
        "failed": {"c": "no c"},
    }
    text = report.render_translators(
        {
            "cells": [cell],
            "titles": {"a": "A", "b": "B", "c": "C"},
            "machine": "AMD",
            "minutes": 5.2,
            "command": "python x",
        }
    )
    assert "| 1 | 4 | A | 200 | 20.0 | 0.91 | 1.04 | 9 of 10 |" in text
    assert "| 1 | 4 | B | 200 | 20.0 | - | - | 9 of 10 |" in text
    assert "| 1 | 4 | C | did not run |" in text
    assert "AMD; one thread; 5 minutes" in text and "python x" in text
    assert "not been run" in report.render_translators(None)


def test_classifiers_stand_side_by_side(report):
    entry = {
        "dev_accuracy": 0.81,
        "test_accuracy": 0.9234,
        "test_macro_f1": 0.9,
        "steps": 1234,
        "body_parameters": 34567,
    }
    text = report.render_classifiers(
        {
            "machine": "a machine",
            "epochs": 6,
            "command": "python x",
            "titles": {"cnn": "CNN"},
            "sets": {"trec6": {"cnn": entry}},
        }
    )
    assert "| trec6 | CNN | 81.0 | 92.3 | 90.0 | 1,234 | 34,567 |" in text
    assert "python x" in text and "6 epochs" in text
    assert "not been run yet" in report.render_classifiers(None)


def test_the_benchmark_table_gives_ratios_to_ours(report):
    def system(title, rtf):
        return {
            "title": title,
            "summary": {
                "wer": 0.5,
                "real_time_factor": rtf,
                "peak_memory_bytes": 100 * 2**20,
                "start_up_s": 0.5,
            },
        }

    text = report.render_benchmark(
        {
            "systems": {
                "ours": system("ours", 0.01),
                "whisper": system("Whisper", 0.2),
                "pocketsphinx": {"title": "PocketSphinx", "error": "missing"},
            },
            "data": {
                "utterances": 3,
                "audio_s": 90.0,
                "dataset": "d",
                "split": "test",
                "seed": 1,
            },
            "machine": "m",
            "command": "python benchmarks/asr.py",
        }
    )
    assert "| Whisper | 50.0 | 0.2000 | 20.0 | 100 | 0.50 |" in text
    assert "| pocketsphinx | not run |" in text
    assert "3 utterances (1.5 min) of d test" in text


def spread(seconds):
    return {
        "median_s": seconds,
        "low_s": seconds / 2,
        "high_s": 2 * seconds,
        "repetitions": 5,
    }


RUN = {"machine": "m", "minutes": 4.2, "command": "python benchmarks/x.py"}
ATTENTION = {
    "runs": {"peers": RUN, "length": RUN},
    "titles": {
        "keras": "Keras",
        "hub_block": "Hub",
        "local": "local",
        "full": "full",
    },
    "peers": [
        {
            "backend": "torch",
            "length": 128,
            "batch": 16,
            "padded": True,
            "direction": "both",
            "missing": {"hub_block": "pip install keras-hub"},
            "systems": {
                "ours": spread(0.01),
                "our_block": spread(0.03),
                "keras": spread(0.02),
            },
            "ratios": {"ours": 0.52},
        }
    ],
    "long": [
        {
            "backend": "jax",
            "length": length,
            "direction": "both",
            "missing": {},
            "systems": {
                "local": {**spread(0.1), "peak_bytes": 2**20},
                "full": {**spread(0.9), "peak_bytes": 2**23},
            },
            "times_local": {"local": 1.0, "full": 9.1},
        }
        for length in (64, 128)
    ],
    "growth": [
        {"backend": "jax", "system": "local", "time": 1.02, "memory": 0.98},
        {"backend": "jax", "system": "full", "time": 2.0, "memory": None},
    ],
}
COMPARED = {
    "titles": {"cnn": "CNN", "rnn": "GRU", "local": "local"},
    "runs": {
        "imdb": {
            **RUN,
            "plan": {"imdb": {"steps": 10, "batch_size": 8, "length": 32}},
        },
        "growth": {**RUN, "plan": {"architectures": ["cnn", "rnn"]}},
    },
    "tasks": {
        "imdb": {
            "cnn": {
                "accuracy": 0.8125,
                "parameters": 12345,
                "body_parameters": 2345,
                "train_seconds": 61.7,
            },
            "rnn": {"error": "out of memory?"},
        }
    },
    "growth": [
        {
            "length": 128,
            "systems": {"cnn": {**spread(0.004), "peak_bytes": None}},
        }
    ],
}


def test_attention_stands_beside_its_peers(report):
    text = report.render_attention(ATTENTION)
    assert (
        "| torch | Keras | yes | + backward | 16 x 128 | 10 (5-20) "
        "| 20 (10-40) | 0.52 |"
    ) in text
    assert "| 30 (15-60) | pip install keras-hub | - |" in text
    assert "python benchmarks/x.py" in text


def test_of_lengths_the_longest_is_shown(report):
    text = report.render_length(ATTENTION)
    assert "| 64 |" not in text
    assert (
        "| jax | full | + backward | 128 | 900 (450-1.8e+03) | 9.1 | 8.0 "
        "| 8.0 | 2.00 | - |"
    ) in text


def test_architectures_stand_side_by_side(report):
    text = report.render_accuracy(COMPARED)
    assert "| imdb | CNN | 10 x 8 x 32 | 81.2 | 12,345 | 2,345 | 62 |" in text
    assert "| imdb | GRU | 10 x 8 x 32 | out of memory? | - | - | - |" in text
    text = report.render_growth(COMPARED)
    assert "| architecture | ms at 128 | MiB at 128 |" in text
    assert "| CNN | 4 | - |" in text and "| GRU | - | - |" in text
    assert "local" not in text


@pytest.mark.parametrize(
    "name, kept, block",
    [
        ("attention", ATTENTION, "attention"),
        ("attention", ATTENTION, "length"),
        ("compare_architectures", COMPARED, "accuracy"),
        ("compare_architectures", COMPARED, "growth"),
    ],
)
def test_pages_of_docs_are_filled(report, checkout, name, kept, block):
    page = checkout / "docs/page.md"
    page.parent.mkdir()
    page.write_text(f"<!-- report:{block} -->\n<!-- /report -->\n")
    run(report, "--root", checkout)
    assert "has not been run yet" in page.read_text()
    results = checkout / "benchmarks/results"
    results.mkdir(parents=True)
    (results / f"{name}.json").write_text(json.dumps(kept))
    assert run(report, "--root", checkout).output == "wrote docs/page.md\n"
    assert "4 minutes for the whole run" in page.read_text()


def test_peers_keep_their_decimals_and_their_source(report):
    peer = {"system": "W", "data": "d", "source": "as published", "wer": 0.1545}
    text = report.render_peers([{**peer, "utterances": None}])
    assert "| W | d | as published |  | 15.45 |" in text


def test_the_tables_of_this_checkout_are_up_to_date(report, repository):
    assert not [path.name for path in report.stale_files(repository)]


def test_a_grammar_is_named_where_one_was_searched(report, checkout):
    path = checkout / "zoo/asr/small/metrics.json"
    found = {**RESULT, "wer": 0.01, "grammar": "examples/digits.jsgf"}
    path.write_text(json.dumps({"format": 1, "results": [RESULT, found]}))
    run(report, "--root", checkout)
    text = (checkout / "README.md").read_text(encoding="utf8")
    assert "| best tokens | 52.3 |" in text
    assert "| grammar `examples/digits.jsgf` | 1.0 |" in text


def test_a_stream_stands_beside_the_whole_recording(report, checkout):
    path = checkout / "zoo/asr/small/metrics.json"
    command = f"{RESULT['command']} --stream"
    stream = {
        "chunk_seconds": 0.64,
        "wer": 0.6,
        "cer": 0.3,
        "second_pass_wer": 0.5241,
        "second_pass_cer": 0.26,
        "command": command,
    }
    other = {**RESULT, "split": "dev"}
    results = [{**RESULT, "stream": stream}, other]
    path.write_text(json.dumps({"format": 1, "results": results}))
    run(report, "--root", checkout)
    text = (checkout / "README.md").read_text(encoding="utf8")
    assert "| 52.3 | 25.7 | 0.64 s | 60.0 | 52.4 |" in text
    row = "dev | 1,260 | 8,000 | best tokens | 52.3 | 25.7 |  |  |  |"
    assert row in text
    assert f"\n{command}\n" in text
