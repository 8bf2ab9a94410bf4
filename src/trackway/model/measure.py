"""Measures: one number or value of many events, such as `count`, `sum(amount)` or `first(plan)`.

>>> Measure("sum(price * quantity)").name, Measure("sum(price * quantity)").argument
('sum', 'price * quantity')
"""

from __future__ import annotations

import re
from typing import Literal, Self, cast

from trackway.errors import ConditionError, suggest
from trackway.model.condition import Condition
from trackway.model.schema import Kind
from trackway.model.written import Written

Name = Literal[
    "count", "sum", "average", "min", "max", "first", "last", "distinct", "first_time", "last_time", "seconds",
    "active_days",
]  # fmt: skip
PLAIN = frozenset({"count", "first_time", "last_time", "seconds", "active_days"})
"""Measures of events themselves, without an argument; `count` may have one."""
OF = frozenset({"count", "sum", "average", "min", "max", "first", "last", "distinct"})
"""Measures of a value: events without it do not count."""
ZERO = frozenset({"count", "sum", "distinct", "active_days"})
"""Measures that are 0 over no events; the others are missing."""
SHAPE = re.compile(r"\s*(\w+)\s*(?:\((.*)\))?\s*", re.DOTALL)


class Measure(Written):
    """A measure as written, checked: its `name`, and what it is of (`argument`, any expression)."""

    __slots__ = ("argument", "name")
    name: Name
    argument: Condition | None

    def __new__(cls, text: str) -> Self:
        measure = super().__new__(cls, text)
        measure.name, measure.argument = _read(str(text))
        return measure

    def kind(self, of: Kind | None) -> Kind:
        """The kind of the result when the argument has kind `of`. Raises ConditionError for what cannot be added."""
        if self.name in ("sum", "average") and of not in ("number", "integer"):
            raise ConditionError(
                f"{self}: {self.argument} is a {of}, not a number", hint="count those for which a condition is true"
            )
        if self.name in ("count", "distinct", "active_days"):
            return "integer"
        if self.name in ("first_time", "last_time"):
            return "time"
        return "number" if self.name in ("average", "seconds") else cast("Kind", of)


def _read(text: str) -> tuple[Name, Condition | None]:
    found = SHAPE.fullmatch(text)
    name = found[1] if found else text
    if not found or name not in PLAIN | OF:
        hint = suggest(name, [*sorted(PLAIN), *(f"{each}(x)" for each in sorted(OF))])
        raise ConditionError(f"{text!r} is not a measure", hint=hint)
    inner = (found[2] or "").strip()
    if inner in ("", "*"):
        if name not in PLAIN:
            raise ConditionError(f"{name} of what?", hint=f"write {name}(x), x being a column or an expression")
        return cast("Name", name), None
    if name not in OF:
        raise ConditionError(f"{name} takes nothing in parentheses", hint=f"write {name}")
    return cast("Name", name), Condition(inner)
