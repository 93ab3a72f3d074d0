import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.tasks.pretrained_encoder import encoder_copy
from tests.arrays import to_numpy


@pytest.fixture(scope="module")
def checkpoint(repository):
    return zoo.load(repository / "tests/golden/checkpoints/bert")


def test_it_has_the_same_weights_and_lives_by_itself(checkpoint):
    found = encoder_copy(checkpoint, 0.5, pooler=False)
    assert found.dropout == found.attention_dropout == 0.5
    assert checkpoint.encoder.dropout != 0.5 and not found.pooler
    theirs = {v.path: v for v in checkpoint.encoder.weights}
    for variable in found.weights:
        value = to_numpy(theirs[variable.path].value)
        np.testing.assert_array_equal(to_numpy(variable.value), value)
        variable.assign(value + 1)
        np.testing.assert_array_equal(
            to_numpy(theirs[variable.path].value), value
        )
    same = encoder_copy(checkpoint)
    assert same.dropout == checkpoint.encoder.dropout
    assert same.pooler == checkpoint.encoder.pooler


def test_another_kind_of_model_is_named():
    with pytest.raises(ValueError, match="received a dict with a NoneType"):
        encoder_copy({})
