"""`train/evaluation.py`: what the `evaluate_*.py` scripts share."""

import io

import pytest
import typer
from rich.console import Console


@pytest.fixture
def evaluation(load_script):
    return load_script("train/evaluation.py")


@pytest.mark.parametrize("script", ["asr", "text_classification"])
def test_the_kept_command_names_no_folder_of_this_machine(
    evaluation, load_script, script
):
    measured = load_script(f"train/evaluate_{script}.py")
    folder = {"asr": "speech", "text_classification": "classification"}[script]
    where = measured.SCRIPT, measured.DATA, "mine"
    assert evaluation.command_line(*where, ["a:b", "c:d"], "model.tflite") == (
        f"python train/evaluate_{script}.py --data "
        f"$KERAS_SELFATTN_DATA/{folder} --preset mine --set a:b --set c:d"
    )
    assert "--preset mine --file q.tflite --set a:b" in (
        evaluation.command_line(*where, ["a:b"], "q.tflite")
    )
    assert (
        f"{script}.py --text $KERAS_SELFATTN_DATA/{folder} --preset mine"
        in (evaluation.command_line(*where, (), "model.tflite", "--text"))
    )


def test_each_set_is_measured_and_every_example_counted(evaluation, capsys):
    seen = []

    def measure(named, examples, advance):
        for example in examples:
            seen.append((named, example))
            advance()
        return {"sum": sum(examples)}

    found = evaluation.measure_all({"a:x": [1, 2], "b:y": [3]}, measure)
    assert found == {"a:x": {"sum": 3}, "b:y": {"sum": 3}}
    assert seen == [("a:x", 1), ("a:x", 2), ("b:y", 3)]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [ValueError("no set"), ImportError("no set")])
def test_what_a_user_can_cause_is_one_line_and_a_status(
    evaluation, capsys, error
):
    with pytest.raises(typer.Exit) as ended, evaluation.user_errors():
        raise error
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "error: no set\n"
    with pytest.raises(ZeroDivisionError), evaluation.user_errors():
        _ = 1 / 0


def test_a_row_a_set_and_no_column_without_a_cell(evaluation):
    columns = {
        "texts": lambda result: str(result["texts"]),
        "equal": lambda result: result.get("equal"),
    }
    results = {"a:x": {"texts": 3}, "b:y": {"texts": 4}}
    printed = []
    for more in ({}, {"equal": "2/3"}):
        out = io.StringIO()
        results["a:x"].update(more)
        evaluation.show(results, "tiny", columns, Console(file=out, width=60))
        printed.append(out.getvalue())
    assert all("tiny" in text and "b:y" in text for text in printed)
    assert "equal" not in printed[0] and "2/3" in printed[1]
