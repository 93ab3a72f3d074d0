import re
import socket

import keras
import pytest

from keras_selfattn.training.cluster import Cluster
from keras_selfattn.training.distribution_jax import MODEL_LAYOUT
from tests.small_trainings import TRAININGS

pytestmark = pytest.mark.backend


@pytest.fixture(autouse=True)
def on_jax():
    if keras.backend.backend() != "jax":
        pytest.skip("needs JAX; how it trains is in tests/distributed")


@pytest.mark.parametrize("name", ["hybrid_recognition", "translation"])
def test_every_kernel_of_attention_and_feed_forward_is_shared_once(name):
    task, _ = TRAININGS[name]()
    shared = set()
    for variable in task.weights:
        found = [
            axes
            for pattern, axes in MODEL_LAYOUT.items()
            if re.search(pattern, variable.path)
        ]
        assert len(found) <= 1, variable.path
        inside = re.search("attention/|feed_forward(_in|_out)?/", variable.path)
        if inside and variable.path.endswith("kernel"):
            assert len(found[0]) == len(variable.shape), variable.path
        for axes in found:
            assert axes.count("model") == 1
            shared.add(variable.path)
    assert len(shared) >= 20


def test_an_address_that_is_taken_is_named():
    from keras_selfattn.training.distribution_jax import JaxDistribution

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        cluster = Cluster(0, 2, 0, (address,), "JAX_*")
        with pytest.raises(ValueError, match=f"cannot meet at {address}"):
            JaxDistribution(cluster)


def test_a_model_is_shared_within_a_process():
    from keras_selfattn.training.distribution_jax import JaxDistribution

    cluster = Cluster(0, 2, 0, ("127.0.0.1:1",), "JAX_*")
    with pytest.raises(ValueError, match="devices of one process; JAX_"):
        JaxDistribution(cluster, share_model=True)
