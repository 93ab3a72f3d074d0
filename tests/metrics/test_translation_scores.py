import pytest

from keras_selfattn.metrics.translation_scores import (
    lexical_overlap,
    translation_scores,
)

REFERENCES = [
    "Ein Hund läuft schnell über die grüne Wiese.",
    "Zwei Kinder spielen im Park mit einem roten Ball.",
]


def test_the_references_themselves_have_all():
    found = translation_scores(REFERENCES, REFERENCES)
    assert found["bleu"] == found["bleu_lower"] == 100.0
    assert found["chrf"] == found["overlap"] == 100.0
    assert "case:mixed" in found["signature"]
    assert "tok:13a" in found["signature"]


def test_case_counts_in_one_bleu_and_not_in_the_other():
    found = translation_scores([t.lower() for t in REFERENCES], REFERENCES)
    assert found["bleu_lower"] == 100.0
    assert 10 < found["bleu"] < 90


def test_they_are_sacrebleus():
    sacrebleu = pytest.importorskip("sacrebleu")
    guesses = ["Ein Hund rennt schnell über die Wiese.", REFERENCES[1][9:]]
    found = translation_scores(guesses, REFERENCES)
    bleu = sacrebleu.corpus_bleu(guesses, [REFERENCES]).score
    chrf = sacrebleu.corpus_chrf(guesses, [REFERENCES]).score
    assert found["bleu"] == pytest.approx(bleu, abs=0.006)
    assert found["chrf"] == pytest.approx(chrf, abs=0.006)
    assert 20 < bleu < 90


def test_overlap_is_the_mean_f1_of_words():
    # 2 of 3 and 2 of 4 words shared: F1 = 4 / 7; the second: none.
    assert lexical_overlap(["a b c", "x"], ["b A d e", "y"]) == pytest.approx(
        100 * (4 / 7) / 2
    )
    assert lexical_overlap(["a a", ""], ["a", ""]) == pytest.approx(
        100 * (2 / 3 + 1) / 2
    )


@pytest.mark.parametrize("guesses", [[], ["one"]])
def test_as_many_of_both_are_needed(guesses):
    references = REFERENCES if guesses else []
    with pytest.raises(ValueError, match="expected as many of both"):
        translation_scores(guesses, references)
