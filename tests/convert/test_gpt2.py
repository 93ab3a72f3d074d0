import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_selfattn.convert import gpt2
from keras_selfattn.convert.tensor_table import give, rows_of, take
from tests.arrays import to_numpy
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


@pytest.mark.backend
def test_gives_the_logits_of_transformers(repository):
    pytest.importorskip("keras_selfattn.models.causal_transformer")
    folder = repository / "tests" / "golden" / "checkpoints" / "gpt2"
    model = gpt2.load_gpt2(folder)
    expected = np.load(folder / "expected.npz")
    found = to_numpy(model(expected["token_ids"]))
    assert np.abs(expected["logits"]).max() > 3
    np.testing.assert_allclose(found, expected["logits"], atol=1e-4)
    theirs = load_file(folder / "model.safetensors")
    ours = gpt2.gpt2_tensors(model)
    assert set(ours) == set(theirs)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array)


@pytest.mark.proof
@pytest.mark.parametrize("tied", [True, False])
def test_equals_transformers(tmp_path, tied):
    pytest.importorskip("transformers")
    pytest.importorskip("keras_selfattn.models.causal_transformer")
    import torch

    theirs = make_gpt2(tmp_path, dim=20, heads=5, layers=3, tied=tied)
    model = gpt2.load_gpt2(tmp_path)
    ids = np.random.default_rng(0).integers(0, 40, (2, 16))
    with torch.no_grad():
        expected = theirs(torch.tensor(ids))[0].numpy()
    found = to_numpy(model(ids.astype("int32")))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_another_architecture_is_refused(tmp_path):
    for text, message in (
        ('{"model_type": "bert"}', "model_type='bert'; expected 'gpt2'"),
        (
            '{"model_type": "gpt2", "scale_attn_weights": false}',
            "scale_attn_weights=False; we have True only",
        ),
        (
            '{"model_type": "gpt2", "activation_function": "x"}',
            "activation 'x'; we have",
        ),
    ):
        (tmp_path / "config.json").write_text(text)
        pytest.importorskip("keras_selfattn.models.causal_transformer")
        with pytest.raises(ValueError, match=message):
            gpt2.load_gpt2(tmp_path)
