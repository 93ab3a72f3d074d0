import pytest

from keras_selfattn.decoding.kneser_ney import train
from keras_selfattn.decoding.rescoring import rescore, text_score
from keras_selfattn.decoding.text_scorer import TextScorer

N_BEST = [("a cat sat", -3.0), ("a hat sat", -2.5), ("a hat", -2.0)]
LOGS = {"a cat sat": -4.0, "a hat sat": -6.0, "a hat": -7.0}


def logs(texts):
    return [LOGS[text] for text in texts]


def test_scores_are_sums_of_what_speaks_for_a_text():
    found = rescore(N_BEST, logs, 0.5, length_bonus=0.25)
    assert found == [
        ("a cat sat", pytest.approx(-3.0 - 2.0 + 0.75)),
        ("a hat sat", pytest.approx(-2.5 - 3.0 + 0.75)),
        ("a hat", pytest.approx(-2.0 - 3.5 + 0.5)),
    ]
    assert rescore(N_BEST, logs, 0.0)[0] == ("a hat", -2.0)
    assert rescore([], logs, 1.0) == []


def test_an_ngram_model_joins_in():
    model = train([["a", "cat", "sat"], ["a", "hat"]] * 3, order=2)
    scorer = TextScorer(model, lm_weight=0.7, word_bonus=1.0)
    found = dict(rescore(N_BEST, logs, 0.3, scorer=scorer))
    words = "a cat sat".split()
    expected = -3.0 + 0.3 * -4.0 + 0.7 * model.sentence(words) + 3.0
    assert found["a cat sat"] == pytest.approx(expected, abs=1e-6)
    assert text_score(scorer, "") == pytest.approx(0.7 * model.sentence([]))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="weight=-1; expected"):
        rescore(N_BEST, logs, -1)
    with pytest.raises(ValueError, match="gave 1 numbers for 3 texts"):
        rescore(N_BEST, lambda texts: [0.0], 1)
