"""`keras-selfattn embed`: its output and its bad input."""

import json

import numpy as np
import pytest

from keras_selfattn.runtime import MaskFiller
from tests.command_line import TINY_TRANSLATION, run

TEXTS = ["the cat sat", "on the mat", "cat cat cat"]


@pytest.mark.slow
def test_each_text_has_its_vector(exported_masked_lm, tmp_path):
    folder = exported_masked_lm[1]
    expected = MaskFiller(folder).embed(TEXTS)
    result = run("embed", "--preset", folder, *TEXTS)
    assert (result.exit_code, result.stderr) == (0, "")
    found = [line.split(" ") for line in result.stdout.splitlines()]
    found = np.array(found, "float32")
    np.testing.assert_allclose(found, expected, atol=1e-6)

    lines = "\n".join(TEXTS)
    result = run("embed", "--preset", folder, "--json", stdin=lines)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["text"] for entry in found] == TEXTS
    np.testing.assert_allclose(found[1]["embedding"], expected[1], atol=1e-6)
    assert result.stderr == "3 embedded\n"

    path = tmp_path / "vectors.npy"
    result = run("embed", "--preset", folder, "--out", path, *TEXTS)
    assert (result.exit_code, result.stdout) == (0, "")
    np.testing.assert_array_equal(np.load(path), expected)


@pytest.mark.slow
def test_the_nearest_texts_come_first(exported_masked_lm):
    folder = exported_masked_lm[1]
    query, *texts = TEXTS
    vectors = MaskFiller(folder).embed([query, query, *texts])
    cosines = vectors[1:] @ vectors[0]
    order = np.argsort(-cosines, kind="stable")[:2]
    stdin = "\n".join([query, "", *texts])
    options = ["--near", query, "--top", "2"]
    result = run("embed", "--preset", folder, *options, stdin=stdin)
    found = [line.split("\t") for line in result.stdout.splitlines()]
    assert [text for _, text in found] == [[query, *texts][i] for i in order]
    assert found[0] == ["1.0000", query]
    result = run("embed", "--preset", folder, *options, "--json", query)
    assert json.loads(result.stdout) == {
        "text": query,
        "score": pytest.approx(1, abs=1e-5),
    }


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--near", "a", "--out", "x.npy"], "choose one of the two"),
        (["--out", "x.txt"], "a name that ends in .npy"),
        (["--preset", TINY_TRANSLATION], "no masked language model"),
        (["--preset", "text-embeding"], "Nearest: text-embedding"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_line(options, reason):
    result = run("embed", *options, "the cat")
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr and result.stderr.count("\n") == 1
