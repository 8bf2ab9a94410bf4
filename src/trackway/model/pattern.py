"""Patterns: one small regular expression over events, with time.

    A (not X)* B within 1h          letters stand side by side, unless something that skips stands between
    'Viewed' .. ('Paid' | 'Asked')  an event by its name; `..` skips any events; either of two
    ^ any{1,3} $                    all that an actor did was one to three events
    (Error Error+ within 5m) .. Left

A letter is a name given in `let`, an event's name in quotes, `any`, or `not` with a letter or several
`(X | Y)`: an event for which none of them is true. `* + ? {2} {2,} {2,5}` repeat what stands before; `within`
ends a pattern or a group in parentheses and limits the time from its first event to its last; `^` and `$` are
the beginning and the end of an actor's events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from trackway.errors import ConditionError, suggest
from trackway.model.condition import Condition, literal
from trackway.model.time import Duration
from trackway.model.written import Written

LONGEST, DEEPEST, MOST_REPEATS = 2_000, 40, 60
"""Characters, parentheses inside each other, and the largest number in braces."""
TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<skip>\.\.)|(?P<braces>\{[^}]*\})|(?P<within>within\b\s*(?P<time>[\w.]*))"
    r"|(?P<word>[^\W\d]\w*)|(?P<mark>[()|*+?^$]))"
)
BRACES = re.compile(r"\{\s*(\d*)\s*(,?)\s*(\d*)\s*\}")


@dataclass(frozen=True, slots=True)
class Letter:
    """One event: any of `names` is true, or none when `negated`. `any` is none of nothing.

    A name is one of `let`, or an event's name with its quotes.
    """

    names: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """The beginning (or the end) of an actor's events; no event itself."""

    begin: bool


@dataclass(frozen=True, slots=True)
class Series:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """So many times; without `most`, as often as there is."""

    part: Node
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Timed:
    """At most `within` microseconds from the first event to the last."""

    part: Node
    within: int


Node = Letter | Edge | Series | Choice | Repeat | Timed
SKIP = Repeat(Letter((), True), 0, None)
"""`..`: any events, or none."""


class Pattern(Written):
    """A pattern as written, with its tree. Equal texts are equal patterns."""

    __slots__ = ("tree",)
    tree: Node

    def __new__(cls, text: str) -> Self:
        pattern = super().__new__(cls, text)
        pattern.tree = parse(str(text))
        return pattern

    @property
    def names(self) -> list[str]:
        """The names its letters use, in order; events with their quotes."""
        return list(dict.fromkeys(_names(self.tree)))

    def letters(self, let: Mapping[str, Condition]) -> dict[str, Condition]:
        """The condition of every name. Raises ConditionError for a name that is neither bound nor quoted."""
        found = {}
        for name in self.names:
            if name not in let and not name.startswith("'"):
                near = f"{suggest(name, let)}; " if let else ""
                raise ConditionError(
                    f"unknown name '{name}' in the pattern", path="let",
                    hint=f"{near}bind it in `let`, or write '{name}' in quotes for the event of that name",
                )  # fmt: skip
            found[name] = let[name] if name in let else Condition(f"event = {name}")
        if unused := sorted(set(let) - set(found)):
            raise ConditionError(
                f"the pattern does not use '{unused[0]}'", path=f"let.{unused[0]}", hint="take it out of `let`"
            )
        return found


def _names(node: Node) -> list[str]:
    match node:
        case Letter(names, _):
            return list(names)
        case Series(parts) | Choice(parts):
            return [name for part in parts for name in _names(part)]
        case Repeat(part) | Timed(part):
            return _names(part)
        case _:
            return []


def parse(text: str) -> Node:
    """The tree of a pattern.

    Raises ConditionError, with the place and what was expected there, for what cannot be read.

    >>> parse("'Viewed' 'Paid'?")
    Series(parts=(Letter(names=("'Viewed'",), negated=False), Repeat(part=Letter(names=("'Paid'",), \
negated=False), least=0, most=1)))
    """
    if len(text) > LONGEST:
        raise ConditionError(f"a pattern of {len(text):,} characters", hint=f"at most {LONGEST:,}")
    return _Parser(text).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """`text skip braces within word mark end`."""
    text: str
    place: int


