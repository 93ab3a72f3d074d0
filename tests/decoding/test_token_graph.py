"""The best way through a grammar's tokens: equal to trying each sentence."""

import numpy as np
import pytest

from keras_selfattn.decoding.ctc_alignment import text_scores
from keras_selfattn.decoding.jsgf import GrammarError
from keras_selfattn.decoding.token_graph import Speller, token_graph
from keras_selfattn.decoding.word_graph import word_graph
from tests.decoding.grammars import all_sentences, parsed
from tests.decoding.letter_frames import random_frames

SMALL = ["<blank>", " ", "a", "b"]


def with_garbage(frames, value=-1e3):
    return np.concatenate([frames, np.full((len(frames), 1), value)], axis=1)


def graph_of(text, vocabulary=SMALL, spellings=None, left_out=None):
    graph = word_graph(parsed(text))
    speller = Speller(vocabulary, spellings)
    return graph, token_graph(graph, speller, len(vocabulary), left_out)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "text",
    ["a", "ab ba", "a | b | aa", "/5/ abb | /1/ a b", "[a] (b | ab) [b]"],
)
def test_the_best_way_is_that_of_the_best_sentence(text, seed):
    frames = random_frames(9, 4, seed)
    _, states = graph_of(text)
    expected = {}
    for words, (weight, _) in all_sentences(parsed(text)).items():
        tokens = [SMALL.index(letter) for letter in " ".join(words)]
        expected[words] = weight + text_scores(frames, [tokens])[0]
    path, log_prob = states.best_path(with_garbage(frames))
    assert log_prob == pytest.approx(max(expected.values()), abs=1e-4)
    # The labels along the way are one alignment, and it has this probability.
    labels = states.labels[path]
    weights = log_prob - frames[range(9), labels].sum()
    assert weights == pytest.approx(
        all_sentences(parsed(text))[max(expected, key=expected.get)][0],
        abs=1e-4,
    )


@pytest.mark.parametrize("seed", range(3))
def test_further_spellings_are_further_sentences(seed):
    frames = random_frames(8, 4, seed)
    spellings = {"ab": {"bb": -0.5, "b b": 0.0}}
    _, states = graph_of("ab", spellings=spellings)
    texts = {"ab": 0.0, "bb": -0.5, "b b": 0.0}
    best = max(
        weight + text_scores(frames, [[SMALL.index(c) for c in text]])[0]
        for text, weight in texts.items()
    )
    _, log_prob = states.best_path(with_garbage(frames))
    assert log_prob == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_letters_may_be_left_out_at_a_price(seed):
    word, price = "abab", -1.25
    frames = random_frames(7, 4, seed)
    _, states = graph_of(word, left_out=price)
    best = -np.inf
    for kept in range(1, 1 << len(word)):
        letters = [SMALL.index(c) for n, c in enumerate(word) if kept >> n & 1]
        gone = "".join("x" if kept >> n & 1 else "." for n in range(4))
        if "..." in gone:
            continue
        score = text_scores(frames, [letters])[0]
        best = max(best, score + price * (len(word) - len(letters)))
    _, log_prob = states.best_path(with_garbage(frames))
    assert log_prob == pytest.approx(best, abs=1e-4)


def test_the_words_of_the_way_are_told():
    graph, states = graph_of("a b | b a")
    frames = np.log(np.eye(4)[[2, 1, 0, 3]] * 0.96 + 0.01)
    path, _ = states.best_path(with_garbage(frames))
    begins = [states.arcs[state] for state in path if states.arcs[state] >= 0]
    assert [graph.arcs[arc].word for arc in begins] == ["a", "b"]
    assert states.end_places[path[-1]] in graph.ends


def test_too_few_frames_have_no_way():
    _, states = graph_of("abab")
    path, log_prob = states.best_path(with_garbage(random_frames(3, 4, 0)))
    assert path is None and log_prob == -np.inf


def test_garbage_takes_frames_of_any_kind():
    graph, states = graph_of("<GARBAGE> ab")
    frames = np.log(np.eye(4)[[3, 3, 1, 3, 0, 1, 2, 3]] * 0.96 + 0.01)
    path, _ = states.best_path(with_garbage(frames, -0.5))
    labels = states.labels[path]
    assert (labels == 4).any() and labels[-2:].tolist() == [2, 3]
    assert not (labels[-2:] == 4).any()


def test_pieces_spell_words_by_the_longest():
    pieces = ["<blank>", "\u2581", "\u2581the", "\u2581th", "e", "se"]
    speller = Speller(pieces)
    assert speller("the") == [([2], 0.0)]
    assert speller("these") == [([2, 5], 0.0)]
    assert speller.tokens("the e") == [2, 1, 4]
    assert speller.separator is None
    with pytest.raises(GrammarError, match="'x'"):
        speller("thex")


def test_a_word_that_cannot_be_spelled_is_named():
    with pytest.raises(GrammarError, match="'7up' cannot be spelled.*'7'"):
        Speller(SMALL)("7up")
