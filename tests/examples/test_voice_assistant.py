"""The voice assistant: wakes, takes an order, and says what it does."""

import numpy as np
import pytest

from keras_selfattn.decoding import jsgf
from tests.decoding.letter_frames import LETTERS, written
from tests.decoding.test_jsgf import COFFEE

RATE_HZ = 16000


class Parrot:
    """A recogniser that writes what it is told, whatever the sound."""

    vocabulary = LETTERS

    def emissions(self, samples):
        frames = written(self.text)
        return frames.argmax(axis=1).astype("int32"), frames


@pytest.fixture
def script(load_script):
    return load_script("examples/voice_assistant.py")


@pytest.fixture
def parrot():
    return Parrot()


@pytest.fixture
def assistant(script, parrot):
    grammar = jsgf.read(COFFEE)
    return script.Assistant(
        parrot, "jarvis", -0.5, grammar, {"latte": ["lotay"]}
    )


def events(assistant, parrot, text, ends_at):
    parrot.text = text
    return assistant.hear(np.zeros(RATE_HZ, "float32"), ends_at)


def test_an_order_in_one_breath(assistant, parrot):
    woken, order = events(
        assistant, parrot, "jarvis brew a large lotay with soy milk", 5.0
    )
    assert woken[0] == "wake" and woken[1] > -0.1
    assert order[0] == "order"
    assert order[1].slots == {
        "coffeeDrink": "latte",
        "size": "large",
        "milkAmount": "soy milk",
    }


def test_an_order_follows_the_wake_word_soon_or_not_at_all(assistant, parrot):
    assert events(assistant, parrot, "brew a mocha", 2.0) == []
    assert [e for e, _ in events(assistant, parrot, "jarvis", 4.0)] == ["wake"]
    assert [e for e, _ in events(assistant, parrot, "jarviss", 4.5)] == ["wake"]
    (order,) = events(assistant, parrot, "brew a mocha", 9.0)
    assert order[1].slots == {"coffeeDrink": "mocha"}
    assert events(assistant, parrot, "brew a mocha", 11.0) == []  # taken
    events(assistant, parrot, "jarvis", 20.0)
    assert events(assistant, parrot, "brew a mocha", 40.0) == []  # too late


def test_what_is_no_order_is_said_to_be_none(assistant, parrot):
    events(assistant, parrot, "jarvis", 4.0)
    ((event, _),) = events(assistant, parrot, "how are you today my dear", 8.0)
    assert event == "unclear"
    # It still listens.
    assert events(assistant, parrot, "brew a mocha", 10.0)[0][0] == "order"


def test_the_action_names_all_slots(script):
    slots = {"coffeeDrink": "latte", "size": "large", "sugarAmount": "sugar"}
    assert script.act(slots) == "brewing: large latte with sugar"
    assert script.act({}) == "brewing: coffee"


@pytest.mark.parametrize("block", [1600, 777, 10**6])
def test_utterances_are_cut_where_it_is_quiet(script, block):
    draw = np.random.default_rng(0)
    sound = draw.normal(size=8 * RATE_HZ).astype("float32") * 0.003
    for start, stop in ((1.0, 2.0), (4.0, 5.5)):
        part = slice(int(start * RATE_HZ), int(stop * RATE_HZ))
        sound[part] *= 50
    blocks = [sound[i : i + block] for i in range(0, len(sound), block)]
    found = list(script.utterances(blocks))
    assert [round(end, 1) for end, _ in found] == [2.6, 6.1]
    for (end, samples), (start, stop) in zip(
        found, ((1.0, 2.0), (4.0, 5.5)), strict=True
    ):
        begin = end - len(samples) / RATE_HZ
        assert start - 0.4 < begin < start and stop < end
    assert list(script.utterances([sound[: RATE_HZ // 2]])) == []
    # What is being said when the sound stops is not lost.
    (last,) = script.utterances([sound[: int(1.8 * RATE_HZ)]])
    assert len(last[1]) > 0.8 * RATE_HZ
