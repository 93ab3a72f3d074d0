import io
import sys

import pytest
from rich.console import Console

from keras_selfattn.data.corpora import SpeechExample


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/asr.py")


def test_the_better_reading_of_a_number_counts(bench):
    assert bench.count_errors("two eight nine one", "2891").errors == 0
    assert bench.count_errors("two hundred nine", "209").errors == 0
    assert bench.count_errors("two hundred eight", "209").errors == 1


def test_a_draw_is_the_same_for_the_same_seed(bench, tmp_path):
    corpus = tmp_path / "c"
    corpus.mkdir()
    rows = ["path\tsplit\tspeaker\tduration_s\ttext"]
    for i in range(20):
        (corpus / f"{i:02}.wav").touch()
        rows.append(f"{i:02}.wav\ttest\ts\t1.0\tone")
    (corpus / "manifest.tsv").write_text("\n".join(rows) + "\n")
    first = bench.draw(tmp_path, "c:test", 5, seed=1)
    assert first == bench.draw(tmp_path, "c:test", 5, seed=1)
    assert first != bench.draw(tmp_path, "c:test", 5, seed=2)
    assert len(bench.draw(tmp_path, "c:test", 99, seed=1)) == 20
    with pytest.raises(ValueError, match="CORPUS:SPLIT"):
        bench.draw(tmp_path, "c", 5, seed=1)


def test_python_may_be_given_for_all_peers_or_for_one(bench):
    found = bench.parse_pythons(["whisper=/w", "/peers"])
    assert found["ours"] == sys.executable
    assert found["pocketsphinx"] == "/peers"
    assert found["whisper"] == "/w"
    with pytest.raises(ValueError, match="no system 'vosk'"):
        bench.parse_pythons(["vosk=/v"])


def test_figures_are_sums_over_all_files(bench):
    result = {
        "peak_memory_bytes": 5,
        "model_bytes": 7,
        "utterances": [
            {"text": "a cat", "audio_s": 1.0, "compute_s": 0.5},
            {"text": "2", "audio_s": 3.0, "compute_s": 0.1},
        ],
    }
    summary = bench.summarize(result, ["a hat", "two"], [0.3, 0.1, 0.2])
    assert (summary["word_errors"], summary["words"]) == (1, 3)
    assert summary["wer"] == pytest.approx(1 / 3)
    assert summary["real_time_factor"] == pytest.approx(0.15)
    assert summary["start_up_s"] == 0.2


def test_the_table_has_ratios_and_says_what_did_not_run(bench):
    def summary(rtf):
        return {
            "wer": 0.5,
            "real_time_factor": rtf,
            "peak_memory_bytes": 2**20,
            "start_up_s": 1.0,
        }

    out = io.StringIO()
    bench.show(
        {
            "ours": {"title": "ours", "summary": summary(0.01)},
            "whisper": {"title": "W", "summary": summary(0.25)},
            "pocketsphinx": {"title": "P", "error": "pip install p"},
        },
        Console(file=out, width=120),
    )
    assert "0.2500 (25.0x)" in out.getvalue()
    assert "pocketsphinx did not run: pip install p" in out.getvalue()


def test_our_runtime_runs_in_a_child_process(bench, repository):
    folder = repository / "tests/golden/tiny_asr"
    example = SpeechExample(folder / "sample.wav", "a b", "s", 1.0, "test")
    model = str(folder / "model.tflite")
    entry = bench.measure("ours", sys.executable, [example], model, starts=1)
    assert "error" not in entry, entry
    summary = entry["summary"]
    assert len(entry["texts"]) == 1
    assert 0 < summary["compute_s"] < summary["start_up_s"]
    assert 10 * 2**20 < summary["peak_memory_bytes"] < 2**30
    assert summary["words"] == 2


@pytest.mark.parametrize(
    "system, install",
    [
        ("pocketsphinx", "pip install pocketsphinx"),
        ("whisper", "pip install faster-whisper"),
    ],
)
def test_a_missing_package_says_how_to_install_it(
    bench, tmp_path, system, install
):
    # A virtual environment with nothing in it.
    import venv

    venv.create(tmp_path / "bare", with_pip=False)
    python = str(tmp_path / "bare/bin/python")
    result = bench.run_system(system, python, [], "")
    assert install in result["error"]


def test_a_python_that_is_not_there_is_an_error(bench):
    result = bench.run_system("whisper", "/none/python", [], "")
    assert "cannot be started" in result["error"]
