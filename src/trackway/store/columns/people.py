"""Who is behind a number: the cell of an answer that is asked about, and its actors as rows.

A cell is named by what its row says of itself (`step=2`, `country=de`, `time=2026-01-05T00:00:00Z`) and by marks
that some questions add, such as `dropped`.

>>> Cell.read("step=2, dropped, limit=10").given
{'step': '2', 'dropped': 'true', 'limit': '10'}
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from trackway.errors import QuestionError, suggest
from trackway.model.time import iso
from trackway.store.columns.view import View

LIMIT = 1_000
"""Actors listed, unless the cell says another `limit`; the totals count all."""
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")


@dataclass(frozen=True)
class Cell:
    """What is asked about: keys of a row and marks, as text or as JSON has them."""

    given: Mapping[str, Any] = field(default_factory=dict)
    typed: bool = False
    """Whether values are as JSON has them; else `null`, `true` and `8` are texts that may mean either."""

    @classmethod
    def read(cls, text: str | Mapping[str, Any]) -> Cell:
        """A cell from `key=value,…` (a key alone is `true`), from a JSON object, or from one as text.

        Raises QuestionError.
        """
        if isinstance(text, str) and not text.lstrip().startswith("{"):
            pairs = [part.partition("=") for part in text.split(",") if part.strip()]
            return cls({key.strip(): value.strip() if sign else "true" for key, sign, value in pairs})
        try:
            found = json.loads(text) if isinstance(text, str) else text
        except ValueError as error:
            raise QuestionError(f"not JSON: {error}", path="people", hint="such as 'step=2,dropped'") from error
        if not isinstance(found, Mapping):
            raise QuestionError("a cell is an object", path="people", hint='such as {"step": 2, "dropped": true}')
        return cls(dict(found), typed=True)

    def only(self, known: Collection[str]) -> None:
        """Raises QuestionError for a key that is none of these."""
        for key in self.given:
            if key not in known and key != "limit":
                hint = suggest(key, [*known, "limit"])
                raise QuestionError(f"the cells of this answer have no '{key}'", path="people", hint=hint)

    def number(self, key: str, least: int, most: int, default: int) -> int:
        """A whole number from `least` to `most`. Raises QuestionError."""
        value = self.given.get(key, default)
        number = int(value) if str(value).isdecimal() and len(str(value)) < 16 else least - 1
        if not least <= number <= most or isinstance(value, bool):
            raise QuestionError(
                f"expected a number, got {value!r}", path=f"people.{key}", hint=f"from {least:,} to {most:,}"
            )
        return number

    def flag(self, key: str) -> bool | None:
        """A mark, None when nothing is said of it. Raises QuestionError."""
        value = str(self.given.get(key, "")).lower()
        if value not in {"", *TRUE, *FALSE}:
            raise QuestionError(f"expected true or false, got {value!r}", path=f"people.{key}")
        return value in TRUE if value else None

    def fits(self, labels: Mapping[str, Any]) -> bool:
        """Whether a row with these keys is in the cell; keys the cell does not name are free."""
        return all(key not in self.given or self._same(value, self.given[key]) for key, value in labels.items())

    def _same(self, value: Any, given: Any) -> bool:
        if isinstance(given, str) and not isinstance(value, str) and not self.typed:
            return given == json.dumps(value)
        return bool(value == given) and isinstance(value, bool) == isinstance(given, bool)

    def missing(self, labels: Collection[str]) -> QuestionError:
        """That there is no such row."""
        named = ", ".join(f"{key} = {self.given[key]!r}" for key in labels if key in self.given)
        return QuestionError(f"the answer has no row with {named}", path="people", hint="name a row as the answer does")


Found = TypeVar("Found")
Listed = tuple[list[dict[str, Any]], dict[str, Any], list[str]]
"""Rows of actors, totals and notes."""


def chosen(cell: Cell, cells: Sequence[tuple[Mapping[str, Any], Found]]) -> list[Found]:
    """What stands behind the rows that a cell names, each given by its keys; all when it names none.

    Raises QuestionError for no such row.
    """
    fitting = [(labels, found) for labels, found in cells if cell.fits(labels)]
    named = {key for labels, _ in cells for key in labels} & set(cell.given)
    if cells and named and not fitting:
        raise cell.missing(sorted(named))
    return [found for _, found in fitting]


@dataclass(frozen=True)
class Column:
    """What is told of each actor: `values`, or times (microseconds) when `never` says which of them means none."""

    name: str
    values: Sequence[Any] | np.ndarray
    never: int | None = None


def listed(  # noqa: PLR0913
    names: Sequence[str | None] | View, who: np.ndarray, order: np.ndarray, columns: Sequence[Column], *,
    cell: Cell, zone: str, which: str = "latest",
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:  # fmt: skip
    """Rows of actors (places among the names, or among the actors of a view), totals and notes.

    Those of whom `order` (a time, or whatever `which` says of the largest) is latest come first; of equal ones by name.
    """
    limit = cell.number("limit", 1, 1_000_000, LIMIT)
    edge = np.partition(order, len(order) - limit)[len(order) - limit] if len(order) > limit else None
    near = np.arange(len(order)) if edge is None else np.flatnonzero(order >= edge)
    called = _names(names, who[near])
    chosen = sorted(range(len(near)), key=lambda i: (-int(order[near[i]]), called[i] is None, called[i] or "", i))
    rows = []
    for i in chosen[:limit]:
        row: dict[str, Any] = {"actor": called[i]}
        for column in columns:
            value = column.values[near[i]]
            value = value.item() if isinstance(value, np.generic) else value
            row[column.name] = value if column.never is None else None if value == column.never else iso(value, zone)
        rows.append(row)
    notes = [f"The {which} {limit:,} of {len(order):,} rows are shown."] if len(order) > limit else []
    return rows, {"actors": len(np.unique(who)), "rows": len(who)}, notes


def _names(names: Sequence[str | None] | View, who: np.ndarray) -> list[str | None]:
    if not isinstance(names, View):
        return [names[place] for place in who.tolist()]
    codes = names.codes[who]
    if not codes.any():
        return [None] * len(codes)
    found: list[str | None] = names.names(np.maximum(codes, 1)).to_pylist()
    return [name if code else None for name, code in zip(found, codes.tolist(), strict=True)]
