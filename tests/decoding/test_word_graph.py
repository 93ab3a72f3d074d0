"""A grammar's graph says what the grammar says: words, weights, slots."""

import math

import pytest

from keras_selfattn.decoding import jsgf, word_graph
from keras_selfattn.decoding.jsgf import GrammarError
from tests.decoding.grammars import HEADER, all_sentences, parsed
from tests.decoding.test_jsgf import COFFEE


def walk(graph, longest):
    """dict of words to (best log weight, slots) of all ways to an end."""
    found = {}
    waiting = [(0, (), 0.0, ())]
    while waiting:
        place, words, weight, marks = waiting.pop()
        for more, after in graph.ends.get(place, ()):
            total = weight + more
            if words not in found or found[words][0] < total:
                found[words] = (
                    total,
                    slots_of(words, (*marks, (len(words), after))),
                )
        if len(words) < longest:
            for arc in graph.arcs:
                if arc.source == place:
                    waiting.append(
                        (
                            arc.target,
                            (*words, arc.word),
                            weight + arc.log_weight,
                            (*marks, (len(words), arc.marks)),
                        )
                    )
    return found


def slots_of(words, marks):
    slots, opened = {}, []
    for place, found in marks:
        for mark in found:
            if mark.opens:
                opened.append(place)
                continue
            covered = " ".join(words[opened.pop() : place])
            slots[mark.name] = covered if mark.value is None else mark.value
    return slots


@pytest.mark.parametrize(
    "text",
    [
        "a b c",
        "a | b c | a d",
        "/3/ a | /1/ b",
        "[a] [b] c",
        "a [b [c]] {x}",
        "(a | b)+ {x} c",
        "a* b",
        "[a {x=1} | b {x=2}] (c {y} d) {z}",
        "a <NULL> b | c <VOID>",
        "(a {x} | [b] {y}) c",
        "(a | b a | a b) {x} a",
    ],
)
def test_the_graph_says_what_the_rules_say(text):
    grammar = parsed(text)
    expected = {
        words: value
        for words, value in all_sentences(grammar, most=4).items()
        if len(words) <= 4
    }
    found = walk(word_graph.word_graph(grammar), 4)
    assert found.keys() == expected.keys()
    for words, (weight, slots) in expected.items():
        assert found[words][0] == pytest.approx(weight), words
        assert found[words][1] == slots, words


def test_weights_of_all_sentences_sum_to_one():
    graph = word_graph.word_graph(jsgf.read(COFFEE))
    # Summed from the end: what is said from a place on.
    total = [0.0] * graph.num_places
    for _ in range(40):  # longer than any order
        total = [
            sum(math.exp(w) for w, _ in graph.ends.get(place, ()))
            + sum(
                math.exp(arc.log_weight) * total[arc.target]
                for arc in graph.arcs
                if arc.source == place
            )
            for place in range(graph.num_places)
        ]
    assert total[0] == pytest.approx(1.0)
    assert "cappuccino" in graph.words and jsgf.GARBAGE not in graph.words


def test_garbage_is_a_word_of_its_own_or_nothing():
    graph = word_graph.word_graph(parsed("[<GARBAGE>] a"))
    found = walk(graph, 2)
    assert found.keys() == {("a",), (jsgf.GARBAGE, "a")}


def test_several_public_rules_are_a_choice():
    grammar = jsgf.parse(HEADER + "public <a> = x;\npublic <b> = y | z;")
    found = walk(word_graph.word_graph(grammar), 1)
    assert math.exp(found["x",][0]) == pytest.approx(0.5)
    assert math.exp(found["z",][0]) == pytest.approx(0.25)


@pytest.mark.parametrize("text", ["<VOID>", "a <VOID>", "<NULL>"])
def test_a_grammar_of_nothing_is_refused(text):
    with pytest.raises(GrammarError, match="no words"):
        word_graph.word_graph(parsed(text))


def test_too_large_a_grammar_is_refused(monkeypatch):
    monkeypatch.setattr(word_graph, "_MOST_ARCS", 20)
    with pytest.raises(GrammarError, match="more than 20 arcs"):
        word_graph.word_graph(parsed("a b c d e f (g | h | i | j) k l m n"))


def test_a_tag_that_repeats_without_words_is_refused():
    with pytest.raises(GrammarError, match="tag without words"):
        word_graph.word_graph(parsed("([a] {x})* b"))
