"""Order, windows, places and shares; no example lost or seen twice."""

import numpy as np
import pytest

from keras_selfattn.data.parallel_corpora import ParallelExample
from keras_selfattn.data.shard_making import make_shards
from keras_selfattn.data.sharded_dataset import ShardedDataset
from keras_selfattn.data.shards import ShardedCorpus

pytest.importorskip("array_record")


class Numbers(ShardedDataset):
    """Sources are numbers, whose length is that of the target."""

    measured = 0

    def __init__(self, corpora, measurements=None, **options):
        super().__init__(corpora, 4, None, 24, **options)
        self._begin("numbers", measurements)

    def _measure(self, row):
        type(self).measured += 1
        length = len(row["target"])
        return "too long" if length > 20 else (length, 1)

    def _arrays(self, batch):
        rows = self.read(batch.numbers)
        return np.array([int(row["source"]) for row in rows], "int32")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Two corpora of 60 and 31 pairs, one of which is too long."""
    generator, found, number = np.random.default_rng(0), [], 0
    for count in (60, 31):
        pairs = []
        for _ in range(count):
            length = 21 if number == 70 else int(generator.integers(1, 20))
            pairs.append(ParallelExample(str(number), "x" * length, "train"))
            number += 1
        folder = tmp_path_factory.mktemp("shards")
        make_shards(folder, "pairs", pairs, {}, 8)
        found.append(ShardedCorpus(folder))
    return found


def epoch_of(dataset, epoch, first_batch=0):
    dataset.set_epoch(epoch, first_batch)
    return [dataset[i].tolist() for i in range(len(dataset))]


EXPECTED = sorted(set(range(91)) - {70})


@pytest.mark.parametrize("window_examples", [1, 20, 1000])
def test_each_example_is_in_one_batch_of_an_epoch(corpora, window_examples):
    dataset = Numbers(corpora, window_examples=window_examples)
    assert dataset.num_examples == 90 and dataset.dropped == {"too long": 1}
    orders = []
    for epoch in range(3):
        batches = epoch_of(dataset, epoch)
        orders.append(sum(batches, []))
        assert sorted(orders[-1]) == EXPECTED
        sizes = [dataset.batch(i) for i in range(len(dataset))]
        values = [len(b.numbers) * b.padded_length for b in sizes]
        assert max(values) <= 24 and sum(values) == dataset.padded_values
        lengths = dataset._lengths
        assert all(max(lengths[b.numbers]) <= b.padded_length for b in sizes)
    assert orders[0] != orders[1] != orders[2]


def test_an_epochs_order_is_a_function_of_seed_and_epoch(corpora):
    one = Numbers(corpora, window_examples=30, seed=1, workers=3)
    two = Numbers(corpora, window_examples=30, seed=1)
    expected = epoch_of(one, 2)
    epoch_of(two, 0)
    assert epoch_of(two, 2) == expected
    other = Numbers(corpora, window_examples=30, seed=2)
    assert epoch_of(other, 2) != expected
    # From any place, and by background threads, the same batches follow.
    assert epoch_of(two, 2, first_batch=7) == expected[7:]
    one.set_epoch(2, first_batch=7)
    assert [b.tolist() for b in one.batches()] == expected[7:]
    with pytest.raises(ValueError, match=f"there are {len(expected)} batch"):
        one.set_epoch(2, first_batch=len(expected) + 1)
    with pytest.raises(IndexError):
        two[len(two)]


def test_a_window_mixes_shards_and_neighbours_part(corpora):
    dataset = Numbers(corpora, window_examples=1000)
    near = [
        abs(a - b)
        for batch in epoch_of(dataset, 0)
        for a in batch
        for b in batch
    ]
    assert max(near) > 60  # of both corpora
    # Without shuffling: by length, the same in each epoch.
    still = Numbers(corpora, window_examples=1000, shuffle=False)
    assert epoch_of(still, 0) == epoch_of(still, 1)
    lengths = [still.batch(i).padded_length for i in range(len(still))]
    assert lengths == sorted(lengths)


def test_the_first_epochs_go_from_short_to_long(corpora):
    dataset = Numbers(
        corpora, window_examples=1000, shortest_first_epochs=1, seed=3
    )
    lengths = [dataset.batch(i).padded_length for i in range(len(dataset))]
    assert lengths == sorted(lengths)
    dataset.set_epoch(1)
    lengths = [dataset.batch(i).padded_length for i in range(len(dataset))]
    assert lengths != sorted(lengths)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_of_processes_are_apart_and_whole(corpora, count):
    whole = epoch_of(Numbers(corpora, window_examples=30), 1)
    shares = []
    for index in range(count):
        dataset = Numbers(corpora, window_examples=30)
        dataset.shard(index, count)
        shares.append(epoch_of(dataset, 1))
        assert len(shares[-1]) == len(whole)  # as many steps everywhere
    for number, batch in enumerate(whole):
        chosen = Numbers(corpora, window_examples=30)
        chosen.set_epoch(1)
        assert chosen.count_rows(number) == len(batch)
        assert chosen.rows_of(number, [0, 0]).tolist() == batch[:1] * 2
        parts = [share[number] for share in shares]
        assert sorted(sum(parts, [])) == sorted(batch)
        assert parts[0] == batch[::count]
    with pytest.raises(ValueError, match="expected 0 <= index < count"):
        dataset.shard(count, count)


def test_what_was_measured_is_kept_for_these_corpora(corpora, tmp_path):
    kept = tmp_path / "run/lengths.npz"
    Numbers.measured = 0
    first = Numbers(corpora, kept, window_examples=30)
    assert Numbers.measured == 91
    again = Numbers(corpora, kept, window_examples=30)
    assert Numbers.measured == 91 and again.dropped == {"too long": 1}
    assert epoch_of(again, 1) == epoch_of(first, 1)
    Numbers(corpora[:1], kept)  # of others it says nothing
    assert Numbers.measured == 151


def test_without_a_usable_example_or_workers_it_is_refused(tmp_path):
    pairs = [ParallelExample("1", "x" * 30, "train")]
    make_shards(tmp_path, "pairs", pairs, {}, 8)
    corpora = [ShardedCorpus(tmp_path)]
    with pytest.raises(ValueError, match="can be used; left out: .*too long"):
        Numbers(corpora)
    with pytest.raises(ValueError, match="workers=0"):
        Numbers(corpora, workers=0)


def test_a_shard_changed_while_it_is_trained_on_is_one_error(corpora, tmp_path):
    pairs = [ParallelExample(str(i), "x", "train") for i in range(8)]
    make_shards(tmp_path, "pairs", pairs, {}, 8)
    dataset = Numbers([ShardedCorpus(tmp_path, verify=False)])
    path = tmp_path / "000000.rows.array_record"
    path.write_bytes(path.read_bytes()[:200])
    dataset.corpora[0]._open.clear()
    with pytest.raises(ValueError, match="prepare.py that made it again"):
        dataset[0]
