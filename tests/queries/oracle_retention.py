"""The naive answer about retention with all its options, written from docs/reference/semantics.md alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from oracle_activity import after, begin, groups, in_order, iso, micros_of

Event = dict[str, Any]
Test = Callable[[Event], bool]
DAY = 86_400_000_000


def retention(
    events: Sequence[Event], start: Test, back: Test, question: dict[str, Any], zone: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and totals."""
    every, mode, rolling = question["every"], question["mode"], question["windows"] == "rolling"
    brackets = question.get("brackets")
    ends = brackets or list(range(1, question.get("periods", 8)))
    spans = [(0, 0), *((a + 1, b) for a, b in zip([0, *ends], ends, strict=False))]
    unit = {"1d": DAY, "7d": 7 * DAY, "1mo": 30 * DAY}[every]
    newest = max(event["time"] for event in events)
    starts = in_order([event for event in events if start(event)])
    by = question["by"][0] if question["by"] else None
    rows: list[dict[str, Any]] = []
    parts = []
    for labels, members in groups(starts, by, question["top"]):
        mine, journeys = [], []
        begun = {actor: starts[actor][0]["time"] for actor in members}
        for cohort in sorted({begin(time, every, zone) for time in begun.values()}):
            actors = sorted(actor for actor in members if begin(begun[actor], every, zone) == cohort)
            visits = {}
            for actor in actors:
                returns = [e for e in events if e["actor"] == actor and back(e) and e["time"] >= begun[actor]]
                journeys.append((begun[actor], max([begun[actor], *(e["time"] for e in returns)])))
                visits[actor] = [
                    (period_of(units(e["time"], begun[actor], cohort, every, unit, rolling, zone), spans), e)
                    for e in returns
                ]  # fmt: skip
            for period, (first, last) in enumerate(spans):
                opens = (
                    micros_of(cohort, zone) + first * unit if rolling else micros_of(later(cohort, every, first), zone)
                )
                if opens > newest:
                    break
                observed = sum(1 for actor in actors if begun[actor] + (last + 1) * unit <= newest)
                returned, values = kept(visits, period, mode, question["value"])
                row = {"cohort": iso(cohort, zone), **labels, "actors": len(actors), "period": period}
                row |= {"from": first, "to": last} if brackets else {}
                row |= {"returned": returned, "rate": returned / len(actors)}
                row["complete"] = (
                    observed == len(actors) if rolling else micros_of(later(cohort, every, last + 1), zone) <= newest
                )
                row |= {"observed": observed} if rolling else {}
                mine.append(({**row, **worth(values, returned, len(actors), question["value"])}, values))
        rows += [row for row, _ in mine]
        parts.append((labels, mine, journeys))
    totals = summed([pair for _, mine, _ in parts for pair in mine], spans, question)
    if by:
        totals["groups"] = [{**labels, **summed(mine, spans, question)} for labels, mine, _ in parts]
    if question["lapse"]:
        totals["survival"] = survival([j for _, _, some in parts for j in some], question, spans, unit, newest)
        for place, (_, _, some) in enumerate(parts if by else []):
            totals["groups"][place]["survival"] = survival(some, question, spans, unit, newest)
    return rows, totals


def later(day: datetime, every: str, count: int) -> datetime:
    for _ in range(count):
        day = after(day, every)
    return day


def units(time: int, begun: int, cohort: datetime, every: str, unit: int, rolling: bool, zone: str) -> int:  # noqa: PLR0917
    if rolling:
        return (time - begun) // unit
    count, day = 0, cohort
    while day < begin(time, every, zone):
        count, day = count + 1, after(day, every)
    return count


def period_of(unit: int, spans: Sequence[tuple[int, int]]) -> int:
    return next((p for p, (first, last) in enumerate(spans) if first <= unit <= last), len(spans))


def kept(
    visits: dict[str, list[tuple[int, Event]]], period: int, mode: str, value: str | None
) -> tuple[int, list[float]]:
    """How many actors count as returned, and the values of their returns."""
    returned, values = 0, []
    for line in visits.values():
        came = {p for p, _ in line}
        streak = all(p in came for p in range(period + 1))
        fits = {
            "on": lambda p: p == period, "on_or_after": lambda p: p >= period, "on_or_before": lambda p: p <= period,
            "streak": lambda p, streak=streak: streak and p == period,
        }[mode]  # fmt: skip
        returned += any(fits(p) for p in came)
        values += [e[value] for p, e in line if value and fits(p) and e[value] is not None]
    return returned, values


def worth(values: Sequence[float], returned: int, actors: int, value: str | None) -> dict[str, Any]:
    if value is None:
        return {}
    total = math.fsum(values)
    return {
        "value": total, "values": len(values), "value_average": total / len(values) if values else None,
        "value_per_returned": total / returned if returned else None, "value_per_actor": total / actors,
    }  # fmt: skip


def summed(
    mine: Sequence[tuple[dict[str, Any], list[float]]], spans: Sequence[tuple[int, int]], question: dict[str, Any]
) -> dict[str, Any]:
    periods = []
    for period, (first, last) in enumerate(spans):
        some = [(row, values) for row, values in mine if row["period"] == period and row["complete"]]
        actors, returned = sum(row["actors"] for row, _ in some), sum(row["returned"] for row, _ in some)
        if not actors:
            continue
        line = {"period": period} | ({"from": first, "to": last} if question.get("brackets") else {})
        line |= {"actors": actors, "returned": returned, "rate": returned / actors}
        periods.append(line | worth([v for _, values in some for v in values], returned, actors, question["value"]))
    return {"actors": sum(row["actors"] for row, _ in mine if row["period"] == 0), "periods": periods}


def survival(
    journeys: Sequence[tuple[int, int]],
    question: dict[str, Any],
    spans: Sequence[tuple[int, int]],
    unit: int,
    newest: int,
) -> dict[str, Any]:
    """Kaplan and Meier by hand: one factor for each time at which somebody left."""
    horizon = newest - {"1d": DAY, "7d": 7 * DAY}[question["lapse"]]
    known = [(min(last, horizon) - begun, last <= horizon) for begun, last in journeys if begun <= horizon]
    curve = []
    for at in [*(first * unit for first, _ in spans), (spans[-1][1] + 1) * unit]:
        share, spread = Fraction(1), Fraction(0)
        for time in sorted({t for t, left in known if left and t <= at}):
            risk, left = sum(1 for t, _ in known if t >= time), sum(1 for t, gone in known if t == time and gone)
            share *= 1 - Fraction(left, risk)
            spread += Fraction(left, risk * (risk - left)) if risk > left else 0
        low = high = None
        if 0 < share < 1:
            width = 1.959963984540054 * math.sqrt(spread) / abs(math.log(share))
            low, high = float(share) ** math.exp(width), float(share) ** math.exp(-width)
        risk = sum(1 for t, _ in known if t >= at)
        point = {"seconds": at / 1e6, "at_risk": risk, "survival": float(share), "low": low, "high": high}
        curve.append(point)
    half = next((t for t in sorted({t for t, _ in known}) if below_half(known, t)), None)
    return {
        "actors": len(known), "left": sum(left for _, left in known),
        "median_seconds": None if half is None else half / 1e6, "curve": curve if known else [],
    }  # fmt: skip


def below_half(known: Sequence[tuple[int, bool]], at: int) -> bool:
    share = Fraction(1)
    for time in {t for t, left in known if left and t <= at}:
        risk = sum(1 for t, _ in known if t >= time)
        share *= 1 - Fraction(sum(1 for t, gone in known if t == time and gone), risk)
    return share <= Fraction(1, 2)
