"""T5 checkpoints against what `transformers` computes from the same files.

The golden folder was written by it (`tests/golden/make_tiny_checkpoints.py`);
what is marked `proof` runs it.
"""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_selfattn import zoo
from keras_selfattn.convert.t5 import read_sentinel_tokenizer
from keras_selfattn.models import T5
from keras_selfattn.preprocessing.sentencepiece_model import read_pieces
from keras_selfattn.tasks import TextToText
from tests.arrays import to_numpy
from tests.text_to_text_examples import sentinel_tokenizer
from tests.transformers_models import make_t5, t5_logits, t5_rows, t5_text


@pytest.fixture
def golden(repository):
    return repository / "tests" / "golden" / "checkpoints" / "t5"


@pytest.fixture
def copied(golden, tmp_path):
    """A copy of the golden folder; `change` gets its config and tensors."""

    def copy(change=lambda config, tensors: None):
        folder = tmp_path / "t5"
        shutil.copytree(golden, folder)
        config = json.loads((folder / "config.json").read_text())
        tensors = load_file(folder / "model.safetensors")
        change(config, tensors)
        (folder / "config.json").write_text(json.dumps(config))
        save_file(tensors, folder / "model.safetensors")
        return folder

    return copy


def logits(task, source, target):
    return to_numpy(task({"source_ids": source, "target_ids": target}))


@pytest.mark.slow
@pytest.mark.backend
def test_gives_the_logits_and_texts_of_transformers(golden):
    task = zoo.load(golden)
    assert type(task) is TextToText
    expected = np.load(golden / "expected.npz")
    source, target = expected["source_ids"], expected["target_ids"]
    found = logits(task, source, target)
    assert np.abs(expected["logits"]).max() > 2
    assert (expected["texts"] != 0).sum() > 20
    np.testing.assert_allclose(found, expected["logits"], atol=1e-4)
    task.max_target_tokens = 20
    rows = [[*row[row != 0].tolist(), 1] for row in source]
    for beam, texts in (
        (1, expected["texts"][::2]),
        (3, expected["texts"][1::2]),
    ):
        found = task.text_writer.write(rows, beam, alpha=1.0)
        for (ids, _), wanted in zip(found, texts, strict=True):
            assert ids.tolist() == wanted[wanted != 0].tolist()


def test_gives_the_tokens_of_transformers(golden):
    task = zoo.load(golden)
    expected = json.loads((golden / "tokens.json").read_text())
    assert len(expected) > 2
    for text, ids in expected.items():
        assert task.source_ids(text) == ids


def test_what_is_written_is_what_was_read(golden, tmp_path):
    task = zoo.load(golden)
    task.save_hf(tmp_path / "out")
    theirs, ours = (
        load_file(folder / "model.safetensors")
        for folder in (golden, tmp_path / "out")
    )
    assert set(theirs) == set(ours)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)
    name = "spiece.model"
    assert (golden / name).read_bytes() == (
        tmp_path / "out" / name
    ).read_bytes()
    theirs, ours = (
        json.loads((folder / "config.json").read_text())
        for folder in (golden, tmp_path / "out")
    )
    # They call all their models tied, whether they are or not.
    other = {key for key in ours if theirs[key] != ours[key]}
    assert other == {"tie_word_embeddings"}
    again = zoo.load(tmp_path / "out")
    assert again.task_config() == task.task_config()
    task.rules = "transformers_forced"
    task.save_hf(tmp_path / "forced")
    assert zoo.load(tmp_path / "forced").rules == "transformers_forced"


def test_a_tokenizer_json_of_its_kind_is_read(copied):
    folder = copied()
    (folder / "spiece.model").unlink()
    (folder / "tokenizer_config.json").unlink()
    pieces = read_pieces(sentinel_tokenizer().model_bytes)
    names = [piece for piece, *_ in pieces]
    sentinels = [f"<extra_id_{i}>" for i in reversed(range(10))]
    whole = {
        "added_tokens": [
            {"content": token} for token in (*names[:3], *sentinels)
        ],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Strip"}]},
        "model": {
            "type": "Unigram",
            "unk_id": 2,
            "vocab": [
                *([piece, score] for piece, score, _ in pieces),
                *([name, 0.0] for name in sentinels),
            ],
        },
    }
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(whole))
    found = read_sentinel_tokenizer(folder)
    assert read_pieces(found.model_bytes) == pieces
    assert found.vocabulary == sentinel_tokenizer().vocabulary
    whole["normalizer"]["normalizers"][0]["type"] = "Lowercase"
    path.write_text(json.dumps(whole))
    with pytest.raises(ValueError, match="normalises by Lowercase; we have"):
        zoo.load(folder)
    path.write_text('{"model": {"type": "BPE", "vocab": {}}}')
    with pytest.raises(ValueError, match="neither spiece.model nor .*'BPE'"):
        zoo.load(folder)


