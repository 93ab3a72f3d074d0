"""JSGF: what is read, and what is refused with its line."""

from pathlib import Path

import pytest

from keras_selfattn.decoding import jsgf
from keras_selfattn.decoding.jsgf import (
    Choice,
    GrammarError,
    Reference,
    Repeat,
    Sequence,
    Tagged,
    Word,
)

HEADER = "#JSGF V1.0;\ngrammar g;\n"
COFFEE = Path(__file__).parents[2] / "examples" / "coffee.jsgf"


def rule(text):
    return jsgf.parse(f"{HEADER}public <r> = {text};\n<s> = c;").rules["<r>"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", Word("a")),
        ("a b", Sequence((Word("a"), Word("b")))),
        ("a | b", Choice((Word("a"), Word("b")))),
        ("(a)", Word("a")),
        ("[a]", Repeat(Word("a"), 0, 1)),
        ("a*", Repeat(Word("a"), 0, None)),
        ("(a b)+", Repeat(Sequence((Word("a"), Word("b"))), 1, None)),
        ("<s>", Reference("<s>")),
        ("a {x}", Tagged(Word("a"), "x", None)),
        ("a {x=}", Tagged(Word("a"), "x", "")),
        ("a {x = y z}", Tagged(Word("a"), "x", "y z")),
        (r"a {x=\}}", Tagged(Word("a"), "x", "}")),
        ("a {x} {y}", Tagged(Tagged(Word("a"), "x", None), "y", None)),
        ("/2/ a | /0.5/ b", Choice((Word("a"), Word("b")), (2.0, 0.5))),
        ('"new york"', Sequence((Word("new"), Word("york")))),
        ("i'd like", Sequence((Word("i'd"), Word("like")))),
        ("a // b\n c", Sequence((Word("a"), Word("c")))),
        ("a /* b\n */ c", Sequence((Word("a"), Word("c")))),
        ("a | b c", Choice((Word("a"), Sequence((Word("b"), Word("c")))))),
        ("<NULL>", Reference("<NULL>")),
    ],
)
def test_each_form_is_read(text, expected):
    assert rule(text) == expected


def test_public_rules_and_the_name_are_kept():
    text = "#JSGF V1.0 UTF-8 en;\ngrammar my.g;\n<a> = x;\npublic <b> = <a>;"
    grammar = jsgf.parse(text)
    assert (grammar.name, grammar.public) == ("my.g", ("<b>",))
    assert list(grammar.rules) == ["<a>", "<b>"]


def test_a_word_list_is_a_grammar():
    grammar = jsgf.word_list(["yes", "smart mirror"])
    assert grammar.rules["<word>"] == Choice(
        (
            Sequence((Word("yes"),)),
            Sequence((Word("smart"), Word("mirror"))),
        )
    )
    assert jsgf.word_list("yes").rules["<word>"].parts == (
        Sequence((Word("yes"),)),
    )
    for wrong in ([], [""], ["a", " "]):
        with pytest.raises(GrammarError, match="not empty"):
            jsgf.word_list(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grammar g;", "line 1: a JSGF grammar begins"),
        (HEADER, "no rule is public"),
        (HEADER + "<a> = b;", "no rule is public"),
        (HEADER + "public <a> = b", "line 3: expected ;, found the end"),
        (HEADER + "public <a> b;", "line 3: expected =, found b"),
        (HEADER + "public <a> =\n;", "line 4: expected words, a rule"),
        (HEADER + "public <a> = (b;", r"line 3: expected \), found ;"),
        (HEADER + "public <a> = (b];", r"expected \), found \]"),
        (HEADER + "public <a> = b | ;", "expected words"),
        (HEADER + "public <a> = /0/ b | /1/ c;", "above 0"),
        (HEADER + "public <a> = /1/ b | c;", "weigh all"),
        (HEADER + "public <a> = b {};", "no name"),
        (HEADER + 'public <a> = "";', "empty"),
        (HEADER + "public <a> = b }c;", "line 3: unexpected '}'"),
        (HEADER + "public <a> = <b>;", "<a> refers to <b>"),
        (HEADER + "public <a> = b <a>;", "<a> contains itself"),
        (HEADER + "public <a> = <b>;\n<b> = <a>;", "contains itself"),
        (HEADER + "public <a> = b;\n<a> = c;", "line 4.*already"),
        (HEADER + "<NULL> = b;", "already"),
        (HEADER + "import <x.y>;\npublic <a> = b;", "imports are not read"),
    ],
)
def test_mistakes_are_named_with_their_line(text, message):
    with pytest.raises(GrammarError, match=message) as error:
        jsgf.parse(text, "my.jsgf")
    assert str(error.value).startswith("my.jsgf")


def test_files_are_read_or_named(tmp_path):
    assert jsgf.read(COFFEE).public == ("<order>",)
    with pytest.raises(GrammarError, match="No such file"):
        jsgf.read(tmp_path / "none.jsgf")
    (tmp_path / "binary.jsgf").write_bytes(b"\xff\xfe")
    with pytest.raises(GrammarError, match="cannot be read"):
        jsgf.read(tmp_path / "binary.jsgf")
