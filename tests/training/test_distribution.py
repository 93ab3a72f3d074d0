import json

import keras
import numpy as np
import pytest

from keras_selfattn.training import distribution as module
from keras_selfattn.training.cluster import Cluster
from keras_selfattn.training.distribution import (
    Distribution,
    FirstProcessError,
    batch_digest,
    current,
    distribute,
    model_facts,
)

ELSEWHERE = Cluster(0, 2, 0, ("127.0.0.1:1",), "RANK and WORLD_SIZE")


@pytest.fixture(autouse=True)
def nothing_set_up(monkeypatch):
    monkeypatch.setattr(module, "_current", None)
    for name in ("WORLD_SIZE", "TF_CONFIG"):
        monkeypatch.delenv(name, raising=False)


class Talking(Distribution):
    """A process whose sums know what the others would add."""

    def __init__(self, rank, others):
        super().__init__(rank, len(others))
        self.others = others  # JSON-able values, None in its own place

    def sum_integers(self, values):
        texts = [json.dumps(other).encode() for other in self.others]
        if len(values) == self.size and not self.sizes:
            self.sizes = True
            return values + np.array(
                [
                    0 if rank == self.rank else len(text)
                    for rank, text in enumerate(texts)
                ],
                "int32",
            )
        self.sizes = False
        texts[self.rank] = values[values != 0].astype("uint8").tobytes()
        return np.frombuffer(b"".join(texts), "uint8").astype("int32")

    sizes = False


def test_one_process_is_the_default():
    found = current()
    assert (found.rank, found.size, found.is_first) == (0, 1, True)
    assert found.gather({"a": 1}) == [{"a": 1}]
    assert found.from_first(lambda: 3) == 3
    dataset = object()
    assert found.rows(dataset) is dataset
    found.agree({"a": 1})
    found.finish()


def test_values_of_any_length_are_gathered_in_order():
    others = ["äö", [1, 2, 3], {"a": None}]
    for rank in range(3):
        assert Talking(rank, others).gather(others[rank]) == others


def test_what_differs_is_named():
    own = {"data": 20, "model": ["x"] * 20, "seed": 1}
    other = {"data": 21, "model": ["y"] * 20, "seed": 1}
    digests = [
        {name: module._digest(value) for name, value in facts.items()}
        for facts in (own, other)
    ]
    with pytest.raises(ValueError) as found:
        Talking(0, digests).agree(own)
    assert "data (20 in process 0, 21 in process 1); model (" in str(
        found.value
    )
    assert "seed" not in str(found.value)
    Talking(0, [digests[0], digests[0]]).agree(own)


def test_the_first_does_it_and_all_know():
    assert Talking(1, [[5, None], None]).from_first(fail) == 5
    with pytest.raises(FirstProcessError, match="first process failed: no"):
        Talking(1, [[None, "no"], None]).from_first(fail)
    with pytest.raises(KeyError):
        Talking(0, [None, [None, None]]).from_first(fail)


def fail():
    raise KeyError("only the first process calls this")


def test_rows_are_cut_to_the_process_and_its_devices():
    class Numbers(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return np.arange(5), np.arange(5)

    process = Distribution(1, 2)
    process.row_multiple = 2
    inputs, _, weights = process.rows(Numbers())[0]
    np.testing.assert_array_equal(inputs, [4, 4, 4, 4])
    np.testing.assert_allclose(weights, [1.6, 0, 0, 0])


def test_a_lost_process_is_told_apart():
    class Watching(Distribution):
        def tells_of_loss(self, error):
            return isinstance(error, OSError)

    with pytest.raises(ConnectionError, match="0 of 2 lost another .*: gone"):
        with Watching(0, 2).watched():
            raise OSError("gone\nand more")
    with pytest.raises(KeyError), Watching(0, 2).watched():
        raise KeyError
    with pytest.raises(OSError, match="^full$"), Watching(0, 1).watched():
        raise OSError("full")


def test_facts_of_models_and_batches():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    assert [shape for _, shape in model_facts(model)] == [[2, 3], [3]]
    one = {"a": np.zeros((2, 3))}, np.arange(2)
    assert batch_digest(one) == batch_digest(one)
    changed = {"a": np.zeros((3, 2))}, np.arange(2)
    assert batch_digest(one) != batch_digest(changed)


@pytest.mark.parametrize(
    ("strategy", "cluster", "message"),
    [
        ("data", None, "strategy='data' is unknown; use one of data_parallel"),
        ("none", ELSEWHERE, "process 0 of 2, but no distribution is asked"),
    ],
)
def test_what_cannot_be_is_refused(strategy, cluster, message):
    with pytest.raises(ValueError, match=message):
        distribute(strategy, cluster)


def test_a_model_is_shared_on_jax_alone():
    if keras.backend.backend() == "jax":
        pytest.skip("it can there")
    with pytest.raises(ValueError, match="model_parallel needs the backend"):
        distribute("model_parallel")


def test_without_others_nothing_is_set_up():
    assert distribute("none").size == 1
    if keras.backend.backend() != "jax":
        assert type(distribute("data_parallel")) is Distribution
        assert current().describe().startswith("one process")
