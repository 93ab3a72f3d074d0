import numpy as np
import pytest

from keras_selfattn.decoding.token_scores import take_rows
from keras_selfattn.models.transformer import Transformer
from keras_selfattn.tasks.cached_decoding import CachedDecoder
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)
SOURCE = RNG.integers(1, 20, (2, 6)).astype("int32")
SOURCE[1, 4:] = 0
TARGET = RNG.integers(1, 20, (4, 5)).astype("int32")


def transformer(**kwargs):
    return draw_weights(
        Transformer(
            20,
            hidden_dim=8,
            num_layers=2,
            num_heads=2,
            intermediate_dim=12,
            **kwargs,
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float32", "mixed_bfloat16"])
def test_steps_are_the_whole_models_rows(kind):
    """Two rows a source; rows change places between the steps."""
    model = transformer(dtype=kind)
    source = np.repeat(SOURCE, 2, axis=0)
    expected = to_numpy(
        model(
            {
                "source_ids": source,
                "source_padding_mask": source != 0,
                "target_ids": TARGET,
            }
        )
    )
    decoder = CachedDecoder(model)
    state = decoder.start(SOURCE, rows_each=2, max_length=8)
    order = np.arange(4)
    for position in range(5):
        logits, state = decoder.step(TARGET[order, position], position, state)
        np.testing.assert_allclose(
            np.asarray(logits, "float32"),
            expected[order, position],
            atol=1e-4 if kind == "float32" else 0.1,
        )
        swapped = np.array([1, 0, 3, 2])  # within each source
        state, order = take_rows(state, swapped), order[swapped]


def test_a_second_start_forgets_the_first():
    model = transformer()
    decoder = CachedDecoder(model)
    first = decoder.start(SOURCE, 1, 8)
    begin = np.array([1, 1], "int32")
    before = np.asarray(decoder.step(begin, 0, first)[0])
    decoder.start(SOURCE[::-1], 1, 8)
    after = np.asarray(decoder.step(begin, 0, first)[0])
    np.testing.assert_allclose(after, before[::-1], atol=1e-5)
    assert np.abs(before[0] - before[1]).max() > 1e-3


def test_the_decoder_adds_no_weights_to_the_model():
    model = transformer()
    before = [variable.path for variable in model.weights]
    CachedDecoder(model).start(SOURCE, 1, 8)
    assert [variable.path for variable in model.weights] == before
