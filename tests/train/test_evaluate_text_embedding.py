"""train/evaluate_text_embedding.py: what vectors tell of texts."""

import numpy as np
import pytest

from keras_selfattn.data.text_tables import TextExample

SCRIPT = "train/evaluate_text_embedding.py"


@pytest.fixture
def script(load_script):
    return load_script(SCRIPT)


def at(degrees):
    """A vector of length 1."""
    angle = np.deg2rad(degrees)
    return np.array([np.cos(angle), np.sin(angle)])


@pytest.mark.parametrize(
    "cosines, same, threshold",
    [
        ([0.9, 0.1, 0.5, 0.3], [1, 0, 1, 0], 0.4),
        ([0.9, 0.1, 0.5, 0.3], [1, 0, 0, 1], 0.2),
        ([0.2, 0.4], [1, 1], -0.4),
        ([0.2, 0.4], [0, 0], 0.7),
    ],
)
def test_the_threshold_parts_most_pairs_rightly(
    script, cosines, same, threshold
):
    found = script.best_threshold(np.array(cosines), np.array(same, bool))
    assert found == pytest.approx(threshold)


def test_pairs_are_judged_by_their_cosine(script):
    vectors = {"a": at(0), "b": at(10), "c": at(80), "d": at(40)}
    known = [
        TextExample(("a", "b"), "1", "train"),
        TextExample(("a", "c"), "0", "train"),
    ]
    asked = [
        TextExample(("b", "d"), "1", "test"),
        TextExample(("c", "b"), "0", "test"),
        TextExample(("d", "c"), "0", "test"),
    ]
    found = script.measure(vectors, known, asked)
    threshold = (np.cos(np.deg2rad(10)) + np.cos(np.deg2rad(80))) / 2
    assert found == {
        "examples": 3,
        "by": "cosine",
        "accuracy": pytest.approx(2 / 3, abs=1e-6),
        "f1": pytest.approx(2 / 3, abs=1e-6),
        "threshold": pytest.approx(threshold, abs=1e-4),
    }


def test_texts_are_judged_by_their_neighbours(script):
    known = [TextExample(f"up {i}", "up", "train") for i in range(5)]
    known += [TextExample(f"on {i}", "on", "train") for i in range(5)]
    vectors = {f"up {i}": at(80 + i) for i in range(5)}
    vectors |= {f"on {i}": at(i) for i in range(5)}
    vectors |= {"high": at(95), "low": at(-20), "odd": at(60)}
    asked = [
        TextExample("high", "up", "test"),
        TextExample("low", "on", "test"),
        TextExample("odd", "on", "test"),
    ]
    found = script.measure(vectors, known, asked)
    assert (found["examples"], found["by"]) == (3, "5 neighbours")
    assert found["accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["f1"] == pytest.approx(2 / 3, abs=1e-6)
    assert script.texts_of(asked) == ["high", "low", "odd"]


def test_labels_that_train_lacks_are_named(script):
    known = [TextExample("a", "up", "train")]
    with pytest.raises(ValueError, match="'on'"):
        script.measure({}, known, [TextExample("b", "on", "test")])
    with pytest.raises(ValueError, match="0 examples"):
        script.measure({}, known, [])
    with pytest.raises(ValueError, match="two labels"):
        pair = TextExample(("a", "b"), "up", "train")
        script.measure({"a": at(0), "b": at(0)}, [pair], [pair])


@pytest.mark.slow
def test_a_file_is_measured_beside_its_weights(
    script, exported_masked_lm, tmp_path, capsys, monkeypatch
):
    from keras_selfattn import zoo

    task, folder = exported_masked_lm
    lines = ["split\tlabel\ttext"]
    lines += [f"train\tcat\tthe cat {i * 'sat '}" for i in range(3)]
    lines += [f"train\tmat\ton mat {i * 'mat '}" for i in range(3)]
    lines += ["test\tcat\tthe cat sat", "test\tmat\ton mat mat"]
    (tmp_path / "words.tsv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(zoo, "load", lambda _: task)
    script.main(tmp_path, ["words:test"], str(folder), compare="keras")
    shown = capsys.readouterr().out
    assert "words:test" in shown and "1.0000" in shown


def test_what_a_user_can_get_wrong_is_one_line(script, tmp_path, capsys):
    import typer

    with pytest.raises(typer.Exit):
        script.main(tmp_path, ["a:test"], str(tmp_path / "none.tflite"))
    assert "there is no such file" in capsys.readouterr().err
