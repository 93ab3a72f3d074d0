import keras
import numpy as np
import pytest

from keras_selfattn.training.paired_optimizer import PairedOptimizer


def test_two_optimizers_are_taken_for_one():
    one, other = keras.Variable(np.ones(3)), keras.Variable(np.ones(2))
    pair = PairedOptimizer(
        keras.optimizers.Adam(0.25, beta_1=0.0), keras.optimizers.SGD(0.5)
    )
    pair.build([one, other])  # what `fit` and checkpoints do
    pair.build_halves([one], [other])
    assert float(pair.learning_rate) == 0.25
    known = [id(variable) for variable in pair.variables]
    own = [*pair.generator.variables, *pair.discriminator.variables]
    assert len(set(known)) == len(known)
    assert {id(variable) for variable in own} <= set(known)
    again = PairedOptimizer.from_config(pair.get_config())
    assert float(again.generator.learning_rate) == 0.25
    assert isinstance(again.discriminator, keras.optimizers.SGD)


def test_applies_nothing_by_itself():
    pair = PairedOptimizer(keras.optimizers.SGD(), keras.optimizers.SGD())
    with pytest.raises(ValueError, match="applies nothing by itself"):
        pair.apply([])
