"""benchmarks/robustness.py on tones: cells, what is kept, what is refused."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/robustness.py")


@pytest.fixture
def speech(repository, tmp_path):
    """A corpus of one recording, a speaker for babble, a kitchen."""
    data = tmp_path / "speech"
    for corpus in ("tones", "noise"):
        (data / corpus).mkdir(parents=True)
    sample = repository / "tests/golden/tiny_asr/sample.wav"
    shutil.copy(sample, data / "tones/a.wav")
    shutil.copy(sample, data / "tones/b.wav")
    reference = json.loads((sample.parent / "preset.json").read_text())
    text = reference["reference"]["text"]
    rows = ["path\tsplit\tspeaker\tduration_s\ttext"]
    rows += [f"a.wav\ttest\tx\t1.0\t{text}", f"b.wav\ttrain\ty\t1.0\t{text}"]
    (data / "tones/manifest.tsv").write_text("\n".join(rows) + "\n")
    noise = np.random.default_rng(0).normal(size=16000) * 0.1
    soundfile.write(data / "noise/kitchen.wav", noise, 16000)
    return data


@pytest.fixture
def run(bench, speech, repository, tmp_path):
    app = bench.typer.Typer()
    app.command()(bench.main)
    preset = tmp_path / "preset"
    shutil.copytree(repository / "tests/golden/tiny_asr", preset)

    def run(*words):
        command = ["--data", speech, "--set", "tones:test"]
        command += ["--preset", preset / "model.tflite"]
        command += ["--kitchen", "noise/kitchen.wav", "--system", "ours"]
        command += ["--json", tmp_path / "out.json", *words]
        return CliRunner().invoke(app, [str(word) for word in command])

    run.model = preset / "model.tflite"
    run.out = tmp_path / "out.json"
    return run


def two_conditions():
    return "--condition", "clean", "--condition", "white-0"


def test_only_what_is_missing_is_measured(run, bench, monkeypatch):
    first = run("--condition", "clean")
    assert first.exit_code == 0, first.output
    assert "1 cells to measure" in first.output
    kept = json.loads(run.out.read_text())
    assert kept["cells"]["ours"]["clean"]["wer"] == 0
    assert "--set tones:test" in kept["command"]
    assert run.out.with_suffix(".png").stat().st_size > 1000

    second = run(*two_conditions())
    assert "1 cells to measure" in second.output
    assert "ours, white-0: WER" in second.output
    assert "ours, clean" not in second.output
    assert "0 cells to measure" in run(*two_conditions()).output
    # Another file of ours: its cells are measured anew, others stay.
    cells = json.loads(run.out.read_text())
    about = bench.identity("pocketsphinx", run.model)
    drawn = cells["data"]
    drawn = ["tones", "test", "train", "noise/kitchen.wav", 1, drawn["files"]]
    key = bench.cell_key(about, "clean", json.dumps(drawn))
    other = {**kept["cells"]["ours"]["clean"], "key": key}
    cells["cells"]["pocketsphinx"] = {"clean": other}
    run.out.write_text(json.dumps(cells))
    run.model.write_bytes(run.model.read_bytes() + b" ")
    anew = run(*two_conditions())
    assert "2 cells to measure" in anew.output, anew.output
    found = json.loads(run.out.read_text())["cells"]
    assert found["pocketsphinx"]["clean"] == other
    # Other random numbers: nothing that is kept holds any more.
    assert "2 cells" in run(*two_conditions(), "--seed", "2").output
    found = json.loads(run.out.read_text())["cells"]
    assert not found["pocketsphinx"] and len(found["ours"]) == 2


def test_a_killed_run_goes_on(run, bench, monkeypatch):
    hear = bench.hear

    def killed(child, condition, *rest):
        if condition.name == "white-0":
            raise KeyboardInterrupt
        return hear(child, condition, *rest)

    monkeypatch.setattr(bench, "hear", killed)
    assert run(*two_conditions()).exit_code != 0
    assert list(json.loads(run.out.read_text())["cells"]["ours"]) == ["clean"]
    monkeypatch.setattr(bench, "hear", hear)
    assert "1 cells to measure" in run(*two_conditions()).output


def test_what_cannot_be_measured_is_said(run, speech):
    for words, reason in (
        (("--system", "vosk"), "no system"),
        (("--condition", "sea"), "no condition"),
        (("--babble-split", "test"), "expected others"),
        (("--kitchen", "noise/none.wav"), "none.wav"),
    ):
        result = run(*words)
        assert result.exit_code == 2, result.output
        assert reason in result.output
    run.out.write_text("[]")
    result = run(*two_conditions())
    assert result.exit_code == 2 and "move it away" in result.output


def test_a_system_that_does_not_run_is_named_and_the_rest_goes_on(run):
    # The folder has no language model.
    words = "--condition", "clean", "--system", "ours-lm"
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "ours-lm did not run" in result.output
    assert "language_model.bin" in result.output
    assert list(json.loads(run.out.read_text())["cells"]) == ["ours"]


def test_the_conditions_change_speech_as_they_say(load_script):
    module = load_script("benchmarks/robustness_conditions.py")
    generator = np.random.default_rng(0)
    pitch = 2 * np.pi * 440 * np.arange(16000) / 16000
    speech = (0.25 * np.sin(pitch)).astype("float32")
    kitchen = generator.normal(size=30000).astype("float32")
    found = {
        c.name: c for c in module.all_conditions(kitchen, [kitchen[:16000]])
    }
    assert len(found) == 29 and next(iter(found)) == "clean"

    def heard(name, seed=1):
        return module.change_all(found[name], [speech], seed)[0]

    np.testing.assert_array_equal(heard("clean"), speech)
    for kind in module.NOISES:
        added = heard(f"{kind}-10") - speech
        ratio_db = 10 * np.log10(np.mean(speech**2) / np.mean(added**2))
        assert ratio_db == pytest.approx(10, abs=0.05)
        again = heard(f"{kind}-10")
        np.testing.assert_array_equal(again, speech + added)
        assert not np.array_equal(again, heard(f"{kind}-10", seed=2))
    assert len(heard("speed-0.8")) == 20000
    np.testing.assert_allclose(np.abs(heard("gain-20")).max(), 0.025, atol=1e-4)
    steps = heard("gain-40") * 32768
    np.testing.assert_array_equal(steps, np.round(steps))
    for name in ("telephone", "opus", "mp3", "t60-0.3"):
        assert len(heard(name)) == len(speech)
        assert np.isfinite(heard(name)).all()
        assert not np.array_equal(heard(name), speech)
    assert len(np.unique(heard("telephone"))) > 1000  # back at 16 kHz
    octaves = np.abs(np.fft.rfft(module.pink_noise(1 << 16, generator))) ** 2
    low, high = octaves[256:512].sum(), octaves[8192:16384].sum()
    assert low / high == pytest.approx(1, abs=0.3)  # as much in each octave
