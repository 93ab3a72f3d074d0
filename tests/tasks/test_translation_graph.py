import keras
import numpy as np
import pytest

from keras_selfattn.export.verify import compare
from keras_selfattn.models.transformer import Transformer
from keras_selfattn.tasks.translation_graph import (
    beam_ids,
    cache_shape,
    check,
    decode_step,
    encode,
    greedy_ids,
    pack,
    parts,
    unpack,
)
from keras_selfattn.tasks.translator import Translator
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.translation_examples import number_tokenizer

TOKENIZER = number_tokenizer()
SOURCE = np.array([[7, 9, 30, 20, 2], [5, 8, 2, 0, 0]], "int32")


def translator(max_target_tokens=12, **sizes):
    transformer = Transformer(
        40, 16, [1, 2], 2, intermediate_dim=16, name="transformer", **sizes
    )
    task = draw_weights(
        Translator(TOKENIZER, transformer, max_target_tokens=max_target_tokens)
    )
    return task


def searched(task, beam, alpha=1.0):
    """What the search outside of the graph writes, and its scores."""
    rows = [row[row != 0].tolist() for row in SOURCE]
    return task.text_writer.search(SOURCE, rows, beam, alpha, 0)


def test_caches_are_packed_and_unpacked():
    caches = [
        {"key": np.full((1, 2), i), "value": np.full((1, 2), 10 + i)}
        for i in range(3)
    ]
    packed = pack(caches)
    assert packed.shape == (6, 1, 2)
    for one, other in zip(caches, unpack(packed, 3), strict=True):
        for name in ("key", "value"):
            np.testing.assert_array_equal(to_numpy(other[name]), one[name])


@pytest.mark.backend
@pytest.mark.parametrize("places", [4, 12, 40])
def test_the_loop_writes_what_the_search_writes(places):
    task = translator(places)
    found = to_numpy(
        greedy_ids(task.transformer, SOURCE, places, task.banned_ids)
    )
    assert found.shape == (2, 2 * SOURCE.shape[1] + 10)
    expected = searched(task, beam=1)
    for row, (ids, _) in zip(found, expected, strict=True):
        assert row[: len(ids)].tolist() == ids.tolist()
        assert not row[len(ids) :].any()
    assert {len(row[row != 0]) for row in found} != {0}


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.parametrize(
    "places, alpha, beam",
    [(4, 0.0, 1), (40, 1.5, 3), (4, 1.5, 4), (40, 0.0, 4)],
)
def test_the_beam_in_the_graph_writes_what_the_one_outside_does(
    places, alpha, beam
):
    task = translator(places)
    ids, scores = beam_ids(
        task.transformer, SOURCE, beam, alpha, places, task.banned_ids
    )
    expected = searched(task, beam, alpha)
    for row, score, (text, total) in zip(
        to_numpy(ids), to_numpy(scores), expected, strict=True
    ):
        assert row[: len(text)].tolist() == text.tolist()
        assert not row[len(text) :].any()
        assert score == pytest.approx(total, abs=1e-4)


OTHER_SIZES = {
    "rotary": {"positions": "rotary"},
    "alibi": {"positions": "alibi"},
    "t5": {"positions": "t5"},
    "relative": {"positions": "relative"},
    "learned": {"positions": "learned", "max_sequence_length": 40},
    "post-norm": {"block": {"norm_first": False, "activation": "swiglu"}},
    "untied": {"tie_embeddings": False},
}


@pytest.mark.parametrize("name", OTHER_SIZES)
def test_any_transformer_searches_in_the_graph(name):
    """Positions, norms and embeddings as they may come, beside the search
    that takes one whole step of the model after another."""
    task = translator(12, **OTHER_SIZES[name])
    ids, scores = beam_ids(
        task.transformer, SOURCE, 3, 1.0, 12, task.banned_ids
    )
    for row, score, (text, total) in zip(
        to_numpy(ids), to_numpy(scores), searched(task, 3), strict=True
    ):
        assert row[row != 0].tolist() == text.tolist()
        assert score == pytest.approx(total, abs=1e-4)


def test_a_source_alone_is_searched_as_among_others():
    task = translator()
    args = task.transformer, SOURCE, 4, 1.0, 12, task.banned_ids
    ids, scores = map(to_numpy, beam_ids(*args))
    for row in range(2):
        alone = SOURCE[row : row + 1, : (SOURCE[row] != 0).sum()]
        found = beam_ids(args[0], alone, *args[2:])
        one = to_numpy(found[0])[0]
        assert one[one != 0].tolist() == ids[row][ids[row] != 0].tolist()
        assert to_numpy(found[1])[0] == pytest.approx(scores[row], abs=1e-5)


def test_the_parts_are_the_model_step_by_step():
    model = translator().transformer
    context = encode(model, SOURCE)
    assert list(context.shape) == cache_shape(model, 2, 5)
    cache = np.zeros(cache_shape(model, 2, 12), "float32")
    target = np.array([[1, 7, 9], [1, 8, 8]], "int32")
    whole = to_numpy(
        model(
            {
                "source_ids": SOURCE,
                "source_padding_mask": SOURCE != 0,
                "target_ids": target,
            }
        )
    )
    for i in range(3):
        logits, cache = decode_step(
            model, target[:, i], i, cache, context, SOURCE
        )
        np.testing.assert_allclose(to_numpy(logits), whole[:, i], atol=1e-5)
    found = parts(model)
    assert set(found) == {"encode", "decode_step"}
    function, inputs = found["encode"]
    assert inputs == {"source_ids": ([None, None], "int32")}
    np.testing.assert_allclose(
        to_numpy(function(keras.ops.array(SOURCE))["context"]),
        to_numpy(context),
        atol=1e-6,
    )


@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_the_parts_of_a_file_are_compared_step_by_step(wrong):
    task = translator()
    functions = {
        name: function
        for name, (function, _) in parts(task.transformer).items()
    }

    def run(part, **arrays):
        found = functions[part](**arrays)
        found = {name: to_numpy(array) for name, array in found.items()}
        if "logits" in found:
            found["logits"][:, 7] += wrong
        return found

    target = np.array([9, 7, 30, 2], "int32")
    steps = check(task.transformer, SOURCE[0], target, 12)
    outputs = [steps.found(run, example) for example in steps.examples]
    agreement = compare(steps.signature, steps.wanted, steps.examples, outputs)
    assert agreement.compared == 4
    if wrong:
        assert 0.1 < agreement.max_abs_difference < 0.5
    else:
        assert agreement.equal == 4 and agreement.max_abs_difference < 1e-5
