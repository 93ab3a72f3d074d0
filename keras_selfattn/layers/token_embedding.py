"""Vectors of token ids: learned ones, fixed ones, and those of n-grams.

Shapes: `B` batch, `T` tokens, `G` n-grams, `E` learned features, `F` fixed
features.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.layers.masked_pooling import MaskedPooling
from keras_selfattn.layers.word_dropout import WordDropout


def embed_tokens(
    token_ids,
    vocabulary_size,
    dim,
    fixed_dim=None,
    initializer="uniform",
    dtype=None,
):
    """Embeds tokens in a table that is learned and one that is not.

    The layers are called `token_embedding` and `fixed_embedding`; the second
    is zero until word vectors are put there (`set_word_vectors` of a task),
    and `fit` leaves it alone. For the functional part of a model.

    Args:
        token_ids: int `(B, T)`.
        vocabulary_size: int.
        dim: int, learned features `E`.
        fixed_dim: int, fixed features `F`, or None for no such table.
        initializer: of the learned table.
        dtype: of the layers.

    Returns:
        float `(B, T, E)`, or `(B, T, E + F)`.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> embed_tokens(ids, 1000, 32, fixed_dim=50).shape
        (None, None, 82)
    """
    embedded = keras.layers.Embedding(
        vocabulary_size,
        dim,
        embeddings_initializer=initializer,
        name="token_embedding",
        dtype=dtype,
    )(token_ids)
    if fixed_dim is None:
        return embedded
    fixed = keras.layers.Embedding(
        vocabulary_size,
        fixed_dim,
        embeddings_initializer="zeros",
        trainable=False,
        name="fixed_embedding",
        dtype=dtype,
    )(token_ids)
    return ops.concatenate([embedded, fixed], axis=-1)


def embed_ngrams(ngram_ids, num_buckets, dim, dropout=0.0, seed=None):
    """One vector of all n-grams of a text: their sum over the root of count.

    The table, `ngram_embedding`, begins at zero: an n-gram that was never
    seen says nothing. For the functional part of a model.

    Reference: Joulin et al. 2017 (arXiv:1607.01759), section 2.2, who take the
    mean; with the root, evidence adds up over a long text.

    Args:
        ngram_ids: int `(B, G)`, from 1 to `num_buckets`; 0 is padding.
        num_buckets: int.
        dim: int, features `E`.
        dropout: float in [0, 1), share of n-grams left out in training.
        seed: int, or None.

    Returns:
        float `(B, E)`.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> embed_ngrams(ids, 1000, 8).shape
        (None, 8)
    """
    if dropout:  # what becomes padding is not there
        ngram_ids = WordDropout(dropout, 0, seed, name="ngram_dropout")(
            ngram_ids
        )
    embedded = keras.layers.Embedding(
        num_buckets + 1,
        dim,
        embeddings_initializer="zeros",
        name="ngram_embedding",
    )(ngram_ids)  # (B, G, E)
    pool = MaskedPooling("sqrt", name="ngram_pooling")
    return pool(embedded, ops.not_equal(ngram_ids, 0))


def put_word_vectors(encoder, matrix, trainable=True):
    """Puts word vectors into an encoder's embedding.

    They go to its `fixed_embedding` where it has one, and stay as they are;
    else to its `token_embedding`.

    Args:
        encoder: Keras model.
        matrix: float `(V, E)`, a row a token id.
        trainable: bool, False: those in `token_embedding` stay as they are
            in `fit`, too.

    Raises:
        ValueError: the encoder has no such layer, or another shape.
    """
    names = [layer.name for layer in getattr(encoder, "layers", ())]
    name = "fixed_embedding"
    if name not in names:
        name = "token_embedding"
    if name not in names:
        raise ValueError(
            f"The encoder has no layer token_embedding; it has {names}."
        )
    layer = encoder.get_layer(name)
    matrix = np.asarray(matrix, "float32")
    wanted = tuple(layer.embeddings.shape)
    if matrix.shape != wanted:
        raise ValueError(
            f"The word vectors have shape {matrix.shape}, {name} has {wanted}; "
            f"give the encoder embedding_dim= or fixed_dim={matrix.shape[-1]} "
            "and the tokenizer's vocabulary_size."
        )
    if name == "fixed_embedding":
        layer.embeddings.assign(matrix)
        return
    # What the encoder multiplies with, so that the vectors come out as given.
    layer.embeddings.assign(matrix / getattr(encoder, "embedding_scale", 1.0))
    layer.trainable = trainable
