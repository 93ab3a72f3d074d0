import keras
import numpy as np
import pytest

from keras_selfattn.export.verify import compare
from keras_selfattn.models.transformer import Transformer
from keras_selfattn.tasks.translation_graph import (
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


def translator(max_target_tokens=12):
    transformer = Transformer(
        40, 16, [1, 2], 2, intermediate_dim=16, name="transformer"
    )
    task = draw_weights(
        Translator(TOKENIZER, transformer, max_target_tokens=max_target_tokens)
    )
    return task


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
        greedy_ids(task.transformer, SOURCE, places, task._banned_ids)
    )
    assert found.shape == (2, places)
    rows = [row[row != 0].tolist() for row in SOURCE]
    for row, (ids, _) in zip(found, task.write(rows, beam=1), strict=True):
        assert row[: len(ids)].tolist() == ids.tolist()
        assert not row[len(ids) :].any()
    assert {len(row[row != 0]) for row in found} != {0}


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
        name: function for name, (function, _) in task.export_parts().items()
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
