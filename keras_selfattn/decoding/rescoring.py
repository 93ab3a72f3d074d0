"""Ranking what a search has found once more, by a better language model."""


def rescore(n_best, log_probabilities, weight, length_bonus=0.0, scorer=None):
    """Ranks texts by sound and all that speaks for their words.

        sound + scorer + weight ln p(text) + length_bonus (number of words)

    With a `TextScorer` whose model is an n-gram one, the two language models
    are interpolated, log-linearly.

    Reference: Mikolov et al. 2010, Recurrent neural network based language
    model, section 3 (n-best rescoring); Chan et al. 2016 (arXiv:1508.01211),
    section 2.4, equation 16, where sound is divided by length instead.

    Args:
        n_best: list of pairs (str, float): a text, and ln p of its tokens by
            sound (`Hypothesis.log_prob`).
        log_probabilities: function of a list of str to floats, ln p of each
            whole text.
        weight: float >= 0.
        length_bonus: float, for each word.
        scorer: `TextScorer`, or None.

    Returns:
        list of (text, score), best first.

    Raises:
        ValueError: for a negative weight, or where there are not as many
            log-probabilities as texts.

    Example:
        >>> rescore([("a b", -1.0), ("a c", -1.1)], lambda t: [-5, -3], 0.5)
        [('a c', -2.6), ('a b', -3.5)]
    """
    if weight < 0:
        raise ValueError(f"weight={weight}; expected a number >= 0.")
    texts = [text for text, _ in n_best]
    logs = list(log_probabilities(texts)) if texts else []
    if len(logs) != len(texts):
        raise ValueError(
            f"log_probabilities gave {len(logs)} numbers for {len(texts)} "
            "texts; expected one each."
        )
    ranked = []
    for (text, sound), log_prob in zip(n_best, logs, strict=True):
        score = sound + weight * log_prob + length_bonus * len(text.split())
        if scorer is not None:
            score += text_score(scorer, text)
        ranked.append((text, float(score)))
    return sorted(ranked, key=lambda pair: -pair[1])


def text_score(scorer, text):
    """What a `TextScorer` adds for a whole text."""
    return scorer.finish(scorer.advance(scorer.start(), text))
