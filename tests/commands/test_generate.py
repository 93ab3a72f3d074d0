"""`keras-selfattn generate`: its files, its seed, and bad input."""

import re

import numpy as np
import pytest

from keras_selfattn.runtime import ImageGenerator
from keras_selfattn.runtime.png import encode_png, image_grid
from tests.command_line import TINY_IMAGE, run


def generate(*arguments):
    return run("generate", "--preset", TINY_IMAGE, *arguments)


def drawn(labels, *, columns, scale=1, truncation=2.0, seed=0):
    images = ImageGenerator(TINY_IMAGE).generate(labels, truncation, seed)
    return encode_png(image_grid(images, columns, scale))


def test_a_row_a_class(tmp_path):
    out = tmp_path / "grid.png"
    found = generate("--label", "0-1", "--label", "2", "--count", "2", "--out")
    assert found.exit_code == 2  # an option without its value
    options = ["--count", "2", "--seed", "5", "--truncation", "0.5"]
    found = generate(
        "--label", "0-1", "--label", "2", *options, "--scale", "3", "--out", out
    )
    assert (found.exit_code, found.stdout) == (0, f"{out}\n")
    assert found.stderr == "6 images, --seed 5\n"
    labels = ["0", "0", "1", "1", "2", "2"]
    expected = drawn(labels, columns=2, scale=3, truncation=0.5, seed=5)
    assert out.read_bytes() == expected


def test_the_alias_is_the_default_and_the_seed_is_told(home, tmp_path):
    out = tmp_path / "two.png"
    first = run("generate", "--label", "2", "--out", out)
    seed = re.fullmatch(r"1 images, --seed (\d+)\n", first.stderr)[1]
    assert out.read_bytes() == drawn(["2"], columns=1, seed=int(seed))
    second = run("generate", "--label", "2", "--out", out)
    assert second.stderr != first.stderr


def test_a_folder_gets_a_file_an_image(tmp_path):
    found = generate("--label", "0-2", "--seed", "1", "--out", tmp_path)
    names = ["0_1_0.png", "1_1_1.png", "2_1_2.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert found.stdout.splitlines() == [str(tmp_path / n) for n in names]
    images = ImageGenerator(TINY_IMAGE).generate(["0", "1", "2"], 1.0, 1)
    assert (tmp_path / names[1]).read_bytes() == encode_png(images[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "7"], "label '7' is no class of this model; expected"),
        (["--label", "2-1"], "--label 2-1: 2 comes after 1"),
        (["--label", "0-99"], "names 100 classes; this model has 3"),
        (["--label", "1-3"], "label '3' is no class"),
        (["--label", "1", "--truncation", "0"], "truncation=0.0; expected"),
        (["--label", "1", "--truncation", "nan"], "truncation=nan; expected"),
        (["--label", "1", "--out", "x.jpg"], "ends with .png, or a folder"),
        (["--label", "1", "--out", "no/x.png"], "no: no such folder"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(tmp_path, arguments, message):
    out = tmp_path / "out.png"
    if "--out" not in arguments:
        arguments = [*arguments, "--out", out]
    found = generate(*arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr and found.stderr.count("\n") == 1
    assert not out.exists()


def test_a_class_of_such_a_name_is_no_range(tmp_path):
    from keras_selfattn.commands.generate import expand

    assert expand("0-1", ["0-1", "2-3"]) == ["0-1"]
    assert expand("0-1", ["0", "1"]) == ["0", "1"]
    assert expand("a-b", ["0", "1"]) == ["a-b"]
    assert np.size(expand("3-3", list("0123"))) == 1
