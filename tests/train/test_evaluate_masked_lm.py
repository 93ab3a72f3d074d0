"""train/evaluate_masked_lm.py: what is found of what is hidden."""

import numpy as np
import pytest

from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat".split()


class Sure:
    """Finds "the" everywhere, or else "cat"."""

    tokenizer = SubwordTokenizer(WORDS, max_tokens=8)

    def best_ids(self, ids):
        return np.tile([5, 6], (len(ids), 1))


def test_tokens_that_are_likeliest_are_counted(load_script):
    script = load_script("train/evaluate_masked_lm.py")
    rows = [Sure.tokenizer.encode(t) for t in ("the the", "cat cat", "sat on")]
    done = []
    found = script.measure(Sure(), rows, lambda: done.append(1))
    assert found == {
        "hidden": 3,
        "accuracy": pytest.approx(1 / 3, abs=1e-6),
        "among_ten": pytest.approx(2 / 3, abs=1e-6),
    }
    assert len(done) == 3
    one, other = (
        [chosen.tolist() for _, chosen in script.hide(Sure.tokenizer, rows)]
        for _ in range(2)
    )
    assert one == other and [sum(row) for row in one] == [1, 1, 1]


def test_what_a_user_can_get_wrong_is_one_line(load_script, tmp_path, capsys):
    import typer

    script = load_script("train/evaluate_masked_lm.py")
    with pytest.raises(typer.Exit):
        script.main("x.txt", str(tmp_path / "none.tflite"), limit=0)
    assert "there is no such file" in capsys.readouterr().err
