"""A funnel over time: which interval a chain began in, and whether all that began there have had their time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trackway.model.time import Duration, iso
from trackway.store.columns.context import Context


@dataclass(frozen=True)
class Timeline:
    """The intervals from `edges[i]` to `edges[i + 1]`, microseconds."""

    edges: np.ndarray
    complete: np.ndarray
    """Whether nobody who began in an interval, or might still, can go on."""
    zone: str

    def place(self, starts: np.ndarray) -> np.ndarray:
        """The interval each start is in."""
        return np.asarray(np.searchsorted(self.edges, starts, side="right") - 1)

    def labels(self, place: int) -> dict[str, Any]:
        """What rows say of an interval."""
        return {"time": iso(int(self.edges[place]), self.zone), "complete": bool(self.complete[place])}

    def rows(self, starts: np.ndarray) -> list[np.ndarray]:
        """Which of the starts are in each interval, in their order."""
        places = self.place(starts)
        order = np.argsort(places, kind="stable")
        return np.split(order, np.searchsorted(places[order], np.arange(1, len(self.complete))))

    def note(self, starts: np.ndarray, *, excluded: bool) -> list[str]:
        """What to say of intervals whose time is not over."""
        late = int(np.count_nonzero(~self.complete))
        if not late:
            return []
        who = int(np.count_nonzero(~self.complete[self.place(starts)]))
        one = "1 interval can still change (it or its window is not over)"
        some = f"{late:,} intervals can still change (they or their windows are not over)"
        what = "leave out" if excluded else "count"
        return [f"{one if late == 1 else some}; totals {what} the {who:,} who began there."]


def timeline(  # noqa: PLR0913
    context: Context, every: Duration, starts: np.ndarray, going: np.ndarray, *,
    from_: str | None, to: str | None, within: int,
) -> Timeline | None:  # fmt: skip
    """The intervals of a range; where it is open, from the first start to the last. None when there is none.

    `going` says which of those who started may still go on; `within` is the length of their window, microseconds.
    Raises QuestionError for too many intervals.
    """
    if not len(starts) and (from_ is None or to is None):
        return None
    among = context.among(int(starts.min()), int(starts.max())) if len(starts) else context
    span, last = among.span(from_, to), min(context.newest or 0, context.span(from_, to).end - 1)
    edges = np.array(among.edges(span, every), np.int64)
    made = Timeline(edges, edges[1:] - 1 + within <= last, context.zone)
    made.complete[np.unique(made.place(starts[going]))] = False
    return made
