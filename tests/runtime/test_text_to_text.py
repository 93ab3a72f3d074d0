"""A text-to-text model's file, against the Keras model."""

import subprocess
import sys

import pytest

from keras_selfattn import zoo
from keras_selfattn.runtime import ModelError, TextToText
from tests.command_line import TINY_TRANSLATION
from tests.tasks.test_text_to_text import TASKS

pytestmark = pytest.mark.slow  # the export takes fifteen seconds

WITHOUT_KERAS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

BLOCKED = {"keras", "tensorflow", "torch", "jax", "safetensors",
           "sentencepiece", "soundfile", "matplotlib", "typer", "rich"}
sys.meta_path.insert(0, Blocked())
from keras_selfattn.runtime import TextToText
print(TextToText(sys.argv[1]).generate(sys.argv[2]).text)
"""


def test_the_file_is_built_in_and_agrees_with_keras(exported_text_to_text):
    report = exported_text_to_text[2]
    assert report.not_built_in == []
    assert report.equal == report.compared > 60
    steps = report.parts["encode, decode_step"]
    assert steps.equal == steps.compared > 1
    assert steps.max_abs_difference < 1e-4
    beams = report.parts["generate_beam"]
    assert beams.equal == beams.compared > 10


def test_it_answers_as_keras_token_for_token(exported_text_to_text):
    """Greedy and a beam of four inside the file, one of three outside."""
    task, path, _ = exported_text_to_text
    runtime = TextToText(path)
    texts = [pair.source for pairs in TASKS.values() for pair in pairs]
    texts += ["", "one <extra_id_0> three", "x \u732b " * 40]
    for beam in (1, 3, 4):
        expected = task.generate(texts, beam=beam, details=True)
        for text, answer in zip(texts, expected, strict=True):
            found = runtime.generate(text, beam=beam)
            assert found.token_ids == answer["token_ids"], (text, beam)
            assert found.text == answer["text"] and found.seconds > 0
    assert found.to_dict()["text"] == found.text
    with pytest.raises(ValueError, match="Expected a text"):
        runtime.generate(None)


def test_it_runs_without_keras_and_other_packages(exported_text_to_text):
    pair = TASKS["digits"][2]
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_KERAS,
            str(exported_text_to_text[1]),
            pair.source,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout == f"{pair.target}\n"


def test_a_preset_is_checked_by_its_answer(
    exported_text_to_text, tmp_path, load_script
):
    task, path, _ = exported_text_to_text
    text = TASKS["back"][0].source
    (tmp_path / "model.tflite").write_bytes(path.read_bytes())
    reference = load_script("train/publish.py").answer(tmp_path, text)
    assert reference["question"] == text
    task.save_preset(tmp_path, "words", reference=reference)
    zoo.seal(tmp_path)
    assert zoo.check(tmp_path).text == TASKS["back"][0].target
    reference = {**reference, "text": "else"}
    task.save_preset(tmp_path, "words", reference=reference)
    zoo.seal(tmp_path)
    with pytest.raises(zoo.PresetError, match="text expected 'else'"):
        zoo.check(tmp_path)


def test_another_tasks_file_is_refused(exported_text_to_text):
    with pytest.raises(ModelError, match="no text-to-text model.*begin_id"):
        TextToText(f"{TINY_TRANSLATION}/model.tflite")
