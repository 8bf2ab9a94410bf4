"""Questions and answers in words: what was asked in one sentence, what it says in one number."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from trackway.web.charts.funnel import groups
from trackway.web.charts.retention import cohorts, overall
from trackway.web.charts.scale import day, full, lasting, plain, share
from trackway.web.charts.trend import series

EVERY = {"1h": "hour", "1d": "day", "1w": "week", "7d": "week", "1mo": "month", "1m": "minute"}
"""Names of common intervals."""

Number = tuple[str, str]
"""A number as shown, and what it is."""


def unit(every: str | None) -> str:
    """The name of an interval: `day`, or `15m` when it has none.

    >>> unit("7d"), unit("15m")
    ('week', '15m')
    """
    return EVERY.get(every or "", every or "interval")


def sentence(asked: Mapping[str, Any]) -> str:
    """A question in one sentence.

    >>> sentence({"type": "trend", "measure": "actors", "where": "status >= 500", "every": "1d", "by": ["method"]})
    'Actors where status >= 500, each day, by method'
    """
    if asked["type"] == "funnel":
        names = [step.get("name") or plain(step["when"]) for step in asked.get("steps", [])]
        text = " → ".join(names) + (f" within {asked['within']}" if asked.get("within") else "")
    elif asked["type"] == "retention":
        first, again = plain(asked.get("start", "")), plain(asked.get("return", ""))
        text = f"Who came back: {first} → {again}, each {unit(asked.get('every') or '7d')}"
    else:
        where = f" where {plain(asked['where'])}" if asked.get("where") else ""
        measure = str(asked.get("measure") or "events")
        return f"{measure[:1].upper()}{measure[1:]}{where}, each {unit(asked.get('every') or '1d')}{by(asked)}"
    return text + (f", where {plain(asked['where'])}" if asked.get("where") else "") + by(asked)


def by(asked: Mapping[str, Any]) -> str:
    """The breakdown of a question in words."""
    columns = asked.get("by") or []
    listed = [columns] if isinstance(columns, str) else list(columns)
    return f", by {' and '.join(listed)}" if listed else ""


def numbers(asked: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> list[Number]:
    """The few numbers a reader wants first."""
    if not rows:
        return []
    return {"funnel": of_funnel, "retention": of_retention}.get(asked["type"], of_trend)(asked, rows)


def of_funnel(_asked: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> list[Number]:
    """Conversion of the whole, its two ends, and the step that loses most."""
    shown, _ = groups(rows, most=1_000_000)
    first = sum(steps[0]["actors"] for steps in shown.values())
    last = sum(steps[-1]["actors"] for steps in shown.values())
    if len(shown) > 1:
        best = max(shown, key=lambda name: shown[name][-1]["rate"] or 0)
        return [(full(len(shown)), "groups"), (share(shown[best][-1]["rate"]), f"best: {best}")]
    found: list[Number] = [(share(last / first if first else None), "converted"), (full(first), "began")]
    found.append((full(last), "reached the end"))
    steps = next(iter(shown.values()))
    if steps[-1].get("median_seconds") is not None:
        found.append((lasting(steps[-1]["median_seconds"]), "median to convert"))
    falls = [(a["actors"] - b["actors"], b["name"]) for a, b in pairwise(steps)]
    if falls and first and max(falls)[0]:
        found.append((full(max(falls)[0]), f"lost before {max(falls)[1]}"))
    return found


def of_retention(asked: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> list[Number]:
    """How many came back in the first periods, of how many."""
    found = cohorts(rows)
    actors = sum(next(iter(periods.values()))["actors"] for periods in found.values())
    word = unit(asked.get("every") or "7d")
    back = [(share(rate), f"back in {word} {period}") for period, rate in overall(found).items() if period > 0]
    return [*back[:3], (full(actors), "actors"), (full(len(found)), "cohorts")]


def of_trend(asked: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> list[Number]:
    """Total or average, the highest interval, and the last against the one before."""
    times, lines, left = series(rows)
    if len(lines) + left > 1:
        return [
            (full(sum(v or 0 for v in line)) if adds_up(asked) else full(max((v or 0) for v in line)), name)
            for name, line in list(lines.items())[:4]
        ]
    values = [(value or 0, time) for value, time in zip(next(iter(lines.values())), times, strict=True)]
    total = sum(value for value, _ in values)
    highest = max(values)
    word = unit(asked.get("every") or "1d")
    found: list[Number] = []
    if adds_up(asked):
        found.append((full(total), str(asked.get("measure") or "events")))
    found.append((full(round(total / len(values), 1)), f"on average a {word}"))
    found.append((full(highest[0]), f"highest, {day(highest[1])}"))
    found.append((full(values[-1][0]), f"last, {day(values[-1][1])}"))
    return found


def adds_up(asked: Mapping[str, Any]) -> bool:
    """Whether the values of the intervals may be summed (an actor can be in two of them)."""
    measure = str(asked.get("measure") or "events")
    return measure == "events" or measure.startswith("sum")


def command(asked: Mapping[str, Any], saved: str = "") -> str:
    """The command line that asks the same."""
    if saved:
        return f"trackway ask {shlex.quote(saved)}"
    return f"trackway ask - <<'END'\n{json.dumps(asked, ensure_ascii=False)}\nEND"
