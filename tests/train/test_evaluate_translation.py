import json

import pytest
import typer
from typer.testing import CliRunner

from keras_selfattn.models.transformer import Transformer
from keras_selfattn.tasks import Translator
from tests.fixed_weights import draw_weights
from tests.translation_examples import number_pairs, number_tokenizer

TABLE = "split\tsrc\ttgt\ntest\tone two three four\t1 2 3 4\ntest\tsix\t6\n"


@pytest.fixture
def evaluate(load_script):
    return load_script("train/evaluate_translation.py")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset") / "tiny"
    tokenizer = number_tokenizer()
    transformer = Transformer(
        40, 8, num_layers=1, num_heads=2, intermediate_dim=8, name="transformer"
    )
    draw_weights(Translator(tokenizer, transformer)).save_preset(folder)
    return folder


def call(script, *words):
    app = typer.Typer()
    app.command()(script.main)
    return CliRunner().invoke(app, [str(word) for word in words])


class Digits:
    """Stands in for a translator: knows the numbers, but for one."""

    def translate(self, texts, batch_size, beam):
        assert (batch_size, beam) == (5, 3)
        known = {pair.source: pair.target for pair in number_pairs(30)}
        found = [known[text] for text in texts]
        return [*found[:-1], "wrong"]


def test_scores_are_those_of_the_translations(evaluate):
    pairs = number_pairs(30)
    result = evaluate.measure(Digits(), pairs, 5, beam=3)
    assert result["sentences"] == 30
    assert result["overlap"] == pytest.approx(100 * 29 / 30, abs=0.01)
    assert 80 < result["bleu"] < 100
    assert result["texts"][-1] == {
        "source": pairs[-1].source,
        "reference": pairs[-1].target,
        "guess": "wrong",
    }
    with pytest.raises(ValueError, match="no sentences"):
        evaluate.measure(Digits(), [], 5)


def test_the_command_prints_and_keeps_the_figures(evaluate, preset, tmp_path):
    (tmp_path / "t.tsv").write_text(TABLE, "utf8")
    kept = tmp_path / "figures.json"
    done = call(
        evaluate,
        *("--preset", preset, "--data", tmp_path, "--set", "t.tsv:test"),
        *("--beam", 2, "--json", kept),
    )
    assert done.exit_code == 0, done.output
    named, figures = done.stdout.splitlines()[-1].split("\t")
    assert named == "t.tsv:test"
    figures = json.loads(figures)
    assert figures["sentences"] == 2
    assert figures["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a")
    written = json.loads(kept.read_text("utf8"))
    texts = written["results"]["t.tsv:test"]["texts"]
    assert [text["reference"] for text in texts] == ["1 2 3 4", "6"]
    assert written["beam"] == 2


@pytest.mark.parametrize(
    "words,message",
    [
        (["--set", "t.tsv"], "expected TABLE:SPLIT"),
        (["--set", "none.tsv:test"], "none.tsv is missing"),
    ],
)
def test_bad_arguments_are_named(evaluate, preset, words, message):
    done = call(evaluate, "--preset", preset, *words)
    assert done.exit_code == 2
    assert message in done.stderr


def test_files_lie_below_the_data_folder(evaluate, tmp_path):
    assert evaluate.placed("t.tsv:test", None) == "t.tsv:test"
    assert evaluate.placed("t:x", tmp_path) == f"{tmp_path}/t:x"
    both = evaluate.placed("a.en,a.de", tmp_path)
    assert both == f"{tmp_path}/a.en,{tmp_path}/a.de"
