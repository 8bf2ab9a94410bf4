"""Answers as tables for people: a breakdown over time is turned so that each group is a column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trackway.web.charts import retention
from trackway.web.charts.retention import cohorts
from trackway.web.charts.scale import day, full, lasting, plain, share, sure
from trackway.web.charts.trend import MEASURED, group, series
from trackway.web.leads import Leads, nowhere

MOST = 200
"""Rows shown on a page; the files have all of them."""
TITLES = {
    "step": "", "name": "Step", "actors": "Actors", "entries": "Entries", "sessions": "Sessions",
    "rate": "Of the first", "median_seconds": "Median time",
    "step_rate": "Of the step before", "step_median_seconds": "Median from there", "value": "Value", "time": "From",
    "share": "Share", "cumulative_share": "With those before",
    "p_value": "p", "p_corrected": "p, corrected", "without_rate": "Rate without", "without_actors": "Actors without",
    "without_converted": "Converted without",
}  # fmt: skip
NAMES = frozenset({"time", "step", "name"})
"""Columns that name a row even where they hold numbers."""
SHARES = frozenset({"rate", "share", "ratio", "low_rate", "high_rate", "chance_better"})
DATES = frozenset({"time", "cohort"})
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class Cell:
    """One text, and where it leads, if anywhere."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Head and rows of text; the first `names` columns are names, the others numbers."""

    head: list[str]
    rows: list[list[Cell]]
    names: int
    more: int
    """Rows not shown."""


def table(type_: str, rows: Sequence[dict[str, Any]], leads: Leads = nowhere) -> Table:
    """The rows of an answer as a table for its type; a number leads where `leads` says."""
    if not rows:
        return Table([], [], 0, 0)
    if type_ == "trend" and "intervals" not in rows[0] and set(rows[0]) - {"time", "value"} and not compared(rows):
        return pivot(rows, leads)
    if type_ == "retention" and "value" not in rows[0] and len(retention.grouped(rows)) == 1:
        return triangle(rows, leads)
    return plain_table(rows, leads)


def compared(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rows of a trend hold more than one measure, or an earlier period."""
    return any(isinstance(value, int | float) for key, value in rows[0].items() if key not in {"time", "value"}) or (
        "before" in rows[0]
    )


def plain_table(rows: Sequence[dict[str, Any]], leads: Leads = nowhere) -> Table:
    """Rows as they are: names first, then numbers, each in words that fit its column."""
    head = list(dict.fromkeys(name for row in rows[:MOST] for name in row if name != "intervals"))
    first = [name for name in head if name in NAMES or is_text(rows, name)]
    columns = first + [name for name in head if name not in first]
    cells = [[Cell(cell(name, row), leads(row, name)) for name in columns] for row in rows[:MOST]]
    named = TITLES if "step" in head and "name" in head else TITLES | {"step": "Step", "name": "Name"}
    titles = [named.get(name) or title(name, head) for name in columns]
    return Table(titles, cells, len(first), max(0, len(rows) - MOST))


def title(name: str, names: Sequence[str]) -> str:
    """The title of a column among others.

    >>> title("first_seconds", ["first", "first_seconds"]), title("per_actor", [])
    ('First took', 'Per actor')
    """
    bare = name.removesuffix("_seconds")
    return bare.replace("_", " ").capitalize() + (" took" if bare != name and bare in names else "")


def is_text(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether a column holds texts."""
    return isinstance(next((row[name] for row in rows if row.get(name) is not None), None), str)


def cell(name: str, row: Mapping[str, Any]) -> str:
    """One value in words that fit its column, with how sure it is."""
    value = row.get(name)
    if isinstance(value, str):
        return day(value) if name in DATES or INSTANT.match(value) else plain(value) if name == "name" else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "change" or (name.startswith("lift") and "variant" in row):
        return "—" if value is None else f"{value * 100:+.1f} %"
    if value is not None and not isinstance(value, int | float):
        return str(value)
    if name in SHARES or name.endswith(("_rate", "_share")):
        return sure(row, name, share)
    return sure(row, name, lasting if name.endswith("seconds") else full)


def pivot(rows: Sequence[Mapping[str, Any]], leads: Leads = nowhere) -> Table:
    """A trend with a breakdown: a row per interval, a column per group."""
    times, lines, left = series([dict(row) for row in rows])
    known = {(str(row["time"]), group(dict(row), MEASURED)): row for row in rows}
    cells = [
        [Cell(day(time)), *(Cell(full(line[i]), leads(known.get((time, name), {}), "value"))
                            for name, line in lines.items())]
        for i, time in enumerate(times)
    ]  # fmt: skip
    head = ["From", *lines] + ([f"and {left:,} more"] if left else [])
    return Table(head, [row + [Cell("")] * bool(left) for row in cells[:MOST]], 1, max(0, len(cells) - MOST))


def triangle(rows: Sequence[Mapping[str, Any]], leads: Leads = nowhere) -> Table:
    """A retention: a row per cohort, a column per period, how many came back."""
    found = cohorts([dict(row) for row in rows])
    called = {row["period"]: retention.titled(dict(row)) for row in rows}
    periods = sorted(called)
    cells = [
        [Cell(day(cohort)), _counted(next(iter(row.values())), "actors", leads),
         *(Cell("") if p not in row or row[p]["rate"] is None else _counted(row[p], "returned", leads)
           for p in periods)]
        for cohort, row in found.items()
    ]  # fmt: skip
    head = ["Cohort", "Actors", *(called[period] for period in periods)]
    return Table(head, cells[-MOST:], 1, max(0, len(cells) - MOST))


def _counted(row: dict[str, Any], name: str, leads: Leads) -> Cell:
    return Cell(sure(row, name), leads(row, name))
