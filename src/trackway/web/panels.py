"""Which pictures belong to an answer: a list of panels for each type of question, drawn for any width.

A type that is not listed here has no picture, and its table says it all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trackway.model.time import Duration, instant
from trackway.plan.query import Answer
from trackway.web import words
from trackway.web.charts import (
    bars,
    distribution,
    drivers,
    durations,
    forest,
    funnel,
    retention,
    sankey,
    stack,
    survival,
    trend,
)
from trackway.web.charts.scale import moment
from trackway.web.charts.svg import SERIES, Drawing

FEWEST_BARS = 3
"""Bars below which a histogram says nothing."""
NEARLY = 0.95
"""Share of an interval after which it counts as over; traffic does not end on its last microsecond."""
UNLIKE = 12.0
"""How many times larger one measure may be than another to share its axis."""
LOW = 190.0
"""The height in pixels of one of several drawings."""
MOST_GROUPS = 6
"""Groups that have a picture of their own."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Scene:
    """An answer, what was asked, and what a drawing must know of the workspace."""

    asked: Mapping[str, Any]
    answer: Answer
    newest: int | None = None
    """The newest instant there is, in microseconds."""
    zone: str = "UTC"
    link: funnel.Link = funnel.nowhere
    """The address of the actors behind a row of a funnel."""

    @property
    def rows(self) -> Rows:
        """The rows of the answer."""
        return self.answer.rows

    @property
    def every(self) -> str:
        """The length of an interval as written."""
        return str(self.asked.get("every") or "1d")

    def over(self, every: str | None) -> bool:
        """Whether the last interval of the rows is over at the newest event."""
        last = moment(max((str(row["time"]) for row in self.rows), default=""))
        if last is None or self.newest is None or not every:
            return True
        return not instant(last) <= self.newest < instant(last) + Duration(every).micros * NEARLY


@dataclass(frozen=True)
class Panel:
    """One picture: how it is drawn for a width, its title, the names of its colours, and what it leaves out."""

    draw: Callable[[float], Drawing]
    title: str = ""
    legend: Sequence[tuple[int, str]] = field(default=())
    """Place of a colour, and what it means."""
    left: int = 0
    """Smaller groups that are not drawn."""


def panels(scene: Scene) -> list[Panel]:
    """The pictures of an answer, the most telling first; none without rows, or when its table says it all."""
    made = PANELS.get(scene.answer.type)
    return made(scene) if made is not None and scene.rows else []


def lines(rows: Rows, title: str = "", **look: Any) -> Panel:
    """Lines over time of rows of `time`, `value` and what tells them apart."""
    _, found, left = trend.series(rows)
    legend = [(trend.colour(place, name), name) for place, name in enumerate(found)] if len(found) > 1 else []
    return Panel(lambda width: trend.draw(rows, width, trend.Look(**look)), title, legend, left)


def of_trend(scene: Scene) -> list[Panel]:
    """Lines over time; of measures of very different size, or behind a formula, each by itself."""
    totals, asked = scene.answer.totals, scene.asked
    told = [(str(note["time"]), str(note.get("text", ""))) for note in totals.get("annotations", [])]
    look: dict[str, Any] = {"open_end": int(not scene.over(scene.every)), "notes": told}
    rows = trend.lined(scene.rows, totals)
    named = [str(one["name"]) for one in asked.get("measures") or [] if isinstance(one, Mapping) and "name" in one]
    shares = bool(asked.get("formula")) and words.is_share(trend.series(rows)[1])
    sizes = [max((abs(row.get(name) or 0) for row in scene.rows), default=0) for name in named]
    if not named or asked.get("by") or (not asked.get("formula") and max(sizes) <= UNLIKE * max(min(sizes), 1e-9)):
        return [lines(padded(rows, scene), shares=shares, **look)]
    found = [lines(padded(rows, scene), words.measured(asked), shares=shares, **look)] if asked.get("formula") else []
    for name in named:
        mine = trend.lined([{"time": row["time"], "value": row[name]} | sureness(row, name) for row in scene.rows], {})
        found.append(lines(padded(mine, scene), name, height=LOW, **look))
    return found


