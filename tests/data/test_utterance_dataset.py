"""`UtteranceDataset`: an epoch is a function of its number and the seed.

Its children's own tests hold lengths, tokens and what they leave out.
"""

import numpy as np
import pytest

from keras_selfattn.data.utterance_dataset import UtteranceDataset

LENGTHS = (3, 9, 4, 8, 5, 12, 2)


class Doubler:
    """Augments by drawn speeds of one or a half, and a drawn sum."""

    speeds = (1.0, 0.5)

    def draw_speeds(self, count, generator):
        return generator.choice(self.speeds, count)

    def __call__(self, values, generator):
        return values + generator.integers(1, 100)


class Counts(UtteranceDataset):
    """Utterance `i` is `LENGTHS[i]` times `i + 1`, with as many tokens."""

    def __init__(self, seed=0, lengths=LENGTHS, **options):
        given = {
            "augmenter": None,
            "augment_from_epoch": 0,
            "shuffle": True,
            "shortest_first_epochs": 0,
        }
        super().__init__(4, None, 24, seed=seed, **(given | options))
        self.examples = list(range(len(lengths)))
        self._lengths = list(lengths)
        self._tokens = [np.arange(n) for n in lengths]
        self.dropped["too odd"].append(99)
        self._begin(progress=False)

    def _values(self, i):
        return np.full(LENGTHS[i], i + 1, "float32")

    def _changed_speed(self, values, speed):
        return np.repeat(values, round(1 / speed))


def contents(dataset):
    """Every number of an epoch, in order."""
    return [
        (inputs["samples"].tolist(), ids.tolist())
        for inputs, ids in dataset.batches()
    ]


def test_an_epoch_follows_from_seed_and_number():
    one, other = Counts(augmenter=Doubler()), Counts(augmenter=Doubler())
    first = contents(one)
    one.set_epoch(1)
    assert contents(one) != first
    one.set_epoch(0)
    assert contents(one) == contents(other) == first
    assert contents(Counts(seed=1, augmenter=Doubler())) != first
    # Resumed, it is what is left of it.
    one.set_epoch(0, first_batch=2)
    assert contents(one) == first[2:] and len(one) == len(first) - 2
    with pytest.raises(ValueError, match="first_batch=99; there are"):
        one.set_epoch(0, first_batch=99)
    with pytest.raises(IndexError):
        one[len(one)]


def test_every_utterance_comes_once_within_the_size():
    dataset = Counts()
    rows = [i for b in range(len(dataset)) for i in dataset.batch_examples(b)]
    assert sorted(rows) == dataset.examples
    sizes = [inputs["samples"].size for inputs, _ in dataset.batches()]
    assert max(sizes) <= 24 and sum(sizes) == dataset.padded_values
    assert all(
        inputs["samples"].shape[1] % 4 == 0 for inputs, _ in dataset.batches()
    )


def test_first_epochs_may_go_from_short_to_long_and_unaugmented():
    dataset = Counts(
        augmenter=Doubler(), augment_from_epoch=1, shortest_first_epochs=1
    )
    widths = [inputs["samples"].shape[1] for inputs, _ in dataset.batches()]
    assert widths == sorted(widths)
    values = {
        v
        for inputs, _ in dataset.batches()
        for v in np.unique(inputs["samples"])
    }
    assert values <= set(range(len(LENGTHS) + 1))
    dataset.set_epoch(1)
    values = {
        v
        for inputs, _ in dataset.batches()
        for v in np.unique(inputs["samples"])
    }
    assert not values <= set(range(len(LENGTHS) + 1))


def test_nothing_left_is_an_error_that_says_why():
    with pytest.raises(ValueError, match="No utterance can be used.*1 too odd"):
        Counts(lengths=())
