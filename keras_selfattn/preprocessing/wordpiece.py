"""Learning the pieces of WordPiece from texts. Standard library only."""

from collections import Counter, defaultdict

from keras_selfattn.preprocessing.splitters import CONTINUED, make_splitter
from keras_selfattn.preprocessing.text_cleaning import clean_text


def train_wordpiece(
    texts,
    vocabulary_size,
    specials=("<padding>", "<unknown>"),
    cleaning=None,
    min_count=2,
    by="likelihood",
    words_of=None,
):
    """The vocabulary for a tokenizer that splits by "wordpiece" or "bert".

    Begins with the characters (inner ones marked `##`) and joins, again and
    again, the two neighbours whose joint count is the largest beside the
    product of their counts; that is what makes the texts likelier by most.
    With `by="count"` it is the two that stand together most often, which
    makes longer pieces of frequent words.

    Reference: Schuster and Nakajima 2012 (ICASSP, Japanese and Korean voice
    search), section 3; counts: Sennrich et al. 2016 (arXiv:1508.07909),
    section 3.2. Of equals the first in order is joined, so the result
    depends on the texts alone.

    Args:
        texts: iterable of str.
        vocabulary_size: int, pieces at most, specials included.
        specials: strs that stand first; padding first of all.
        cleaning: dict of options of `clean_text`; the same as the tokenizer's.
        min_count: int, pieces that stand more rarely in a row are not joined.
        by: "likelihood" or "count".
        words_of: function of a text that gives its words; None: those of
            "wordpiece" after `clean_text`. `bert_words` for "bert".

    Returns:
        list of str; shorter than `vocabulary_size` where nothing is left to
        join.

    Raises:
        ValueError: the size does not even hold the characters; an unknown
            `by`.

    Example:
    ```python
    vocabulary = train_wordpiece(texts, 8000, cleaning={"lower": True})
    tokenizer = TextTokenizer(vocabulary, "wordpiece", cleaning={"lower": True})
    ```
    """
    if by not in ("likelihood", "count"):
        raise ValueError(f"by={by!r}; expected 'likelihood' or 'count'.")
    if words_of is None:
        split = make_splitter("characters")

        def words_of(text):
            return split(clean_text(text, **(cleaning or {})))

    counts = Counter()
    for text in texts:
        counts.update(words_of(text))
    words = [
        [word[0], *(CONTINUED + letter for letter in word[1:])]
        for word in counts
    ]
    weights = list(counts.values())
    pieces = Counter()
    for word, weight in zip(words, weights, strict=True):
        for piece in word:
            pieces[piece] += weight
    vocabulary = [*specials, *sorted(set(pieces) - set(specials))]
    if len(vocabulary) > vocabulary_size:
        raise ValueError(
            f"vocabulary_size={vocabulary_size} does not hold the "
            f"{len(vocabulary)} characters and special tokens of these texts."
        )
    pairs, places = Counter(), defaultdict(set)
    for i, (word, weight) in enumerate(zip(words, weights, strict=True)):
        for pair in zip(word, word[1:]):
            pairs[pair] += weight
            places[pair].add(i)
    known = set(vocabulary)
    while len(vocabulary) < vocabulary_size:
        best = _best(pairs, pieces if by == "likelihood" else None, min_count)
        if best is None:
            break
        joined = best[0] + best[1].removeprefix(CONTINUED)
        if joined not in known:
            vocabulary.append(joined)
            known.add(joined)
        for i in sorted(places[best]):
            old, weight = words[i], weights[i]
            new = _join(old, best, joined)
            for pair in zip(old, old[1:]):
                pairs[pair] -= weight
                places[pair].discard(i)
            for pair in zip(new, new[1:]):
                pairs[pair] += weight
                places[pair].add(i)
            merged = len(old) - len(new)
            pieces[joined] += merged * weight
            pieces[best[0]] -= merged * weight
            pieces[best[1]] -= merged * weight
            words[i] = new
        pairs.pop(best, None)
        places.pop(best, None)
    return vocabulary


def _best(pairs, pieces, min_count):
    best, best_score = None, 0.0
    for pair, count in pairs.items():
        if count < min_count:
            continue
        score = count
        if pieces is not None:
            score = count / (pieces[pair[0]] * pieces[pair[1]])
        if score > best_score or (score == best_score and pair < best):
            best, best_score = pair, score
    return best


def _join(word, pair, joined):
    found, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            found.append(joined)
            i += 2
        else:
            found.append(word[i])
            i += 1
    return found
