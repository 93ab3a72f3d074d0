import keras
import numpy as np
import pytest

from keras_selfattn.layers.token_embedding import (
    embed_ngrams,
    embed_tokens,
    put_word_vectors,
)
from keras_selfattn.models import TextCNN, TextEncoder, TextRNN
from tests.arrays import to_numpy

IDS = np.array([[2, 3, 1, 0]], "int32")
VECTORS = np.arange(18, dtype="float32").reshape(6, 3)


def model(fixed_dim=None):
    ids = keras.Input((None,), dtype="int32")
    return keras.Model(ids, embed_tokens(ids, 6, 3, fixed_dim))


@pytest.mark.backend
def test_the_fixed_table_stands_beside_the_learned_one():
    made = model(fixed_dim=3)
    put_word_vectors(made, VECTORS)
    found = to_numpy(made(IDS))
    np.testing.assert_array_equal(found[0, :, 3:], VECTORS[IDS[0]])
    names = [variable.path for variable in made.trainable_variables]
    assert names == ["token_embedding/embeddings"]
    assert model().output.shape == (None, None, 3)


@pytest.mark.backend
def test_ngrams_add_up_from_zero():
    ids = keras.Input((None,), dtype="int32")
    made = keras.Model(ids, embed_ngrams(ids, 5, 3, dropout=0.5, seed=1))
    rows = np.array([[1, 5, 5, 0], [2, 0, 0, 0], [0, 0, 0, 0]], "int32")
    assert not to_numpy(made(rows)).any()
    layer = made.get_layer("ngram_embedding")
    layer.embeddings.assign(VECTORS)
    wanted = [(VECTORS[1] + 2 * VECTORS[5]) / 3**0.5, VECTORS[2], [0, 0, 0]]
    np.testing.assert_allclose(to_numpy(made(rows)), wanted, rtol=1e-5)
    many = np.full((200, 1), 2, "int32")
    kept = to_numpy(made(many, training=True)).any(axis=1)
    assert 0.3 < kept.mean() < 0.7


@pytest.mark.parametrize("trainable", [True, False])
def test_vectors_go_into_the_learned_table_where_it_is_the_only_one(trainable):
    made = model()
    put_word_vectors(made, VECTORS, trainable)
    np.testing.assert_array_equal(to_numpy(made(IDS))[0], VECTORS[IDS[0]])
    assert len(made.trainable_variables) == int(trainable)


@pytest.mark.parametrize(
    "make",
    [
        lambda **kw: TextEncoder(6, 8, 1, 2, 8, **kw),
        lambda **kw: TextCNN(6, 8, **kw),
        lambda **kw: TextRNN(6, 8, **kw),
    ],
    ids=["encoder", "cnn", "rnn"],
)
def test_every_encoder_takes_them(make):
    ids = {"token_ids": IDS, "padding_mask": IDS != 0}
    for options in ({"embedding_dim": 3}, {"embedding_dim": 4, "fixed_dim": 3}):
        encoder = make(embedding_dropout=0.0, **options)
        before = to_numpy(encoder(ids)["hidden"])
        put_word_vectors(encoder, VECTORS)
        after = to_numpy(encoder(ids)["hidden"])
        assert after.shape == (1, 4, 8)
        assert np.abs(after - before).max() > 1e-3
        assert not after[0, 3].any()
        again = type(encoder).from_config(encoder.get_config())
        assert again.get_config() == encoder.get_config()


def test_scaled_embeddings_give_the_vectors_as_they_are():
    encoder = TextEncoder(6, 3, 1, 1, 8, positions=None)
    put_word_vectors(encoder, VECTORS)
    np.testing.assert_allclose(
        to_numpy(encoder._embed(IDS))[0], VECTORS[IDS[0]], rtol=1e-6
    )


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"shape \(6, 2\), token_embedding"):
        put_word_vectors(model(), VECTORS[:, :2])
    with pytest.raises(ValueError, match="no layer token_embedding"):
        put_word_vectors(keras.Sequential([keras.layers.Dense(2)]), VECTORS)
