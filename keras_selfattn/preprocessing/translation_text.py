"""Sentences as translation models read and write them. No Keras.

A source is its pieces and the end, a target begins with the begin token and
ends with the end: ids `BOS_ID` and `EOS_ID` of a tokenizer whose special
tokens are `SPECIAL_TOKENS`.
"""

import re
import unicodedata

from keras_selfattn.preprocessing.vocabulary import BOS, EOS, PAD

SPECIAL_TOKENS = (PAD, BOS, EOS)
PAD_ID, BOS_ID, EOS_ID = 0, 1, 2

# Where a line that is too long is cut, best places first: behind the end of
# a sentence, behind a clause, at a blank.
_CUTS = (
    re.compile(r"(?<=[。！？!?])(?=.)|(?<=[.!?…]) +|(?<=[.!?][\"'”’)]) +"),
    re.compile(r"(?<=[，；：、])(?=.)|(?<=[,;:]) +"),
    re.compile(r" +"),
)


def normalize_text(text, form="NFC"):
    """One line without control signs, its blanks single.

    Args:
        text: str.
        form: "NFC", or "NFKC", which also makes full-width letters half-width
            and takes ligatures apart (for sources, where it loses nothing).

    Returns:
        str.

    Raises:
        ValueError: for what is not a str.
    """
    if not isinstance(text, str):
        raise ValueError(
            f"Expected a text (str), received {type(text).__name__}."
        )
    text = unicodedata.normalize(form, text)
    kept = (
        sign
        for sign in text
        if sign.isspace() or unicodedata.category(sign) not in ("Cc", "Cs")
    )
    return " ".join("".join(kept).split())


def banned_ids(tokenizer, rules):
    """Ids that are never written.

    Args:
        tokenizer: of the targets.
        rules: see `decoding.beam_search`; those of `transformers` allow
            unknown pieces.
    """
    if rules == "gnmt":
        return PAD_ID, BOS_ID, tokenizer.unknown_id
    return PAD_ID, BOS_ID


def source_ids(tokenizer, text):
    """Token ids of a sentence to be translated, with the end."""
    return [*tokenizer.encode(normalize_text(text, "NFKC")), EOS_ID]


def target_ids(tokenizer, text):
    """Token ids of a translation, with the end and without the begin."""
    return [*tokenizer.encode(normalize_text(text)), EOS_ID]


def best_source_ids(tokenizer, text, count):
    """The `count` likeliest `source_ids`, each with its log-probability."""
    found = tokenizer.encode_best(normalize_text(text, "NFKC"), count)
    return [([*ids, EOS_ID], score) for ids, score in found]


def best_target_ids(tokenizer, text, count):
    """The `count` likeliest `target_ids`, each with its log-probability."""
    found = tokenizer.encode_best(normalize_text(text), count)
    return [([*ids, EOS_ID], score) for ids, score in found]


def split_to_fit(text, num_tokens, max_tokens):
    """Cuts a text that is too long into pieces that are not.

    Sentences are cut apart first, then what is still too long at its
    clauses, at blanks, and at last in the middle of a word; neighbours that
    fit together (clauses and words, not sentences) stay together. A text
    that fits stays whole.

    Args:
        text: str, normalised.
        num_tokens: callable, str -> int, tokens of a text.
        max_tokens: int >= 1, most tokens of a piece.

    Returns:
        list of str, none empty.

    Raises:
        ValueError: for `max_tokens` below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens={max_tokens}; expected at least 1.")

    def fits(part):
        return num_tokens(part) <= max_tokens or len(part) == 1

    def cut(part, level):
        if fits(part):
            return [part]
        if level == len(_CUTS):
            middle = len(part) // 2
            return cut(part[:middle], level) + cut(part[middle:], level)
        found, held = [], ""
        for start, stop in _spans(part, _CUTS[level]):
            longer = f"{held}{part[start:stop]}"
            if held and level and fits(longer.strip()):
                held = longer
                continue
            if held.strip():
                found += cut(held.strip(), level + 1)
            held = part[start:stop]
        if held.strip():
            found += cut(held.strip(), level + 1)
        return found

    text = text.strip()
    return cut(text, 0) if text else []


def cut_lines(lines, tokenizer, max_tokens):
    """Lines as the pieces that a model reads.

    Args:
        lines: list of str.
        tokenizer: of the sources.
        max_tokens: int, most tokens of a piece, the end included.

    Returns:
        list of lists of source ids, and for each the place of its line.
    """
    rows, owners = [], []
    for owner, line in enumerate(lines):
        for piece in split_to_fit(
            normalize_text(line, "NFKC"),
            lambda part: len(source_ids(tokenizer, part)),
            max_tokens,
        ):
            rows.append(source_ids(tokenizer, piece))
            owners.append(owner)
    return rows, owners


def join_pieces(num_lines, owners, written, tokenizer):
    """The pieces' translations as those of the lines.

    Args:
        num_lines: int.
        owners: list of int, as from `cut_lines`.
        written: list of (target ids, score), one a piece.
        tokenizer: of the targets.

    Returns:
        list of dict, one a line: "text", "token_ids" and "score" (the mean
        over its pieces; 0 for a line without any).
    """
    found = [
        {"text": [], "token_ids": [], "score": []} for _ in range(num_lines)
    ]
    for owner, (ids, score) in zip(owners, written, strict=True):
        ids = [int(i) for i in ids]
        found[owner]["text"].append(tokenizer.decode(ids))
        found[owner]["token_ids"] += ids
        found[owner]["score"].append(float(score))
    for line in found:
        line["text"] = " ".join(text for text in line["text"] if text)
        scores = line["score"]
        line["score"] = sum(scores) / len(scores) if scores else 0.0
    return found


def _spans(text, places):
    """Yields (start, stop) of the parts between the ends of matches."""
    start = 0
    for match in places.finditer(text):
        if match.end() > start:
            yield start, match.end()
            start = match.end()
    if start < len(text):
        yield start, len(text)
