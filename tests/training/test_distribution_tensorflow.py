import socket

import keras
import pytest

from keras_selfattn.training.cluster import Cluster

pytestmark = pytest.mark.backend


@pytest.fixture(autouse=True)
def on_tensorflow(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs TensorFlow; how it trains is in tests/distributed")
    monkeypatch.setenv("TF_CONFIG", "{}")


def test_an_address_that_is_taken_is_named():
    from keras_selfattn.training.distribution_tensorflow import (
        TensorFlowDistribution,
    )

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        cluster = Cluster(0, 2, 0, (address, "127.0.0.1:1"), "TF_CONFIG")
        with pytest.raises(ValueError, match=f"cannot meet at {address}"):
            TensorFlowDistribution(cluster)


def test_one_address_is_too_few():
    from keras_selfattn.training.distribution_tensorflow import (
        TensorFlowDistribution,
    )

    cluster = Cluster(0, 2, 0, ("127.0.0.1:1",), "RANK and WORLD_SIZE")
    with pytest.raises(ValueError, match="has 1 addresses for 2 processes"):
        TensorFlowDistribution(cluster)
