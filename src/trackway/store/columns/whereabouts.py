"""Where the events of one actor lie in the columns, for people who take a number apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.store.columns.view import View


@dataclass(frozen=True)
class Whereabouts:
    """The place of one actor in a view."""

    shard: int
    events: int
    runs: list[str]
    """Names of the runs, in order of time; `in memory` for those not on disk."""


def whereabouts(view: View, actor: str) -> Whereabouts | None:
    """Where an actor (identities resolved) lies; None when the view has no event of theirs."""
    index = pc.index(view.dictionary("actor"), pa.scalar(actor, pa.string())).as_py()
    places = np.flatnonzero(view.codes == index + 1)
    if index < 0 or not len(places):
        return None
    place = int(places[0])
    stretches = range(int(view.first[place]), int(view.first[place + 1]))
    names = [view.runs[int(view.run[at])].name or "in memory" for at in stretches]
    return Whereabouts(
        shard=int(np.searchsorted(view.bounds, place, side="right")) - 1,
        events=sum(int(view.hi[at] - view.lo[at]) for at in stretches),
        runs=list(dict.fromkeys(names)),
    )
