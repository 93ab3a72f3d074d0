"""Joint decoding against a search through every text that is possible."""

import itertools

import numpy as np
import pytest

from keras_selfattn.decoding.joint_search import joint_search
from tests.decoding.test_ctc_prefix_scores import text_probabilities

T, V = 4, 4
NAMES = ["<blank>", "a", "b", " "]


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


class Bigrams:
    """A decoder whose next token depends on the last one and the utterance."""

    def __init__(self, seed, batch):
        generator = np.random.default_rng(seed)
        self.logits = generator.normal(size=(batch, V, V), scale=1.5)
        self.calls = 0

    def step(self, token_ids, position, state):
        self.calls += 1
        rows = state["owner"]
        assert position == state["count"][0]
        return self.logits[rows, token_ids], {
            "owner": rows,
            "count": state["count"] + 1,
        }

    def state(self, beam):
        owner = np.repeat(np.arange(len(self.logits)), beam)
        return {"owner": owner, "count": np.zeros(len(owner), int)}

    def log_prob(self, utterance, text):
        rows = log_softmax(self.logits[utterance])
        path = [0, *text, 0]
        return sum(rows[a, b] for a, b in itertools.pairwise(path))


class Scorer:
    """Likes the letter b, and texts of two tokens."""

    def start(self):
        return Mark(0.0, "")

    def advance(self, state, piece):
        text = state.text + piece
        return Mark(0.7 * text.count("b"), text)

    def finish(self, state):
        return state.score - 0.4 * abs(len(state.text) - 2)


class Mark:
    def __init__(self, score, text):
        self.score, self.text = score, text


def every_text(limit):
    for length in range(limit + 1):
        yield from itertools.product(range(1, V), repeat=length)


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("extras", [False, True])
def test_a_wide_beam_finds_the_best_of_all_texts(weight, extras):
    generator = np.random.default_rng(int(10 * weight))
    frames = log_softmax(generator.normal(size=(3, T, V), scale=2))
    lengths = np.array([4, 2, 3])
    decoder, language = Bigrams(1, 3), Bigrams(2, 3)
    options = {}
    if extras:
        options = {
            "scorer": Scorer(),
            "texts": NAMES,
            "language_step": language.step,
            "language_state": language.state(81),
            "language_weight": 0.5,
            "token_bonus": 0.3,
        }
    found = joint_search(
        decoder.step,
        decoder.state(81),
        frames,
        lengths,
        beam_size=81,
        ctc_weight=weight,
        **options,
    )
    for i, (tokens, score) in enumerate(found):
        sound = text_probabilities(frames[i, : lengths[i]])
        best = None
        for text in every_text(lengths[i]):
            p = sound.get(text, 0.0)
            if weight and not p:
                continue
            total = (1 - weight) * decoder.log_prob(i, text)
            total += weight * np.log(p) if weight else 0.0
            if extras:
                scorer = Scorer()
                spoken = "".join(NAMES[k] for k in text)
                total += scorer.finish(scorer.advance(scorer.start(), spoken))
                total += 0.5 * language.log_prob(i, text) + 0.3 * len(text)
            if best is None or total > best[1]:
                best = text, total
        assert tuple(tokens) == best[0]
        np.testing.assert_allclose(score, best[1], rtol=1e-9)


def test_it_stops_when_all_that_goes_on_is_behind():
    decoder = Bigrams(3, 1)
    decoder.logits[:] = -5.0
    decoder.logits[0, 0, 1] = decoder.logits[0, 1, 0] = 20.0
    frames = np.full((1, 50, V), np.log(1 / V))
    found = joint_search(
        decoder.step, decoder.state(2), frames, np.array([50]), beam_size=2
    )
    assert found[0][0].tolist() == [1]
    assert decoder.calls < 20


def test_settings_out_of_their_range_are_named():
    decoder = Bigrams(0, 1)
    frames = log_softmax(np.zeros((1, T, V)))
    for options, match in (
        ({"ctc_weight": 1.5}, "ctc_weight=1.5"),
        ({"beam_size": 0}, "beam_size=0"),
        ({"language_weight": -1}, "language_weight=-1"),
    ):
        with pytest.raises(ValueError, match=match):
            joint_search(
                decoder.step, decoder.state(1), frames, np.array([T]), **options
            )