def test_copies_and_leftovers_of_older_files_are_known(copied, golden):
    def change(config, tensors):
        for side in ("encoder", "decoder"):
            name = f"{side}.embed_tokens.weight"
            tensors[name] = tensors["shared.weight"].copy()
        tensors["lm_head.weight"] = tensors["shared.weight"].copy()
        name = "decoder.block.0.layer.1.EncDecAttention"
        tensors[f"{name}.relative_attention_bias.weight"] = np.ones((8, 3), "f")
        del config["scale_decoder_outputs"]

    task = zoo.load(copied(change))
    assert task.transformer.tie_embeddings and task.transformer.scale_outputs
    untied = zoo.load(golden).transformer
    assert not untied.tie_embeddings and not untied.scale_outputs


def leave_out(config, tensors):
    del tensors["encoder.block.1.layer.1.DenseReluDense.wi_1.weight"]
    tensors["classifier.weight"] = np.zeros((2, 6), "float32")


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda c, t: c.update(architectures=["T5EncoderModel"]),
            "names the architecture T5EncoderModel; of 't5' we read",
        ),
        (
            lambda c, t: c.update(feed_forward_proj="gated-tanh"),
            "feed_forward_proj='gated-tanh'; we have",
        ),
        (
            lambda c, t: c.update(decoder_start_token_id=3),
            "decoder_start_token_id=3; we have 0 only",
        ),
        (lambda c, t: c.update(eos_token_id=2), "</s> as 1, .*eos_token_id=2"),
        (lambda c, t: c.update(vocab_size=30), "38 tokens, .*vocab_size=30"),
        (leave_out, r"\(2 tensors\): missing .*wi_1.*; left over classifier"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(copied, change, message):
    with pytest.raises(ValueError, match=message):
        zoo.load(copied(change))


def test_only_what_they_have_is_written(tmp_path):
    model = T5(38, 8, 1, 2, 8, activation="tanh")
    with pytest.raises(ValueError, match="save_hf writes .*T5 with 'tanh'"):
        TextToText(sentinel_tokenizer(), model).save_hf(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.proof
@pytest.mark.backend
@pytest.mark.parametrize(
    "sizes",
    [
        {"tied": False, "activation": "gated-gelu", "seed": 5},
        {
            "dim": 20,
            "heads": 5,
            "head_dim": 4,
            "activation": "gated-silu",
            "seed": 7,
        },
        {
            "dim": 32,
            "heads": 7,
            "head_dim": 8,
            "inner": 40,
            "layers": 4,
            "seed": 15,
        },
        {"heads": 1, "layers": 1, "tied": False, "buckets": (32, 128)},
    ],
    ids=str,
)
def test_equals_transformers(sizes, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    theirs = make_t5(tmp_path / "theirs", **sizes)
    task = zoo.load(tmp_path / "theirs")
    source, target = t5_rows()
    expected = t5_logits(theirs, source, target)
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(
        logits(task, source, target), expected, atol=1e-4
    )
    # Back in transformers: every tensor, and what it computes, is the same.
    task.save_hf(tmp_path / "ours")
    back = type(theirs).from_pretrained(tmp_path / "ours").eval()
    np.testing.assert_array_equal(t5_logits(back, source, target), expected)
    found, wanted = back.state_dict(), theirs.state_dict()
    assert set(found) == set(wanted)
    for name in wanted:
        assert torch.equal(found[name], wanted[name]), name
    # Greedy and beam search, token for token.
    rows = [[*row[row != 0].tolist(), 1] for row in source]
    task.max_target_tokens = 24
    lengths = []
    for beam, alpha in ((1, 0.0), (2, 0.0), (3, 2.0), (4, 1.0), (4, 0.0)):
        written = task.text_writer.write(rows, beam, alpha)
        for row, (ids, _) in zip(rows, written, strict=True):
            wanted = t5_text(back, row, beam, 24, alpha)
            assert ids.tolist() == wanted, (beam, alpha)
            lengths.append(len(ids))
    assert max(lengths) > 3
    # And a tokenizer.json as they write it.
    tokenizer = transformers.T5Tokenizer.from_pretrained(tmp_path / "ours")
    tokenizer.save_pretrained(tmp_path / "json")
    assert not (tmp_path / "json" / "spiece.model").exists()
    again = read_sentinel_tokenizer(tmp_path / "json")
    text = "one two <extra_id_0> nine x\u732b"
    assert again.encode(text) == task.tokenizer.encode(text)
    assert again.vocabulary == task.tokenizer.vocabulary
