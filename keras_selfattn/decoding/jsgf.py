"""Reads grammars of what may be said: a subset of JSGF.

    #JSGF V1.0;
    grammar coffee;
    public <order> = (get me | /2/ i want) [a | an] <size> coffee {drink};
    <size> = small {size=s} | (twelve | sixteen) ounce {size};

Rules, alternatives, groups, `[optional]`, `*` and `+`, weights of alternatives,
references, `<NULL>` and `<VOID>`, comments. A tag `{name=value}` fills a slot;
`{name}` fills it with the words that its element covers. Of our own is
`<GARBAGE>`: any speech, or none. Not read: imports, recursion.

Reference: JSpeech Grammar Format, W3C note of 5 June 2000.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s+ | //[^\n]* | /\*.*?\*/
    | (?P<weight>/\s*[0-9.eE+-]+\s*/)
    | (?P<rule><[^<>\s]+>)
    | (?P<tag>\{(?:[^{}\\]|\\.)*\})
    | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<sign>[=|()\[\]*+;])
    | (?P<word>[^\s=|()\[\]*+;<>{}"/]+)""",
    re.VERBOSE | re.DOTALL,
)
NULL, VOID, GARBAGE = "<NULL>", "<VOID>", "<GARBAGE>"


class GrammarError(ValueError):
    """A grammar that cannot be used; the message says where and why."""


@dataclass(frozen=True)
class Word:
    """One word."""

    text: str


@dataclass(frozen=True)
class Reference:
    """What another rule says; `<NULL>`, `<VOID>` and `<GARBAGE>` too."""

    rule: str


@dataclass(frozen=True)
class Sequence:
    """One thing after another."""

    parts: tuple


@dataclass(frozen=True)
class Choice:
    """One of several things.

    Args:
        parts: tuple.
        weights: tuple of float > 0, or None: all alike.
    """

    parts: tuple
    weights: tuple | None = None


@dataclass(frozen=True)
class Repeat:
    """A thing several times, or as often as wanted.

    Args:
        part: what is repeated.
        least: 0 or 1.
        most: 1, or None for any number.
    """

    part: object
    least: int
    most: int | None


@dataclass(frozen=True)
class Tagged:
    """A thing that fills a slot; `value` None for the words it covers."""

    part: object
    name: str
    value: str | None


@dataclass(frozen=True)
class Grammar:
    """Rules by name, and those that may be said.

    Args:
        name: str.
        rules: dict of rule name, such as `<size>`, to what it says.
        public: tuple of rule names.
    """

    name: str
    rules: dict
    public: tuple


