"""Answers as tables for people: a breakdown over time is turned so that each group is a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trackway.web.charts.retention import cohorts
from trackway.web.charts.scale import day, full, lasting, plain, share
from trackway.web.charts.trend import series

MOST = 200
"""Rows shown on a page; the files have all of them."""
TITLES = {
    "step": "", "name": "Step", "actors": "Actors", "entries": "Entries", "sessions": "Sessions",
    "rate": "Of the first", "median_seconds": "Median time",
    "step_rate": "Of the step before", "step_median_seconds": "Median from there", "value": "Value", "time": "From",
    "share": "Share", "cumulative_share": "With those before",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Head and rows of text; the first `names` columns are names, the others numbers."""

    head: list[str]
    rows: list[list[str]]
    names: int
    more: int
    """Rows not shown."""


def table(type_: str, rows: Sequence[dict[str, Any]]) -> Table:
    """The rows of an answer as a table for its type."""
    if not rows:
        return Table([], [], 0, 0)
    if type_ == "trend" and set(rows[0]) - {"time", "value"}:
        return pivot(rows)
    if type_ == "retention" and {"cohort", "period", "returned"} <= set(rows[0]):
        return triangle(rows)
    head = list(rows[0])
    first = [name for name in head if name in {"time", "step", "name"} or isinstance(rows[0][name], str)]
    columns = first + [name for name in head if name not in first]
    cells = [[cell(name, row.get(name)) for name in columns] for row in rows[:MOST]]
    titles = [TITLES.get(name, name) for name in columns]
    return Table(titles, cells, len(first), max(0, len(rows) - MOST))


def cell(name: str, value: Any) -> str:
    """One value in words that fit its column."""
    if name in {"time", "cohort"}:
        return day(value)
    if name == "name":
        return plain(str(value))
    if name in {"rate", "share"} or name.endswith(("_rate", "_share")):
        return share(value)
    return lasting(value) if name.endswith("_seconds") else full(value)


def pivot(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A trend with a breakdown: a row per interval, a column per group."""
    times, lines, left = series([dict(row) for row in rows])
    cells = [[day(time), *[full(line[i]) for line in lines.values()]] for i, time in enumerate(times)]
    head = ["From", *lines] + ([f"and {left:,} more"] if left else [])
    return Table(head, [row + [""] * bool(left) for row in cells[:MOST]], 1, max(0, len(cells) - MOST))


def triangle(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A retention: a row per cohort, a column per period, how many came back."""
    found = cohorts([dict(row) for row in rows])
    periods = sorted({row["period"] for row in rows})
    cells = [
        [day(cohort), full(next(iter(row.values()))["actors"]),
         *["" if p not in row or row[p]["rate"] is None else full(row[p]["returned"]) for p in periods]]
        for cohort, row in found.items()
    ]  # fmt: skip
    return Table(["Cohort", "Actors", *map(str, periods)], cells[-MOST:], 1, max(0, len(cells) - MOST))
