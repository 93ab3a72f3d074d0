import json

import keras
import numpy as np
import pytest

from keras_selfattn.tasks import MoonshineRecognizer, Task
from tests.arrays import to_numpy
from tests.moonshine_examples import SIZE, moonshine, recognizer, waves
from tests.moonshine_examples import tokenizer as make_tokenizer

LENGTHS = [9000, 1700, 20000]


def without_end(ids):
    return [int(i) for i in ids if i != 2]


@pytest.mark.slow
@pytest.mark.backend
def test_what_it_hears_does_not_depend_on_company():
    task = recognizer(seed=2)
    heard = waves(LENGTHS)
    together = task.transcribe(heard, details=True)
    assert any(row["token_ids"] for row in together)
    for wave, expected in zip(heard, together, strict=True):
        (found,) = task.transcribe([wave], details=True, batch_size=1)
        assert found["token_ids"] == expected["token_ids"]
        assert found["score"] == pytest.approx(expected["score"], abs=1e-4)
        ids = task.reference_outputs({"samples": wave})["token_ids"]
        assert without_end(ids) == expected["token_ids"]
    assert task.transcribe(heard[0]) == together[0]["text"]


def test_a_text_has_so_many_tokens_a_second_at_most():
    task = recognizer(seed=2)
    # This one goes on for ever, whatever it hears.
    for length, room in ((100, 1), (1700, 1), (9000, 6), (26000, 19)):
        wave = waves([1700, 9000, 26000])[[1, 6, 19].index(room)][:length]
        found = task.transcribe(wave, details=True)
        assert len(found["token_ids"]) == room
    # Longer ones are cut: in 26,666 samples are 20 tokens, 19 and the end.
    assert task.max_samples == 26666
    found = task.transcribe(waves([50000])[0], details=True)
    assert 20 < len(found["token_ids"]) <= 3 * 19


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="has 22 tokens, but the model .* 23"):
        MoonshineRecognizer(make_tokenizer(), moonshine(vocabulary_size=23))
    with pytest.raises(ValueError, match="tokens_per_second=21; expected"):
        recognizer(tokens_per_second=21)
    config = make_tokenizer().get_config()
    config["vocabulary"][1] = "<x>"
    with pytest.raises(ValueError, match="vocabulary has no <s>"):
        MoonshineRecognizer(config, moonshine())
    task = recognizer()
    with pytest.raises(ValueError, match="26667 samples; .* at most 26666"):
        task.training_batch([np.zeros(26667, "float32")], ["a"])
    with pytest.raises(ValueError, match="at most 20"):
        task.training_batch(waves([4000]), ["ab" * 30])
    with pytest.raises(ValueError, match="beam=0"):
        task.transcribe(waves([4000])[0], beam=0)


@pytest.mark.backend
def test_it_learns_a_batch_and_says_it():
    keras.utils.set_random_seed(0)
    task = recognizer()
    for variable in task.weights:
        if variable.path.endswith(("kernel", "embeddings")):
            variable.assign(0.3 * variable.value)
    heard, texts = waves([12000, 16000]), ["ab c.", "de a"]
    heard[1] = np.sin(np.arange(16000) * 0.3).astype("float32")
    inputs, labels = task.training_batch(heard, texts)
    assert inputs["samples"].shape == (2, 16000)
    assert inputs["num_samples"].tolist() == [12000, 16000]
    # The begin, then pieces; behind the end of the shorter, no label.
    assert inputs["token_ids"].tolist() == [[1, 16, 14, 11], [1, 3, 15, 13]]
    assert labels.tolist() == [[16, 14, 11, 2], [3, 15, 13, 2]]
    task.compile(keras.optimizers.Adam(1e-2))
    task.fit(inputs, labels, epochs=60, batch_size=2, verbose=0)
    assert task.transcribe(heard) == texts


def test_a_preset_folder_comes_back(tmp_path):
    task = recognizer(seed=2, tokens_per_second=9.5)
    task.save_preset(tmp_path / "tiny", language="en")
    again = Task.from_preset_folder(tmp_path / "tiny")
    assert json.dumps(again.task_config()) == json.dumps(task.task_config())
    wave = waves([9000])[0]
    assert again.transcribe(wave) == task.transcribe(wave)


def test_its_file_writes_what_it_writes(exported_moonshine):
    task, path, report = exported_moonshine
    assert not report.not_built_in
    assert report.equal == report.compared > 5
    assert "WHILE" in report.ops
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner("transcribe")
    texts = []
    for wave in waves([1600, 5000, 12345, 26666, 2500], seed=3):
        found = runner(samples=wave[None])["token_ids"][0]
        expected = task.reference_outputs({"samples": wave})["token_ids"]
        np.testing.assert_array_equal(found, expected)
        (again,) = task.transcribe([wave], details=True)
        assert without_end(found) == again["token_ids"]
        texts.append(tuple(again["token_ids"]))
    assert len(set(texts)) > 2 and max(i for t in texts for i in t) < SIZE


def test_logits_are_the_models():
    task = recognizer()
    inputs, _ = task.training_batch(waves([4000]), ["ab"])
    np.testing.assert_array_equal(
        to_numpy(task(inputs)), to_numpy(task.moonshine(inputs))
    )
