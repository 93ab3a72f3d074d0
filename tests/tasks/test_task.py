import json

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.models.conformer import ConformerEncoder
from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer
from keras_selfattn.tasks.task import (
    WEIGHTS_FILE,
    Task,
    from_config,
    load_weight_file,
    save_weight_file,
    to_config,
)
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

STAGE = {
    "hidden_dim": 8,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_dim": 8,
    "kernel_size": 3,
}


def dense(units=3, name="dense"):
    inputs = keras.Input((2,))
    outputs = keras.layers.Dense(units, name=name)(inputs)
    return draw_weights(keras.Model(inputs, outputs))


def recognizer(**kwargs):
    return draw_weights(
        SpeechRecognizer(
            LogMelSpectrogram(num_mel_bins=6),
            ConformerEncoder(6, [STAGE]),
            **kwargs,
        )
    )


@pytest.mark.backend
def test_a_part_comes_back_from_its_config():
    part = LogMelSpectrogram(num_mel_bins=20, window="hamming", name="mel")
    config = to_config(part)
    assert json.loads(json.dumps(config)) == config
    assert "name" not in config["config"]
    twin = from_config(config, name="other")
    assert isinstance(twin, LogMelSpectrogram)
    assert twin.name == "other"
    assert to_config(twin) == config


def test_an_unknown_class_is_named():
    with pytest.raises(ValueError, match="FutureFrontEnd.*newer"):
        from_config({"class_name": "FutureFrontEnd", "config": {}})


def test_weights_come_back_in_float16(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weight_file(dense(), path)
    tensors = load_file(path)
    assert sorted(tensors) == ["dense/bias", "dense/kernel"]
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"float16"}
    other = dense()
    for variable in other.weights:
        variable.assign(np.zeros(variable.shape, "float32"))
    load_weight_file(other, path)
    for one, loaded in zip(dense().weights, other.weights, strict=True):
        np.testing.assert_allclose(
            to_numpy(loaded.value), to_numpy(one.value), rtol=1e-3, atol=1e-6
        )
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_every_tensor_that_does_not_fit_is_listed(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(
        {
            "dense/kernel": np.zeros((2, 4), "float16"),
            "old/bias": np.zeros(3, "float16"),
        },
        path,
    )
    model = dense()
    before = [to_numpy(variable.value) for variable in model.weights]
    with pytest.raises(ValueError) as error:
        load_weight_file(model, path)
    message = str(error.value)
    assert "missing dense/bias" in message
    assert "left over old/bias" in message
    assert "(2, 4) in the file, (2, 3) in the model" in message
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable.value), value)


@pytest.mark.parametrize("content", [b"", b"not tensors at all"])
def test_a_broken_weight_file_is_named(content, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="weights.safetensors is not"):
        load_weight_file(dense(), path)


def test_a_missing_weight_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="weights.safetensors"):
        load_weight_file(dense(), tmp_path / "weights.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_weights_that_float16_cannot_hold_are_not_saved(value, tmp_path):
    model = dense()
    model.weights[0].assign(np.full((2, 3), value, "float32"))
    path = tmp_path / "weights.safetensors"
    with pytest.raises(ValueError, match="dense/kernel.*float16"):
        save_weight_file(model, path)
    assert not path.exists()


def test_two_variables_of_one_path_are_refused(tmp_path):
    inputs = keras.Input((2,))
    first, second = (
        keras.layers.Dense(2, name=name) for name in ("same", "other")
    )
    model = keras.Model(inputs, second(first(inputs)))
    for variable in second.weights:
        variable._path = variable.path.replace("other", "same")
    with pytest.raises(ValueError, match="same/kernel.*explicit names"):
        save_weight_file(model, tmp_path / "weights.safetensors")


def test_a_task_must_say_its_config():
    inputs = keras.Input((2,))
    task = Task(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(NotImplementedError, match="Task.*task_config"):
        task.get_config()


@pytest.mark.backend
def test_a_preset_folder_gives_the_same_task_back(tmp_path):
    task = recognizer(spec_augment=SpecAugment(1, 2, 1, 0.5, seed=4))
    folder = task.save_preset(
        tmp_path / "tiny", description="Tones.", language="en"
    )
    preset = json.loads((folder / "preset.json").read_text("utf-8"))
    assert preset["name"] == "tiny"
    assert preset["task"] == "SpeechRecognizer"
    assert preset["language"] == "en"
    assert sorted(entry.name for entry in folder.iterdir()) == [
        WEIGHTS_FILE,
        "preset.json",
    ]
    loaded = Task.from_preset_folder(folder)
    assert isinstance(loaded, SpeechRecognizer)
    assert loaded.task_config() == task.task_config()
    assert loaded.spec_augment.seed == 4
    inputs = {
        "samples": np.sin(np.arange(3200, dtype="float32"))[None],
        "num_samples": np.array([3200], "int32"),
    }
    np.testing.assert_allclose(
        to_numpy(loaded(inputs)), to_numpy(task(inputs)), atol=2e-2
    )


def test_a_preset_of_an_unknown_task_is_refused(tmp_path):
    folder = recognizer().save_preset(tmp_path / "tiny")
    path = folder / "preset.json"
    preset = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**preset, "task": "SpeechSinger"}))
    with pytest.raises(ValueError, match="SpeechSinger.*newer"):
        Task.from_preset_folder(folder)
