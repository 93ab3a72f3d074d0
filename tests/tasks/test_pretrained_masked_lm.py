import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.data.masked_dataset import MaskedDataset
from keras_selfattn.tasks import MaskedLM
from keras_selfattn.tasks.pretrained_masked_lm import pretrained_masked_lm
from tests.arrays import to_numpy

IDS = np.array([[2, 5, 6, 3]])


@pytest.fixture(scope="module")
def checkpoint(repository):
    return zoo.load(repository / "tests/golden/checkpoints/bert")


def test_it_goes_on_where_the_checkpoint_ended(checkpoint):
    model = pretrained_masked_lm(checkpoint, max_tokens=12, encoder_dropout=0)
    assert model.tokenizer.max_tokens == 12
    assert model.encoder.attention_dropout == 0
    np.testing.assert_array_equal(
        to_numpy(model({"token_ids": IDS})),
        to_numpy(checkpoint({"token_ids": IDS}, training=False)),
    )
    assert pretrained_masked_lm(checkpoint).tokenizer.get_config() == (
        checkpoint.tokenizer.get_config()
    )


@pytest.mark.backend
def test_what_gave_embeddings_alone_gets_a_head_that_learns(checkpoint):
    embedder = MaskedLM(
        checkpoint.tokenizer, checkpoint.encoder, head=False, pooling="start"
    )
    model = pretrained_masked_lm(embedder, encoder_dropout=0.0)
    assert model.head and model.pooling == "start"
    np.testing.assert_allclose(
        model.embed("the cat sat"), embedder.embed("the cat sat"), atol=1e-6
    )
    dataset = MaskedDataset(
        ["the cat sat"] * 8, model.tokenizer, 8, share=0.5, positions=True
    )
    model.compile("adam")
    losses = []
    for epoch in range(4):
        dataset.set_epoch(epoch)
        history = model.fit(dataset.for_backend(), shuffle=False, verbose=0)
        losses += history.history["loss"]
    assert losses[-1] < losses[0]


def test_too_many_tokens_are_named(checkpoint):
    with pytest.raises(ValueError, match="has room for"):
        pretrained_masked_lm(checkpoint, max_tokens=1000)
