"""Marian against what `transformers` computes from the same files."""

import importlib.util
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_selfattn import zoo
from keras_selfattn.tasks import Translator
from tests.arrays import to_numpy
from tests.transformers_models import (
    make_marian,
    marian_logits,
    marian_writes,
)
from tests.translation_examples import number_tokenizer

NEEDED = ("transformers", "torch", "sentencepiece")
proof = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason=f"needs {', '.join(NEEDED)}",
)


def ours(ids, padding, first=False):
    """Their ids as ours: padding 0, begin 1, the end 2, then the pieces."""
    ids = np.asarray(ids)
    found = np.where(ids == padding, 0, ids + 2)
    if first:
        found[:, 0] = 1
    return found.astype("int32")


def theirs(ids):
    return [int(i) - 2 for i in ids]


def logits(task, source, target, padding):
    """By their ids: `(B, T, V)`."""
    found = task(
        {
            "source_ids": ours(source, padding),
            "target_ids": ours(target, padding, first=True),
        }
    )
    found = to_numpy(found)
    return np.concatenate([found[..., 2:], found[..., :1]], axis=-1)


def writes(task, row, beam, alpha=1.0):
    """By their ids, by the compiled search and by the one in NumPy."""
    row = [i + 2 for i in row]
    ((ids, score),) = task.write([row], beam, alpha)
    ((other, other_score),) = task.text_writer.search(
        np.array([row]), [row], beam, alpha, 0
    )
    assert ids.tolist() == other.tolist()
    if beam > 1:
        assert score == pytest.approx(other_score, abs=1e-4)
    return theirs(ids)


@pytest.mark.slow
@pytest.mark.backend
def test_gives_the_logits_and_texts_of_transformers(golden):
    folder = golden / "marian"
    task = zoo.load(folder)
    expected = np.load(folder / "expected.npz")
    found = logits(task, expected["source_ids"], expected["target_ids"], 31)
    assert np.abs(expected["logits"]).max() > 3
    np.testing.assert_allclose(found, expected["logits"], atol=1e-4)
    rows = json.loads((folder / "written.json").read_text())
    assert any(row["greedy"] != row["beam"] for row in rows)
    for name, beam in (("greedy", 1), ("beam", 4)):
        for row in rows[:3]:
            assert writes(task, row["source_ids"], beam) == row[name]


def test_gives_the_tokens_of_transformers(golden):
    pytest.importorskip("sentencepiece")
    task = zoo.load(golden / "marian")
    expected = json.loads((golden / "marian" / "tokens.json").read_text())
    for name, tokenizer in (
        ("source", task.tokenizer),
        ("target", task.target_tokenizer),
    ):
        for text, ids in expected[name].items():
            assert theirs(tokenizer.encode(text)) == ids[:-1]
    assert task.tokenizer.decode(task.tokenizer.encode("a  cat")) == "a cat"
    assert isinstance(task.translate("the cat sat."), str)


def test_what_is_written_is_what_was_read(golden, tmp_path):
    task = zoo.load(golden / "marian")
    task.save_hf(tmp_path)
    tensors, found = (
        load_file(folder / "model.safetensors")
        for folder in (golden / "marian", tmp_path)
    )
    assert set(found) == set(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    for name in ("source.spm", "target.spm"):
        wanted = (golden / "marian" / name).read_bytes()
        assert (tmp_path / name).read_bytes() == wanted
    wanted, found = (
        json.loads((folder / "vocab.json").read_text("utf-8"))
        for folder in (golden / "marian", tmp_path)
    )
    assert found == wanted
    wanted, found = (
        json.loads((folder / "config.json").read_text())
        for folder in (golden / "marian", tmp_path)
    )
    assert all(wanted[key] == value for key, value in found.items())
    assert zoo.load(tmp_path).task_config() == task.task_config()


def test_a_preset_comes_back(golden, tmp_path):
    task = zoo.load(golden / "marian")
    task.save_preset(tmp_path / "mine", language="en-de")
    loaded = zoo.load(tmp_path / "mine")
    assert loaded.task_config() == task.task_config()
    assert loaded.rules == "transformers_forced"
    row = [5, 8, 2]
    found, wanted = (x.write([row], beam=3)[0][1] for x in (loaded, task))
    assert found == pytest.approx(wanted, abs=0.05)  # float16 on disk


def test_what_marian_has_not_is_not_written(golden, tmp_path):
    with pytest.raises(ValueError, match="one has a SentencePieceTokenizer"):
        Translator(number_tokenizer()).save_hf(tmp_path)
    task = zoo.load(golden / "marian")
    with pytest.raises(ValueError, match="Marian has positions=.*'sinusoidal'"):
        Translator(task.tokenizer).save_hf(tmp_path)
    assert not list(tmp_path.iterdir())


def leave_out(config, tensors):
    del tensors["model.decoder.layers.0.encoder_attn.k_proj.bias"]
    tensors["model.encoder.layernorm.bias"] = np.zeros(6, "float32")


def untie(config, tensors):
    tensors["lm_head.weight"] = tensors["model.shared.weight"] + 1


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda c, t: c.update(architectures=["MarianForCausalLM"]),
            "names the architecture MarianForCausalLM; of 'marian' we read",
        ),
        (
            lambda c, t: c.update(decoder_start_token_id=0),
            "decoder_start_token_id=0 and pad_token_id=31; we have one",
        ),
        (
            lambda c, t: c.update(normalize_before=True),
            "normalize_before=True; we have False only",
        ),
        (
            lambda c, t: c.update(activation_function="x"),
            "activation 'x'; we have",
        ),
        (lambda c, t: c.update(d_model=9), "d_model=9; .* need an even one"),
        (
            lambda c, t: c.update(vocab_size=40, pad_token_id=39),
            "=31 and pad_token_id=39",
        ),
        (
            lambda c, t: c.update(vocab_size=40),
            "vocab.json has 32 tokens, config.json says 40",
        ),
        (untie, "lm_head.weight is not model.shared.weight"),
        (
            leave_out,
            r"\(2 tensors\): missing .*encoder_attn.k_proj.bias; left over",
        ),
    ],
)
def test_what_does_not_fit_is_refused(copied, change, message):
    with pytest.raises(ValueError, match=message):
        zoo.load(copied("marian", change))