class _Parser:
    """Recursive descent: pattern = choice, choice = series | …, series = items, item = atom repetitions."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[_Token] = list(self._tokens())
        self.next = 0
        self.depth = 0

    def _tokens(self) -> Any:
        place = 0
        while self.text[place:].strip():
            found = TOKEN.match(self.text, place)
            if found is None:
                place += len(self.text[place:]) - len(self.text[place:].lstrip())
                hint = "text stands in 'single quotes'" if self.text[place] in "'\"" else "`..` skips any events"
                raise self._wrong(f"cannot read {self.text[place : place + 12]!r}", place, hint)
            kind = next(name for name in ("text", "skip", "braces", "within", "word", "mark") if found[name])
            text = found["time"] if kind == "within" else found[kind]
            yield _Token(kind, text, found.start(kind))
            place = found.end()
        yield _Token("end", "", len(self.text))

    def _wrong(self, message: str, place: int, hint: str = "") -> ConditionError:
        return ConditionError(f"{message} at character {place + 1} of the pattern {self.text!r}", hint=hint)

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def _take(self, *texts: str) -> _Token | None:
        token = self.token
        if token.kind == "mark" and token.text in texts:
            self.next += 1
            return token
        return None

    def whole(self) -> Node:
        if self.token.kind == "end":
            raise ConditionError("an empty pattern", hint="write one such as 'Viewed' .. 'Paid' within 1d")
        node = self._timed()
        if self.token.kind == "within":
            raise self._wrong("a second `within`", self.token.place, "one stands at the end of all, or of a group")
        if self.token.kind != "end":
            hint = "`within` stands at the end; put (…) around what it limits"
            unopened = self.token.text == ")"
            raise self._wrong(
                "a ')' without its '('" if unopened else "nothing can follow `within`", self.token.place,
                "" if unopened else hint,
            )  # fmt: skip
        return node

    def _timed(self) -> Node:
        node, token = self._choice(), self.token
        if token.kind != "within":
            return node
        self.next += 1
        try:
            return Timed(node, Duration(token.text).micros)
        except ValueError:
            raise self._wrong("`within` needs a duration", token.place, "such as 30s, 15m, 1h or 14d") from None

    def _choice(self) -> Node:
        options = [self._series()]
        while self._take("|"):
            options.append(self._series())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _series(self) -> Node:
        parts: list[Node] = []
        while self.token.kind not in ("end", "within") and not (
            self.token.kind == "mark" and self.token.text in ("|", ")")
        ):
            parts.append(self._item())
        if not parts:
            found = "the end" if self.token.kind == "end" else repr(self.token.text or "within")
            raise self._wrong(f"expected a letter, got {found}", self.token.place, "a name, 'an event', any, not, (")
        return parts[0] if len(parts) == 1 else Series(tuple(parts))

    def _item(self) -> Node:
        node = self._atom()
        while True:
            if token := self._take("*", "+", "?"):
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[token.text]
                node = Repeat(node, least, most)
            elif self.token.kind == "braces":
                node = Repeat(node, *self._bounds())
            else:
                return node

    def _bounds(self) -> tuple[int, int | None]:
        token = self.token
        found = BRACES.fullmatch(token.text)
        if found is None or not (found[1] or found[3]):
            raise self._wrong(f"cannot read {token.text!r}", token.place, "repetitions are {2}, {2,} or {2,5}")
        least = int(found[1] or 0)
        most = None if found[2] and not found[3] else int(found[3] or found[1])
        if most is not None and (most < least or most == 0):
            raise self._wrong(f"{token.text} repeats nothing", token.place, "the smaller number stands first")
        if max(least, most or 0) > MOST_REPEATS:
            raise self._wrong(f"{token.text} is too many", token.place, f"at most {MOST_REPEATS}")
        self.next += 1
        return least, most

    def _atom(self) -> Node:  # noqa: PLR0911
        token = self.token
        self.next += 1
        match token.kind, token.text:
            case ("skip", _):
                return SKIP
            case ("word", "any"):
                return Letter((), True)
            case ("word", "not"):
                return self._not(token)
            case ("text", text):
                return Letter((literal(text[1:-1].replace("''", "'")),))
            case ("word", name):
                return Letter((name,))
            case ("mark", "^" | "$" as mark):
                return Edge(mark == "^")
            case ("mark", "("):
                return self._group(token)
            case _:
                hint = "it repeats the letter or group before it" if token.kind in ("mark", "braces") else ""
                raise self._wrong(f"{token.text!r} has nothing before it", token.place, hint)

    def _group(self, opened: _Token) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._wrong("too many parentheses inside each other", opened.place, f"at most {DEEPEST}")
        node = self._timed()
        if not self._take(")"):
            raise self._wrong("a '(' without its ')'", opened.place)
        self.depth -= 1
        return node

    def _not(self, token: _Token) -> Node:
        place = self.token.place
        node = self._atom() if self.token.kind in ("word", "text", "mark") else None
        options = node.options if isinstance(node, Choice) else (node,)
        letters = [option for option in options if isinstance(option, Letter) and not option.negated]
        if len(letters) < len(options):
            raise self._wrong("`not` needs a letter, or several (A | B)", max(place, token.place))
        return Letter(tuple(dict.fromkeys(name for letter in letters for name in letter.names)), True)
