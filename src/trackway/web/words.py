"""Questions and answers in words: what was asked in one sentence, what it says in one number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from trackway.plan.component import Answer
from trackway.web.charts.funnel import groups
from trackway.web.charts.retention import cohorts, overall
from trackway.web.charts.scale import counted, day, full, lasting, plain, share
from trackway.web.charts.trend import series

EVERY = {"1h": "hour", "1d": "day", "1w": "week", "7d": "week", "1mo": "month", "1m": "minute"}
"""Names of common intervals."""

PROMPTS = {
    "funnel": ("Which steps lead where?", "Give each step a condition; Trackway counts who did them in this order."),
    "retention": ("Who comes back?", "Say what begins a cohort and what counts as coming back."),
    "drivers": (
        "What lifts a conversion?",
        "Give the steps; Trackway finds what those who convert have in common.",
    ),
    "patterns": (
        "Who behaves like this?",
        "Write a pattern such as A (not X)* B within 1h, and say what A, B, X are.",
    ),
    "experiment": ("Did it work?", "Say who was exposed to which variant, and what to measure."),
}
"""What an unfinished question asks for: a title and a sentence."""
FEW = 6
"""Most numbers above an answer."""
EXACT = 100
"""Averages below this are shown with a decimal."""
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
    elif asked["type"] == "trend":
        where = f" where {plain(asked['where'])}" if asked.get("where") else ""
        measure = measured(asked)
        return f"{measure[:1].upper()}{measure[1:]}{where}, each {unit(asked.get('every') or '1d')}{by(asked)}"
    elif asked["type"] == "distribution":
        among = f" among those with {plain(asked['among'])}" if asked.get("among") else ""
        measure = str(asked.get("measure") or "events").replace("_", " ")
        text = f"{measure[:1].upper()}{measure[1:]} of each actor{among}"
    else:
        about = [plain(str(asked[name])) for name in ("start", "when", "match", "metric", "end") if asked.get(name)]
        text = " ".join([str(asked["type"]).capitalize(), "·" if about else "", " → ".join(about)]).strip()
    return text + (f", where {plain(asked['where'])}" if asked.get("where") else "") + by(asked)


def by(asked: Mapping[str, Any]) -> str:
    """The breakdown of a question in words."""
    columns = asked.get("by") or []
    listed = [columns] if isinstance(columns, str) else list(columns)
    return f", by {' and '.join(listed)}" if listed else ""


def numbers(asked: Mapping[str, Any], answer: Answer, *, open_end: bool = False) -> list[Number]:
    """The few numbers a reader wants first. `open_end`: the last interval is not over yet."""
    if not answer.rows:
        return []
    if asked["type"] == "funnel":
        return of_funnel(answer)
    if asked["type"] == "retention":
        return of_retention(asked, answer.rows)
    if asked["type"] == "trend":
        return of_trend(asked, answer, open_end=open_end)
    if asked["type"] == "distribution":
        return of_distribution(answer.totals)
    return of_totals(answer.totals)


def of_distribution(totals: Mapping[str, Any]) -> list[Number]:
    """Its middle, its ends, and how much the largest hold.

    >>> of_distribution({"actors": 3, "mean": 2.5, "max": 4, "quantiles": {"p50": 2, "p90": 4}})[1]
    ('2', 'median')
    """
    quantiles = totals.get("quantiles") or {}
    found = [(full(totals.get("actors")), "actors"), (full(quantiles.get("p50")), "median"),
             (full(totals.get("mean")), "mean"), (full(quantiles.get("p90")), "90 % have at most"),
             (full(totals.get("max")), "largest")]  # fmt: skip
    top = totals.get("top_10_share")
    return found if top is None else [*found, (share(top), "held by the top 10 %")]


def of_totals(totals: Mapping[str, Any]) -> list[Number]:
    """The first plain numbers of the totals, under their names.

    >>> of_totals({"actors": 1200, "rate": 0.25, "median_seconds": 90.0, "histogram": []})
    [('1,200', 'actors'), ('25.0 %', 'rate'), ('1 min 30 s', 'median')]
    """
    found: list[Number] = []
    for name, value in totals.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        words = name.removesuffix("_seconds").replace("_", " ")
        if name == "rate" or name.endswith(("_rate", "_share")):
            found.append((share(value), words))
        else:
            found.append((lasting(value) if name.endswith("_seconds") else full(value), words))
    return found[:FEW]


def prompt(type_: str) -> tuple[str, str]:
    """What an unfinished question asks for: a title and a sentence."""
    return PROMPTS.get(type_, ("What do you want to know?", "Fill in the question and ask."))


def of_funnel(answer: Answer) -> list[Number]:
    """Conversion of the whole, its two ends, how long it takes, and the step or the groups that differ most."""
    shown, _ = groups(answer.rows, most=1_000_000)
    unit = counted(answer.rows[0])
    first = answer.totals.get(unit, sum(steps[0][unit] for steps in shown.values()))
    last = answer.totals.get("converted", sum(steps[-1][unit] for steps in shown.values()))
    found: list[Number] = [(share(last / first if first else None), "converted"), (full(first), "began")]
    found.append((full(last), "reached the end"))
    if len(shown) > 1:
        ranked = sorted(shown, key=lambda name: shown[name][-1]["rate"] or 0)
        ends = ((ranked[-1], "best"), (ranked[0], "lowest"))
        return found + [(share(shown[name][-1]["rate"]), f"{which}: {name}") for name, which in ends]
    steps = next(iter(shown.values()))
    if steps[-1].get("median_seconds") is not None:
        found.append((lasting(steps[-1]["median_seconds"]), "median to convert"))
    falls = [(a[unit] - b[unit], plain(b["name"])) for a, b in pairwise(steps)]
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


def measured(asked: Mapping[str, Any]) -> str:
    """What a trend is of: its measure, its formula, or the first of several."""
    named = [str(one["name"]) for one in asked.get("measures") or [] if isinstance(one, dict) and "name" in one]
    return str(asked.get("formula") or (named and named[0]) or asked.get("measure") or "events")


def of_trend(asked: Mapping[str, Any], answer: Answer, *, open_end: bool) -> list[Number]:
    """The whole, the average and the highest interval, and the last that is over."""
    times, lines, left = series(answer.rows)
    measure = measured(asked)
    whole: list[Number] = []
    if isinstance(answer.totals.get("value"), int | float):
        whole = [(full(answer.totals["value"]), f"{measure} in all")]
    if len(lines) + left > 1:
        if measure == "events":
            return whole + [(full(sum(v or 0 for v in line)), name) for name, line in list(lines.items())[:4]]
        return whole + [(full(max(v or 0 for v in line)), f"{name}, at most") for name, line in list(lines.items())[:4]]
    values = [(value or 0, time) for value, time in zip(next(iter(lines.values())), times, strict=True)]
    if len(values) == 1:
        return whole
    over = values[:-1] if open_end else values
    word = unit(asked.get("every") or "1d")
    average, highest = sum(value for value, _ in over) / len(over), max(values)
    return [
        *whole,
        (full(round(average, 1) if average < EXACT else round(average)), f"on average {article(word)} {word}"),
        (full(highest[0]), f"highest, {day(highest[1])}"),
        (full(over[-1][0]), f"last full {word}, {day(over[-1][1])}" if open_end else f"last, {day(over[-1][1])}"),
    ]


def article(word: str) -> str:
    """`a` or `an`.

    >>> article("day"), article("hour"), article("15m")
    ('a', 'an', 'each')
    """
    return "each" if word[:1].isdigit() else "an" if word in {"hour", "interval"} else "a"


def command(asked: Mapping[str, Any]) -> str:
    """The command line that asks the same."""
    return f"trackway ask - <<'END'\n{json.dumps(asked, ensure_ascii=False)}\nEND"