def sureness(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """How sure a measure of a sample is, as if it were the value."""
    return {"intervals": {"value": row["intervals"][name]}} if name in row.get("intervals", {}) else {}


def padded(rows: Rows, scene: Scene) -> Rows:
    """The rows with a place for every interval, however few events it has."""
    return trend.padded(rows, scene.asked.get("every", "1d"), scene.zone)


def of_funnel(scene: Scene) -> list[Panel]:
    """The steps; over time also the conversion; and how long it took."""
    rows, found = scene.rows, []
    _, left = funnel.groups(funnel.pooled(rows))
    found.append(Panel(lambda width: funnel.draw(rows, width, scene.link), left=left))
    if "time" in rows[0]:
        last = max(row["step"] for row in rows)
        named = [key for key in rows[0] if key not in funnel.MEASURED and key != "intervals"]
        ends = [
            {"time": row["time"], "value": row["rate"], **{key: row[key] for key in named}, "sure": sureness_of(row)}
            for row in rows
            if row["step"] == last
        ]
        still = len({str(row["time"]) for row in rows if not row["complete"]})
        title = f"Conversion by {words.unit(scene.every)} of entry"
        found.append(lines(ends, title, shares=True, open_end=still, height=220.0))
    return found + histogram(scene, "Time to convert")


def sureness_of(row: Mapping[str, Any]) -> Any:
    """The ends of the rate of a row of a sample."""
    return row.get("intervals", {}).get("rate")


def histogram(scene: Scene, title: str) -> list[Panel]:
    """The lengths of time of the totals, when there are enough of them."""
    told = scene.answer.totals.get("histogram") or []
    if len(told) < FEWEST_BARS:
        return []
    return [Panel(lambda width: durations.draw(told, width, title), title)]


def of_retention(scene: Scene) -> list[Panel]:
    """The heat map; of several groups all beside each other, then each; and the survival curve."""
    unit, found = words.unit(scene.asked.get("every") or "7d").capitalize(), retention.grouped(scene.rows)
    if len(found) == 1:
        made = [Panel(lambda width: retention.draw(scene.rows, width, unit))]
    else:
        made = [Panel(lambda width: retention.compared(scene.rows, width, unit))]
        made += [
            Panel(lambda width, some=some: retention.draw(some, width, unit), name)  # type: ignore[misc]
            for name, some in list(found.items())[:MOST_GROUPS]
        ]
    totals = scene.answer.totals
    if totals.get("survival"):
        curves = {trend.group(one, ("actors", "periods", "survival")): one["survival"]["curve"]
                  for one in totals.get("groups", [])} or {"": totals["survival"]["curve"]}  # fmt: skip
        legend = list(enumerate(list(curves)[:SERIES])) if len(curves) > 1 else []
        title = "Still there after"
        made.insert(1, Panel(lambda width: survival.draw(curves, width), title, legend, max(0, len(curves) - SERIES)))
    return made


def of_lifecycle(scene: Scene) -> list[Panel]:
    """Stacked bars; of several groups their active actors, as lines."""
    named = [key for key in scene.rows[0] if key not in {"time", "active", "complete", "intervals", *stack.COLOURS}]
    if not named:
        legend = [(colour, part) for part, colour in stack.COLOURS.items()]
        return [Panel(lambda width: stack.draw(scene.rows, width), "", legend)]
    rows = [{"time": r["time"], "value": r["active"], **{key: r[key] for key in named}} for r in scene.rows]
    return [lines(rows, open_end=int(not scene.over(scene.asked.get("every") or "7d")))]


def of_stickiness(scene: Scene) -> list[Panel]:
    """The histogram, or the ratio over time."""
    if "ratio" not in scene.rows[0]:
        return of_distribution(scene)
    named = [k for k in scene.rows[0] if k not in {"time", "active", "lately", "ratio", "complete", "intervals"}]
    rows = [
        {"time": row["time"], "value": row["ratio"], **{key: row[key] for key in named},
         "sure": row.get("intervals", {}).get("ratio")}
        for row in scene.rows
    ]  # fmt: skip
    return [lines(rows, shares=True, open_end=int(not scene.over(scene.every)))]


def of_paths(scene: Scene) -> list[Panel]:
    """The Sankey."""
    start, end = (scene.asked.get(key) for key in ("start", "end"))
    ending = "arrive here" if start and end else "begin here" if end else "stop here"
    return [Panel(lambda width: sankey.draw(scene.rows, scene.answer.totals["nodes"], width, ending))]


def of_drivers(scene: Scene) -> list[Panel]:
    """What lifts and what sinks."""
    alpha = float(scene.asked.get("alpha") or 0.05)
    left = max(0, len(scene.rows) - drivers.MOST)
    return [Panel(lambda width: drivers.draw(scene.rows, width, alpha), left=left)]


def of_experiment(scene: Scene) -> list[Panel]:
    """The forest plot."""
    legend = [(0, "better"), (3, "worse"), (7, "unclear")]
    metrics = [one for one in scene.asked.get("metrics") or [] if isinstance(one, Mapping)]
    shares = {one.get("name") or str(one.get("when")) for one in metrics if one.get("measure") in {None, "converted"}}
    return (
        [Panel(lambda width: forest.draw(scene.rows, width, shares), "", legend)] if forest.compared(scene.rows) else []
    )


def of_patterns(scene: Scene) -> list[Panel]:
    """The groups, and how long matches take."""
    left = max(0, len(scene.rows) - bars.MOST)
    found = [Panel(lambda width: bars.draw(scene.rows, width), left=left)] if len(scene.rows) > 1 else []
    return found + histogram(scene, "Time from first to last event")


def of_distribution(scene: Scene) -> list[Panel]:
    """The histogram of each group."""
    found = distribution.histogram(scene.answer.type, scene.rows, scene.answer.totals)
    if found is None:
        return []
    legend = list(enumerate(found.groups)) if len(found.groups) > 1 else []
    return [Panel(lambda width: distribution.draw(found, width), "", legend, found.left)]


PANELS: dict[str, Callable[[Scene], list[Panel]]] = {
    "trend": of_trend, "funnel": of_funnel, "retention": of_retention, "lifecycle": of_lifecycle,
    "stickiness": of_stickiness, "paths": of_paths, "drivers": of_drivers, "experiment": of_experiment,
    "patterns": of_patterns, "distribution": of_distribution,
}  # fmt: skip
"""Type of question to what draws it."""
