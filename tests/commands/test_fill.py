"""`keras-selfattn fill`: its output and its bad input."""

import json

import pytest

from keras_selfattn.runtime import MaskFiller
from tests.command_line import TINY_TRANSLATION, run


@pytest.mark.slow
def test_each_mask_has_its_likeliest_words(exported_masked_lm):
    folder = exported_masked_lm[1]
    texts = ["the cat [MASK]", "[MASK] cat sat on [MASK] mat"]
    result = run("fill", "--preset", folder, "--top", "2", *texts)
    assert (result.exit_code, result.stderr) == (0, "")
    one, two = result.stdout.splitlines()
    best = MaskFiller(folder).fill_mask(texts[0], 2)
    assert one == "\t".join(f"{b.token} {b.score:.4f}" for b in best)
    assert len(two.split(" | ")) == 2

    options = ["--json", "--top", "3"]
    result = run("fill", "--preset", folder, *options, stdin=f"{texts[0]}\n")
    found = json.loads(result.stdout)
    assert found["text"] == texts[0]
    (mask,) = found["masks"]
    assert [m["token"] for m in mask[:2]] == [b.token for b in best]
    assert mask[0]["text"] == best[0].text and len(mask) == 3
    assert result.stderr == "1 filled in\n"

    result = run("fill", "--preset", folder, "the cat")
    assert result.exit_code == 2 and "hold no '[MASK]'" in result.stderr


def test_another_model_is_named():
    result = run("fill", "--preset", TINY_TRANSLATION, "the [MASK]")
    assert result.exit_code == 2
    assert "no masked language model" in result.stderr
