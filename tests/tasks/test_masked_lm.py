import importlib.util

import keras
import numpy as np
import pytest

from keras_selfattn.data.masked_dataset import MaskedDataset
from keras_selfattn.models import BertEncoder
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.runtime.model_file import ModelFile
from keras_selfattn.tasks import MaskedLM
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.transformers_models import SENTENCES, VOCABULARY


def masked_lm(head=True, pooling="mean", **options):
    tokenizer = SubwordTokenizer(VOCABULARY, max_tokens=20)
    sizes = {"num_layers": 1, "num_heads": 3, "max_sequence_length": 20}
    encoder = BertEncoder(
        len(VOCABULARY), 12, intermediate_dim=16, **sizes, **options
    )
    return MaskedLM(tokenizer, encoder, head, pooling)


@pytest.mark.backend
def test_learns_what_was_hidden():
    keras.utils.set_random_seed(0)
    task = masked_lm(dropout=0.0, pooler=False)
    task.compile(keras.optimizers.Adam(0.02))
    dataset = MaskedDataset(["the cat sat on the mat"] * 8, task.tokenizer)
    losses = []
    for epoch in range(50):
        dataset.set_epoch(epoch)
        fitted = task.fit(dataset.for_backend(), shuffle=False, verbose=0)
        losses += fitted.history["loss"]
    assert losses[0] > 3 and np.mean(losses[-5:]) < 0.7
    best = task.fill_mask("the cat [MASK] on the mat", top_k=2)
    assert best[0].token == "sat" and best[0].text == "the cat sat on the mat"
    assert best[0].score > 2 * best[1].score
    assert VOCABULARY[best[0].token_id] == "sat"
    both = task.fill_mask("the [MASK] sat on the [MASK]", top_k=3)
    assert [len(row) for row in both] == [3, 3]
    assert both[0][0].text == f"the {both[0][0].token} sat on the [MASK]"
    assert both[1][0].text == f"the [MASK] sat on the {both[1][0].token}"


def test_the_loss_is_the_mean_over_what_was_hidden():
    task = draw_weights(masked_lm())
    ids = task.tokenizer.batch(SENTENCES)["token_ids"]
    logits = to_numpy(task({"token_ids": ids})).astype("float64")
    weights = np.zeros(ids.shape, "float32")
    weights[0, 2] = weights[1, 4] = 1
    odds = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log([odds[0, 2, ids[0, 2]], odds[1, 4, ids[1, 4]]]).mean()
    found = task.compute_loss(
        y=ids, y_pred=logits.astype("float32"), sample_weight=weights
    )
    assert float(to_numpy(found)) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="fit on a MaskedDataset"):
        task.compute_loss(y=ids, y_pred=logits)


@pytest.mark.backend
def test_the_head_at_the_hidden_places_alone_learns_the_same():
    found = []
    for positions in (False, True):
        task = draw_weights(masked_lm(dropout=0.0, pooler=False))
        task.compile(keras.optimizers.SGD(0.1))
        dataset = MaskedDataset(SENTENCES, task.tokenizer, positions=positions)
        fitted = task.fit(dataset.for_backend(), shuffle=False, verbose=0)
        found.append((fitted.history["loss"], task.get_weights()))
    (loss, weights), (other, others) = found
    assert other == pytest.approx(loss, abs=1e-5)
    for one, two in zip(weights, others, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)
    inputs, ids, _ = dataset[0]
    logits = to_numpy(task(inputs))
    places = inputs["mask_positions"]
    assert logits.shape == (*places.shape, len(VOCABULARY))
    whole = to_numpy(task({"token_ids": inputs["token_ids"]}))
    expected = np.take_along_axis(whole, places[..., None], 1)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    with pytest.raises(ValueError, match="mask_positions needs a masked-lang"):
        masked_lm(head=False)(inputs)


