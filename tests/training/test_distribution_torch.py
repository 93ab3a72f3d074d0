import socket

import keras
import pytest

from keras_selfattn.training.cluster import Cluster


def test_a_meeting_place_that_is_taken_is_named():
    """How it trains is in tests/distributed."""
    if keras.backend.backend() != "torch":
        pytest.skip("needs torch")
    from keras_selfattn.training.distribution_torch import TorchDistribution

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        cluster = Cluster(0, 2, 0, (address,), "RANK and WORLD_SIZE")
        with pytest.raises(ValueError, match=f"cannot meet at {address}"):
            TorchDistribution(cluster)


def test_a_first_process_that_never_comes_is_named(monkeypatch):
    if keras.backend.backend() != "torch":
        pytest.skip("needs torch")
    import datetime

    from keras_selfattn.training import distribution_torch
    from keras_selfattn.training.cluster import free_ports

    brief = datetime.timedelta(seconds=1)
    monkeypatch.setattr(distribution_torch, "_MEETING", brief)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    cluster = Cluster(1, 2, 1, (address,), "RANK and WORLD_SIZE")
    with pytest.raises(ConnectionError, match=f"1 of 2 did not .* {address}"):
        distribution_torch.TorchDistribution(cluster)
