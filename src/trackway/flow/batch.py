"""One micro-batch between journal and lake: every record in exactly one bin, and the tables to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.flow.decoding import Decoded
from trackway.flow.fuse import OWN, Way
from trackway.flow.ledger import BINS
from trackway.flow.shape import CONTENT, HI, LO, Shaped
from trackway.model.event import Block
from trackway.model.schema import ARROW, ENVELOPE, Schema, kind_of
from trackway.store.dedup import Dedup, Keys
from trackway.store.lake import REFUSED

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
        self.keys = Keys.empty()

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
        counts = [[s, w.bin, w.step, w.reason, n] for (s, w), n in sorted(self.counts.items(), key=str)]
        counts += [[s, "drift", column, what, n] for (s, column, what), n in sorted(self.drift.items())]
        return {"pipeline": pipeline, "counts": counts}

    def bins(self) -> dict[str, int]:
        """Records stored, duplicate, dropped, refused."""
        return {bin_: sum(n for (_s, way), n in self.counts.items() if way.bin == bin_) for bin_ in BINS}


def fresh(batch: Batch, dedup: Dedup) -> None:
    """Leave only events that were not seen before, in the lake or earlier in the batch; count the others."""
    parts = [part.events for part in batch.parts]
    if not parts:
        return
    received = [part["received_at"].cast(pa.int64()).to_numpy().astype(np.uint64) for part in parts]
    keys = Keys(_joined(parts, HI), _joined(parts, LO), np.concatenate(received), _joined(parts, CONTENT))
    known, differs = dedup.find(keys)
    again, conflicts = _repeated(keys, known, _joined(parts, "block"), _joined(parts, "row"))
    left, differs = known | again, differs | conflicts
    start = 0
    kept = []
    for whole in batch.parts:
        part, end = whole, start + whole.events.num_rows
        copies, torn = int(left[start:end].sum()), int(differs[start:end].sum())
        if copies:
            batch.counts[part.source, Way("duplicate", "", "")] += copies
            part = _without(whole, left[start:end])
        if torn:
            batch.drift[part.source, "", "conflicting"] += torn
        if part.events.num_rows:
            batch.counts[part.source, Way("stored", "", "")] += part.events.num_rows
            kept.append(part)
        start = end
    batch.parts = kept
    batch.keys = keys.take(np.flatnonzero(~left))


def _joined(parts: Sequence[pa.Table], name: str) -> np.ndarray:
    return np.concatenate([part[name].to_numpy() for part in parts])


def _without(part: Shaped, left: np.ndarray) -> Shaped:
    return Shaped(part.source, part.events.filter(pa.array(~left)), part.refused, part.counts, part.drift)


def _repeated(keys: Keys, known: np.ndarray, block: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies within the batch of a row received earlier that is itself not known, and whether they differ from it."""
    order = np.lexsort((row, block, known, keys.lo, keys.hi))
    hi, lo = keys.hi[order], keys.lo[order]
    same = np.zeros(len(order), bool)
    same[1:] = (hi[1:] == hi[:-1]) & (lo[1:] == lo[:-1])
    again, conflicts = np.zeros(len(order), bool), np.zeros(len(order), bool)
    if same.any():
        first = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
        copies = same & ~known[order]
        again[order] = copies
        conflicts[order] = copies & (keys.content[order] != keys.content[order][first])
    return again, conflicts


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
