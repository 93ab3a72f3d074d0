"""benchmarks/keyword_front_ends.py: one command a front end, one table."""

import json
import shutil
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/keyword_front_ends.py")


def test_each_front_end_gets_the_same_training_and_hearing(
    bench, repository, tmp_path, monkeypatch
):
    data = tmp_path / "speech"
    golden = repository / "tests/golden/tiny_asr"
    text = json.loads((golden / "preset.json").read_text())["reference"]["text"]
    for corpus, split in (("fsdd", "dev"), ("speechocean762", "train")):
        (data / corpus).mkdir(parents=True)
        shutil.copy(golden / "sample.wav", data / corpus / "a.wav")
        rows = "path\tsplit\tspeaker\tduration_s\ttext\n"
        rows += f"a.wav\t{split}\ts\t1\t{text}\n"
        (data / corpus / "manifest.tsv").write_text(rows)
    commands = []

    def trained(command, check):
        assert check
        commands.append(command)
        out = command[command.index("--out") + 1]
        shutil.copytree(golden, f"{out}/preset")

    monkeypatch.setattr(bench, "subprocess", SimpleNamespace(run=trained))
    app = bench.typer.Typer()
    app.command()(bench.main)
    words = ["--data", data, "--out", tmp_path / "runs", "--epochs", "3"]
    words += ["--json", tmp_path / "out.json"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    assert len(commands) == len(bench.FRONT_ENDS)
    for name, command in zip(bench.FRONT_ENDS, commands):
        assert command[command.index("--front-end") + 1] == name
        command[command.index("--front-end") + 1] = ""
        command[command.index("--out") + 1] = ""
    assert commands[0] == commands[1] == commands[2]
    kept = json.loads((tmp_path / "out.json").read_text())
    assert kept["conditions"][0] == "clean" and kept["utterances"] == 1
    for found in kept["front_ends"].values():
        assert found["features"] > 0 and found["parameters"] > 0
        assert found["wer"]["clean"] == 0
        assert list(found["wer"]) == kept["conditions"]
