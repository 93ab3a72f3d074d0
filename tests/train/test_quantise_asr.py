"""`train/quantise_asr.py`: four kinds of a preset in one table."""

import copy
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.export import metadata, quantize
from keras_selfattn.export.flatbuffer import read_model, write_model
from keras_selfattn.export.verify import verify
from keras_selfattn.preprocessing.audio import read_audio
from keras_selfattn.tasks.task import Task

TINY = Path(__file__).parents[1] / "golden" / "tiny_stream"
KINDS = ["none", "float16", "dynamic", "int8"]


@pytest.fixture
def script(load_script):
    return load_script("train/quantise_asr.py")


@pytest.fixture
def speech(tmp_path):
    """A data folder whose one corpus is the preset's own sample, twice."""
    folder = tmp_path / "speech" / "tones"
    folder.mkdir(parents=True)
    rows = ["path\tsplit\tspeaker\tduration_s\ttext"]
    for name in ("a.wav", "b.wav"):
        shutil.copy(TINY / "sample.wav", folder / name)
        rows.append(f"{name}\tdev\ts\t2.3\tabc ca bab")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return folder.parent


def export_without_tensorflow(task):
    """`task.export` of the kept file; int8 is what dynamic is."""

    def export(path, quantize_, progress, representative=()):
        assert (quantize_ == "int8") == bool(representative)
        model = read_model(TINY / "model.tflite")
        if quantize_ == "float16":
            quantize.to_float16(model, ("frontend",))
        elif quantize_ != "none":
            quantize.to_int8(model, ("frontend",))
        write_model(model, path)
        about = metadata.read(TINY / "model.tflite")
        metadata.append(path, {**about, "quantize": quantize_})
        return verify(task, path)

    return lambda path, quantize, **options: export(path, quantize, **options)


@pytest.fixture
def task(monkeypatch):
    found = Task.from_preset_folder(TINY)
    monkeypatch.setattr(found, "export", export_without_tensorflow(found))
    probes = [{"samples": read_audio(TINY / "sample.wav")}]
    monkeypatch.setattr(found, "export_probes", lambda: probes)
    # Its matrices are below what is worth it.
    monkeypatch.setattr(quantize, "MIN_ELEMENTS", 64)
    return found


def without_timings(found):
    found = copy.deepcopy(found)
    for entry in found["kinds"].values():
        assert entry.pop("timings")
    return found


def test_four_kinds_are_heard_and_compared(
    script, task, speech, tmp_path, monkeypatch
):
    sets = {"tones:dev": read_manifest(speech / "tones", "dev")}
    recordings = script.calibration(speech, ["tones:dev"], 1)
    assert recordings == [str(speech / "tones/a.wav")]

    def run(name):
        folder = tmp_path / name
        folder.mkdir()
        said = []
        found = script.quantise(task, folder, sets, recordings, said.append)
        assert any("dynamic" in line for line in said)
        return found

    found = run("one")
    assert found["parameters"] == task.count_params()
    assert list(found["kinds"]) == KINDS
    plain = found["kinds"]["none"]
    assert plain["bytes"] == plain["predicted_bytes"]
    for kind in KINDS:
        entry = found["kinds"][kind]
        path = tmp_path / "one" / f"{kind}.tflite"
        assert entry["bytes"] == path.stat().st_size
        assert entry["sha256"] == script.sha256(path)
        assert set(entry["signatures"]) == {"transcribe", "stream"}
        assert set(entry["agreement"]) == {"transcribe", "stream"}
        for agreement in entry["agreement"].values():
            assert agreement["equal"] > 0.9 * agreement["frames"] > 50
        for sets_ in entry["signatures"].values():
            result = sets_["tones:dev"]
            assert (result["utterances"], result["words"]) == (2, 6)
            assert result["tokens_equal"] == result["tokens"] == 20
            assert result["utterances_equal"] == 2
            assert result["wer"] == result["wer_delta"] == 0
        for timing in entry["timings"].values():
            assert 0 < timing["real_time_factor"] < 10
    for kind in ("float16", "dynamic"):
        entry = found["kinds"][kind]
        saved = plain["bytes"] - entry["bytes"]
        predicted = plain["bytes"] - entry["predicted_bytes"]
        assert saved > 10_000
        # Every weight in float16 needs an operator that widens it again.
        assert abs(entry["bytes"] - entry["predicted_bytes"]) < 8_000
        assert predicted > 0
    monkeypatch.setattr(script, "QUANTIZE", ("none", "dynamic"))
    again, found = without_timings(run("two")), without_timings(found)
    for kind in ("none", "dynamic"):
        assert again["kinds"][kind] == found["kinds"][kind]


def test_what_is_lost_is_counted(script):
    def heard(wer, *token_ids):
        result = {"utterances": 3, "words": 9, "cer": 0.1, "wer": wer}
        return {"a:dev": {**result, "token_ids": list(token_ids)}}

    whole = heard(0.25, [3, 4, 5], [6, 7], [])
    found = script.compare(heard(0.5, [3, 4, 5], [6, 8, 7, 7], [1]), whole)
    result = found["a:dev"]
    assert (result["tokens"], result["tokens_equal"]) == (5, 5)
    assert result["utterances_equal"] == 1
    assert result["wer_delta"] == 0.25
    lost = script.compare(heard(0.5, [3, 5], [], []), whole)["a:dev"]
    assert (lost["tokens"], lost["tokens_equal"]) == (5, 2)


def run_command(script, data, out, *options):
    app = script.typer.Typer()
    app.command()(script.main)
    command = ["--data", data, "--set", "tones:dev", "--preset", TINY]
    command += ["--calibrate", "tones:dev", "--count", "2", "--out", out]
    return CliRunner().invoke(app, [str(w) for w in [*command, *options]])


@pytest.mark.proof
def test_the_command_writes_a_manifest(script, speech, tmp_path):
    """The real exports, by TensorFlow."""
    out, files = tmp_path / "MANIFEST.json", tmp_path / "files"
    other = {"format": 1, "presets": {"other": {"kinds": {}}}}
    out.write_text(json.dumps(other))
    result = run_command(script, speech, out, "--files", files)
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())["presets"]
    assert list(found) == ["other", "tiny_stream"]
    kinds = found["tiny_stream"]["kinds"]
    assert sorted(path.name for path in files.iterdir()) == sorted(
        f"{kind}.tflite" for kind in kinds
    )
    for entry in kinds.values():
        stream = entry["signatures"]["stream"]["tones:dev"]
        assert stream["tokens_equal"] >= 0.9 * stream["tokens"] > 0
        agreement = entry["agreement"]["stream"]
        assert agreement["equal"] >= 0.9 * agreement["frames"]
    assert "--calibrate tones:dev" in found["tiny_stream"]["command"]


def test_what_cannot_be_done_is_one_line(script, speech, tmp_path):
    out = tmp_path / "MANIFEST.json"
    out.write_text('{"format": 2}')
    result = run_command(script, speech, out)
    assert result.exit_code == 2 and "has format 2" in result.output
    result = run_command(script, speech, out, "--calibrate", "tones:train")
    assert result.exit_code == 2 and "no split 'train'" in result.output
