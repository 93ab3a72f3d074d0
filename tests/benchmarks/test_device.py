import json
import shutil

import pytest
from typer.testing import CliRunner


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/device.py")


def test_ours_is_measured_whole_and_as_a_stream(bench, repository, tmp_path):
    corpus = tmp_path / "speech" / "tones"
    corpus.mkdir(parents=True)
    preset = repository / "tests/golden/tiny_stream"
    shutil.copy(preset / "sample.wav", corpus / "a.wav")
    rows = "path\tsplit\tspeaker\tduration_s\ttext\n"
    rows += "a.wav\tdev\ts\t2\tabc ca bab\n"
    (corpus / "manifest.tsv").write_text(rows)
    app = bench.typer.Typer()
    app.command()(bench.main)
    out = tmp_path / "device.json"
    command = ["--data", corpus.parent, "--preset", preset, "--json", out]
    command += ["--set", "tones:dev", "--starts", "1"]
    # Peers are not there, whatever is installed here.
    command += ["--python", "/none/python"]
    result = CliRunner().invoke(app, [str(word) for word in command])
    assert result.exit_code == 0, result.output
    assert "model MB" in result.output
    assert "pocketsphinx did not run" in result.output
    kept = json.loads(out.read_text())
    assert kept["command"].startswith("python benchmarks/device.py --data")
    assert kept["data"]["seed"] == 1 and kept["data"]["utterances"] == 1
    size = (preset / "model.tflite").stat().st_size
    for name in ("ours", "ours-stream"):
        entry = kept["systems"][name]
        assert entry["texts"] == ["abc ca bab"]
        assert entry["summary"]["model_bytes"] == size
        assert entry["summary"]["wer"] == 0
        assert 0 < entry["summary"]["real_time_factor"] < 1
    assert "cannot be started" in kept["systems"]["whisper"]["error"]
