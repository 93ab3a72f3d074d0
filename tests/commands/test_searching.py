"""The options of `transcribe` that say how it searches."""

import json

import pytest

from keras_selfattn import zoo
from keras_selfattn.commands.searching import speech_search
from keras_selfattn.decoding import kneser_ney, ngram_file
from tests.command_line import TINY, run

TEXT = "agartet taea erz rt ag"


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.bin"
    lines = [TEXT.split(), TEXT.split()[::-1]]
    path.write_bytes(ngram_file.to_bytes(kneser_ney.train(lines, 2)))
    return path


def transcribe(*arguments):
    return run("transcribe", "--preset", TINY, *arguments)


def search_of(**options):
    names = ("preset", "beam", "lm", "phrases", "grammar", "spellings")
    return speech_search(*(options.get(name) for name in names))


def test_without_options_the_presets_language_model_is_asked():
    assert search_of(preset="asr").language_model is not None
    assert search_of(preset="asr", lm="none") is None
    assert search_of(preset="asr", lm="none", phrases=[]) is None
    assert search_of(preset=str(TINY)) is None


def test_beam_phrases_and_language_model(model):
    assert search_of(preset=str(TINY), beam=4).beam == 4
    search = search_of(lm=str(model), phrases=["zoe"])
    assert search.beam == 16 and search.language_model is not None
    result = transcribe(
        "--lm", model, "--beam", 8, "--json", TINY / "sample.wav"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["text"] == TEXT and found["alternatives"]


def test_a_grammar_with_spellings(tmp_path):
    grammar = tmp_path / "g.jsgf"
    grammar.write_text(
        "#JSGF V1.0;\ngrammar g;\n"
        "public <r> = hello world {x} | good bye {y=1};"
    )
    spellings = tmp_path / "s"
    spellings.write_text("bye: tet taea erz rt ag\ngood: agar\n")
    result = transcribe(
        "--grammar", grammar, "--spellings", spellings, "--json",
        TINY / "sample.wav",
    )  # fmt: skip
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    assert found["text"] == "good bye"
    assert found["command"]["slots"] == {"y": "1"}


def test_what_is_not_in_the_grammar_is_an_empty_line(tmp_path):
    grammar = tmp_path / "g.jsgf"
    grammar.write_text("#JSGF V1.0;\ngrammar g;\npublic <r> = ooooooh;")
    result = transcribe("--grammar", grammar, TINY / "sample.wav")
    assert (result.exit_code, result.stdout) == (0, "\n")


def test_the_presets_own_language_model(home, model):
    folder = home / "asr" / "tiny_asr"
    (folder / "language_model.bin").write_bytes(model.read_bytes())
    zoo.seal(folder, aliases=["asr"])
    sample = TINY / "sample.wav"
    for preset in ("asr", str(folder), str(folder / "model.tflite")):
        for lm in (["--lm", "preset"], []):
            result = run("transcribe", "--preset", preset, *lm, sample)
            assert (result.exit_code, result.stdout) == (0, TEXT + "\n")
    content = bytearray((folder / "language_model.bin").read_bytes())
    content[-1] ^= 1
    (folder / "language_model.bin").write_bytes(content)
    assert run("transcribe", "--lm", "none", sample).exit_code == 0
    result = run("transcribe", sample)
    assert result.exit_code == 2
    assert "language_model.bin is damaged" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lm", "preset"], "has no language_model.bin"),
        (["--lm", "none.arpa"], "none.arpa cannot be read"),
        (["--grammar", "none.jsgf"], "none.jsgf cannot be read"),
        (["--grammar", "g.jsgf", "--beam", 4], "says alone"),
        (["--grammar", "g.jsgf", "--phrase", "x"], "says alone"),
        (["--spellings", "s"], "spellings are of a grammar"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(arguments, message):
    result = transcribe(*arguments, TINY / "sample.wav")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr and result.stderr.count("\n") == 1
