import numpy as np
import pytest

from keras_selfattn.convert.marian_table import (
    SIZES,
    marian_positions,
    table,
)
from keras_selfattn.layers.positions import added_positions
from keras_selfattn.models.transformer import Transformer
from tests.arrays import to_numpy


@pytest.mark.parametrize("shared", [True, False])
def test_a_table_names_every_variable_once(shared):
    model = Transformer(
        9,
        8,
        (1, 2),
        2,
        16,
        target_vocabulary_size=None if shared else 7,
        tie_embeddings=False,
        block={"norm_first": False},
        output_bias=True,
        name="transformer",
    )
    rows = table((1, 2), shared)
    ours = [part for row in rows for part in row.parts]
    theirs = [row.theirs for row in rows]
    assert len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs)
    assert set(ours) == {variable.path for variable in model.weights}
    assert {name for name, _, _ in SIZES} <= set(model.get_config())


def test_positions_have_the_wavelengths_of_the_paper():
    """`sin(t / 10000^(2 i / D))`: Vaswani et al. 2017, section 3.5."""
    layer = added_positions(marian_positions(10))
    found = to_numpy(layer(np.zeros((1, 7, 10), "float32")))[0]
    for i in range(5):
        angles = np.arange(7) / 10000 ** (2 * i / 10)
        np.testing.assert_allclose(found[:, i], np.sin(angles), atol=1e-6)
        np.testing.assert_allclose(found[:, 5 + i], np.cos(angles), atol=1e-6)
