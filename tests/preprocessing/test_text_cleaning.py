import time

import numpy as np
import pytest

from keras_selfattn.preprocessing.text_cleaning import (
    check_cleaning,
    clean_text,
    decode_bytes,
    strip_html,
)


@pytest.mark.parametrize(
    "text, plain",
    [
        ("a<br /><br />b", "a  b"),
        ("<p>one</p><p>two", " one  two"),
        ("<b>real</b>ly", "really"),
        ("AT&T &lt;b&gt; &amp; caf&eacute; &#20013;", "AT&T <b> & caf\xe9 中"),
        ("I <3 you, a < b", "I <3 you, a < b"),
        ("<url> and <unk/> </made-up>", "<url> and <unk/> </made-up>"),
        ("《<色,戒>》", "《<色,戒>》"),
        ("a<!-- hidden -->b", "ab"),
        ("a<!-- <b>hidden</b> > -->b<!-- open", "ab<!-- open"),
        ("x <![if IE]> y <![bad[ z", "x  y <![bad[ z"),
        ("<![CDATA[x]]>y", "y"),
        ("a<script>x < 1; y()</script>b", "ab"),
        ("a<style>p {}</style>b", "ab"),
        ('<a href="x>y">link</a>', "link"),
        ("<P CLASS=x>loud</P>", " loud "),
        ("ends with <b", "ends with <b"),
    ],
)
def test_html_is_parsed(text, plain):
    assert strip_html(text) == plain


def test_nothing_stops_the_parser():
    parts = "< ! [ ] > - -- / ? & # x script style CDATA if \" ' = br \n".split(
        " "
    )
    random = np.random.default_rng(0)
    for _ in range(3000):
        text = "".join(random.choice(parts, random.integers(1, 12)))
        assert isinstance(strip_html(text), str)


@pytest.mark.parametrize(
    "part",
    ["<", "<a ", "<!--", "<![CDATA[", "</", "<script>", "<a b='", '<a ">', "&"],
)
def test_time_grows_with_the_length_only(part):
    text = part.replace("%", " ") * 20_000
    started = time.process_time()  # minutes, where it grew with the square
    strip_html(text)
    strip_html(text + ">")
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    "options, text, clean",
    [
        ({}, "Ｆｕｌｌ\u3000ｗｉｄｔｈ！１２", "Full width!12"),
        ({}, "\ufb01lm \u2460 \uff76\uff9e", "film 1 \u30ac"),
        ({"form": "NFC"}, "e\u0301 \ufb01 Ｘ", "\xe9 \ufb01 X"),
        ({"form": None}, "e\u0301 Ｘ", "e\u0301 X"),
        ({"form": None, "half_width": False}, "Ｘ！", "Ｘ！"),
        ({}, "zero\u200bwidth\ufeff soft\xadhyphen", "zerowidth softhyphen"),
        ({}, "dash\x96here\x00nul\ud800half", "dash here nul half"),
        ({}, " tabs\t and\r\nlines \x0b", "tabs and lines"),
        ({"lower": True}, "ÄB İ", "äb i\u0307"),
        ({"html": True}, "a<br>&nbsp;b", "a b"),
        ({}, "a<br>b", "a<br>b"),
        ({}, " \u200b\x00 ", ""),
    ],
)
def test_text_comes_out_in_one_form(options, text, clean):
    assert clean_text(text, **options) == clean


def test_cleaning_twice_changes_nothing():
    text = " Ｆ &lt;i&gt; \u2460\x85 <i>x</i>\u3000"
    once = clean_text(text, html=False, lower=True)
    assert clean_text(once, html=False, lower=True) == once


def test_what_is_no_text_is_refused():
    for value in (b"bytes", None, 3):
        with pytest.raises(ValueError, match="a text is a str; received"):
            clean_text(value)


@pytest.mark.parametrize(
    "data, text, wrong",
    [
        (b"plain", "plain", 0),
        ("中文".encode(), "中文", 0),
        (b"\xef\xbb\xbfmark", "mark", 0),
        (b"caf\xe9 \xff!", "caf\ufffd \ufffd!", 2),
        ("kept \ufffd".encode(), "kept \ufffd", 0),
        ("kept \ufffd".encode() + b"\xe9", "kept \ufffd\ufffd", 1),
        ("中文".encode("gbk"), None, 4),
        (b"", "", 0),
    ],
)
def test_bytes_that_are_no_utf_8_are_counted(data, text, wrong):
    found, count = decode_bytes(data)
    assert text is None or found == text
    assert (count > 0) == (wrong > 0)
    if text is not None:
        assert count == wrong


def test_options_are_checked():
    assert check_cleaning(None) == {
        "html": False,
        "form": "NFKC",
        "half_width": True,
        "lower": False,
    }
    with pytest.raises(ValueError, match=r"unknown options \['strip'\]"):
        check_cleaning({"strip": True})
    with pytest.raises(ValueError, match="form='NFX' is unknown"):
        check_cleaning({"form": "NFX"})
