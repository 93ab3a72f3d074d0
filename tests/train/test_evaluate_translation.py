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
    """A preset folder whose file is still to be made."""
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


def digits(texts, beam, advance):
    """Stands in for a translator: knows the numbers, but for the last."""
    assert beam == 3
    known = {pair.source: pair.target for pair in number_pairs(30)}
    advance(len(texts))
    return [*(known[text] for text in texts[:-1]), "wrong"]


def test_scores_are_those_of_the_translations(evaluate):
    pairs = number_pairs(30)
    result = evaluate.measure(digits, pairs, 3)
    assert result["sentences"] == 30 and result["beam"] == 3
    assert result["overlap"] == pytest.approx(100 * 29 / 30, abs=0.01)
    assert 80 < result["bleu"] < 100
    assert result["texts"][-1] == {
        "source": pairs[-1].source,
        "reference": pairs[-1].target,
        "guess": "wrong",
    }
    with pytest.raises(ValueError, match="no sentences"):
        evaluate.measure(digits, [], 3)


def test_what_stands_in_train_is_counted_apart(evaluate, tmp_path):
    pairs = number_pairs(30)
    known = {pair.source for pair in pairs[-3:]}
    result = evaluate.measure(digits, pairs, 3, known)
    assert result["seen_in_train"] == 3
    assert result["unseen_bleu"] == 100  # the wrong one is among the known
    everything = {pair.source for pair in pairs}
    assert evaluate.measure(digits, pairs, 3, everything)["unseen_bleu"] is None
    table = tmp_path / "t.tsv"
    table.write_text(TABLE + "train\tsix\t6\n", "utf8")
    assert evaluate.sources_in_train(f"{table}:test", False) == {"six"}
    assert evaluate.sources_in_train(f"{table}:test", True) == {"6"}
    assert evaluate.sources_in_train(f"{table}:train", False) == set()
    assert evaluate.sources_in_train("a.en,a.de", False) == set()


def test_other_texts_are_counted_and_kept(evaluate):
    def other(texts, beam, advance):
        return ["1", *digits(texts, beam, advance)[1:]]

    result = evaluate.measure(digits, number_pairs(30), 3, other=other)
    assert result["equal"] == 29
    assert [text.get("other") for text in result["texts"][:2]] == ["1", None]


def test_the_command_prints_and_keeps_the_figures(evaluate, preset, tmp_path):
    (tmp_path / "t.tsv").write_text(TABLE, "utf8")
    kept = tmp_path / "figures.json"
    done = call(
        evaluate,
        *("--preset", preset, "--data", tmp_path, "--set", "t.tsv:test"),
        *("--beam", 2, "--json", kept, "--backend", "torch"),
    )
    assert done.exit_code == 0, done.output
    assert "nrefs:1|case:mixed|eff:no|tok:13a" in done.stdout
    result = json.loads(kept.read_text("utf8"))["results"]["t.tsv:test"]
    assert result["beam"] == 2 and result["sentences"] == 2
    assert [text["reference"] for text in result["texts"]] == ["1 2 3 4", "6"]


@pytest.mark.slow
def test_the_file_is_measured_and_entered(evaluate, preset, tmp_path):
    pytest.importorskip("tensorflow", reason="the export converts with it")
    from keras_selfattn import zoo

    zoo.load(preset).export(preset / "model.tflite")
    (tmp_path / "t.tsv").write_text(TABLE, "utf8")
    words = ["--preset", preset, "--data", tmp_path, "--set", "t.tsv:test"]
    for beam in (1, 2):
        done = call(
            *(evaluate, *words, "--beam", beam, "--compare"),
            "--update-metrics",
        )
        assert done.exit_code == 0, done.output
    first, second = json.loads((preset / "metrics.json").read_text())["results"]
    assert (first["beam"], second["beam"]) == (1, 2)
    assert first["dataset"] == "t" and first["split"] == "test"
    assert first["texts_equal_to_keras"] == 2
    assert str(tmp_path) not in first["command"].replace(str(preset), "")
    assert first["command"].endswith("--set t.tsv:test --beam 1")


@pytest.mark.parametrize(
    "words,message",
    [
        (["--set", "t.tsv", "--backend", "torch"], "expected TABLE:SPLIT"),
        (["--set", "no.tsv:test", "--backend", "torch"], "no.tsv is missing"),
        (
            ["--set", "a:b", "--backend", "torch", "--compare"],
            "leave --backend",
        ),
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
