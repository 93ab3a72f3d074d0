"""`train/synthesise_speech.py`: what is said, how it is kept, and resuming."""

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.decoding import jsgf
from keras_selfattn.preprocessing.audio import read_audio

GRAMMAR = """#JSGF V1.0; grammar g;
public <order> = (/1/ get me | /2/ i want) [a] <size> coffee+ {drink};
<size> = small {size=s} | large;"""


class Tone:
    """A voice that hums: as long as the text, and counted."""

    said = []

    def say(self, text, generator):
        self.said.append(text)
        times = np.arange(2000 * len(text)) / 8000
        return np.sin(2 * np.pi * 440 * times), 8000, "tone"


@pytest.fixture
def script(load_script):
    return load_script("train/synthesise_speech.py")


@pytest.fixture
def speak(script, tmp_path, monkeypatch):
    """Runs the script into one folder with the humming voice."""
    monkeypatch.setitem(script.ENGINES, "tone", Tone)
    monkeypatch.setattr(Tone, "said", [])
    (tmp_path / "g.jsgf").write_text(GRAMMAR, "utf8")
    app = typer.Typer()
    app.command()(script.main)

    def run(*options, engine="tone"):
        return CliRunner().invoke(
            app,
            [
                *("--engine", engine, "--out", str(tmp_path / "out")),
                *("--grammar", str(tmp_path / "g.jsgf"), *options),
            ],
        )

    run.out = tmp_path / "out"
    return run


def test_sentences_are_of_the_grammar(script):
    grammar = jsgf.parse(GRAMMAR)
    generator = np.random.default_rng(0)
    drawn = {script.draw_sentence(grammar, generator) for _ in range(99)}
    assert drawn == {
        f"{ask} {article}{size} coffee"
        for ask in ("get me", "i want")
        for article in ("", "a ")
        for size in ("small", "large")
    }


def test_a_corpus_is_written_and_gone_on_with(speak):
    assert speak("--count", "3").exit_code == 0
    examples = read_manifest(speak.out, "train")
    assert [e.text for e in examples] == Tone.said and len(examples) == 3
    samples = read_audio(examples[0].path)
    np.testing.assert_allclose(len(samples) / 16000, examples[0].duration_s)
    assert 0.1 < np.abs(samples).max() <= 1.0
    assert speak("--count", "4").exit_code == 0
    assert len(Tone.said) == 4  # the three were not spoken again
    assert len(read_manifest(speak.out, "train")) == 4


def test_held_out_sentences_are_not_spoken(speak, tmp_path):
    held_out = tmp_path / "data" / "apart"
    held_out.mkdir(parents=True)
    (held_out / "a.wav").write_bytes(b"")
    rows = [
        f"a.wav\ttest\tx\t1.0\t{ask} {article}{size} coffee"
        for ask in ("get me", "i want")
        for article in ("", "a ")
        for size in ("small",)
    ]
    header = "path\tsplit\tspeaker\tduration_s\ttext"
    (held_out / "manifest.tsv").write_text("\n".join([header, *rows]), "utf8")
    options = ("--data", str(tmp_path / "data"), "--held-out", "apart:test")
    assert speak("--count", "20", *options).exit_code == 0
    assert Tone.said and all("large" in text for text in Tone.said)


def test_silence_is_left_out(speak, monkeypatch):
    monkeypatch.setattr(
        Tone, "say", lambda *_: (np.zeros(8000), 8000, "silent")
    )
    assert speak("--count", "2").exit_code == 0
    assert not list(speak.out.glob("*.opus"))


@pytest.mark.parametrize(
    "engine,options,told",
    [
        ("choir", (), "use flite, piper, kokoro, tone"),
        ("tone", ("--grammar", "none.jsgf"), "none.jsgf cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_line(speak, engine, options, told):
    found = speak(*options, engine=engine)
    assert found.exit_code == 2
    assert told in " ".join(found.output.split())
