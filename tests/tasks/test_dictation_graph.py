import numpy as np
import pytest
from keras import ops

from keras_selfattn.decoding.search_in_graph import HIDDEN
from keras_selfattn.tasks.dictation_graph import (
    Heard,
    WritingRules,
    beam_ids,
    bias_table,
    fit_length,
    greedy_ids,
)
from tests.arrays import to_numpy
from tests.whisper_examples import SIZE, whisper

RULES = WritingRules((14, 19), 13, (3, 14, 15, 16, 17, 18, 19), (8, 13), 7)
FEATURES = np.random.default_rng(2).normal(size=(3, 10, 8)).astype("float32")


def heard(model, features=FEATURES, rules=RULES):
    """As WhisperRecognizer makes it, without masks."""
    blank = np.zeros((len(features), rules.num_places), "int32")
    return Heard(
        model.context_caches(model.encode(features)),
        ops.convert_to_tensor(blank),
        ops.convert_to_tensor(blank[:, 0] + rules.num_places),
    )


def test_the_table_of_biases_as_a_literal_matrix():
    rules = WritingRules((1, 2), 3, (2,), (0,), 5)
    table = bias_table(rules, 4)
    assert table.shape == (3, 64)
    free = table == 0
    # Columns 0 to 3 are tokens, but 0 stands in column 4.
    np.testing.assert_array_equal(
        free[:, :6],
        [
            [False, False, True, False, False, False],
            [False, True, False, True, False, False],
            [False, True, False, True, True, False],
        ],
    )
    assert (table[~free] == HIDDEN).all() and not free[:, 5:].any()


def test_samples_are_filled_up_or_cut():
    samples = np.arange(1.0, 5.0, dtype="float32")[None]
    np.testing.assert_array_equal(
        to_numpy(fit_length(samples, 6)), [[1, 2, 3, 4, 0, 0]]
    )
    np.testing.assert_array_equal(to_numpy(fit_length(samples, 2)), [[1, 2]])


def all_texts(model, features, rules):
    """The best text of all there are: sums of log-probabilities, one row."""
    context = model.context_caches(model.encode(features))
    best = [], -np.inf

    def grow(text, total, caches, given, place):
        nonlocal best
        logits, caches = model.decode_step(given, place, caches, context)
        logits = to_numpy(logits)[0, -1].astype("float64")
        logits[list(rules.banned_ids)] = -np.inf
        if not text:
            logits[list(rules.banned_first_ids)] = -np.inf
        logs = logits - np.logaddexp.reduce(logits)
        if total + logs[rules.end_id] > best[1]:
            best = text, total + logs[rules.end_id]
        if len(text) == rules.max_new_tokens - 1:  # the end has a place
            return
        for i in np.flatnonzero(np.isfinite(logs)):
            if i != rules.end_id and total + logs[i] > best[1]:
                grow(
                    [*text, int(i)],
                    total + logs[i],
                    caches,
                    np.array([[i]]),
                    place + given.shape[1],
                )

    caches = model.self_caches(1, rules.num_places + 2)
    grow([], 0.0, caches, np.array([rules.prompt]), 0)
    return best


@pytest.mark.slow
@pytest.mark.backend
def test_a_wide_beam_finds_the_best_text_of_all():
    model = whisper(3)
    rules = WritingRules(RULES.prompt, 13, RULES.banned_ids, (8, 13), 3)
    found = heard(model, FEATURES[:1], rules)
    ids, scores = beam_ids(model, found, rules, 60, 0.0)
    text, total = all_texts(model, FEATURES[:1], rules)
    found = [int(i) for i in to_numpy(ids)[0] if i != 13]
    assert 0 < len(text) and found == text
    np.testing.assert_allclose(to_numpy(scores)[0], total, atol=1e-4)


@pytest.mark.backend
def test_a_beam_of_one_is_greedy_and_rows_do_not_mix():
    model = whisper()
    whole = to_numpy(greedy_ids(model, heard(model), RULES))
    assert whole.shape == (3, 7) and whole.max() < SIZE
    assert (whole != whole[0]).any()
    ids, _ = beam_ids(model, heard(model), RULES, 1, 1.0)
    np.testing.assert_array_equal(to_numpy(ids), whole)
    for row, features in zip(whole, FEATURES, strict=True):
        alone = greedy_ids(model, heard(model, features[None]), RULES)
        np.testing.assert_array_equal(to_numpy(alone)[0], row)
