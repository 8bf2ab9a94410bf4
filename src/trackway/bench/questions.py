"""The questions of the benchmark, once, so that every engine's text is built from the same numbers.

Each engine answers with rows of plain values in the order given here; rows of two engines are equal or the
benchmark says so. Times of one actor never tie, days and weeks are UTC, weeks start on Monday.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trackway.bench.events import DAY, START

STEPS = ("Product Viewed", "Product Added", "Order Completed")
WITHIN_DAYS = 7
START_EVENT = "Signed Up"
RETURN_EVENT = "Logged In"
PERIODS = 8
NODES = 5
LEFT = "drop-off"
"""Where a journey goes that has fewer nodes."""
FILTER_EVENT = "Page Viewed"
FILTER_PLAN = "pro"
WEEK = 7 * DAY
MONDAY = START - 5 * DAY
"""2026-07-27T00:00:00Z: the Monday of the week in which the events begin."""

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question by name, what its rows are, and how Trackway is asked it."""

    name: str
    rows: str
    asked: dict[str, Any] = field(repr=False)


QUESTIONS = (
    Question(
        "funnel",
        "(step, actors): three steps in order within 7 days of the first, anything may lie between",
        {
            "type": "funnel",
            "steps": [{"name": step, "when": f"event = '{step}'"} for step in STEPS],
            "within": f"{WITHIN_DAYS}d",
        },
    ),
    Question(
        "daily_uniques",
        "(day, actors): exact distinct actors of every day",
        {"type": "trend", "measure": "actors", "every": "1d"},
    ),
    Question(
        "retention",
        "(cohort, period, returned): by week of the first sign-up, who logged in during that week and the seven after",
        {
            "type": "retention",
            "start": f"event = '{START_EVENT}'",
            "return": f"event = '{RETURN_EVENT}'",
            "every": "7d",
            "periods": PERIODS,
        },
    ),
    Question(
        "paths",
        "(step, from, to, actors): the first five different events in a row from the first sign-up on",
        {"type": "paths", "start": f"event = '{START_EVENT}'", "steps": NODES, "top": None},
    ),
    Question(
        "filtered_count",
        "(day, country, events): page views on one plan",
        {
            "type": "trend",
            "measure": "events",
            "where": f"event = '{FILTER_EVENT}' and plan = '{FILTER_PLAN}'",
            "every": "1d",
            "by": ["country"],
            "top": None,
        },
    ),
)
