"""train/rescore_asr.py: ways of ranking, chosen and counted."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from keras_selfattn.decoding.kneser_ney import train
from keras_selfattn.decoding.text_scorer import TextScorer

VOCABULARY = ["<blank>", " ", "a", "c", "h", "t"]
NGRAM = train([["a", "cat"], ["a", "cat"], ["a", "hat"]], order=2)


class Causal:
    """Loves cats."""

    def log_probabilities(self, text):
        return np.full(2, -1.0 if "cat" in text else -4.0, "float32")


def frames(text, doubtful):
    """One letter a frame; `c` and `h` are mistaken for each other."""
    rows = np.full((2 * len(text), len(VOCABULARY)), 1e-4)
    for place, letter in enumerate(text):
        rows[2 * place, VOCABULARY.index(letter)] = 1
        rows[2 * place + 1, 0] = 1
        if letter in "ch":
            other = "h" if letter == "c" else "c"
            rows[2 * place, VOCABULARY.index(other)] = doubtful
    rows /= rows.sum(axis=1, keepdims=True)
    return np.log(rows).astype("float32")


@pytest.fixture
def script(load_script):
    return load_script("train/rescore_asr.py")


@pytest.fixture
def utterances(script):
    scorer = TextScorer(NGRAM, 0.5, 1.5, 12.0)
    penalties = TextScorer(NGRAM, 0.5, 0.0, 12.0)
    heard = [("a hat", "a cat", 0.9), ("a cat", "a cat", 0.1)]
    return [
        script.Utterance(
            frames(said, doubtful),
            reference,
            VOCABULARY,
            scorer,
            8,
            penalties,
            Causal(),
        )
        for said, reference, doubtful in heard
    ]


def test_parts_of_a_score_are_kept_apart(script, utterances):
    first = utterances[0]
    assert first.greedy == 1 and first.words == 2 and first.least == 0
    rows = {row["text"]: row for row in first.rows}
    row = rows["a hat"]
    assert row["errors"] == 1 and row["causal"] == -8.0
    assert row["ngram"] == pytest.approx(NGRAM.sentence(["a", "hat"]), abs=1e-5)
    assert row["shipped"] == pytest.approx(
        row["sound"] + 0.5 * row["ngram"] + 2 * 1.5, abs=1e-5
    )
    assert first.errors(0.0, 0.0, 0.0) == 1  # by sound alone
    assert first.errors(0.0, 0.5, 0.0) == 0


def test_the_weights_with_fewest_errors_are_taken(script, utterances):
    best, errors = script.tuned(utterances, (0.0,), (0.0, 0.5))
    assert best[1] == 0.5 and errors == 0
    found = script.figures(utterances, {"both": best})
    assert found["words"] == 4 and found["utterances"] == 2
    assert found["wer"]["best tokens"] == 0.25
    assert found["wer"]["both"] == found["wer"]["best of its texts"] == 0.0
    json.dumps(found)


def test_perplexities_are_a_words(script):
    examples = [SimpleNamespace(text="A cat!"), SimpleNamespace(text="a hat")]
    found = script.perplexities(examples, NGRAM, Causal())
    assert found["causal"] == round(float(np.exp(10 / 6)), 1)
    expected = NGRAM.perplexity([["a", "cat"], ["a", "hat"]])
    assert found["ngram"] == round(float(expected), 1)
