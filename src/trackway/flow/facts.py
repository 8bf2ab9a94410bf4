"""Identity facts that events state, written once: a pair of ids is told again only when it is known to be older.

A visitor sends both ids with every event; without this the facts would soon outnumber the events.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.store.dedup import Keys, Run, merged, places, sorted_run
from trackway.store.identity import FACTS
from trackway.store.keys import of_texts
from trackway.store.lake import Lake

ALIAS = "previous_id"
"""The property in which a codec gives the id that an alias event renames."""


def stated(events: pa.Table) -> pa.Table:
    """The facts of events: each that carries both ids, and each alias; of equal pairs the earliest."""
    both = events.filter(_present(events, "user_id", "anonymous_id"))
    tables = [_facts(both, "anonymous_id", alias=False)]
    if ALIAS in events.column_names:
        named = events.filter(_present(events, "user_id", ALIAS))
        tables.append(_facts(named.filter(pc.equal(named["event"], "Alias")), ALIAS, alias=True))
    facts = pa.concat_tables(tables)
    return facts.filter(pc.not_equal(facts["id"], facts["owner"]))


def _present(events: pa.Table, *names: str) -> pa.ChunkedArray:
    lengths = [pc.fill_null(pc.utf8_length(events[name].cast(pa.string())), 0) for name in names]
    return pc.and_(*(pc.greater(length, 0) for length in lengths))


def _facts(events: pa.Table, column: str, *, alias: bool) -> pa.Table:
    names = ("time", "source", "event_id", "block", "row")
    rest = {"owner": events["user_id"], "alias": pa.repeat(alias, events.num_rows)}
    table = pa.table({"id": events[column], **rest, **{name: events[name] for name in names}})
    table = table.sort_by([(name, "ascending") for name in ("id", "owner", "time", "event_id")])
    if table.num_rows > 1:
        ids, owners = table["id"].combine_chunks(), table["owner"].combine_chunks()
        new = pc.or_(pc.not_equal(ids[1:], ids[:-1]), pc.not_equal(owners[1:], owners[:-1]))
        table = table.filter(pa.concat_arrays([pa.array([True]), new]))
    return table.cast(FACTS)


class KnownFacts:
    """Which pairs the lake knows, and since when: a hash of each in memory (32 bytes)."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._run = Run(Keys.empty(), 0)
        self._fresh = Run(Keys.empty(), 0)

    def read(self) -> None:
        """Begin anew from the lake."""
        self._run = sorted_run(_keys(self._lake.identities()))
        self._fresh = Run(Keys.empty(), 0)

    def new(self, facts: pa.Table) -> pa.Table:
        """The facts that say something not known: another pair, or the same pair earlier."""
        if facts.num_rows == 0:
            return facts
        keys = _keys(facts)
        arranged = np.argsort(keys.hi)
        keys, told = keys.take(arranged), np.zeros(len(arranged), bool)
        for run in (self._run, self._fresh):
            rows, found = places(run.keys, keys)
            told[rows] |= run.keys.received[found] >= keys.received[rows]
        kept = np.zeros(len(arranged), bool)
        kept[arranged] = ~told
        return facts.filter(pa.array(kept))

    def add(self, facts: pa.Table) -> None:
        """Remember facts that were committed."""
        if facts.num_rows:
            self._fresh = merged(self._fresh, sorted_run(_keys(facts)))
            if len(self._fresh.keys) * 8 > len(self._run.keys):
                self._run, self._fresh = merged(self._run, self._fresh), Run(Keys.empty(), 0)


def _keys(facts: pa.Table) -> Keys:
    """Keys whose `received` grows towards earlier times, so that the run keeps the earliest of a pair."""
    hi, lo = of_texts(facts["id"], facts["owner"], facts["alias"].cast(pa.string()))
    time = facts["time"].cast(pa.int64()).to_numpy().astype(np.int64)
    return Keys(hi, lo, np.uint64(1 << 63) - time.astype(np.uint64), np.zeros(len(time), np.uint64))
