import numpy as np
import pytest

from keras_selfattn.tasks.causal_decoding import CausalReader, CausalScorer
from tests.arrays import to_numpy
from tests.causal_examples import causal_lm

TEXT = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3], "int32")


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_what_is_read_at_once_or_one_by_one_is_the_whole(positions):
    """Padding behind what is read at once is written over by what follows."""
    model = causal_lm(places=24, positions=positions).transformer
    whole = to_numpy(model(TEXT[np.newaxis]))[0]
    context = CausalReader(model).context(11)
    assert context.num_places == 16
    state, hidden = context.start(TEXT[:6], rows=2)
    assert hidden.shape == (2, 5, 16)
    for position in range(5, len(TEXT)):
        logits, state = context.step(
            np.repeat(TEXT[position], 2), position - 5, state
        )
        np.testing.assert_allclose(logits, [whole[position]] * 2, atol=1e-4)


def test_rows_of_any_length_are_scored_alone_or_together():
    model = causal_lm(places=8).transformer
    rows = [TEXT[:9].tolist(), [4], TEXT[2:5].tolist(), TEXT[:4].tolist()]
    scorer = CausalScorer(model)
    found = scorer.of_rows(rows)
    assert [len(row) for row in found] == [8, 0, 2, 3]
    for row, together in zip(rows, found, strict=True):
        (alone,) = scorer.of_rows([row], batch_size=1)
        np.testing.assert_allclose(alone, together, atol=1e-5)
    logits = to_numpy(model(TEXT[np.newaxis, :3])).astype("float64")[0]
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    np.testing.assert_allclose(
        found[3], logs[np.arange(3), TEXT[1:4]], atol=1e-5
    )
