"""SavedModels that take texts and sounds, loaded without our package."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from keras_selfattn import zoo
from keras_selfattn.export.saved_model import export_saved_model
from tests.causal_examples import counting_lm

pytest.importorskip("tensorflow_text", reason="its operators read texts")

LOAD = """
import json, sys
import numpy as np, tensorflow as tf, tensorflow_text
model = tf.saved_model.load(sys.argv[1])
given = np.load(sys.argv[2], allow_pickle=True)
calls = {}
for key in given.files:
    signature, name = key.split("/")
    value = given[key]
    value = value.tolist() if value.dtype == object else value
    calls.setdefault(signature, {})[name] = tf.constant(value)
found = {name: model.signatures[name](**x) for name, x in calls.items()}
assert not [name for name in sys.modules if name.startswith("keras_selfattn")]
plain = lambda x: x.decode() if isinstance(x, bytes) else x
print(json.dumps({name: {key: [plain(x) for x in value.numpy().tolist()]
    for key, value in y.items()} for name, y in found.items()}))
"""


def served(folder, scratch, calls):
    """What a process that knows nothing of us gets from a SavedModel.

    `calls` is a dict of a signature's name to its inputs by name.
    """
    np.savez(
        scratch / "inputs.npz",
        **{
            f"{signature}/{name}": value
            for signature, inputs in calls.items()
            for name, value in inputs.items()
        },
    )
    found = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), str(scratch / "inputs.npz")],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": ""},
        cwd=scratch,
        capture_output=True,
        text=True,
    )
    assert not found.returncode, found.stderr[-2000:]
    return json.loads(found.stdout.splitlines()[-1])


def strings(texts):
    return np.array(texts, dtype=object)


def silent(line):
    pass


def texts_of(words, count):
    draw = np.random.default_rng(0)
    return [
        " ".join(draw.choice(words, draw.integers(0, 12))) for _ in range(count)
    ]


@pytest.mark.slow
def test_a_classifier_takes_texts_and_gives_labels(repository, tmp_path):
    task = zoo.load(repository / "tests/golden/tiny_text")
    export_saved_model(task, tmp_path / "model", silent, text=True)
    words = [*task.tokenizer.vocabulary[1:], "Other", "caf\u00e9", "don't", "!"]
    texts = texts_of(words, 200)
    calls = {"classify_text": {"texts": strings(texts)}}
    found = served(tmp_path / "model", tmp_path, calls)["classify_text"]
    wanted = [task.classify(text) for text in texts]
    assert found["classes"] == list(task.labels)
    assert found["labels"] == [row.label for row in wanted]
    np.testing.assert_allclose(
        found["scores"],
        [[row.scores[name] for name in task.labels] for row in wanted],
        atol=1e-5,
    )


@pytest.mark.slow
def test_a_masked_lm_takes_texts_and_gives_vectors(
    exported_masked_lm, tmp_path
):
    task = exported_masked_lm[0]
    export_saved_model(task, tmp_path / "model", silent, text=True)
    texts = texts_of(["the", "cats", "SAT", "on", "mat", "other", "!"], 50)
    calls = {"embed_text": {"texts": strings(texts)}}
    found = served(tmp_path / "model", tmp_path, calls)["embed_text"]
    np.testing.assert_allclose(
        found["embeddings"], task.embed(texts), atol=1e-5
    )


@pytest.mark.slow
def test_a_translator_takes_and_gives_texts(repository, tmp_path):
    task = zoo.load(repository / "tests/golden/tiny_translation")
    export_saved_model(task, tmp_path / "model", silent, text=True)
    numbers = "zero one two three four five six seven eight nine".split()
    texts = [" ".join(text.split()[:4]) for text in texts_of(numbers, 200)]
    more = ["", "three " * 40]
    calls = {
        "translate_text": {"texts": strings([*texts, *more])},
        "translate_text_beam": {
            "texts": strings(texts[:20]),
            "alpha": np.array(1.0, "float32"),
        },
    }
    found = served(tmp_path / "model", tmp_path, calls)
    greedy = found["translate_text"]
    assert greedy["texts"][:200] == task.translate(texts, beam=1)
    assert len(set(greedy["texts"])) > 20
    assert greedy["texts"][200] == ""
    assert greedy["truncated"] == [False] * 201 + [True]
    assert found["translate_text_beam"]["texts"] == task.translate(
        texts[:20], beam=4, alpha=1.0
    )


@pytest.mark.slow
def test_a_recogniser_takes_sounds_and_gives_texts(repository, tmp_path):
    folder = repository / "tests/golden/tiny_asr"
    task = zoo.load(folder)
    export_saved_model(task, tmp_path / "model", silent, text=True)
    sample, rate = soundfile.read(folder / "sample.wav", dtype="float32")
    draw = np.random.default_rng(0)
    starts = draw.integers(0, 4000, 20)
    stops = starts + draw.integers(8000, 20000, 20)
    pieces = [sample[i:j] for i, j in zip(starts, stops)]
    lengths = np.array([len(piece) for piece in pieces], "int32")
    padded = np.zeros((len(pieces), lengths.max()), "float32")
    for row, piece in zip(padded, pieces):
        row[: len(piece)] = piece
    contents = []
    for piece in pieces:
        with io.BytesIO() as file:
            soundfile.write(file, piece, rate, "PCM_16", format="WAV")
            contents.append(file.getvalue())
    calls = {
        "transcribe_text": {"samples": padded, "num_samples": lengths},
        "transcribe_text_of_wav": {"wav": strings(contents)},
    }
    found = served(tmp_path / "model", tmp_path, calls)
    assert found["transcribe_text"]["texts"] == task.transcribe(pieces)
    kept = [soundfile.read(io.BytesIO(c), dtype="float32")[0] for c in contents]
    assert found["transcribe_text_of_wav"]["texts"] == task.transcribe(kept)


def test_a_task_without_texts_says_so():
    from keras_selfattn.export.text_signatures import text_signatures

    with pytest.raises(ValueError, match="has no signature that takes and"):
        text_signatures(counting_lm(), {})
