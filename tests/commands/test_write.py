"""`keras-selfattn write`: its output, its seed, and bad input."""

import json
import re

import pytest

from keras_selfattn import zoo
from keras_selfattn.runtime import TextGenerator
from tests.command_line import TINY_TRANSLATION, run

PRESET = "gpt_small_shakespeare"


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_the_text_goes_on(search):
    generator = TextGenerator(zoo.resolve(PRESET))
    expected = generator.generate("ROMEO:", 12, search=search).text
    result = run("write", "ROMEO:", "--tokens", "12", "--search", search)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"ROMEO:{expected}\n"


def test_the_seed_writes_the_same_again():
    options = ["--tokens", "20", "--temperature", "0.7", "--top-k", "20"]
    first = run("write", "ROMEO:", *options)
    (seed,) = re.fullmatch(r"--seed (\d+)\n", first.stderr).groups()
    again = run("write", "ROMEO:", *options, "--seed", seed, "--json")
    found = json.loads(again.stdout)
    assert first.stdout == f"ROMEO:{found['text']}\n"
    assert (found["prompt"], found["seed"]) == ("ROMEO:", int(seed))
    assert again.stderr == "" and len(found["token_ids"]) == 20
    other = run("write", "ROMEO:", *options, "--seed", str(int(seed) + 1))
    assert other.stdout != first.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["R", "--preset", TINY_TRANSLATION], "no language model"),
        (["R", "--search", "best"], "search='best' is unknown"),
        (["R", "--temperature", "0"], "temperature"),
        (["\u732b"], "\u732b"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    result = run("write", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ") and message in result.stderr
    assert result.stderr.count("\n") == 1
