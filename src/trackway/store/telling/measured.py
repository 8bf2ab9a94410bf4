"""What a trend says of one actor: the interval and group each of their events counts in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trackway.model.statistic import Measure
from trackway.plan.told import Story, Told, brief, listed
from trackway.store.columns.measures.frame import Frame


def told(
    story: Story, frame: Frame, parts: Sequence[tuple[str, Measure]], by: Sequence[str], *, trailing: bool
) -> Told:
    """What is said of an actor; `parts` are the measures, each with the mark of its own condition if it has one."""
    met = story.marks.get("where", np.ones(len(story.time), np.bool_))
    chosen, beside = {}, {}
    for place in np.flatnonzero(met).tolist():
        at, counted = int(story.time[place]), []
        for name, measure in parts:
            if name and not story.marks[name][place]:
                continue
            column = measure.inner.column
            if column is not None and story.value(column, place) is None:
                beside[place] = f"it has no {column}"
                continue
            counted.append(name)
        shown = frame.place(at)
        if not counted or not frame.start <= at < frame.stop:
            continue
        when = (
            story.since(frame.edges[frame.lead + shown]) if shown is not None else "the windows that reach back to it"
        )
        where = "".join(f", {name} {_text(story.value(name, place))}" for name in by)
        which = f" for {listed([name for name in counted if name])}" if any(counted) else ""
        chosen[place] = f"counts{which} in {when}{' and the windows that hold it' if trailing else ''}{where}"
    cells = [f"{_text(row['value'])} in {_cell(row, by)}" for row in story.rows if row["value"]]
    events = f"{len(chosen):,} event{'s' * (len(chosen) != 1)}"
    sentence = f"Counts with {events}: {listed(cells)}." if chosen else "Does not count: none of the events do."
    return Told(sentence, chosen, len(chosen), None if chosen else 1, lambda place: beside.get(place, ""))


def _cell(row: dict[str, Any], by: Sequence[str]) -> str:
    return " ".join([brief(str(row["time"])), *(f"({name} {_text(row[name])})" for name in by)])


def _text(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else f"{value}"
