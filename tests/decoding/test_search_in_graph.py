import numpy as np
import pytest
from keras import ops

from keras_selfattn.decoding.beam_search import beam_search
from keras_selfattn.decoding.greedy_search import greedy_search
from keras_selfattn.decoding.search_in_graph import (
    beam_in_graph,
    greedy_in_graph,
    top_of_many,
)
from tests.arrays import to_numpy
from tests.decoding.markov import BOS, EOS, VOCABULARY, Markov

pytestmark = pytest.mark.backend

LANGUAGES, PLACES = 6, 7


class GraphMarkov:
    """The same language in `keras.ops`, over a state that only grows.

    The token before the last is found by `seen` alone: a search that gives a
    row another's entries gets other scores.
    """

    def __init__(self, model, beam):
        self.table = ops.convert_to_tensor(
            model.logits.reshape(-1, VOCABULARY).astype("float32")
        )
        self.beam = beam

    def start(self):
        return {"read": ops.zeros((LANGUAGES, PLACES * self.beam), "int32")}

    def step(self, token_ids, position, seen, state):
        beam = self.beam
        token_ids = ops.cast(token_ids, "int32")
        new = ops.reshape(token_ids, (LANGUAGES, beam))
        first = ops.cast(position * beam, "int32")
        start = ops.stack([ops.zeros_like(first), first])
        read = ops.slice_update(state["read"], start, new)
        places = ops.arange(PLACES * beam, dtype="int32") // beam
        # (B|1, K, L K): what a row read just before, or 0 at the start.
        before = ops.logical_and(places == position - 1, seen[:, 0] == 0)
        before = ops.sum(
            ops.cast(before, "int32") * ops.expand_dims(read, 1), axis=-1
        )
        languages = ops.expand_dims(ops.arange(LANGUAGES, dtype="int32"), 1)
        row = (languages * VOCABULARY + before) * VOCABULARY + new
        logits = ops.take(self.table, ops.reshape(row, (-1,)), axis=0)
        return logits, {"read": read}


def arguments(limits):
    return {
        "blank": ops.zeros((LANGUAGES, PLACES), "int32"),
        "limits": ops.convert_to_tensor(np.array(limits, "int32")),
        "vocabulary_size": VOCABULARY,
        "bos_id": BOS,
        "eos_id": EOS,
        "banned_ids": (BOS,),
    }


def rows(token_ids):
    """Rows up to the first 0, behind which nothing else may stand."""
    found = []
    for row in to_numpy(token_ids):
        length = (row != 0).sum()
        assert not row[length:].any()
        found.append(row[:length].tolist())
    return found


@pytest.mark.parametrize("limits", [[6] * 6, [1, 2, 3, 4, 5, 6]])
def test_greedy_writes_what_greedy_search_writes(limits):
    model = Markov(LANGUAGES, eos_bonus=1.0)
    expected = greedy_search(
        model.step, model.start(), LANGUAGES, np.array(limits), BOS, EOS, (BOS,)
    )
    graph = GraphMarkov(model, 1)
    found = greedy_in_graph(graph.step, graph.start(), **arguments(limits))
    assert rows(found) == [row.tolist() for row in expected]
    assert len({len(row) for row in expected}) > 2


@pytest.mark.parametrize(
    "beam, alpha, bonus, limits, rules",
    [
        (1, 0.6, 1.0, [6] * 6, "gnmt"),
        (2, 0.0, 1.0, [1, 2, 3, 4, 5, 6], "gnmt"),
        (3, 1.0, 0.0, [6] * 6, "gnmt"),
        (4, 0.6, -9.0, [1, 2, 3, 4, 5, 6], "gnmt"),  # most are cut
        (4, 2.0, 2.0, [6, 5, 6, 5, 6, 5], "gnmt"),
        (3, 1.0, 0.0, [6] * 6, "transformers"),
        (3, 0.6, -9.0, [1, 2, 3, 4, 5, 6], "transformers"),
        (3, 2.0, 2.0, [6, 5, 6, 5, 6, 5], "transformers_forced"),
        (3, 0.6, -9.0, [1, 2, 3, 4, 5, 6], "transformers_forced"),
    ],
)
def test_a_beam_writes_what_beam_search_writes(
    beam, alpha, bonus, limits, rules
):
    for seed in (3, 4):
        model = Markov(LANGUAGES, seed, bonus)
        expected = beam_search(
            model.step,
            model.start(beam),
            LANGUAGES,
            beam,
            np.array(limits),
            BOS,
            EOS,
            alpha,
            banned_ids=(BOS,),
            rules=rules,
        )
        graph = GraphMarkov(model, beam)
        found, scores = beam_in_graph(
            graph.step,
            graph.start(),
            beam_size=beam,
            alpha=alpha,
            rules=rules,
            **arguments(limits),
        )
        assert rows(found) == [best[0].tolist() for (best,) in expected]
        np.testing.assert_allclose(
            to_numpy(scores), [best[1] for (best,) in expected], rtol=1e-4
        )


def test_a_source_without_room_has_an_empty_text():
    model = Markov(LANGUAGES, eos_bonus=-9.0)
    graph = GraphMarkov(model, 3)
    found, _ = beam_in_graph(
        graph.step,
        graph.start(),
        beam_size=3,
        alpha=1.0,
        **arguments([0, 6, 0, 6, 6, 6]),
    )
    assert [len(row) for row in rows(found)] == [0, 6, 0, 6, 6, 6]


@pytest.mark.parametrize("num_rows", [1, 3])
@pytest.mark.parametrize(
    "length, count", [(4000, 1), (1600, 8), (97, 3), (12, 2), (8, 8)]
)
def test_the_top_of_many_is_top_k(length, count, num_rows):
    x = np.random.default_rng(length).normal(size=(num_rows, length))
    x = x.astype("float32")
    values, places = map(to_numpy, top_of_many(ops.convert_to_tensor(x), count))
    expected = np.argsort(-x, axis=1)[:, :count]
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(
        values, np.take_along_axis(x, expected, axis=1)
    )
