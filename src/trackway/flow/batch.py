"""One micro-batch between journal and lake: every record in exactly one bin, and the tables to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.flow.decoding import Decoded
from trackway.flow.fuse import OWN, Way
from trackway.flow.ledger import BINS
from trackway.flow.shape import CONTENT, HI, LO, Shaped
from trackway.model.event import Block
from trackway.model.schema import ARROW, ENVELOPE, Schema, kind_of
from trackway.store.dedup import Keys, Run
from trackway.store.keys import order, same_as_before
from trackway.store.lake import REFUSED
from trackway.store.stretches import keep

TIME = pa.timestamp("us", "UTC")


class Batch:
    """What became of the records of some blocks, so far."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self.counts: Counter[tuple[str, Way]] = Counter()
        """(source, way) -> records."""
        self.drift: Counter[tuple[str, str, str]] = Counter()
        """(source, column, what) -> values."""
        self.parts: list[Shaped] = []
        self.refused: list[pa.Table] = []
        self.run = Run(Keys.empty(), 0)
        """The keys of what is stored."""

    def unreadable(self, decoded: Decoded) -> None:
        """Count and keep what the codec could not read."""
        rows = decoded.refused
        if rows.num_rows == 0:
            return
        for item in pc.value_counts(rows["reason"]).to_pylist():
            self.counts[decoded.source, Way("refused", "decode", item["values"])] += item["counts"]
        step = pa.array(["decode"] * rows.num_rows)
        rows = rows.append_column("step", step).append_column("parsed", pa.nulls(rows.num_rows, pa.string()))
        self._refuse(decoded.source, rows)

    def shaped(self, shaped: Shaped) -> None:
        """Count what left while shaping, and keep the rest."""
        for way, number in shaped.counts.items():
            self.counts[shaped.source, way] += number
        for (column, what), number in shaped.drift.items():
            self.drift[shaped.source, column, what] += number
        if shaped.refused.num_rows:
            self._refuse(shaped.source, shaped.refused)
        if shaped.events.num_rows:
            self.parts.append(shaped)

    def _refuse(self, source: str, rows: pa.Table) -> None:
        self.refused.append(rows.append_column("source", pa.array([source] * rows.num_rows, pa.string())))

    def widened(self, lake: Schema, shaped: Shaped) -> Schema:
        """The columns of the lake with those a part brings, so that the next part is fitted to them too."""
        new = {
            field.name: kind_of(field.type)
            for field in shaped.events.schema
            if field.name not in lake and not field.name.startswith(OWN)
        }
        return Schema({**lake.properties, **new}) if new else lake

    def note(self, pipeline: str) -> dict[str, Any]:
        """The metadata of the commit: what the ledger adds up."""
        counts = [[s, w.bin, w.step, w.reason, n] for (s, w), n in sorted(self.counts.items(), key=str) if n]
        counts += [[s, "drift", column, what, n] for (s, column, what), n in sorted(self.drift.items())]
        return {"pipeline": pipeline, "counts": counts}

    def bins(self) -> dict[str, int]:
        """Records stored, duplicate, dropped, refused."""
        return {bin_: sum(n for (_s, way), n in self.counts.items() if way.bin == bin_) for bin_ in BINS}


class Seen(Protocol):
    """Knows which events were seen before."""

    def find(self, needles: Keys) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For every needle (sorted by `hi`): is it a copy, and does its content differ."""
        ...


def fresh(batch: Batch, dedup: Seen) -> None:
    """Leave only events that were not seen before, in the lake or earlier in the batch; count the others."""
    parts = [part.events for part in batch.parts]
    if not parts:
        return
    received = [part["received_at"].cast(pa.int64()).to_numpy().astype(np.uint64) for part in parts]
    keys = Keys(_values(parts, HI), _values(parts, LO), np.concatenate(received), _values(parts, CONTENT))
    rows = order(keys.hi, keys.lo, _values(parts, "block"), _values(parts, "row"))
    keys = keys.take(rows)
    known, differs = dedup.find(keys)
    again = same_as_before(keys.hi, keys.lo)
    if again.any():
        first = np.maximum.accumulate(np.where(again, 0, np.arange(len(again))))
        differs |= again & ~known & (keys.content != keys.content[first])
    left = known | again
    batch.run = Run(keys.take(np.flatnonzero(~left)) if left.any() else keys, int(keys.received.max()))
    _leave(batch, rows[left], rows[differs])


def _values(parts: Sequence[pa.Table], name: str) -> np.ndarray:
    return np.concatenate([part[name].to_numpy() for part in parts])


def _leave(batch: Batch, copies: np.ndarray, torn: np.ndarray) -> None:
    """Take copies out of the parts, given as rows of all parts together."""
    start = 0
    kept = []
    for part in batch.parts:
        size = part.events.num_rows
        mine = copies[(copies >= start) & (copies < start + size)] - start
        differing = int(((torn >= start) & (torn < start + size)).sum())
        start += size
        batch.counts[part.source, Way("stored", "", "")] += size - len(mine)
        if differing:
            batch.drift[part.source, "", "conflicting"] += differing
        if len(mine):
            batch.counts[part.source, Way("duplicate", "", "")] += len(mine)
            stay = np.ones(size, bool)
            stay[mine] = False
            kept.append(replace(part, events=keep(part.events, stay)))
        else:
            kept.append(part)
    batch.parts = kept


def refusals(batch: Batch, now: pa.Scalar, pipeline: str) -> pa.Table:
    """The refusals of the batch, in the columns of the lake."""
    if not batch.refused:
        return REFUSED.empty_table()
    rows = pa.concat_tables(batch.refused, promote_options="default")
    received = {block.seq: block.received_at for block in batch.blocks}
    arrived = pa.array([received[seq] for seq in rows["block"].to_pylist()], pa.int64()).cast(TIME)
    size = rows.num_rows
    rows = rows.append_column("received_at", arrived).append_column("refused_at", pa.repeat(now, size))
    return rows.append_column("pipeline", pa.repeat(pa.scalar(pipeline), size)).select(REFUSED.names)


def joined(batch: Batch, now: pa.Scalar) -> pa.Table:
    """The events to store, of all sources: envelope first, then properties."""
    tables = []
    for part in batch.parts:
        size = part.events.num_rows
        source = pa.repeat(pa.scalar(part.source), size)
        table = part.events.append_column("source", source).append_column("stored_at", pa.repeat(now, size))
        tables.append(table.select([name for name in table.column_names if not name.startswith(OWN)]))
    envelope = pa.schema([(name, ARROW[kind]) for name, kind in ENVELOPE.items()])
    events = pa.concat_tables([envelope.empty_table(), *tables], promote_options="default")
    return _filled(events)


def _filled(events: pa.Table) -> pa.Table:
    """Columns in which nothing was ever seen become no column of the lake."""
    empty = [f.name for f in events.schema if f.name not in ENVELOPE and (f.type == pa.null())]
    return events.drop_columns(empty) if empty else events
