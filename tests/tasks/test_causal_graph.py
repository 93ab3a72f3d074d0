import numpy as np
import pytest

from keras_selfattn.export.verify import compare
from keras_selfattn.tasks.causal_graph import (
    cache_shape,
    check,
    decode_step,
    parts,
    score,
)
from tests.arrays import to_numpy
from tests.causal_examples import causal_lm

IDS = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]], "int32")


def test_scores_are_log_probabilities_of_the_tokens_behind():
    model = causal_lm()
    found = {k: to_numpy(v) for k, v in score(model.transformer, IDS).items()}
    logits = to_numpy(model.transformer(IDS)).astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    np.testing.assert_array_equal(found["next_ids"], logits.argmax(-1))
    expected = np.zeros((2, 5))
    for row, place in zip(*np.nonzero(IDS[:, 1:]), strict=True):
        expected[row, place + 1] = logs[row, place, IDS[row, place + 1]]
    np.testing.assert_allclose(found["log_probabilities"], expected, atol=1e-5)
    alone = score(model.transformer, IDS[:1, :1])
    assert to_numpy(alone["log_probabilities"]).tolist() == [[0.0]]


def test_the_step_is_the_model_token_by_token():
    model = causal_lm().transformer
    whole = to_numpy(model(IDS))
    cache = np.zeros(cache_shape(model, 2, 6), "float32")
    for i in range(5):
        found = decode_step(model, IDS[:, i], i, cache)
        cache = found["cache"]
        np.testing.assert_allclose(
            to_numpy(found["logits"]), whole[:, i], atol=1e-5
        )
        assert found["hidden"].shape == (2, 16)
    assert list(cache.shape) == cache_shape(model, 2, 6)
    assert set(parts(model)) == {"decode_step"}


@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_the_step_of_a_file_is_compared(wrong):
    model = causal_lm().transformer
    function, _ = parts(model)["decode_step"]

    def run(part, **arrays):
        found = {k: to_numpy(v) for k, v in function(**arrays).items()}
        found["logits"] = found["logits"] + wrong * np.eye(11)[7]
        return found

    steps = check(model, IDS[0])
    outputs = [steps.found(run, example) for example in steps.examples]
    agreement = compare(steps.signature, steps.wanted, steps.examples, outputs)
    assert agreement.compared == 10
    if wrong:
        assert 0.1 < agreement.max_abs_difference < 0.5
    else:
        assert agreement.equal == 10 and agreement.max_abs_difference < 1e-5
