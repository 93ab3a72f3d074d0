import keras
import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.models.causal_transformer import CausalTransformer
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from keras_selfattn.tasks.causal_lm import CausalLM
from tests.arrays import to_numpy
from tests.causal_examples import (
    LETTERS,
    causal_lm,
    counting_lm,
    gpt2_tokenizer,
)

TEXT = "abc dab\nfeed a bad"


def uncached(model, ids):
    """Log-probabilities of the token behind ids, by one plain call."""
    logits = to_numpy(model({"token_ids": np.array([ids], "int32")}))[0, -1]
    logits = logits.astype("float64")
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()


@pytest.fixture(scope="module")
def trained():
    """A model that knows one text by heart."""
    keras.utils.set_random_seed(0)
    transformer = CausalTransformer(
        11, 32, 1, 2, max_sequence_length=24, name="transformer"
    )
    model = CausalLM(LETTERS, transformer)
    model.compile(keras.optimizers.Adam(1e-2))
    ids = np.array([LETTERS.encode(TEXT)] * 2, "int32")
    x, y = {"token_ids": ids[:, :-1]}, ids[:, 1:]
    losses = model.fit(x, y, epochs=80, batch_size=2, verbose=0)
    return model, losses.history["loss"]


@pytest.mark.backend
def test_overfits_a_text_and_says_it(trained):
    model, losses = trained
    assert losses[-1] < 0.05 < losses[0]
    for search in ("greedy", "beam"):
        found = model.generate(TEXT[:1], len(TEXT) - 1, search=search)
        assert TEXT[:1] + found == TEXT
    assert model.perplexity(TEXT) < 1.1
    assert model.perplexity([TEXT[::-1]]) > 10


def test_greedy_is_the_uncached_argmax():
    model = causal_lm(places=40)
    ids = LETTERS.encode("ab")
    for _ in range(20):
        logs = uncached(model, ids)
        logs[0] = -np.inf
        ids.append(int(logs.argmax()))
    found = model.generate("ab", 20, search="greedy")
    assert LETTERS.encode(found) == ids[2:]


def test_a_text_may_be_longer_than_the_model_sees():
    model = causal_lm(places=8)
    found = model.generate("abcdefgh abc", 30, seed=3)
    assert len(found) == 30
    assert found == model.generate("abcdefgh abc", 30, seed=3)
    assert found != model.generate("abcdefgh abc", 30, seed=4)
    many = model.generate("ab", 5, num_texts=3, seed=1)
    assert len(many) == 3 and len(set(many)) > 1


@pytest.mark.slow
@pytest.mark.backend
def test_log_probabilities_are_those_of_plain_calls():
    model = causal_lm(places=8)
    texts = ["abcab", "h\n", "a", "ab dabc ef gh abc"]
    found = model.log_probabilities(texts)
    assert [len(row) for row in found] == [len(text) - 1 for text in texts[:4]]
    for text, row in zip(texts[:2], found[:2], strict=True):
        ids = LETTERS.encode(text)
        expected = [
            uncached(model, ids[:i])[ids[i]] for i in range(1, len(ids))
        ]
        np.testing.assert_allclose(row, expected, atol=1e-4)
    # Windows of 8 that overlap by half: tokens 9 to 12 see from the 5th on.
    ids = LETTERS.encode(texts[3])
    expected = [uncached(model, ids[4:i])[ids[i]] for i in range(9, 13)]
    np.testing.assert_allclose(found[3][8:12], expected, atol=1e-4)
    total = sum(row.sum() for row in found)
    count = sum(map(len, found))
    assert model.perplexity(texts) == pytest.approx(np.exp(-total / count))


def test_whole_texts_begin_and_end():
    model = counting_lm(places=16)
    assert (model.begin_id, model.end_id) == (1, 2)
    (row,) = model.log_probabilities(["two one"])
    ids = [1, *model.tokenizer.encode("two one"), 2]
    expected = [uncached(model, ids[:i])[ids[i]] for i in range(1, len(ids))]
    np.testing.assert_allclose(row, expected, atol=1e-4)
    assert isinstance(model.generate(max_tokens=4), str)
    texts = model.generate("two", 30, num_texts=4, seed=2)
    assert not any("<" in text for text in texts)


def test_padding_counts_for_nothing_in_the_loss():
    model = causal_lm()
    ids = np.array([[1, 2, 3, 4], [5, 6, 0, 0]], "int32")
    labels = np.array([[2, 3, 4, 5], [6, 7, 0, 0]], "int32")
    logits = to_numpy(model({"token_ids": ids})).astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    own = np.take_along_axis(logs, labels[..., None], -1)[..., 0]
    expected = -own[labels > 0].mean()
    found = model.compute_loss(y=labels, y_pred=keras.ops.array(logits))
    assert float(found) == pytest.approx(expected, abs=1e-5)
    weighted = model.compute_loss(
        y=labels,
        y_pred=keras.ops.array(logits),
        sample_weight=np.array([1.0, 0.0]),
    )
    assert float(weighted) == pytest.approx(-own[0].mean(), abs=1e-5)


def test_an_end_behind_an_end_is_padding_where_both_are_one():
    model = causal_lm(gpt2_tokenizer())
    ids = np.array([[0, 2, 5], [3, 5, 5]], "int32")
    labels = np.array([[2, 0, 5], [5, 5, 5]], "int32")
    logits = to_numpy(model({"token_ids": ids})).astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    own = np.take_along_axis(logs, labels[..., None], -1)[..., 0]
    expected = -(own[0, :2].sum() + own[1, 0]) / 3
    found = model.compute_loss(
        {"token_ids": ids}, labels, keras.ops.array(logits)
    )
    assert float(found) == pytest.approx(expected, abs=1e-5)
    # Id 0 is a token like any other, and scored.
    (row,) = model.log_probabilities(["ba"])
    np.testing.assert_allclose(row[0], uncached(model, [2])[0], atol=1e-4)


def test_a_preset_comes_back_and_writes_alike(tmp_path):
    model = counting_lm(positions="rotary", tie_embeddings=False)
    model.save_preset(tmp_path / "mine", language="en")
    loaded = zoo.load(tmp_path / "mine")
    assert type(loaded) is CausalLM
    assert loaded.task_config() == model.task_config()
    np.testing.assert_allclose(
        loaded.log_probabilities("nine two"),
        model.log_probabilities("nine two"),
        atol=0.02,  # weights are kept in float16
    )


def test_errors_say_how_to_mend_it():
    model = causal_lm()
    with pytest.raises(ValueError, match="beginning is empty"):
        model.generate("")
    with pytest.raises(ValueError, match=r"holds \['z'\]"):
        model.generate("zzz")
    with pytest.raises(ValueError, match="no token to score"):
        model.perplexity(["a"])
    with pytest.raises(ValueError, match="has 4 tokens, but the transformer"):
        CausalLM(CharacterTokenizer("xyz"), model.transformer)
