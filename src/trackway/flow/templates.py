"""Line templates: what the developer wrote in the log statement, found again in the lines that it made.

    Connection from <ip:text> port <port:number> closed

Learned from a sample by Drain (P. He, J. Zhu, Z. Zheng, M. R. Lyu: "Drain: An Online Log Parsing Approach with Fixed
Depth Tree", ICWS 2017): lines of as many words that begin with the same words and are alike in half of them come from
one statement, and where they differ it has a variable. Before that, whatever looks like a number, an address, a path
or a quoted text is taken for a variable. A template is a text, so that it can be kept, shown and pinned; reading with
it is the compiled pass of `flow.scanning`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, reduce

from trackway.flow.layout import BLANK, PADDING, Field, Layout, Piece
from trackway.flow.patterns import WORD
from trackway.model.documents import property_name

ALIKE = 0.5
"""Share of words in which a line must be equal to a template."""
DEPTH = 2
"""Words by which templates are told apart before they are compared."""
SEVERAL, FREQUENT = 4, 20
"""Words in the same place that are taken for values of a variable: at least so many, and each in fewer lines on the
average; or any that came only once."""
MOST = 400
"""Templates of one log; the most frequent are kept."""
LONGEST = 60
"""Words of a line that is looked at; a longer one is no log statement."""
MASKS = (
    ("text", r'"[^"\n]*"'),
    ("url", r"\bhttps?://[^\s\"'<>,;)\]]+"),
    ("id", r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"),
    ("email", r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    ("ip", r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)"),
    ("id", r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,}\b|\b\d{16,}\b"),
    ("path", r"(?<![\w<.])/[\w.@%+-]+(?:/[\w.@%+-]*)+"),
    ("any", r"(?<=[A-Za-z_]=)(?![\"\d])[^\s,;\"')\]}]+"),
    ("date", r"\b\d{4}-\d\d-\d\d(?![\d-])|\b\d\d?[/.]\d\d?[/.]\d{4}\b|\b\d{4}/\d\d/\d\d\b"),
    ("clock", r"(?<![\d:])\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?!\d|:\d)"),
    ("number", r"(?<![\w.:-])-?\d{1,15}(?:\.\d{1,15})?(?=(?:%|[a-zA-Z]{1,2})?(?![\w.:-]|\.\d))"),
    ("any", r"(?<![\w.:-])\d[\w.:+~-]*\w"),
)
"""What is surely a variable, by its kind; the first that fits counts."""
MASK = re.compile("|".join(f"(?P<{name}{number}>{pattern})" for number, (name, pattern) in enumerate(MASKS)))
VARIABLE = re.compile(r"<(\w+):(\w+)>")
ANY = "\0any\0"
"""A word in which the lines of a template differ."""
MARK = re.compile("\0(\\w+)\0")
NAMED = re.compile(r"([A-Za-z_][\w.-]*)[=:]+[\"'(\[{]*$")
PLAIN = re.compile(r"^[A-Za-z_][A-Za-z_]*$")
LETTER = re.compile(r"[A-Za-z]{2}")
UNSAYING = re.compile(
    r"^(a|an|and|after|as|at|be|been|before|by|for|from|has|have|in|into|is|it|its|no|not|of|on|or|out|over|since|the|"
    r"then|through|to|took|until|up|via|was|were|with|without|.*ing|.*ed)$"
)
"""Words that do not say what follows them is."""
OWN = frozenset(
    {"level", "logger", "thread", "thread_id", "pid", "process", "message", "stack", "file", "line", "function",
     "class", "context", "host", "app"}
)  # fmt: skip
"""Columns that the head of a line may have."""


@dataclass
class Group:
    """Lines taken for those of one statement."""

    words: list[str]
    count: int = 1


@dataclass
class Drain:
    """The tree: by the number of words, then by the first of them, the groups there are."""

    leaves: dict[tuple[int, tuple[str, ...]], list[Group]] = field(default_factory=dict)

    def add(self, words: list[str]) -> None:
        """One line."""
        front = tuple(ANY if MARK.search(word) or any(map(str.isdigit, word)) else word for word in words[:DEPTH])
        groups = self.leaves.setdefault((len(words), front), [])
        best, most = None, 0.0
        for group in groups:
            alike = sum(map(_same, group.words, words)) / len(words)
            if alike > most:
                best, most = group, alike
        if best is None or most < ALIKE:
            groups.append(Group(words))
            return
        best.words = list(map(_joined, best.words, words))
        best.count += 1

    def groups(self) -> list[Group]:
        """All groups, the most frequent first."""
        found = [group for groups in self.leaves.values() for group in groups]
        for place in range(DEPTH):
            found = _merged(found, place)
        return sorted(found, key=lambda group: (-group.count, group.words))


def _merged(groups: Sequence[Group], place: int) -> list[Group]:
    """The groups, with those as one that differ only in one of their first words, when that word seems to vary: there
    are several, and none is as frequent as a word of a program would be.
    """
    families: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        rest = (*map(_frame, group.words[:place]), "", *map(_frame, group.words[place + 1 :]))
        families.setdefault(rest, []).append(group)
    merged: list[Group] = []
    for family in families.values():
        count, words = sum(group.count for group in family), len(family[0].words)
        varies = len(family) >= SEVERAL and count < FREQUENT * len(family) and words > 1
        if varies or (len(family) > 1 and count == len(family) and words > DEPTH):
            joined = [reduce(_joined, several) for several in zip(*(group.words for group in family), strict=True)]
            merged.append(Group(joined, count))
        else:
            merged += family
    return merged


@cache
def _frame(word: str) -> str:
    """A word without the kinds of its variables."""
    return MARK.sub("\0", word)


def _same(one: str, other: str) -> bool:
    return one == other or ("\0" in one and one != ANY and _frame(one) == _frame(other))


def _joined(one: str, other: str) -> str:
    """What two words have in common."""
    if one == other:
        return one
    return MARK.sub(ANY, one) if _same(one, other) else ANY


def learn(messages: Iterable[str]) -> list[str]:
    """The templates of messages, those that say most of a line first."""
    drain = Drain()
    for message in messages:
        words = MASK.sub(_masked, message.replace("\0", "")).split()
        if 0 < len(words) <= LONGEST:
            drain.add(words)
    found = [group.words for group in drain.groups()[:MOST] if _worth(group)]
    return sorted({_named(words) for words in found}, key=lambda text: (-len(VARIABLE.sub("", text)), text))


def _masked(found: re.Match[str]) -> str:
    kind = str(found.lastgroup).rstrip("0123456789")
    return '"\0text\0"' if kind == "text" else f"\0{kind}\0"


def _worth(group: Group) -> bool:
    """Whether it says something, and came more than once."""
    return group.count > 1 and any(LETTER.search(MARK.sub("", word)) for word in group.words)


def _named(words: Sequence[str]) -> str:
    """The text of a template: every variable gets a name from what stands before it, else from its kind."""
    taken = set(OWN)
    made: list[str] = []
    for place, word in enumerate(words):
        text, at = "", 0
        for found in MARK.finditer(word):
            text += word[at : found.start()]
            at = found.end()
            kind = found[1]
            name = first = _name(text, made[place - 1] if place else "", kind)
            number = 1
            while name in taken:
                number += 1
                name = f"{first}_{number}"
            taken.add(name)
            text += f"<{name}:{'number' if kind == 'number' else 'text'}>"
        made.append(text + word[at:])
    return " ".join(made)


def _name(before: str, word: str, kind: str) -> str:
    """What a variable is called: `port` for `port=`, `port:`, and the word `port` before it."""
    own = NAMED.search(VARIABLE.sub("", before))
    if own:
        return re.sub(r"\W", "_", own[1]).lower()
    word = word.rstrip(":=,\"'([").lower()
    if not before.strip("\"'([{<#") and PLAIN.match(word) and not UNSAYING.search(word):
        return word
    return "value" if kind == "any" else kind


def called(template: str) -> str:
    """The name of the events of a template.

    >>> called("port <port:number> is <state:text>")
    'port <port> is <state>'
    """
    return VARIABLE.sub(r"<\1>", template)


def is_template(line: str) -> bool:
    """Whether a line of a format is a template, and not the pattern of what stands in front."""
    return bool(VARIABLE.search(line)) or "%" not in line


@cache
def layouts(templates: str) -> tuple[Layout, ...]:
    """The layouts of templates, one a line, and at last one for anything. Raises FormatError for what cannot be told
    apart."""
    texts = [line for line in templates.split("\n") if line.strip()]
    kinds: dict[str, set[str]] = {}
    for text in texts:
        for name, kind in VARIABLE.findall(text):
            kinds.setdefault(name, set()).add(kind)
    numbers = {name for name, found in kinds.items() if found == {"number"}}
    made = [_layout(text, numbers) for text in texts]
    return (*made, Layout((Field("rest", escape="none"),), event="log", null=b"", escape="none", visitor=False))


def _layout(template: str, numbers: set[str]) -> Layout:
    """One template as a layout; variables called the same are numbers only where all templates say so."""
    pieces: list[Piece] = []
    for word in template.split():
        if pieces and len(pieces) > 1 and isinstance(pieces[-1], bytes) and isinstance(pieces[-2], Field):
            pieces[-1:] = [pieces[-1] + b" ", PADDING]  # a variable may itself hold what ends the word
        elif pieces:
            pieces.append(BLANK)
        at = 0
        for found in VARIABLE.finditer(word):
            pieces += [word[at : found.start()].encode()] if found.start() > at else []
            at = found.end()
            quoted = word[: found.start()].endswith('"') and word[at : at + 1] == '"'
            pieces.append(_field(found[1], numeric=found[2] == "number", typed=found[1] in numbers, quoted=quoted))
        pieces += [word[at:].encode()] if at < len(word) else []
    return Layout(tuple(pieces), event=called(template), null=b"", escape="none", visitor=False)


def _field(name: str, *, numeric: bool, typed: bool, quoted: bool) -> Field:
    name = property_name((name,))
    if numeric and typed:
        return Field(name, "number", strict=True)
    return Field(name, escape="none", empty=True) if quoted else Field(name, format=WORD, strict=True)
