"""Transcripts become `[a-z' ]`, or it is said why not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_selfattn.preprocessing.transcripts import normalize_transcript


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Hello, World!", "hello world"),
        ("“Don’t stop,” she said.", "don't stop she said"),
        ("'tis the dogs' day 'today'", "tis the dogs day today"),
        ("well-known — café naïve Straße", "well known cafe naive strasse"),
        ("Ørsted, Łódź, Æsop, Þór", "orsted lodz aesop thor"),
        ("rock & roll, all %", "rock and roll all percent"),
        ("ﬁne  \t tabs\nlines\u00a0here", "fine tabs lines here"),
        ("... ' -- ''", ""),
        ("", ""),
        ("İstanbul", "istanbul"),
        ("ｆｕｌｌ width", "full width"),
    ],
)
def test_known_texts(text, expected):
    assert normalize_transcript(text) == expected


def test_digits_must_be_spelled():
    with pytest.raises(ValueError, match=r"digits \(1 9 5\).*spell"):
        normalize_transcript("in 1995")


@pytest.mark.parametrize(
    "text, named", [("say 你好", "你 好"), ("привет", "п"), ("a ½", "1")]
)
def test_other_scripts_are_named(text, named):
    with pytest.raises(ValueError, match=named):
        normalize_transcript(text)


def test_only_text_is_taken():
    with pytest.raises(ValueError, match="expects a str"):
        normalize_transcript(None)


@given(st.text())
def test_the_result_is_plain_and_stays_the_same(text):
    try:
        normal = normalize_transcript(text)
    except ValueError:
        return
    assert re.fullmatch(r"([a-z']+( [a-z']+)*)?", normal)
    assert normalize_transcript(normal) == normal


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABC ,.!?-'’éü"))
def test_no_english_text_is_refused(text):
    letters = [c for c in normalize_transcript(text) if c.isalpha()]
    assert len(letters) == sum(c.isalpha() for c in text)
