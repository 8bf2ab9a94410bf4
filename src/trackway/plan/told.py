"""What a question makes of one actor: their events as the question looks at them, and what it says of them.

The general part, for any question: which conditions an event matches, whether it lies in the range, and the rows
the actor adds to the answer. A question says more by `Query.tell`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from trackway.model.condition import Condition
from trackway.model.time import MICROS, iso

if TYPE_CHECKING:
    from trackway.plan.query import Query

WHERE = "where"
"""The option that all events of a question must meet, and its mark."""
SPELLED = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
NARROWING: Mapping[str, Mapping[str, Any]] = {WHERE: {WHERE: None}, "range": {"from": None, "to": None}}
"""Rules that any question may have, and the options without them."""


@dataclass(frozen=True)
class Story:
    """The events of one actor, in order, and what the question adds up for this actor alone."""

    actor: str
    time: np.ndarray
    """Microseconds."""
    events: list[str | None]
    """Their names."""
    marks: Mapping[str, np.ndarray]
    """Condition of the question, by its name, to whether each event matches it."""
    inside: np.ndarray
    """Whether each lies in the range."""
    value: Callable[[str, int], Any] = field(repr=False)
    """The value of a column (as the question may write it) at an event."""
    rows: list[dict[str, Any]]
    totals: dict[str, Any]
    zone: str

    @property
    def kept(self) -> np.ndarray:
        """Whether each event is in the range and meets `where`."""
        return np.asarray(self.inside & self.marks[WHERE]) if WHERE in self.marks else self.inside

    def matched(self, place: int) -> list[str]:
        """The names of the conditions an event matches, without `where`."""
        return [name for name, mark in self.marks.items() if name != WHERE and mark[place]]

    def when(self, micros: int) -> str:
        """An instant in a sentence."""
        return brief(iso(micros, self.zone), clock=True)

    def since(self, micros: int) -> str:
        """The beginning of an interval in a sentence."""
        return brief(iso(micros, self.zone))

    def of(self, place: int) -> str:
        """An event in a few words."""
        return f"{quote(str(self.events[place]))} at {self.when(int(self.time[place]))}"


@dataclass(frozen=True)
class Told:
    """What a question says of one actor."""

    sentence: str
    chosen: Mapping[int, str] = field(default_factory=dict)
    """Places of the events that make what the actor adds to the answer, and what each of them is."""
    reached: float = 0
    """How far the actor got; more is further."""
    most: float | None = None
    """How far one can get; None when there is nothing more to reach."""
    say: Callable[[int], str] | None = field(default=None, repr=False)
    """What any other event is, or why it is nothing; empty when there is nothing special to say."""
    found: Any = field(default=None, repr=False)
    """What the question found, for telling how it is without one of its rules."""

    @property
    def short(self) -> bool:
        """Whether the actor could have got further."""
        return self.most is not None and self.reached < self.most


def conditions(question: BaseModel) -> dict[str, Condition]:
    """The conditions of a question under the names people know them by, wherever they stand in its options."""
    found: dict[str, Condition] = {}
    for name, option in type(question).model_fields.items():
        if name not in ("expressions", "sessions", "flows", "cohorts"):
            for called, condition in _within(option.alias or name, getattr(question, name)):
                found[called if called not in found else f"{called} ({len(found) + 1})"] = condition
    return found


def _within(name: str, value: Any) -> Iterator[tuple[str, Condition]]:
    if isinstance(value, Condition):
        yield name, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _within(str(key), one)
    elif isinstance(value, list):
        for place, one in enumerate(value, start=1):
            yield from _within(f"{name} {place}", one)
    elif isinstance(value, BaseModel):
        inner = [(key, getattr(value, key)) for key in type(value).model_fields]
        written = [(key, one) for key, one in inner if isinstance(one, Condition)]
        for key, one in written:
            called = getattr(value, "name", "") or (str(one) if key == "when" else name)
            yield (called if len(written) == 1 else f"{called} {key}"), one


def plainly(query: Query, story: Story) -> Told:
    """What can be said for any question: the events it looks at, and the rows they add up to."""
    looked = np.logical_or.reduce([mark for name, mark in story.marks.items() if name != WHERE] or [story.kept])
    chosen = {
        place: ", ".join(story.matched(place)) or "counts" for place in np.flatnonzero(looked & story.kept).tolist()
    }
    weight = counted(query, story.rows)
    events = f"{len(chosen):,} event{'s' * (len(chosen) != 1)}"
    rows = f"{len(story.rows):,} row{'s' * (len(story.rows) != 1)} of the answer"
    sentence = f"Counts in {rows}, with {events}." if weight else "Does not count in the answer."
    return Told(sentence, chosen if weight else {}, weight, None if weight else 1)


def lifted(story: Story, rule: str, value: Any, without: Told) -> str:
    """A rule in a sentence: what it is, or which events it leaves out that count `without` it."""
    gone = ~story.marks[WHERE] if rule == WHERE else ~story.inside if rule == "range" else np.zeros(0, np.bool_)
    left = [story.of(place) for place in sorted(without.chosen) if place < len(gone) and gone[place]]
    if rule == WHERE:
        return f"`where`, which is not true of {listed(left, 3)}" if left else "`where`"
    if rule == "range":
        return f"the range, outside of which {listed(left, 3)} lie{'s' * (len(left) == 1)}" if left else "the range"
    return f"`{rule}`" if value is None else f"`{rule} = {value}`"


def counted(query: Query, rows: list[dict[str, Any]]) -> float:
    """What rows add up to: all their numbers that count something."""
    return float(sum(row[key] for row in rows for key in query.counts if isinstance(row.get(key), int | float)))


def brief(moment: str, *, clock: bool = False) -> str:
    """The ISO text of an instant as it stands in a sentence, in local time; midnight is the day, unless with `clock`.

    >>> brief("2026-01-05T00:00:00Z"), brief("2026-01-05T10:30:00+01:00"), brief("2026-01-05T10:30:07.5Z")
    ('2026-01-05', '2026-01-05 10:30', '2026-01-05 10:30:07.5')
    """
    day, _, rest = moment.removesuffix("Z").partition("T")
    time = rest.partition("+")[0].partition("-")[0]
    time = time.removesuffix(":00") if time.count(":") > 1 else time
    return day if time == "00:00" and not clock else f"{day} {time}"


def quote(name: str) -> str:
    """A name in a sentence; a condition stands between other marks than the texts in it.

    >>> quote("Home"), quote("event = 'Home'")
    ("'Home'", "`event = 'Home'`")
    """
    return f"`{name}`" if "'" in name else f"'{name}'"


def spell(micros: float) -> str:
    """A length of time in its two largest units.

    >>> spell(1_303_200_000_000), spell(500_000), spell(0)
    ('15d 2h', '0.5s', '0s')
    """
    seconds = abs(micros) / MICROS
    if seconds < 1 and seconds:
        return f"{seconds:.6f}".rstrip("0") + "s"
    parts, left = [], int(seconds)
    for unit, length in SPELLED:
        if left >= length:
            parts.append(f"{left // length}{unit}")
            left %= length
    return " ".join(parts[:2]) or "0s"


def listed(names: list[str], most: int = 6) -> str:
    """Names in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    shown = names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1:,} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
