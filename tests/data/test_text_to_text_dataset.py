import numpy as np
import pytest

from keras_selfattn.data.text_to_text_dataset import (
    SPANS,
    TextToTextDataset,
    mixing_shares,
)
from keras_selfattn.data.text_to_text_tasks import TextPair
from tests.text_to_text_examples import (
    sentinel_tokenizer,
    word_tasks,
    word_texts,
)

TOKENIZER = sentinel_tokenizer(digits=True)
TASKS = word_tasks(12)
TEXTS = word_texts(20, seed=5)


def dataset(tasks=TASKS, texts=TEXTS, **options):
    arguments = {"batch_tokens": 128, "progress": False, **options}
    return TextToTextDataset(tasks, TOKENIZER, texts, **arguments)


def rows(batches):
    """Sources and targets as texts, sentinels kept."""
    found = []
    for inputs, labels in batches:
        begins = inputs["target_ids"]
        assert inputs["source_ids"].shape[1] % 8 == 0
        assert not begins[:, 0].any()
        np.testing.assert_array_equal(begins[:, 1:], labels[:, :-1])
        for source, target in zip(inputs["source_ids"], labels, strict=True):
            ends = [np.flatnonzero(row == 1) for row in (source, target)]
            assert [len(end) for end in ends] == [1, 1]
            assert not source[ends[0][0] + 1 :].any()
            found.append(
                tuple(TOKENIZER.decode(x, True) for x in (source, target))
            )
    return found


def test_shares_as_the_paper_has_them():
    np.testing.assert_allclose(mixing_shares([100, 300]), [0.25, 0.75])
    np.testing.assert_allclose(mixing_shares([100, 900], 300), [0.25, 0.75])
    # 1 and 16 under the temperature 2 are as 1 and 4.
    np.testing.assert_allclose(mixing_shares([5, 80], None, 2.0), [0.2, 0.8])
    for wrong in (([], None, 1.0), ([0, 2], None, 1.0), ([2], None, 0.5)):
        with pytest.raises(ValueError, match="expected tasks of an example"):
            mixing_shares(*wrong)


def test_an_epoch_has_every_example_once_and_spans_are_left_out():
    data = dataset()
    assert data.counts["digits"] == data.counts["back"] == 12
    found = rows(data.batches())
    pairs = {(p.source, p.target) for task in TASKS.values() for p in task}
    spans = [pair for pair in found if "<extra_id_0>" in pair[0]]
    assert {pair for pair in found if pair not in spans} == pairs
    assert len(spans) == data.counts[SPANS] > 8  # texts of two tokens up
    assert len(found) == len(pairs) + len(spans)
    filled = set()
    for source, target in spans:
        before, _, rest = source.partition(" <extra_id_0>")
        assert rest == "" and target.startswith("<extra_id_0> ")
        filled.add(before + target.removeprefix("<extra_id_0> "))
    letters = {text.replace(" ", "") for text in TEXTS}
    assert {text.replace(" ", "") for text in filled} <= letters


def test_an_epoch_is_a_function_of_seed_and_number_and_goes_on():
    one, other = dataset(seed=3), dataset(seed=3)
    first = rows(one.batches())
    one.set_epoch(1)
    second = list(one.batches())
    other.set_epoch(1, first_batch=2)
    rest = list(other.batches())
    assert len(rest) == len(second) - 2 > 0
    for a, b in zip(second[2:], rest, strict=True):
        np.testing.assert_array_equal(a[1], b[1])
        for name in a[0]:
            np.testing.assert_array_equal(a[0][name], b[0][name])
    again = rows(second)
    assert again != first
    assert rows(dataset(seed=4).batches()) != first
    assert one.num_target_tokens == sum((b != 0).sum() for _, b in second)


def test_tasks_are_mixed_and_an_epoch_goes_on_where_the_last_ended():
    tasks = {"digits": TASKS["digits"], "back": TASKS["back"][:3]}
    data = dataset(tasks, (), epoch_examples=10)
    assert data.counts == {"digits": 8, "back": 2}
    seen = [rows(data.batches())]
    for epoch in (1, 2):
        data.set_epoch(epoch)
        seen.append(rows(data.batches()))
    sources = [s for epoch in seen for s, _ in epoch if s.startswith("digits")]
    assert len(sources) == 24 and len(set(sources)) == 12  # each of them twice
    assert all(sources.count(source) == 2 for source in sources)
    even = dataset(tasks, (), epoch_examples=12, limit=3)
    assert even.counts == {"digits": 6, "back": 6}
    assert len(rows(even.batches())) == 12


def test_what_is_too_long_is_left_out_or_cut():
    long = TextPair("digits: " + "one " * 50, "1")
    data = dataset({"a": [long, *TASKS["back"]]}, (), max_tokens=40)
    assert data.counts == {"a": 12}
    assert max(data.longest) <= 40
    pieces = dataset({}, ["one " * 100], max_tokens=32)
    assert pieces.counts == {SPANS: 4}
    for inputs, labels in pieces.batches():
        assert inputs["source_ids"].shape[1] <= 32 >= labels.shape[1]
        assert (inputs["source_ids"] != 0).sum(1).max() <= pieces.longest[0]
    with pytest.raises(ValueError, match="1 have more than max_tokens=9"):
        dataset({"a": [long]}, (), max_tokens=9)
    with pytest.raises(ValueError, match="first_batch=99"):
        data.set_epoch(0, 99)
    with pytest.raises(IndexError):
        data[99]
