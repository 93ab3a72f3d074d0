"""A language model's file, against the Keras model."""

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.decoding.text_generation import SEARCHES
from keras_selfattn.runtime import ModelError, TextGenerator
from tests.causal_examples import counting_lm
from tests.command_line import TINY_TRANSLATION

pytestmark = pytest.mark.slow  # the export takes fifteen seconds


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model without limit of positions, its folder and its report."""
    pytest.importorskip("tensorflow", reason="the export converts with it")
    folder = tmp_path_factory.mktemp("causal") / "mine"
    model = counting_lm(places=20, positions="rotary")
    model.save_preset(folder)
    return model, folder, model.export(folder / "model.tflite")


@pytest.fixture(scope="module")
def runtime(exported):
    zoo.seal(exported[1])
    return TextGenerator(exported[1])


def test_the_file_is_built_in_and_agrees_with_keras(exported):
    report = exported[2]
    assert report.not_built_in == []
    assert report.equal == report.compared > 40
    assert report.max_abs_difference < 1e-4
    steps = report.parts["decode_step"]
    assert steps.equal == steps.compared == 40
    assert steps.max_abs_difference < 1e-4


@pytest.mark.parametrize("search", SEARCHES)
def test_it_writes_what_keras_writes(exported, runtime, search):
    """Token for token, also behind a cache that was full."""
    options = {"search": search, "seed": 3}
    found = runtime.generate("two one", 30, **options)
    assert found.text == exported[0].generate("two one", 30, **options)
    assert found.to_dict()["text"] == found.text and found.seconds > 0
    if search == "sample":
        two = runtime.generate("two", 5, num_texts=2, temperature=2.0)
        assert len(two) == 2


@pytest.mark.parametrize("text", ["", "two", "nine two " * 8])
def test_it_scores_as_keras_scores(exported, runtime, text):
    found = runtime.log_probabilities(text)
    assert len(found) == len(runtime.text_ids(text)) - 1
    if len(found) < 20:
        np.testing.assert_allclose(
            found, exported[0].log_probabilities(text), atol=1e-4
        )
    else:  # windows of a file are one token shorter
        assert np.isfinite(found).all()


def test_a_preset_checks_itself(exported, runtime):
    folder = exported[1]
    found = runtime.generate("two", 6, search="greedy")
    reference = {
        "prompt": "two",
        "text": found.text,
        "token_ids": found.token_ids,
    }
    contents = zoo.describe(folder)
    for wrong in (False, True):
        contents["reference"] = reference | ({"text": "x"} if wrong else {})
        zoo.preset_folder.write_json(folder / "preset.json", contents)
        if wrong:
            with pytest.raises(zoo.PresetError, match="expected 'x', found"):
                zoo.check(folder)
        else:
            assert zoo.check(folder).text == found.text


def test_another_tasks_file_is_refused():
    with pytest.raises(ModelError, match="no language model"):
        TextGenerator(TINY_TRANSLATION)
