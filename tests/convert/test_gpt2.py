"""GPT-2 against what `transformers` computes from the same files."""

import importlib.util
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_selfattn import zoo
from keras_selfattn.convert import gpt2
from keras_selfattn.convert.tensor_table import give, rows_of, take
from keras_selfattn.models.causal_transformer import CausalTransformer
from keras_selfattn.runtime.text_generator import TextGenerator
from keras_selfattn.tasks.causal_lm import CausalLM
from tests.arrays import to_numpy
from tests.causal_examples import LETTERS
from tests.transformers_models import make_gpt2


def test_the_table_parts_what_stands_side_by_side(repository):
    folder = repository / "tests" / "golden" / "checkpoints" / "gpt2"
    tensors = {
        name.removeprefix(gpt2.PREFIX): array
        for name, array in load_file(folder / "model.safetensors").items()
    }
    rows = rows_of(gpt2.TABLE, 2)
    dim = tensors["wte.weight"].shape[1]
    shapes = {}
    for row in rows:
        if row.theirs in tensors:
            shape = tensors[row.theirs].shape
            parts = len(row.parts)
            shape = (*shape[:-1], shape[-1] // parts)
            shapes |= {part: shape for part in row.parts}
    found = take(rows, tensors, shapes)
    np.testing.assert_array_equal(
        found["block_1/attention/key/kernel"],
        tensors["h.1.attn.c_attn.weight"][:, dim : 2 * dim],
    )
    back = give(rows, found)
    assert set(back) == set(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(back[name], array)


def continued(task, ids, num_tokens, **options):
    """Token ids behind others, as `transformers` searches them."""
    task.tokenizer.text_ids, kept = lambda text: ids, task.tokenizer.text_ids
    task.tokenizer.decode, shown = list, task.tokenizer.decode
    try:
        found = task.generate("", num_tokens, rules="transformers", **options)
    finally:
        task.tokenizer.text_ids, task.tokenizer.decode = kept, shown
    return [int(i) for i in found]


@pytest.mark.slow
@pytest.mark.backend
def test_gives_the_logits_and_texts_of_transformers(golden):
    task = zoo.load(golden / "gpt2")
    expected = np.load(golden / "gpt2" / "expected.npz")
    found = to_numpy(task({"token_ids": expected["token_ids"]}))
    assert np.abs(expected["logits"]).max() > 3
    np.testing.assert_allclose(found, expected["logits"], atol=1e-4)
    written = json.loads((golden / "gpt2" / "written.json").read_text())
    assert written["greedy"] != written["beam"]
    ids = task.tokenizer.text_ids(written["prompt"])
    for name, beam in (("greedy", 1), ("beam", 3)):
        found = continued(task, ids, 9, search=name, beam=beam, alpha=1.0)
        assert found == written[name]


def test_gives_the_tokens_of_transformers(golden):
    task = zoo.load(golden / "gpt2")
    expected = json.loads((golden / "gpt2" / "tokens.json").read_text())
    for text, ids in expected.items():
        assert task.text_ids(text) == [*ids, 0]
        assert task.text_ids(text, ended=False) == (ids or [0])
        assert task.tokenizer.decode(ids) == text


def test_what_is_written_is_what_was_read(golden, tmp_path):
    task = zoo.load(golden / "gpt2")
    task.save_hf(tmp_path)
    theirs, ours = (
        load_file(folder / "model.safetensors")
        for folder in (golden / "gpt2", tmp_path)
    )
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array)
    theirs, ours = (
        json.loads((folder / "config.json").read_text())
        for folder in (golden / "gpt2", tmp_path)
    )
    assert all(theirs[key] == value for key, value in ours.items())
    assert zoo.load(tmp_path).task_config() == task.task_config()


def test_what_gpt2_has_not_is_not_written(golden, tmp_path):
    with pytest.raises(ValueError, match="one has a CharacterTokenizer"):
        CausalLM(LETTERS).save_hf(tmp_path)
    tokenizer = zoo.load(golden / "gpt2").tokenizer
    sizes = {"hidden_dim": 8, "num_heads": 2, "num_layers": 1}
    for wrong, message in (
        ({"positions": "rotary"}, "positions='learned'; this model has 'rot"),
        ({"block": {"norm": "rms"}}, "'layer', .* has {'kind': 'rms'"),
    ):
        model = CausalLM(tokenizer, CausalTransformer(268, **sizes, **wrong))
        with pytest.raises(ValueError, match=message):
            model.save_hf(tmp_path)
    assert not list(tmp_path.iterdir())


def leave_out(config, tensors):
    del tensors["transformer.h.1.ln_1.bias"]
    tensors["score.weight"] = np.zeros((2, 6), "float32")


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda c, t: c.update(architectures=["GPT2DoubleHeadsModel"]),
            "names the architecture GPT2DoubleHeadsModel; of 'gpt2' we read",
        ),
        (
            lambda c, t: c.update(scale_attn_weights=False),
            "scale_attn_weights=False; we have True only",
        ),
        (
            lambda c, t: c.update(activation_function="x"),
            "activation 'x'; we have",
        ),
        (
            lambda c, t: c.update(vocab_size=300),
            r"wte.weight has shape \(268, 6\), .* says \(300, 6\)",
        ),
        (
            lambda c, t: c.update(eos_token_id=5),
            "eos_token_id=5, which is",
        ),
        (leave_out, r"\(2 tensors\): missing h.1.ln_1.bias; left over score"),
    ],
)
def test_what_does_not_fit_is_refused(copied, change, message):
    with pytest.raises(ValueError, match=message):
        zoo.load(copied("gpt2", change))


