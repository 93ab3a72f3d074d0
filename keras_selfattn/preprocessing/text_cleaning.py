"""Text as people and web pages write it, made plain: no mark-up, one form.

Standard library only, so that a device cleans as the training did.
"""

import re
import unicodedata
from html.parser import HTMLParser

# Control characters, lone surrogates (which stand for bytes that were not
# UTF-8) and characters that do not exist part what is beside them: in old text
# they are often a dash of another code page.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
# Zero-width and direction marks, soft hyphens and byte order marks do not.
_INVISIBLE = re.compile(
    "[\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb]"
)
# Full-width forms of ASCII, and the ideographic space.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_HALF_WIDTH[0x3000] = 0x20

_TAGS = frozenset(
    """a abbr acronym address applet area article aside audio b base basefont
    bdi bdo big blink blockquote body br button canvas caption center cite
    code col colgroup data datalist dd del details dfn dialog dir div dl dt em
    embed fieldset figcaption figure font footer form frame frameset h1 h2 h3
    h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label
    legend li link main map mark marquee menu meta meter nav nobr noframes
    noscript object ol optgroup option output p param picture pre progress q
    rp rt ruby s samp script section select small source span strike strong
    style sub summary sup svg table tbody td template textarea tfoot th thead
    time title tr track tt u ul var video wbr""".split()
)
# These stand inside a word or a sentence; all others part what is beside them.
_INLINE = frozenset(
    """a abbr acronym b bdi bdo big cite code del dfn em font i ins kbd label
    mark nobr q s samp small span strike strong sub sup tt u var wbr""".split()
)
_WITHOUT_TEXT = frozenset(("script", "style"))
# A `<` that the next `<`, or the end, comes before the next `>`: no tag. The
# parser would look for its end again and again, in time that grows with the
# square of the length.
_OPEN_END = re.compile(r"<(?=[^<>]*(?:<|\Z))")


class _TextOfHtml(HTMLParser):
    """Collects the text; what only looks like a tag stays as it is."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts = []
        self._hidden = None

    def parse_html_declaration(self, i):
        try:
            return super().parse_html_declaration(i)
        except AssertionError:  # `<![` and something that is no section
            return -1

    def handle_starttag(self, tag, attrs):
        if tag not in _TAGS:
            self.parts.append(self.get_starttag_text())
        elif tag in _WITHOUT_TEXT:
            self._hidden = tag
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_startendtag(self, tag, attrs):
        if tag not in _TAGS:
            self.parts.append(self.get_starttag_text())
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_endtag(self, tag):
        if tag == self._hidden:
            self._hidden = None
        elif tag not in _TAGS:
            self.parts.append(f"</{tag}>")
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_data(self, data):
        if self._hidden is None:
            self.parts.append(data)


def strip_html(text):
    """The text of a piece of HTML, entities resolved.

    A parser reads it, not a pattern: `a < b`, `<3` and tags that HTML does not
    have (`<url>`) stay; comments, scripts and styles go; what is no inline
    tag parts the words beside it.

    Example:
    ```python
    strip_html("I <3 it!<br />5 &lt; 6, <b>real</b>ly")
    # "I <3 it! 5 < 6, really"
    ```
    """
    if "<" not in text and "&" not in text:
        return text
    text = _OPEN_END.sub("&lt;", _without_comments(text))
    parser = _TextOfHtml()
    parser.feed(text)
    parser.close()
    return "".join(parser.parts)


def _without_comments(text):
    """The text without what stands between `<!--` and `-->`."""
    kept, place = [], 0
    while (start := text.find("<!--", place)) >= 0:
        stop = text.find("-->", start + 4)
        if stop < 0:
            break
        kept.append(text[place:start])
        place = stop + 3
    return "".join(kept) + text[place:]


def decode_bytes(data):
    """Text of bytes, and how many of them were not UTF-8.

    Bytes that are not UTF-8 become U+FFFD, one for each maximal wrong part;
    a byte order mark at the start goes.

    Returns:
        str, and int: number of U+FFFD that stand for wrong bytes.
    """
    try:
        return data.decode("utf-8-sig"), 0
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", errors="replace")
        given = data.count("\ufffd".encode())
        return text, text.count("\ufffd") - given


def clean_text(text, html=False, form="NFKC", half_width=True, lower=False):
    r"""One text in one form: this is what a tokenizer reads.

    Zero-width characters go; control characters, and any run of white space
    (line ends, too), become one blank.

    Args:
        text: str.
        html: bool, take out HTML mark-up first.
        form: "NFC", "NFKC" (which also resolves ligatures, circled digits and
            half-width katakana) or None.
        half_width: bool, full-width letters, digits and signs as ASCII; NFKC
            does that anyway.
        lower: bool, lower case.

    Returns:
        str; empty where nothing is left.

    Example:
    ```python
    clean_text("Ｆｕｌｌ\u3000ｗｉｄｔｈ！\u200b\r\n", lower=True)
    # "full width!"
    ```
    """
    if not isinstance(text, str):
        raise ValueError(
            f"a text is a str; received {type(text).__name__}. Bytes are read "
            "by decode_bytes."
        )
    if html:
        text = strip_html(text)
    if not text.isascii():
        if form is not None:
            text = unicodedata.normalize(form, text)
        if half_width:
            text = text.translate(_HALF_WIDTH)
    text = _INVISIBLE.sub("", _CONTROL.sub(" ", text))
    if lower:
        text = text.lower()
    return " ".join(text.split())


def check_cleaning(options):
    """`clean_text`'s options with the defaults filled in; others raise."""
    known = {"html": False, "form": "NFKC", "half_width": True, "lower": False}
    options = dict(options or {})
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(
            f"cleaning has unknown options {unknown}; known: {sorted(known)}."
        )
    options = {**known, **options}
    if options["form"] not in ("NFC", "NFKC", None):
        raise ValueError(
            f"form={options['form']!r} is unknown; use 'NFC', 'NFKC' or None."
        )
    return options