@pytest.mark.slow
@pytest.mark.backend
def test_an_embedding_is_the_mean_or_the_first_vector():
    for pooling in ("mean", "start"):
        task = draw_weights(masked_lm(pooling=pooling))
        texts = [*SENTENCES, "sat " * 50]
        found = task.embed(texts, normalize=False, batch_size=3)
        for text, vector in zip(texts, found, strict=True):
            ids = task.tokenizer.batch([text])["token_ids"]
            hidden = task.encoder(
                {
                    "token_ids": ids,
                    "padding_mask": ids > 0,
                    "segment_ids": 0 * ids,
                }
            )["hidden"]
            hidden = to_numpy(hidden)[0]
            wanted = hidden[0] if pooling == "start" else hidden.mean(0)
            np.testing.assert_allclose(vector, wanted, atol=1e-5)
    single = task.embed(SENTENCES[1])
    assert np.linalg.norm(single) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(
        single, found[1] / np.linalg.norm(found[1]), atol=1e-5
    )
    assert task.embed([]).shape == (0, 12)


def test_files_round_trip(tmp_path):
    task = draw_weights(masked_lm(tie_embeddings=False))
    task.save(tmp_path / "task.keras")
    loaded = keras.models.load_model(tmp_path / "task.keras")
    assert loaded.task_config() == task.task_config()
    ids = task.tokenizer.batch(SENTENCES)
    np.testing.assert_allclose(
        to_numpy(loaded(ids)), to_numpy(task(ids)), atol=1e-6
    )
    task = draw_weights(masked_lm(head=False, pooling="start"))
    task.save_preset(tmp_path / "preset")
    loaded = MaskedLM.from_preset_folder(tmp_path / "preset")
    assert loaded.task_config() == task.task_config()
    np.testing.assert_allclose(
        loaded.embed(SENTENCES), task.embed(SENTENCES), atol=5e-3
    )


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow"
)
def test_leaves_as_one_file_of_built_in_operators(tmp_path):
    task = draw_weights(masked_lm())
    path = tmp_path / "model.tflite"
    report = task.export(path, progress=lambda line: None)
    assert report.not_built_in == [] and report.compared > 4
    assert report.equal >= 0.99 * report.compared
    assert report.max_abs_difference < 1e-4
    assert report.parts["embed"].max_abs_difference < 1e-4
    file = ModelFile(path, "embed", {"token_ids": "int32"}, None)
    ids = np.asarray(task.tokenizer.encode("the cat sat"), "int32")
    found = file.run(token_ids=ids)["embedding"]
    np.testing.assert_allclose(found, task.embed("the cat sat"), atol=1e-5)


def test_without_a_head_the_embedding_is_what_is_exported():
    task = draw_weights(masked_lm(head=False))
    assert task.export_signature().name == "embed"
    assert not task.export_parts() and not task.export_part_checks()
    for probe in [*task.export_probes(), task.typical_input()[0]]:
        assert probe["token_ids"].dtype == "int32"
        batch = {"token_ids": probe["token_ids"][None]}
        found = to_numpy(task.export_outputs(batch)["embedding"])[0]
        wanted = task.reference_outputs(probe)["embedding"]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_what_does_not_fit_is_refused():
    tokenizer = SubwordTokenizer(VOCABULARY, max_tokens=20)
    size = len(VOCABULARY)
    for encoder, pooling, message in (
        (BertEncoder(size + 1, 12, 1, 3), "mean", "has 40 token ids, the tok"),
        (
            BertEncoder(size, 12, 1, 3, max_sequence_length=9),
            "mean",
            "max_tokens=20 of a text, the encoder has room for 9",
        ),
        (BertEncoder(size, 12, 1, 3), "max", "pooling='max' is unknown"),
    ):
        with pytest.raises(ValueError, match=message):
            MaskedLM(tokenizer, encoder, pooling=pooling)
    with pytest.raises(ValueError, match=r"hold no '\[MASK\]'"):
        masked_lm().fill_mask("the cat")
    with pytest.raises(ValueError, match="hold no"):
        masked_lm().fill_mask("the " * 30 + "[MASK]")
    with pytest.raises(ValueError, match="fill_mask needs a masked-language"):
        masked_lm(head=False).fill_mask("[MASK]")
