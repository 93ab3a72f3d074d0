"""How close translations come to references: BLEU, chrF, lexical overlap."""

from collections import Counter


def translation_scores(guesses, references):
    """Scores of a corpus, each 0 to 100.

    Reference: BLEU: Papineni et al. 2002, as Post 2018 (arXiv:1804.08771)
    fixes it; chrF: Popović 2015.

    Args:
        guesses: list of str, plain text, not tokenized.
        references: list of str, one for each.

    Returns:
        dict of "bleu" (mixed case), "bleu_lower" (lower-cased), "chrf",
        "overlap" (see `lexical_overlap`) and "signature", which says how
        sacreBLEU counted the mixed-case BLEU.

    Raises:
        ValueError: for lists of different or no length.
    """
    if len(guesses) != len(references) or not guesses:
        raise ValueError(
            f"{len(guesses)} translations and {len(references)} references; "
            "expected as many of both, at least one."
        )
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError as error:
        raise ImportError(
            "BLEU and chrF need the package: pip install sacrebleu"
        ) from error

    guesses, references = list(guesses), [list(references)]
    bleu = BLEU()
    scores = {
        "bleu": bleu.corpus_score(guesses, references).score,
        "bleu_lower": BLEU(lowercase=True)
        .corpus_score(guesses, references)
        .score,
        "chrf": CHRF().corpus_score(guesses, references).score,
        "overlap": lexical_overlap(guesses, references[0]),
    }
    scores = {name: round(value, 2) for name, value in scores.items()}
    return {**scores, "signature": str(bleu.get_signature())}


def lexical_overlap(guesses, references):
    """Mean F1 of the words (lower-cased, counted) of each pair, 0 to 100.

    Unlike BLEU it is a mean over sentences and knows no order, so a single
    sentence has a score that means something.
    """
    total = 0.0
    for guess, reference in zip(guesses, references, strict=True):
        one, other = (
            Counter(text.lower().split()) for text in (guess, reference)
        )
        words = sum(one.values()) + sum(other.values())
        shared = sum((one & other).values())
        total += 2 * shared / words if words else 1.0
    return 100 * total / len(guesses)
