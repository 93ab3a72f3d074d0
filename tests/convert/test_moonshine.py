"""Moonshine's checkpoints against what `transformers` computes from them.

The golden folder was written by `tests/golden/make_tiny_moonshine.py`; what is
marked `proof` runs `transformers`.
"""

import importlib.util
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_selfattn import zoo
from keras_selfattn.convert.huggingface import load_hf
from keras_selfattn.convert.moonshine import moonshine_rows
from keras_selfattn.tasks import MoonshineRecognizer
from tests.arrays import to_numpy
from tests.moonshine_examples import moonshine


def lacks(*packages):
    missing = [p for p in packages if importlib.util.find_spec(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {missing}")


def many_tokens(task):
    """The task with room for texts as long as there may be."""
    return MoonshineRecognizer(task.tokenizer, task.moonshine, 20)


def test_each_weight_has_one_name():
    model = moonshine(tie_embeddings=False)
    named = [part for row in moonshine_rows(model) for part in row.parts]
    assert sorted(named) == sorted(v.path for v in model.weights)
    theirs = [row.theirs for row in moonshine_rows(model)]
    assert len(set(theirs)) == len(theirs)


@pytest.mark.slow
@pytest.mark.backend
def test_computes_and_writes_what_transformers_does(golden):
    task = zoo.load(golden / "moonshine")
    assert isinstance(task, MoonshineRecognizer)
    expected = np.load(golden / "moonshine" / "expected.npz")
    inputs = {
        name: expected[name] for name in ("samples", "num_samples", "token_ids")
    }
    assert np.abs(expected["logits"]).max() > 3
    np.testing.assert_allclose(
        to_numpy(task(inputs)), expected["logits"], atol=1e-4
    )
    task = many_tokens(task)
    waves = [
        row[:count]
        for row, count in zip(expected["samples"], expected["num_samples"])
    ]
    assert (expected["greedy"][1] != expected["beam"][1]).any()
    for name, beam in (("greedy", 1), ("beam", 3)):
        found = task.transcribe(waves, beam=beam, alpha=0.0, details=True)
        for row, wanted in zip(found, expected[name], strict=True):
            assert row["token_ids"] == [int(i) for i in wanted if i != 2]
    for wave, wanted in zip(waves, expected["greedy"], strict=True):
        ids = task.reference_outputs({"samples": wave})["token_ids"]
        assert ids[ids != 2].tolist() == wanted[wanted != 2].tolist()


def test_what_is_written_is_what_was_read(golden, tmp_path):
    golden = golden / "moonshine"
    task = load_hf(golden)
    assert task.save_hf(tmp_path / "out") == tmp_path / "out"
    theirs, ours = (
        load_file(folder / "model.safetensors")
        for folder in (golden, tmp_path / "out")
    )
    assert set(theirs) == set(ours)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)
    theirs, ours = (
        json.loads((folder / "config.json").read_text())
        for folder in (golden, tmp_path / "out")
    )
    assert all(theirs[k] == v for k, v in ours.items() if k in theirs)
    again = load_hf(tmp_path / "out")
    assert again.task_config() == task.task_config()


def test_second_copies_and_heads_of_their_own_are_known(copied, golden):
    def copy(config, tensors):
        source = tensors["model.decoder.embed_tokens.weight"]
        tensors["proj_out.weight"] = source.copy()

    def untie(config, tensors):
        copy(config, tensors)
        tensors["proj_out.weight"] = -tensors["proj_out.weight"]
        config["tie_word_embeddings"] = False

    expected = np.load(golden / "moonshine" / "expected.npz")
    inputs = {
        name: expected[name] for name in ("samples", "num_samples", "token_ids")
    }
    folder = copied("moonshine", copy)
    found = to_numpy(load_hf(folder)(inputs))
    np.testing.assert_allclose(found, expected["logits"], atol=1e-4)
    shutil.rmtree(folder)
    found = to_numpy(load_hf(copied("moonshine", untie))(inputs))
    np.testing.assert_allclose(found, -expected["logits"], atol=1e-4)


def test_options_may_stand_where_older_files_have_them(copied):
    def older(config, tensors):
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope["rope_theta"]
        config["rope_scaling"] = None
        config["partial_rotary_factor"] = 0.5

    model = load_hf(copied("moonshine", older)).moonshine
    assert model.rotary_fraction == 0.5 and model.max_wavelength == 10000.0


def leave_out(config, tensors):
    del tensors["model.encoder.layers.1.mlp.fc2.bias"]
    tensors["classifier.weight"] = np.zeros((2, 6), "float32")


def two_heads(config, tensors):
    source = tensors["model.decoder.embed_tokens.weight"]
    tensors["proj_out.weight"] = source + 1


def twisted(config, tensors):
    config["rope_parameters"] = {"rope_type": "yarn", "rope_theta": 1e4}


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda c, t: c.update(architectures=["MoonshineForCTC"]),
            "names the architecture MoonshineForCTC; of 'moonshine' we",
        ),
        (
            lambda c, t: c.update(decoder_hidden_act="relu"),
            "decoder_hidden_act='relu'; we have 'silu' only",
        ),
        (
            lambda c, t: c.update(attention_bias=True),
            "attention_bias=True; we have False only",
        ),
        (leave_out, r"\(2 tensors\): missing .*fc2.bias; left over classif"),
        (
            lambda c, t: c.update(intermediate_size=11),
            r"layers.0.mlp.fc1.weight has shape \(16, 12\), .* \(11, 12\)",
        ),
        (two_heads, "proj_out.weight is not .*tie_word_embeddings: false"),
        (
            lambda c, t: c.update(vocab_size=19),
            "has 22 tokens, .*vocab_size=19",
        ),
        (
            lambda c, t: c.update(decoder_num_attention_heads=2),
            "3 encoder_num_attention_heads and 2 decoder_num_attention_heads",
        ),
        (twisted, "rope_type='yarn'; we have 'default' only"),
        (
            lambda c, t: c.update(eos_token_id=3),
            "eos_token_id=3, the tokenizer </s> as 2",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(copied, change, message):
    with pytest.raises(ValueError, match=message):
        zoo.load(copied("moonshine", change))


def test_another_front_end_is_refused(copied):
    folder = copied("moonshine")
    path = folder / "preprocessor_config.json"
    path.write_text('{"do_normalize": true}')
    with pytest.raises(ValueError, match="do_normalize=True; we have False"):
        load_hf(folder)


@pytest.mark.slow
@pytest.mark.backend
def test_grouped_heads_are_heads_repeated(copied, golden):
    """`transformers` cannot run them, so whole heads are the reference."""
    heads, dim = 3, 4
    folder = golden / "moonshine"
    expected = np.load(folder / "expected.npz")
    inputs = {
        name: expected[name] for name in ("samples", "num_samples", "token_ids")
    }

    def group(config, tensors):
        for side in ("encoder", "decoder"):
            config[f"{side}_num_key_value_heads"] = 1
        for name in tensors:
            if name.endswith(("k_proj.weight", "v_proj.weight")):
                tensors[name] = np.ascontiguousarray(tensors[name][:dim])

    def repeat(config, tensors):
        for name in tensors:
            if name.endswith(("k_proj.weight", "v_proj.weight")):
                tensors[name] = np.tile(tensors[name][:dim], (heads, 1))

    found = []
    for change in (group, repeat):
        folder = copied("moonshine", change)
        task = load_hf(folder)
        found.append((task, to_numpy(task(inputs))))
        shutil.rmtree(folder)
    (grouped, ours), (_, whole) = found
    assert grouped.moonshine.num_key_value_heads == 1
    np.testing.assert_allclose(ours, whole, atol=1e-4)
    assert np.abs(ours - expected["logits"]).max() > 1
    wave = inputs["samples"][1]
    (text,), (other,) = (
        many_tokens(task).transcribe([wave], details=True) for task, _ in found
    )
    assert text["token_ids"] == other["token_ids"] != []
    assert grouped.save_hf(folder) == folder
    again = to_numpy(load_hf(folder)(inputs))
    np.testing.assert_array_equal(again, ours)
    tensors = load_file(folder / "model.safetensors")
    shape = tensors["model.decoder.layers.0.encoder_attn.k_proj.weight"].shape
    assert shape == (dim, heads * dim)
    save_file({**tensors, "more": np.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match="left over more"):
        load_hf(folder)


@pytest.mark.proof
@pytest.mark.backend
@lacks("transformers", "torch")
@pytest.mark.parametrize(
    "seed, sizes",
    [
        (16, {}),
        (
            5,
            {
                "tied": False,
                "hidden_size": 50,
                "encoder_num_hidden_layers": 1,
                "decoder_num_hidden_layers": 3,
                "encoder_num_attention_heads": 5,
                "decoder_num_attention_heads": 5,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 500.0,
                    "partial_rotary_factor": 0.5,
                },
            },
        ),
        (
            25,
            {
                "scale": 0.3,
                "hidden_size": 70,
                "intermediate_size": 24,
                "encoder_num_attention_heads": 7,
                "decoder_num_attention_heads": 7,
                "max_position_embeddings": 40,
                "pad_head_dim_to_multiple_of": None,
            },
        ),
        # A head of 16 of 50 features; the heads do not fill the width.
        (3, {"hidden_size": 50, "scale": 0.3}),
    ],
    ids=str,
)
def test_equals_transformers(seed, sizes, tmp_path):
    import torch
    from transformers import (
        AutoTokenizer,
        MoonshineForConditionalGeneration,
    )

    from tests.moonshine_checkpoints import (
        make_moonshine,
        reference,
        spoken,
        written,
    )

    model = make_moonshine(tmp_path / "theirs", seed=seed, **sizes)
    task = many_tokens(zoo.load(tmp_path / "theirs"))
    waves = spoken((1900, 5000, 9000, 13001))
    ids = np.random.default_rng(0).integers(0, 22, (4, 9)).astype("int32")
    expected = []
    for wave, row in zip(waves, ids, strict=True):
        expected.append(reference(model, wave, row))
        inputs = {"samples": wave[None], "token_ids": row[None]}
        counts = np.array([len(wave)], "int32")
        found = to_numpy(task({**inputs, "num_samples": counts}))
        np.testing.assert_allclose(found, expected[-1], atol=1e-4)
    for beam in (1, 3):
        found = task.transcribe(waves, beam=beam, alpha=0.0, details=True)
        for wave, text in zip(waves, found, strict=True):
            limit = min(len(wave) * 20 // 16000, 39)
            wanted = written(model, wave, limit, beam)
            # Where the room ends first, beams are ranked by other rules.
            if beam == 1 or len(wanted) < limit:
                assert text["token_ids"] == wanted
    # Back in transformers every tensor is the same; heads are not filled up to
    # a multiple of 8 there, which is a matter of speed and of roundings.
    task.save_hf(tmp_path / "ours")
    back = MoonshineForConditionalGeneration.from_pretrained(tmp_path / "ours")
    again = reference(back.eval(), waves[1], ids[1])
    np.testing.assert_allclose(again, expected[1], atol=1e-4)
    found, wanted = back.state_dict(), model.state_dict()
    assert set(found) == set(wanted)
    for name in wanted:
        assert torch.equal(found[name], wanted[name]), name
    theirs = AutoTokenizer.from_pretrained(tmp_path / "ours")
    for text in ("ab cde.gf", "  a abab", "c"):
        given = theirs(text, add_special_tokens=False)["input_ids"]
        assert given == task.tokenizer.encode(text)
        assert theirs.decode(given, skip_special_tokens=True) == text
