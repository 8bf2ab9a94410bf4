"""What a replay would change: events as they are in the lake against events as the pipeline of today gives them.

An event is the same one when it comes of the same record and has the same `event_id`; it is changed when any column
but `stored_at` differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.model.condition import literal, quoted
from trackway.model.time import iso
from trackway.store.scratch import scratch

KEY = ("block", "row", "event_id")
FILE, PLACE = "\x01file", "\x01place"
"""Where an event of the lake stands: its data file, and its number in there."""
UNCOMPARED = frozenset({*KEY, "stored_at", "tie", FILE, PLACE})
SAMPLES = 5

Counts = Counter[tuple[str, str, str]]
"""(bin, step, reason) -> records."""


@dataclass
class Comparison:
    """What a replay finds, and would do."""

    source: str
    first: int
    """When the first of its blocks was received, in microseconds."""
    last: int
    blocks: int = 0
    records: int = 0
    same: int = 0
    changed: int = 0
    new: int = 0
    """Events that were not stored before."""
    accepted: int = 0
    """Of the new ones those of records that had been refused."""
    gone: int = 0
    """Events that would not be stored any more."""
    rejected: int = 0
    """Of those that are gone the ones that would be refused."""
    facts: int = 0
    """Identity facts that come or go."""
    refusals: int = 0
    """Refusals that come, go, or read otherwise."""
    properties: Counter[str] = field(default_factory=Counter)
    """Column -> changed events in which it differs."""
    before: Counts = field(default_factory=Counter)
    after: Counts = field(default_factory=Counter)
    samples: list[dict[str, Any]] = field(default_factory=list)
    """A few changed events: `event_id`, and what differs as `[before, after]`."""

    @property
    def nothing(self) -> bool:
        """Whether all would be as it is."""
        return not (self.changed or self.new or self.gone or self.facts or self.refusals or self.before != self.after)

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {
            "source": self.source, "from": iso(self.first), "to": iso(self.last), "blocks": self.blocks,
            "records": self.records, "same": self.same, "changed": self.changed, "new": self.new,
            "newly_accepted": self.accepted, "gone": self.gone, "newly_refused": self.rejected,
            "identity_facts": self.facts, "properties": dict(self.properties.most_common()),
            "bins": [
                {"bin": way[0], "step": way[1], "reason": way[2], "before": self.before[way], "after": self.after[way]}
                for way in sorted({*self.before, *self.after})
                if self.before[way] or self.after[way]
            ],
            "samples": self.samples, "nothing_changes": self.nothing,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which rows of two tables are one event."""

    changed: NDArray[Any]
    """Rows of the new table that differ from the old."""
    replaced: NDArray[Any]
    """Rows of the old table in their place, in the same order."""
    new: NDArray[Any]
    gone: NDArray[Any]


def paired(old: pa.Table, new: pa.Table, found: Comparison) -> Pairs:
    """The pairs of events before and after, counted into `found`."""
    columns = [name for name in dict.fromkeys([*old.column_names, *new.column_names]) if name not in UNCOMPARED]
    differs = [f"({_one(name, old, 'o')} is distinct from {_one(name, new, 'n')})" for name in columns]
    same = " and ".join(f"o.{quoted(name)} = n.{quoted(name)}" for name in KEY)
    with scratch() as connection:
        connection.execute("set timezone = 'UTC'")
        for name, table in (("o", old), ("n", new)):
            connection.register(f"{name}_rows", table.append_column("\x01at", pa.array(np.arange(table.num_rows))))
        joined = f"from o_rows o full join n_rows n on {same}"
        either = " or ".join(differs) or "false"
        text = f'select o."\x01at" as o, n."\x01at" as n, {either} as d {joined} order by n, o'
        rows = connection.sql(text).to_arrow_table()
        o, n = rows["o"].to_numpy(), rows["n"].to_numpy()
        both = ~np.isnan(o.astype(float)) & ~np.isnan(n.astype(float))
        torn = both & rows["d"].to_numpy()
        if torn.any():
            inner = f"from o_rows o join n_rows n on {same}"
            sums = ", ".join(f"count(*) filter (where {text})" for text in differs)
            numbers = connection.sql(f"select {sums} {inner}").fetchall()[0]
            found.properties.update({name: n for name, n in zip(columns, numbers, strict=True) if n})
    whole = Pairs(
        n[torn].astype(np.int64), o[torn].astype(np.int64), n[np.isnan(o.astype(float))].astype(np.int64),
        o[np.isnan(n.astype(float))].astype(np.int64),
    )  # fmt: skip
    found.same += int(both.sum() - torn.sum())
    found.changed += len(whole.changed)
    found.new += len(whole.new)
    found.gone += len(whole.gone)
    _sample(old, new, columns, whole, found)
    return whole


def _one(name: str, table: pa.Table, alias: str) -> str:
    return f"{alias}.{quoted(name)}" if name in table.column_names else "null"


def _sample(old: pa.Table, new: pa.Table, columns: Sequence[str], pairs: Pairs, found: Comparison) -> None:
    for o, n in zip(pairs.replaced.tolist(), pairs.changed.tolist(), strict=True):
        if len(found.samples) >= SAMPLES:
            return
        before, after = (
            dict.fromkeys(columns) | table.slice(at, 1).to_pylist()[0] for table, at in ((old, o), (new, n))
        )
        torn = {name: [before[name], after[name]] for name in columns if before[name] != after[name]}
        found.samples.append({"event_id": after["event_id"], "event": after["event"], "changes": torn})


def records(rows: pa.Table) -> set[tuple[int, int]]:
    """The records that rows are of: block and row."""
    return set(zip(rows["block"].to_pylist(), rows["row"].to_pylist(), strict=True))


def refusals(old: pa.Table, new: pa.Table, found: Comparison) -> pa.Table:
    """The refusals to keep: an old one where it says the same, else the new one; what differs counted."""
    said = ("block", "row", "reason", "step", "detail", "parsed")
    told = {tuple(row[name] for name in said): place for place, row in enumerate(old.select(said).to_pylist())}
    places = [told.pop(tuple(row[name] for name in said), -1) for row in new.select(said).to_pylist()]
    kept = pa.array([place for place in places if place >= 0], pa.int64())
    fresh = pa.array([place < 0 for place in places], pa.bool_())
    found.refusals += len(told) + places.count(-1)
    return pa.concat_tables([old.take(kept), new.filter(fresh)])


def listed(paths: Sequence[str]) -> str:
    """DuckDB text of the rows of data files, with where each row stands."""
    names = ", ".join(literal(path) for path in paths)
    options = "union_by_name = true, hive_partitioning = false, file_row_number = true"
    return f"read_parquet([{names}], {options}, filename = {literal(FILE)})"


def within(rows: pa.Table, low: int, high: int) -> pa.Table:
    """The rows of blocks in (low, high]."""
    return rows.filter(pc.and_(pc.greater(rows["block"], low), pc.less_equal(rows["block"], high)))
