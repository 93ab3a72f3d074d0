"""Whisper's checkpoints against what `transformers` computes from them.

The golden folder was written by `tests/golden/make_tiny_whisper.py`; what is
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
from keras_selfattn.convert.whisper_checkpoint import is_multilingual
from keras_selfattn.tasks import WhisperRecognizer
from tests.arrays import to_numpy


def lacks(*packages):
    missing = [p for p in packages if importlib.util.find_spec(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {missing}")


@pytest.fixture
def golden(repository):
    return repository / "tests" / "golden" / "checkpoints" / "whisper"


@pytest.fixture
def copied(golden, tmp_path):
    """A copy of the golden folder; `change` gets its config and tensors."""

    def copy(change=None):
        folder = tmp_path / "whisper"
        shutil.copytree(golden, folder)
        config = json.loads((folder / "config.json").read_text())
        tensors = load_file(folder / "model.safetensors")
        if change is not None:
            change(config, tensors)
            (folder / "config.json").write_text(json.dumps(config))
            save_file(tensors, folder / "model.safetensors")
        return folder

    return copy


def check(task, expected, beam, atol=1e-4):
    """Logits and both searches, against what theirs gave."""
    inputs = {name: expected[name] for name in ("samples", "token_ids")}
    assert np.abs(expected["logits"]).max() > 3
    np.testing.assert_allclose(
        to_numpy(task(inputs)), expected["logits"], atol=atol
    )
    end = task.writing_rules().end_id
    for name, size in (("greedy", 1), ("beam", beam)):
        found = task.transcribe(
            list(expected["samples"]), beam=size, alpha=0.0, details=True
        )
        for row, wanted in zip(found, expected[name], strict=True):
            assert row["token_ids"] == [int(i) for i in wanted if i != end]


@pytest.mark.slow
@pytest.mark.backend
def test_computes_and_writes_what_transformers_does(golden):
    task = zoo.load(golden)
    assert isinstance(task, WhisperRecognizer)
    assert task.multilingual and task.language is None
    task.language = "en"  # else it would be detected
    expected = np.load(golden / "expected.npz")
    assert (expected["greedy"] != expected["beam"]).any(axis=1).all()
    check(task, expected, beam=3)


def test_what_is_written_is_what_was_read(golden, tmp_path):
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

    expected = np.load(golden / "expected.npz")
    inputs = {name: expected[name] for name in ("samples", "token_ids")}
    folder = copied(copy)
    found = to_numpy(load_hf(folder)(inputs))
    np.testing.assert_allclose(found, expected["logits"], atol=1e-4)
    shutil.rmtree(folder)
    found = to_numpy(load_hf(copied(untie))(inputs))
    np.testing.assert_allclose(found, -expected["logits"], atol=1e-4)


def leave_out(config, tensors):
    del tensors["model.encoder.layers.1.fc2.bias"]
    tensors["classifier.weight"] = np.zeros((2, 6), "float32")


def two_heads(config, tensors):
    source = tensors["model.decoder.embed_tokens.weight"]
    tensors["proj_out.weight"] = source + 1


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda c, t: c.update(architectures=["WhisperForAudioClassif"]),
            "names the architecture WhisperForAudioClassif; of 'whisper' we",
        ),
        (
            lambda c, t: c.update(activation_function="relu"),
            "activation_function='relu'; we have 'gelu' only",
        ),
        (leave_out, r"\(2 tensors\): missing .*1.fc2.bias; left over clas"),
        (
            lambda c, t: c.update(decoder_ffn_dim=11),
            r"decoder.layers.0.fc1.weight has shape \(16, 12\), .* \(11, 12\)",
        ),
        (two_heads, "proj_out.weight is not .*tie_word_embeddings: false"),
        (
            lambda c, t: c.update(vocab_size=19),
            "has 20 tokens, the model 19",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(copied, change, message):
    with pytest.raises(ValueError, match=message):
        zoo.load(copied(change))


def test_another_front_end_is_refused(copied):
    folder = copied()
    (folder / "preprocessor_config.json").write_text('{"hop_length": 200}')
    with pytest.raises(ValueError, match="hop_length=200; we have 160 only"):
        load_hf(folder)


def test_a_model_of_english_alone_is_told_by_where_marks_begin():
    english = [*map(str, range(50256)), "<|endoftext|>"]
    assert not is_multilingual(english)
    assert is_multilingual(["x", *english])
    assert is_multilingual(english, True)


@pytest.mark.proof
@pytest.mark.backend
@lacks("transformers", "torch")
@pytest.mark.parametrize(
    "seed, sizes",
    [
        (16, {}),
        (5, {"tied": False, "encoder_layers": 1, "decoder_layers": 3}),
        (
            25,
            {
                "d_model": 70,
                "encoder_attention_heads": 5,
                "decoder_attention_heads": 7,
                "encoder_ffn_dim": 24,
                "decoder_ffn_dim": 9,
                "num_mel_bins": 20,
                "max_source_positions": 12,
            },
        ),
    ],
    ids=str,
)
def test_equals_transformers(seed, sizes, tmp_path):
    import torch
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    from tests.whisper_checkpoints import (
        features_of,
        make_whisper,
        reference,
        spoken,
        written,
    )

    model = make_whisper(tmp_path / "theirs", seed=seed, **sizes)
    task = zoo.load(tmp_path / "theirs")
    task.language = "en"
    rules = task.writing_rules()
    samples = spoken(sizes.get("max_source_positions", 5))
    ids = np.random.default_rng(0).integers(0, 20, (2, 9)).astype("int32")
    expected = {
        "samples": samples,
        "token_ids": ids,
        "logits": reference(model, samples, ids),
        "greedy": written(model, samples, rules, 1),
        "beam": written(model, samples, rules, 4),
    }
    features = features_of(samples, task.whisper.num_mel_bins)
    found = task.whisper({"features": features, "token_ids": ids})
    np.testing.assert_allclose(to_numpy(found), expected["logits"], atol=1e-4)
    # A pure tone: what is 80 dB below it is made of rounding errors.
    heard, _ = task.frontend(samples)
    np.testing.assert_allclose(to_numpy(heard), features, atol=1e-3)
    check(task, expected, beam=4, atol=1e-3)
    # Back in transformers: every tensor, and what it computes, is the same.
    task.save_hf(tmp_path / "ours")
    back = WhisperForConditionalGeneration.from_pretrained(tmp_path / "ours")
    again = reference(back.eval(), samples, ids)
    np.testing.assert_array_equal(again, expected["logits"])
    found, wanted = back.state_dict(), model.state_dict()
    assert set(found) == set(wanted)
    for name in wanted:
        assert torch.equal(found[name], wanted[name]), name
    theirs = WhisperProcessor.from_pretrained(tmp_path / "ours").tokenizer
    text = " ab cde!gf"
    given = theirs(text, add_special_tokens=False)["input_ids"]
    assert given == task.tokenizer.encode(text)


def test_language_and_task_of_a_checkpoint(copied, tmp_path):
    folder = copied()
    path = folder / "generation_config.json"
    theirs = json.loads(path.read_text())
    path.write_text(
        json.dumps({**theirs, "language": "german", "task": "translate"})
    )
    task = load_hf(folder)
    assert task.language == "de" and task.translate
    task.save_hf(tmp_path / "out")
    ours = tmp_path / "out" / "generation_config.json"
    ours = json.loads(ours.read_text())
    assert ours["lang_to_id"] == {"<|en|>": 15, "<|de|>": 16}
    assert ours["task_to_id"] == {"transcribe": 18, "translate": 17}
    assert load_hf(tmp_path / "out").task_config() == task.task_config()


@pytest.mark.proof
@pytest.mark.backend
@lacks("transformers", "torch")
def test_languages_and_tasks_are_those_of_transformers(tmp_path):
    import torch

    from tests.whisper_checkpoints import (
        features_of,
        make_whisper,
        spoken,
        written,
    )

    model = make_whisper(tmp_path / "theirs", seed=16)
    task = zoo.load(tmp_path / "theirs")
    samples = spoken()
    model.generation_config.lang_to_id = {
        f"<|{code}|>": i for code, i in task.language_ids.items()
    }
    features = features_of(samples, 8).transpose(0, 2, 1)
    expected = model.detect_language(
        torch.tensor(features), num_segment_frames=10
    ).tolist()
    best = [next(iter(row)) for row in task.detect_language(list(samples))]
    assert [task.language_ids[code] for code in best] == expected
    texts = set()
    for translate in (False, True):
        for wave, code in zip(samples, best, strict=True):
            found = task.transcribe(wave, translate=translate, details=True)
            rules = task.writing_rules(code, translate)
            assert found["language"] == code
            assert [found["token_ids"]] == written(model, wave[None], rules, 1)
            texts.add(found["text"])
    assert len(texts) > 1
