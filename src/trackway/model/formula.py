"""Formulas: arithmetic over named measures, such as `signups / visits * 100`.

>>> Formula("a / (b - 2)").value({"a": 3, "b": 4})
1.5
>>> Formula("a / (b - 4)").value({"a": 3, "b": 4}) is None
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Self

from sqlglot import exp

from trackway.errors import MeasureError
from trackway.model.parsed import tree
from trackway.model.written import Written

LONGEST = 1_000
"""Characters in one formula; longer ones are refused."""
NUMBER = int | float


def _divided(left: NUMBER, right: NUMBER) -> float | None:
    return left / right if right else None


OPERATORS: dict[type[exp.Expression], Callable[[NUMBER, NUMBER], NUMBER | None]] = {
    exp.Add: lambda left, right: left + right,
    exp.Sub: lambda left, right: left - right,
    exp.Mul: lambda left, right: left * right,
    exp.Div: _divided,
}


class Formula(Written):
    """A formula as written, with its checked tree."""

    __slots__ = ("tree",)
    tree: exp.Expression

    def __new__(cls, text: str) -> Self:
        formula = super().__new__(cls, text)
        formula.tree = parse(str(text))
        return formula

    @property
    def names(self) -> list[str]:
        """The measures it reads, in order of first use."""
        return list(dict.fromkeys(node.name for node in self.tree.find_all(exp.Column, bfs=False)))

    def value(self, values: Mapping[str, Any]) -> NUMBER | None:
        """The result; None where a value is missing or no number, something is divided by zero, or it is too large."""
        try:
            found = _value(self.tree, values)
            return found if found is not None and math.isfinite(found) else None
        except OverflowError:
            return None


def _value(node: exp.Expression, values: Mapping[str, Any]) -> NUMBER | None:
    if isinstance(node, exp.Paren):
        return _value(node.this, values)
    if isinstance(node, exp.Neg):
        inner = _value(node.this, values)
        return None if inner is None else -inner
    if isinstance(node, exp.Literal):
        return int(node.this) if node.this.isdigit() else float(node.this)
    if isinstance(node, exp.Column):
        found = values[node.name]
        return found if isinstance(found, int | float) else None
    left, right = _value(node.this, values), _value(node.expression, values)
    return None if left is None or right is None else OPERATORS[type(node)](left, right)


def parse(text: str) -> exp.Expression:
    """The checked tree of a formula. Raises MeasureError for what is not arithmetic over names and numbers."""
    hint = "such as signups / visits, of the names of measures"
    if not text.strip():
        raise MeasureError("an empty formula", hint=hint)
    found = tree(text, "formula", LONGEST, MeasureError, hint)
    for node in found.walk():
        _check(node)
    return found


def _check(node: exp.Expression) -> None:
    plain = isinstance(node, exp.Column) and len(node.parts) == 1
    number = isinstance(node, exp.Literal) and not node.is_string
    other = isinstance(node, exp.Paren | exp.Neg | exp.Identifier) or type(node) in OPERATORS
    if not (plain or number or other):
        raise MeasureError(
            f"{node.sql(dialect='duckdb')[:60]!r} cannot be used in a formula",
            hint="use + - * / and parentheses over names of measures and numbers",
        )
