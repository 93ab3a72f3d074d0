import keras
import numpy as np
import pytest

from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.hierarchical_attention import HierarchicalAttention
from tests import reference
from tests.arrays import TOLERANCES, spoil, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

# Three sentences of 5, 3 and 1 words; two of 2 and 5 words and no third.
MASK = np.arange(5) < np.array([[5, 3, 1], [2, 5, 0]])[..., None]


def documents(batch=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, 3, 5, 8)).astype("float32")


def recurrent():
    return keras.layers.Bidirectional(
        keras.layers.GRU(3, return_sequences=True, name="gru"),
        name="recurrent",
    )


def layer(encode=False, **kwargs):
    if encode:
        kwargs["word_encoder"] = EncoderBlock(2, 12, name="words")
        kwargs["sentence_encoder"] = EncoderBlock(4, 12, name="sentences")
    made = HierarchicalAttention(**kwargs, name="document")
    made.build((None, None, None, 8))
    return draw_weights(made)


def pool(x, w):
    """Positions `(T, D)` to one vector and its weights."""
    judged = np.tanh(reference.dense(x, reference.below(w, "projection")))
    weights = np.exp(judged @ w["context"][:, 0])
    weights = weights / weights.sum()
    return weights @ x, weights


def expected_document(x, mask, w, encode):
    """One document, sentence by sentence, with no padding anywhere."""

    def encoded(values, name, heads):
        if not encode:
            return values
        return reference.encoder_block(
            values[None], reference.below(w, name), heads, "gelu", True
        )[0]

    vectors, word_weights = [], np.zeros(mask.shape)
    for s, words in enumerate(mask):
        if words.any():
            values = encoded(x[s, words].astype("float64"), "words", 2)
            vector, weights = pool(values, reference.below(w, "word_attention"))
            vectors.append(vector)
            word_weights[s, words] = weights
    values = encoded(np.stack(vectors), "sentences", 4)
    vector, weights = pool(values, reference.below(w, "sentence_attention"))
    sentence_weights = np.zeros(len(mask))
    sentence_weights[mask.any(axis=-1)] = weights
    return vector, word_weights, sentence_weights


@pytest.mark.parametrize("encode", [False, True])
def test_equals_the_reference_without_padding(encode):
    made, inputs = layer(encode), documents()
    outputs = made(inputs, padding_mask=MASK, return_attention_scores=True)
    for b in range(2):
        expected = expected_document(
            inputs[b], MASK[b], reference.weights_of(made), encode
        )
        for found, value in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(to_numpy(found)[b], value, atol=5e-5)


def test_no_mask_is_a_mask_of_words_only():
    made, inputs = layer(encode=True), documents()
    np.testing.assert_allclose(
        to_numpy(made(inputs)),
        to_numpy(made(inputs, padding_mask=np.ones((2, 3, 5), bool))),
        atol=1e-5,
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    made, inputs = layer(dtype=policy), documents()
    expected, _, _ = expected_document(
        inputs[0], MASK[0], reference.weights_of(made), False
    )
    outputs = to_numpy(made(inputs, padding_mask=MASK))
    np.testing.assert_allclose(outputs[0], expected, atol=TOLERANCES[policy])


def test_padding_content_cannot_change_the_outputs():
    made, inputs = layer(encode=True), documents()
    clean = to_numpy(made(inputs, padding_mask=MASK))
    spoilt = to_numpy(made(spoil(inputs, MASK), padding_mask=MASK))
    np.testing.assert_allclose(spoilt, clean, atol=1e-5)


def test_weights_sum_to_one_and_are_zero_on_padding():
    _, words, sentences = layer(encode=True)(
        documents(), padding_mask=MASK, return_attention_scores=True
    )
    words, sentences = to_numpy(words), to_numpy(sentences)
    assert not words[~MASK].any() and sentences[1, 2] == 0
    np.testing.assert_allclose(sentences.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(words.sum(axis=-1), MASK.any(axis=-1), atol=1e-5)


def test_an_empty_document_gives_zeros():
    outputs = layer()(documents(), padding_mask=np.zeros((2, 3, 5), bool))
    np.testing.assert_array_equal(to_numpy(outputs), np.zeros((2, 8)))


def test_a_recurrent_encoder_gets_the_mask():
    made = layer(word_encoder=recurrent())
    inputs = documents()
    mask = MASK.copy()
    mask[1, 2, 0] = True  # a recurrence needs a first word
    clean = made(inputs, padding_mask=mask)
    assert clean.shape == (2, 6)
    spoilt = made(spoil(inputs, mask, 3.0), padding_mask=mask)
    np.testing.assert_allclose(to_numpy(spoilt), to_numpy(clean), atol=1e-5)


def test_gradients_are_finite_and_reach_every_weight():
    made, inputs = layer(encode=True), documents()

    def loss():
        outputs = made(inputs, padding_mask=MASK, training=True)
        return keras.ops.mean(keras.ops.square(outputs))

    assert_finite_and_used(made, loss, ("key/bias",))


def test_each_parameter_changes_the_outputs():
    inputs = documents()
    usual = to_numpy(layer()(inputs))
    for change in (
        {"attention_dim": 3},
        {"word_encoder": EncoderBlock(2, 12, name="words")},
        {"sentence_encoder": EncoderBlock(2, 12, name="sentences")},
    ):
        changed = to_numpy(layer(**change)(inputs))
        assert np.abs(changed - usual).max() > 1e-2, change


def test_training_reaches_the_encoders():
    inputs = documents()
    block = EncoderBlock(2, 12, dropout=0.5, name="words")
    made = layer(word_encoder=block)
    calm = to_numpy(made(inputs))
    assert np.abs(to_numpy(made(inputs, training=True)) - calm).max() > 1e-2


def test_the_symbolic_shapes_are_the_real_ones():
    outputs = layer(word_encoder=recurrent())(
        keras.Input((None, None, 8)), return_attention_scores=True
    )
    assert [output.shape for output in outputs] == [
        (None, 6),
        (None, None, None),
        (None, None),
    ]


@pytest.mark.parametrize("kind", ["none", "blocks", "recurrent"])
def test_keras_file_round_trip(kind, tmp_path):
    made = {
        "none": lambda: layer(attention_dim=3),
        "blocks": lambda: layer(encode=True),
        "recurrent": lambda: layer(word_encoder=recurrent()),
    }[kind]()
    assert_round_trip(made, tmp_path, inputs=documents())


@pytest.mark.parametrize(
    "shape,mask,said",
    [
        ((2, 5, 8), None, r"\(2, 5, 8\).*sentences, words"),
        ((2, 3, 5, 8), np.ones((2, 15), bool), r"\(2, 15\).*sentences, words"),
    ],
)
def test_other_shapes_are_refused(shape, mask, said):
    with pytest.raises(ValueError, match=said):
        HierarchicalAttention()(np.zeros(shape, "float32"), padding_mask=mask)


@needs_tensorflow
def test_converts_to_built_in_operations():
    made, x, mask = layer(encode=True), documents(1), MASK[:1]
    found = run_converted(
        lambda x, mask: made(x, padding_mask=mask), x=x, mask=mask
    )
    np.testing.assert_allclose(
        found, to_numpy(made(x, padding_mask=mask)), atol=2e-5
    )