def test_missing_files_are_told(copied):
    folder = copied("marian")
    (folder / "target.spm").unlink()
    with pytest.raises(ValueError, match="lacks target.spm: put the tokenizer"):
        zoo.load(folder)


@pytest.mark.proof
@pytest.mark.backend
@proof
@pytest.mark.parametrize(
    "sizes",
    [
        {"dim": 20, "heads": 5, "layers": (1, 3), "shared": False},
        {"dim": 14, "heads": 7, "tied": False, "forced": False},
        {"dim": 48, "heads": 3, "scaled": False, "rule": "nmt_nfkc"},
    ],
    ids=str,
)
def test_equals_transformers(tmp_path, sizes):
    import torch
    from transformers import MarianMTModel, MarianTokenizer

    model = make_marian(tmp_path / "theirs", end=4.0, **sizes)
    task = zoo.load(tmp_path / "theirs")
    padding = model.config.pad_token_id
    random = np.random.default_rng(0)
    source, target = random.integers(1, padding, (2, 4, 9))
    source[:, -1], source[1:, 5:] = 0, (0, *[padding] * 3)
    target[:, 0] = padding
    expected = marian_logits(model, source, target)
    found = logits(task, source, target, padding)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    rows = [
        [*random.integers(1, padding, n).tolist(), 0]
        for n in (1, 4, 4, 4, 8, 8, 8, 8)
    ]
    for row in rows:
        for beam, alpha in ((1, 1.0), (2, 0.0), (3, 2.0), (4, 1.0)):
            wanted = marian_writes(model, row, beam, alpha)
            assert writes(task, row, beam, alpha) == wanted, (row, beam)
    tokenizer = MarianTokenizer.from_pretrained(tmp_path / "theirs")
    letters = list("abcdeghkmnorstuz  .,!?>>de<< \u00fc\u732b")
    for _ in range(300):
        text = "".join(random.choice(letters, 12)).strip()
        wanted = tokenizer(text)["input_ids"][:-1]
        assert theirs(task.tokenizer.encode(text)) == wanted, text
        wanted = tokenizer(text_target=text)["input_ids"][:-1]
        assert theirs(task.writer.encode(text)) == wanted, text
        ids = random.integers(2, padding, 6)
        wanted = tokenizer.decode(ids, skip_special_tokens=True)
        assert task.writer.decode(ids + 2) == " ".join(wanted.split())
    # Back in transformers: every tensor, and what it writes, is the same.
    task.save_hf(tmp_path / "ours")
    back = MarianMTModel.from_pretrained(tmp_path / "ours").eval()
    found, wanted = back.state_dict(), model.state_dict()
    for name in set(wanted) - {"model.shared.weight"}:
        assert torch.equal(found[name], wanted[name]), name
    assert marian_writes(back, rows[4], 4) == marian_writes(model, rows[4], 4)
    again = MarianTokenizer.from_pretrained(tmp_path / "ours")
    assert again("the cat")["input_ids"] == tokenizer("the cat")["input_ids"]


@pytest.mark.proof
def test_the_exported_file_writes_alike(golden, tmp_path):
    from keras_selfattn.runtime.translator import Translator as FileTranslator

    task = zoo.load(golden / "marian")
    task.export(tmp_path / "marian.tflite")
    translator = FileTranslator(tmp_path / "marian.tflite")
    rows = json.loads((golden / "marian" / "written.json").read_text())
    for row in rows:
        source = np.array([i + 2 for i in row["source_ids"]], "int32")
        for beam, name in ((1, "greedy"), (4, "beam")):
            ids, _ = translator._search._search_inside(source, beam, 1.0)
            assert theirs(ids) == row[name]
            ids, _ = translator._search._search(source, beam, 1.0, 0)
            assert theirs(ids) == row[name]
    text = "the cat sat on a mat"
    for beam in (1, 4):
        found = translator.translate(text, beam=beam)
        assert found.text == task.translate(text, beam=beam)