@pytest.mark.proof
@pytest.mark.backend
@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason="needs transformers",
)
@pytest.mark.parametrize(
    "sizes",
    [
        {"dim": 20, "heads": 5, "layers": 3, "tied": False},
        {"dim": 14, "heads": 7, "layers": 1},
        {"dim": 48, "heads": 3, "layers": 2},
    ],
    ids=str,
)
def test_equals_transformers(tmp_path, sizes):
    import torch

    theirs = make_gpt2(tmp_path / "theirs", **sizes)
    task = zoo.load(tmp_path / "theirs")
    ids = np.random.default_rng(0).integers(0, 268, (6, 16))
    with torch.no_grad():
        expected = theirs(torch.tensor(ids))[0].numpy()
    found = to_numpy(task({"token_ids": ids.astype("int32")}))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for row in ids[:, :5]:
        for search, beam, alpha in (
            ("greedy", 1, 1.0),
            ("beam", 2, 0.0),
            ("beam", 4, 1.0),
        ):
            wanted = theirs.generate(
                torch.tensor(row[None]),
                attention_mask=torch.ones((1, 5), dtype=torch.long),
                max_new_tokens=10,
                do_sample=False,
                pad_token_id=1,
                num_beams=beam,
                length_penalty=alpha,
            )[0, 5:].tolist()
            found = continued(
                task, row.tolist(), 10, search=search, beam=beam, alpha=alpha
            )
            assert found == [i for i in wanted if i != 0]
    task.save_hf(tmp_path / "ours")
    back = type(theirs).from_pretrained(tmp_path / "ours").eval()
    found, wanted = back.state_dict(), theirs.state_dict()
    assert set(found) == set(wanted)
    for name in wanted:
        assert torch.equal(found[name], wanted[name]), name


@pytest.mark.proof
def test_the_exported_file_goes_on_alike(golden, tmp_path):
    task = zoo.load(golden / "gpt2")
    written = json.loads((golden / "gpt2" / "written.json").read_text())
    task.export(tmp_path / "gpt2.tflite")
    generator = TextGenerator(tmp_path / "gpt2.tflite")
    for search, beam in (("greedy", 1), ("beam", 3)):
        found = generator.generate(
            written["prompt"],
            9,
            search=search,
            beam=beam,
            alpha=1.0,
            rules="transformers",
        )
        assert found.token_ids == written[search]
    np.testing.assert_allclose(
        generator.log_probabilities("the ! mat"),
        task.log_probabilities("the ! mat"),
        atol=1e-4,
    )