def word_list(texts):
    """The grammar of a list of texts: one of them is said.

    Args:
        texts: iterable of str, each a word or several.

    Raises:
        GrammarError: none, or an empty one.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    parts = tuple(
        Sequence(tuple(Word(word) for word in text.split())) for text in texts
    )
    if not parts or not all(part.parts for part in parts):
        raise GrammarError(
            f"A word list needs texts that are not empty; received {texts!r}."
        )
    return Grammar("words", {"<word>": Choice(parts)}, ("<word>",))


def read(path):
    """The grammar in a file.

    Raises:
        GrammarError: it cannot be read, or is no grammar.
    """
    try:
        with open(path, encoding="utf8") as file:
            return parse(file.read(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GrammarError(f"{path} cannot be read: {reason}.") from None


def parse(text, source="grammar"):
    """The grammar that a text describes.

    Args:
        text: str, JSGF.
        source: str, what messages call it.

    Returns:
        Grammar.

    Raises:
        GrammarError: a mistake in it; names the line.
    """
    header = re.match(r"\ufeff?#JSGF[^;]*;", text)
    if not header:
        raise GrammarError(
            f"{source}, line 1: a JSGF grammar begins with `#JSGF V1.0;`."
        )
    return _Parser(text, header.end(), source).grammar()


@dataclass
class _Parser:
    text: str
    place: int
    source: str
    tokens: list = field(default_factory=list)

    def grammar(self):
        self._split()
        name, rules, public = "", {}, []
        while self._kind() != "end":
            if self._value() == "grammar":
                self._take()
                name = self._expect("word")
                self._expect("sign", ";")
                continue
            if self._value() == "import":
                self._fail("imports are not read; copy the rules")
            is_public = self._value() == "public"
            if is_public:
                self._take()
            rule = self._expect("rule")
            if rule in rules or rule in (NULL, VOID, GARBAGE):
                self._fail(f"{rule} is defined already")
            self._expect("sign", "=")
            rules[rule] = self._choice()
            self._expect("sign", ";")
            if is_public:
                public.append(rule)
        if not public:
            self._fail("no rule is public, so nothing may be said")
        found = Grammar(name, rules, tuple(public))
        _check_references(found, self.source)
        return found

    def _split(self):
        place = self.place
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if not match:
                self.tokens = [("end", "", place)]
                self._fail(f"unexpected {self.text[place]!r}")
            if match.lastgroup:
                self.tokens.append((match.lastgroup, match[0], place))
            place = match.end()
        self.tokens.append(("end", "", place))
        self.tokens.reverse()

    def _kind(self):
        return self.tokens[-1][0]

    def _value(self):
        return self.tokens[-1][1]

    def _take(self):
        return self.tokens.pop()[1]

    def _expect(self, kind, value=None):
        if self._kind() != kind or value not in (None, self._value()):
            wanted = value or f"a {kind}"
            found = self._value() or "the end"
            self._fail(f"expected {wanted}, found {found}")
        return self._take()

    def _fail(self, reason):
        line = self.text.count("\n", 0, self.tokens[-1][2]) + 1
        raise GrammarError(f"{self.source}, line {line}: {reason}.")

    def _choice(self):
        parts, weights = [], []
        while True:
            weight = None
            if self._kind() == "weight":
                weight = self._weight()
            weights.append(weight)
            parts.append(self._sequence())
            if self._value() != "|" or self._kind() != "sign":
                break
            self._take()
        if any(w is not None for w in weights):
            if None in weights:
                self._fail("weigh all alternatives, or none")
            return Choice(tuple(parts), tuple(weights))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _weight(self):
        try:
            weight = float(self._value().strip("/"))
        except ValueError:
            weight = 0.0
        if not 0 < weight < float("inf"):
            self._fail(f"weight {self._value()}: expected a number above 0")
        self._take()
        return weight

    def _sequence(self):
        parts = []
        while self._kind() in ("word", "quoted", "rule") or (
            self._kind() == "sign" and self._value() in "(["
        ):
            parts.append(self._item())
        if not parts:
            found = self._value() or "the end"
            self._fail(f"expected words, a rule or a group, found {found}")
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _item(self):
        kind, value = self._kind(), self._take()
        if kind == "rule":
            part = Reference(value)
        elif kind == "word":
            part = Word(value)
        elif kind == "quoted":
            words = re.sub(r"\\(.)", r"\1", value[1:-1]).split()
            if not words:
                self._fail("a quoted word is empty")
            part = Sequence(tuple(Word(word) for word in words))
        else:
            part = self._choice()
            self._expect("sign", ")" if value == "(" else "]")
            if value == "[":
                part = Repeat(part, 0, 1)
        while True:
            if self._kind() == "tag":
                part = self._tagged(part)
            elif self._kind() == "sign" and self._value() in "*+":
                part = Repeat(part, int(self._take() == "+"), None)
            else:
                return part

    def _tagged(self, part):
        content = re.sub(r"\\(.)", r"\1", self._value()[1:-1])
        name, equals, value = (p.strip() for p in content.partition("="))
        if not name:
            self._fail("a tag has no name; write {name} or {name=value}")
        self._take()
        return Tagged(part, name, value if equals else None)


def _check_references(grammar, source):
    """Raises where a rule is missing, or speaks of itself."""
    done = set()

    def visit(rule, open_rules):
        if rule in (NULL, VOID, GARBAGE) or rule in done:
            return
        if rule not in grammar.rules:
            raise GrammarError(
                f"{source}: {open_rules[-1]} refers to {rule}, which is not "
                "defined."
            )
        if rule in open_rules:
            raise GrammarError(
                f"{source}: {rule} contains itself; write repetition as * or +."
            )
        for inner in references(grammar.rules[rule]):
            visit(inner, [*open_rules, rule])
        done.add(rule)

    for rule in grammar.rules:
        visit(rule, [])


def references(part):
    """The names of the rules that a part of a grammar refers to, in order."""
    if isinstance(part, Reference):
        return [part.rule]
    if isinstance(part, (Sequence, Choice)):
        return [rule for inner in part.parts for rule in references(inner)]
    if isinstance(part, (Repeat, Tagged)):
        return references(part.part)
    return []
