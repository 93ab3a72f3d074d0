"""A masked language model's file, against the Keras model."""

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.runtime import MaskFiller, ModelError
from tests.command_line import TINY_TRANSLATION

pytestmark = pytest.mark.slow  # the export takes ten seconds
TEXTS = ["the cat sat", "a", "sat " * 50]


@pytest.mark.parametrize(
    "text", ["the cat [MASK]", "[MASK] cat sat on [MASK] mat"]
)
def test_it_fills_masks_as_keras_does(exported_masked_lm, text):
    task, folder = exported_masked_lm
    found = MaskFiller(folder).fill_mask(text, top_k=3)
    expected = task.fill_mask(text, top_k=3)
    if text.count("[MASK]") == 1:
        found, expected = [found], [expected]
    for row, other in zip(found, expected, strict=True):
        assert [fill.text for fill in row] == [fill.text for fill in other]
        np.testing.assert_allclose(
            [fill.score for fill in row],
            [fill.score for fill in other],
            atol=1e-5,
        )


def test_it_embeds_as_keras_does(exported_masked_lm):
    task, folder = exported_masked_lm
    model = MaskFiller(folder)
    found = model.embed(TEXTS)
    np.testing.assert_allclose(found, task.embed(TEXTS), atol=1e-5)
    np.testing.assert_array_equal(model.embed(TEXTS[0]), found[0])
    assert len(model.embed([])) == 0


def test_a_preset_checks_itself(exported_masked_lm):
    folder = exported_masked_lm[1]
    text = "the cat [MASK]"
    best = MaskFiller(folder).fill_mask(text)[0]
    contents = zoo.describe(folder)
    reference = {"masked": text, "text": best.text, "token": best.token}
    contents["reference"] = reference
    zoo.preset_folder.write_json(folder / "preset.json", contents)
    assert zoo.check(folder) == best
    contents["reference"] = reference | {"text": "x"}
    zoo.preset_folder.write_json(folder / "preset.json", contents)
    with pytest.raises(zoo.PresetError, match="expected 'x', found"):
        zoo.check(folder)


def test_what_it_cannot_do_is_said(exported_masked_lm):
    model = MaskFiller(exported_masked_lm[1])
    with pytest.raises(ValueError, match=r"hold no '\[MASK\]'"):
        model.fill_mask("the cat")
    with pytest.raises(ValueError, match="top_k=11: .* gives the 10 likeliest"):
        model.fill_mask("[MASK]", top_k=11)
    with pytest.raises(ModelError, match="no masked language model"):
        MaskFiller(TINY_TRANSLATION / "model.tflite")
    model.metadata["signature"] = "embed"
    with pytest.raises(ValueError, match="gives embeddings alone"):
        model.fill_mask("[MASK]")
