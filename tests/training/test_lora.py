import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_selfattn.tasks.task import Task
from keras_selfattn.training.guarded_adamw import GuardedAdamW
from keras_selfattn.training.lora import (
    add_lora,
    load_adapters,
    merge_lora,
    outside,
    save_adapters,
)
from tests.arrays import to_numpy
from tests.tiny_classifier import INPUTS, TARGETS, build

HEADS = ["class_head", "attention_pooling"]


def outputs(model):
    return to_numpy(model(INPUTS, training=False))


@pytest.mark.backend
def test_adapters_learn_alone_and_merge_into_the_same_model(tmp_path):
    model = build()
    first = outputs(model)
    layers = add_lora(model, rank=2, alpha=4, trained=HEADS)
    assert layers == [
        f"block_{i}/attention/{name}"
        for i in (0, 1)
        for name in ("query", "value")
    ]
    np.testing.assert_array_equal(outputs(model), first)
    before = {v.path: to_numpy(v.value).copy() for v in model.weights}
    model.compile(GuardedAdamW(0.05))
    model.fit(INPUTS, TARGETS, epochs=3, verbose=0)
    changed = {
        v.path
        for v in model.weights
        if (to_numpy(v.value) != before[v.path]).any()
    }
    adapters = {f"{p}/lora_kernel_{ab}" for p in layers for ab in "ab"}
    heads = {p for p in before if p.startswith(tuple(HEADS))}
    assert changed == adapters | heads
    tuned = outputs(model)
    assert np.abs(tuned - first).max() > 0.01

    # By the equation, without Keras: W + alpha / rank A B.
    merged = merge_lora(model)
    path = "block_1/attention/value"
    values = {v.path: to_numpy(v.value) for v in model.weights}
    found = {v.path: to_numpy(v.value) for v in merged.weights}
    product = values[f"{path}/lora_kernel_a"] @ values[f"{path}/lora_kernel_b"]
    np.testing.assert_allclose(
        found[f"{path}/kernel"],
        before[f"{path}/kernel"] + 2 * product,
        rtol=1e-5,
    )
    np.testing.assert_allclose(outputs(merged), tuned, atol=1e-5)
    assert set(found) == set(before) - adapters
    assert len(merged.trainable_variables) == len(merged.weights)
    merged.save_preset(tmp_path / "preset")
    loaded = Task.from_preset_folder(tmp_path / "preset")
    np.testing.assert_allclose(outputs(loaded), tuned, atol=1e-2)

    # A file of the adapters and heads alone makes the first model the same.
    save_adapters(model, tmp_path / "adapters.safetensors")
    kept = load_file(tmp_path / "adapters.safetensors")
    assert set(kept) == adapters | heads
    other = build()
    add_lora(other, rank=2, alpha=4, trained=HEADS)
    load_adapters(other, tmp_path / "adapters.safetensors")
    np.testing.assert_array_equal(outputs(other), tuned)
    third = build()
    add_lora(third, rank=3, trained=HEADS)
    with pytest.raises(ValueError, match="other adapters: block_0/attention"):
        load_adapters(third, tmp_path / "adapters.safetensors")


def test_what_cannot_be_is_refused(tmp_path):
    model = build()
    with pytest.raises(ValueError, match="rank=0 and alpha=None must be"):
        add_lora(model, 0)
    with pytest.raises(ValueError, match="No Dense layer has 'qery' in its"):
        add_lora(model, 2, targets=["query", "qery"])
    for function in (merge_lora, lambda m: save_adapters(m, tmp_path / "a")):
        with pytest.raises(ValueError, match="no adapters to"):
            function(model)
    assert all(variable.trainable for variable in model.weights)
    add_lora(model, 2, targets="query")
    with pytest.raises(ValueError, match="block_0/attention/query, .* already"):
        add_lora(model, 2)
    (tmp_path / "broken").write_bytes(b"no")
    with pytest.raises(ValueError, match="is not a readable safetensors"):
        load_adapters(model, tmp_path / "broken")
    assert isinstance(model, keras.Model)


def test_what_is_outside_of_the_encoder_is_trained_whole():
    model = build()
    patterns = outside(model, model.encoder)
    assert set(patterns) == {f"^{name}/" for name in HEADS}
    add_lora(model, 2, trained=patterns)
    trained = {v.path for v in model.trainable_variables}
    assert {path.split("/")[0] for path in trained if "lora" not in path} == (
        set(HEADS)
    )


@pytest.mark.backend
def test_a_merged_model_stays_when_the_other_is_trained():
    model = build()
    add_lora(model, rank=2, alpha=4, trained=HEADS)
    merged = merge_lora(model)
    before = outputs(merged)
    model.compile(GuardedAdamW(1e-2))
    model.fit(INPUTS, TARGETS, verbose=0)
    np.testing.assert_array_equal(outputs(merged), before)
