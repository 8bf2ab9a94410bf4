"""Questions and answers in words: what was asked in one sentence, what it says in one number."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from trackway.plan.query import Answer
from trackway.web.charts.funnel import groups, pooled
from trackway.web.charts.retention import titled
from trackway.web.charts.scale import counted, day, full, lasting, plain, share, sure
from trackway.web.charts.trend import BEFORE, lined, series

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
UNSAID = frozenset({"mismatch_p"})
"""Totals that are told in another way."""
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
    elif asked["type"] in SENTENCES:
        text = SENTENCES[asked["type"]](asked)
    else:
        about = [plain(str(asked[name])) for name in ("start", "when", "match", "metric", "end") if asked.get(name)]
        text = " ".join([str(asked["type"]).capitalize(), "·" if about else "", " → ".join(about)]).strip()
    return text + (f", where {plain(asked['where'])}" if asked.get("where") else "") + by(asked)


def of_paths(asked: Mapping[str, Any]) -> str:
    """Paths in words.

    >>> of_paths({"start": "event = 'Signed Up'", "by": "path"}), of_paths({"end": "status >= 500"})
    ('What comes after Signed Up, by path', 'What comes before status >= 500')
    """
    start, end = (plain(str(asked[key])) if asked.get(key) else "" for key in ("start", "end"))
    if start and end:
        text = f"From {start} to {end}"
    else:
        text = f"What comes after {start}" if start else f"What comes before {end}" if end else "What they do first"
    named = asked.get("by")
    return text + (f", by {named}" if isinstance(named, str) and named != "event" else "")


def of_drivers(asked: Mapping[str, Any]) -> str:
    """Drivers in words."""
    steps = [step.get("name") or plain(step["when"]) for step in asked.get("steps", [])]
    return f"What lifts or sinks {' → '.join(steps)}"


def of_patterns(asked: Mapping[str, Any]) -> str:
    """Patterns in words."""
    return f"Who did {asked.get('pattern', '')}"


def of_experiment(asked: Mapping[str, Any]) -> str:
    """An experiment in words."""
    control = asked.get("control") or "control"
    return f"Experiment by {asked.get('variant', 'variant')}: what changes against {control}"


def of_amounts(asked: Mapping[str, Any]) -> str:
    """A distribution in words."""
    among = f" among those with {plain(asked['among'])}" if asked.get("among") else ""
    measure = str(asked.get("measure") or "events").replace("_", " ")
    return f"{measure[:1].upper()}{measure[1:]} of each actor{among}"


SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "paths": of_paths, "drivers": of_drivers, "patterns": of_patterns, "experiment": of_experiment,
    "distribution": of_amounts,
}  # fmt: skip
"""Type of question to its beginning in words."""


def by(asked: Mapping[str, Any]) -> str:
    """The breakdown of a question in words."""
    columns = [] if asked["type"] == "paths" else asked.get("by") or []
    listed = [columns] if isinstance(columns, str) else list(columns)
    return f", by {' and '.join(listed)}" if listed else ""


def numbers(asked: Mapping[str, Any], answer: Answer, *, open_end: bool = False) -> list[Number]:
    """The few numbers a reader wants first. `open_end`: the last interval is not over yet."""
    if not answer.rows:
        return []
    if asked["type"] == "funnel":
        return of_funnel(answer)
    if asked["type"] == "retention":
        return of_retention(asked, answer)
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
        if isinstance(value, bool) or not isinstance(value, int | float) or name in UNSAID:
            continue
        words = name.removesuffix("_seconds").replace("_", " ")
        if name == "rate" or name.endswith(("_rate", "_share")):
            found.append((sure(totals, name, share), words))
        else:
            found.append((sure(totals, name, lasting if name.endswith("_seconds") else full), words))
    return found[:FEW]


def prompt(type_: str) -> tuple[str, str]:
    """What an unfinished question asks for: a title and a sentence."""
    return PROMPTS.get(type_, ("What do you want to know?", "Fill in the question and ask."))


def of_funnel(answer: Answer) -> list[Number]:
    """Conversion of the whole, its two ends, how long it takes, and the step or the groups that differ most."""
    rows, totals = pooled(answer.rows), answer.totals
    shown, _ = groups(rows, most=1_000_000)
    unit = counted(rows[0])
    whole = {
        unit: totals.get(unit, sum(steps[0][unit] for steps in shown.values())),
        "converted": totals.get("converted", sum(steps[-1][unit] for steps in shown.values())),
        "intervals": totals.get("intervals", {}),
    }
    whole["rate"] = whole["converted"] / whole[unit] if whole[unit] else None
    found: list[Number] = [(sure(whole, "rate", share), "converted"), (sure(whole, unit), "began"),
                           (sure(whole, "converted"), "reached the end")]  # fmt: skip
    if totals.get("low_rate") is not None:
        found.append((f"{share(totals['low_rate'])} to {share(totals['high_rate'])}", "in whichever order of ties"))
    if len(shown) > 1:
        ranked = sorted(shown, key=lambda name: shown[name][-1]["rate"] or 0)
        ends = ((ranked[-1], "best"), (ranked[0], "lowest"))
        return found + [(sure(shown[name][-1], "rate", share), f"{which}: {name}") for name, which in ends]
    steps = next(iter(shown.values()))
    if (totals.get("seconds") or {}).get("p50") is not None:
        found.append((lasting(totals["seconds"]["p50"]), "median to convert"))
    falls = [(a[unit] - b[unit], plain(b["name"])) for a, b in pairwise(steps)]
    if falls and whole[unit] and max(falls)[0]:
        about = "about " if "intervals" in steps[0] else ""
        found.append((about + full(max(falls)[0]), f"lost before {max(falls)[1]}"))
    return found


def of_retention(asked: Mapping[str, Any], answer: Answer) -> list[Number]:
    """How many came back in the first periods, of how many."""
    word, totals = unit(asked.get("every") or "7d"), answer.totals
    back = [
        (sure(one, "rate", share), f"back in {word} {titled(one)}") for one in totals["periods"] if one["period"] > 0
    ]
    survival = totals.get("survival") or {}
    half = [(lasting(survival["median_seconds"]), "median life")] if survival.get("median_seconds") is not None else []
    many = len({str(row["cohort"]) for row in answer.rows})
    return [*back[:3], *half, (sure(totals, "actors"), "actors"), (full(many), "cohort" if many == 1 else "cohorts")]


def measured(asked: Mapping[str, Any]) -> str:
    """What a trend is of: its measure, its formula, or the first of several."""
    named = [str(one["name"]) for one in asked.get("measures") or [] if isinstance(one, dict) and "name" in one]
    return str(asked.get("formula") or (named and named[0]) or asked.get("measure") or "events")


def of_trend(asked: Mapping[str, Any], answer: Answer, *, open_end: bool) -> list[Number]:
    """The whole, the average and the highest interval, and the last that is over."""
    measure, totals = measured(asked), answer.totals
    times, lines, left = series(lined(answer.rows, totals))
    write = share if asked.get("formula") and is_share(lines) else full
    about = "about " if "intervals" in totals else ""
    whole: list[Number] = []
    if isinstance(totals.get("value"), int | float):
        whole = [(sure(totals, "value", write), f"{measure} in all")]
    if BEFORE in totals and totals.get("change") is not None:
        whole.append((f"{about}{totals['change'] * 100:+.1f} %", f"from {about}{write(totals[BEFORE])} before"))
    lines = {name: line for name, line in lines.items() if name != BEFORE}
    if len(lines) + left > 1:
        return (whole + of_lines(asked, answer, lines))[:FEW]
    line = next(iter(lines.values()), [])
    values = [(value, time) for value, time in zip(line, times, strict=True) if value is not None]
    over = values[:-1] if open_end else values
    if len(over) < 2:
        return whole
    word, last = unit(asked.get("every") or "1d"), over[-1]
    average, highest = sum(value for value, _ in over) / len(over), max(over if open_end else values)
    exact = write(average) if write is share else full(round(average, 1) if abs(average) < EXACT else round(average))
    return [
        *whole,
        (about + exact, f"on average {article(word)} {word}"),
        (about + write(highest[0]), f"highest, {day(highest[1])}"),
        (about + write(last[0]), f"last full {word}, {day(last[1])}" if open_end else f"last, {day(last[1])}"),
    ]


def of_lines(asked: Mapping[str, Any], answer: Answer, lines: Mapping[str, Sequence[float | None]]) -> list[Number]:
    """A number for each of the first lines of several."""
    named = [str(one["name"]) for one in asked.get("measures") or [] if isinstance(one, dict) and "name" in one]
    if named and not asked.get("by"):
        return [(sure(answer.totals, name), name) for name in named if name in answer.totals][bool(lines) :]
    if measured(asked) == "events" and not asked.get("rolling") and not asked.get("cumulative"):
        return [(full(sum(v or 0 for v in line)), name) for name, line in list(lines.items())[:4]]
    return [(full(max(v or 0 for v in line)), f"{name}, at most") for name, line in list(lines.items())[:4]]


def is_share(lines: Mapping[str, Sequence[float | None]]) -> bool:
    """Whether numbers look like shares of a whole: none is outside 0 to 1, and some are no whole number."""
    values = [value for line in lines.values() for value in line if value is not None]
    return all(0 <= value <= 1 for value in values) and any(value not in {0, 1} for value in values)


def article(word: str) -> str:
    """`a` or `an`.

    >>> article("day"), article("hour"), article("15m")
    ('a', 'an', 'each')
    """
    return "each" if word[:1].isdigit() else "an" if word in {"hour", "interval"} else "a"


def command(asked: Mapping[str, Any]) -> str:
    """The command line that asks the same."""
    return f"trackway ask - <<'END'\n{json.dumps(asked, ensure_ascii=False)}\nEND"
