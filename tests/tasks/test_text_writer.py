import numpy as np
import pytest

from keras_selfattn.losses.cross_entropy import smoothed_cross_entropy
from keras_selfattn.models import T5, Transformer
from keras_selfattn.tasks.text_writer import TextWriter, text_loss
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

SIZES = {"hidden_dim": 16, "num_layers": [1, 2], "intermediate_dim": 16}
ROWS = [[7, 9, 30, 20, 2], [5, 8, 2], [6, 2]]


def writer(kind=T5, most=12, end_id=2, **sizes):
    arguments = {**SIZES, "num_heads": 2, **sizes}
    model = draw_weights(kind(40, **arguments, name="transformer"))
    return TextWriter(model, 1, end_id, (0, 1, 3), most)


@pytest.mark.backend
def test_the_compiled_search_writes_what_the_one_outside_does():
    """Of T5, whose heads are wider than its vectors' share."""
    search = writer(num_heads=3, head_dim=4, position_buckets=(8, 6))
    found = search.write(ROWS, 3, 1.0)
    ids = np.zeros((4, 16), "int32")
    for row, tokens in enumerate(ROWS):
        ids[row, : len(tokens)] = tokens
    expected = search.search(ids, ROWS, 3, 1.0, 0)
    for (text, score), (wanted, total) in zip(found, expected, strict=False):
        assert text.tolist() == wanted.tolist() and len(text) > 0
        assert score == pytest.approx(total, abs=1e-4)


def test_batches_come_back_in_order():
    search = writer(Transformer)
    whole = search.write(ROWS, 2)
    parts = search.write_sorted(ROWS, 2, 2)
    for (one, _), (other, _) in zip(whole, parts, strict=True):
        assert one.tolist() == other.tolist()
    assert search.write_sorted([], 2) == []


def test_marks_and_limits_are_its_own():
    """Another end gives another text; no text is longer than is said."""
    plain = writer(Transformer, most=6)
    text = plain.write(ROWS)[0][0]
    assert len(text) <= 6 and not set(text.tolist()) & {0, 1, 3}
    last = int(text[-1])
    stopped = writer(Transformer, most=6, end_id=last).write(ROWS)[0][0]
    assert stopped.tolist() == text[: text.tolist().index(last)].tolist()
    repeats = plain.write(ROWS, no_repeat_ngram=1)[0][0].tolist()
    assert len(set(repeats)) == len(repeats)
    found = plain.reference(np.array(ROWS[0], "int32"), 1, 1.0)["token_ids"]
    assert found.shape == (20,)
    assert found[: len(text)].tolist() == text.tolist()
    for wrong in ({"beam": 0}, {"alpha": -1.0}):
        with pytest.raises(ValueError, match="expected beam >= 1"):
            plain.write(ROWS, **wrong)


def test_the_loss_is_nats_a_token():
    labels = np.array([[5, 2, 0], [7, 9, 2]], "int32")
    logits = np.random.default_rng(0).normal(size=(2, 3, 12)).astype("float32")
    costs = to_numpy(smoothed_cross_entropy(labels, logits, 0.1))
    real = labels != 0
    found = text_loss(labels, logits, 0.1)
    assert float(found) == pytest.approx(costs[real].mean(), abs=1e-5)
    found = text_loss(labels, logits, 0.1, np.array([0.0, 2.0]))
    assert float(found) == pytest.approx(costs[1].mean(), abs=1e-5)
