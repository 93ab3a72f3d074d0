"""All that a small grammar says, by reading the rules themselves."""

import math

from keras_selfattn.decoding import jsgf

HEADER = "#JSGF V1.0;\ngrammar g;\n"


def parsed(text):
    return jsgf.parse(f"{HEADER}public <r> = {text};")


def sentences_of(part, rules, most=3):
    """Yields (words, log weight, slots) of a part, repeated `most` times."""
    if isinstance(part, jsgf.Word):
        yield (part.text,), 0.0, ()
    elif isinstance(part, jsgf.Reference):
        if part.rule == jsgf.NULL:
            yield (), 0.0, ()
        elif part.rule != jsgf.VOID:
            yield from sentences_of(rules[part.rule], rules, most)
    elif isinstance(part, jsgf.Sequence):
        if not part.parts:
            yield (), 0.0, ()
            return
        rest = jsgf.Sequence(part.parts[1:])
        for words, weight, slots in sentences_of(part.parts[0], rules, most):
            for more in sentences_of(rest, rules, most):
                yield words + more[0], weight + more[1], slots + more[2]
    elif isinstance(part, jsgf.Choice):
        weights = part.weights or (1.0,) * len(part.parts)
        for inner, weight in zip(part.parts, weights):
            share = math.log(weight / sum(weights))
            for words, more, slots in sentences_of(inner, rules, most):
                yield words, share + more, slots
    elif isinstance(part, jsgf.Repeat):
        half = math.log(0.5)
        if part.least == 0:
            yield (), half, ()
        times = 1 if part.most else most
        for count in range(1, times + 1):
            entry = 0.0 if part.least else half
            again = 0.0 if part.most else half * count
            chain = jsgf.Sequence((part.part,) * count)
            for words, more, slots in sentences_of(chain, rules, most):
                yield words, entry + again + more, slots
    else:
        for words, weight, slots in sentences_of(part.part, rules, most):
            value = " ".join(words) if part.value is None else part.value
            yield words, weight, (*slots, (part.name, value))


def all_sentences(grammar, most=3):
    """dict of words to (best log weight, slots) of public rules."""
    found = {}
    share = -math.log(len(grammar.public))
    for rule in grammar.public:
        for words, weight, slots in sentences_of(
            grammar.rules[rule], grammar.rules, most
        ):
            if words not in found or found[words][0] < weight + share:
                found[words] = (weight + share, dict(slots))
    return found
