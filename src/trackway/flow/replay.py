"""Replay: the raw bytes kept of a span go through the pipeline of today, and the lake has what comes of them.

The span is one of receipt, and is taken to whole batches, since the ledger counts by batch. What would change is
found first, batch by batch; data files are written on the way, so that all that is left to do is one commit. Killed
before it, nothing has happened; killed after it, the next flow ends what is left to do (`store.replays`).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trackway.errors import WorkspaceError
from trackway.flow.batch import Batch, fresh, joined
from trackway.flow.batch import refusals as refusals_of
from trackway.flow.compared import FILE, PLACE, Comparison, Counts, listed, paired, records, refusals, within
from trackway.flow.decoding import decode
from trackway.flow.facts import stated
from trackway.flow.ledger import caught_up
from trackway.flow.runner import locked, pipeline
from trackway.flow.shape import Shaper
from trackway.model.condition import literal, quoted
from trackway.model.event import Block
from trackway.model.time import Duration
from trackway.plan.config import Plan
from trackway.store.control import Control
from trackway.store.dedup import Dedup, Keys, Run, merged, places, sorted_run
from trackway.store.delta import Commit
from trackway.store.identity import FACTS
from trackway.store.journal import Journal
from trackway.store.keys import of_texts
from trackway.store.lake import REFUSED, Lake, dated
from trackway.store.replays import Replayed
from trackway.store.scratch import scratch

Progress = Callable[[int, int], None]
"""Told how many blocks are done, and how many there are."""
PAIR = ("id", "owner", "alias")
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The blocks with which one commit of the flow came."""

    version: int
    after: int
    upto: int
    counts: Counts
    """What became of the records of the source."""


class Without:
    """The dedup index as it is without the events to be replaced, and with those that come in their place."""

    def __init__(self, index: Dedup, horizon: int) -> None:
        self._index, self._horizon = index, horizon
        self._old, self._new = Run(Keys.empty(), 0), Run(Keys.empty(), 0)

    def leave(self, keys: Keys) -> None:
        """These are replaced."""
        self._old = merged(self._old, sorted_run(keys))

    def add(self, run: Run) -> None:
        """These come."""
        self._new = merged(self._new, run)

    def find(self, needles: Keys) -> tuple[np.ndarray, np.ndarray]:
        """As `Dedup.find`."""
        known, differs = self._index.find(needles)
        rows, _ = places(self._old.keys, needles)
        known[rows] = differs[rows] = False
        rows, found = places(self._new.keys, needles)
        ages = needles.received[rows].astype(np.int64) - self._new.keys.received[found].astype(np.int64)
        rows, found = rows[ages <= self._horizon], found[ages <= self._horizon]
        known[rows] = True
        differs[rows] = needles.content[rows] != self._new.keys.content[found]
        return known, differs


@dataclass
class _Prepared:
    """What is to be done, gathered batch by batch."""

    added: list[Any] = field(default_factory=list)
    """Data files that were written."""
    removed: list[pa.Table] = field(default_factory=list)
    """FILE and PLACE of events that go."""
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    refused: list[pa.Table] = field(default_factory=list)
    facts: list[pa.Table] = field(default_factory=list)
    batches: dict[str, list[list[Any]]] = field(default_factory=dict)


class Replay:
    """One replay of a source; a context manager. `writes` takes the lock of the flow, without it it only looks."""

    def __init__(  # noqa: PLR0913 - the engines of a workspace
        self, plan: Plan, journal: Journal, lake: Lake, control: Control, *, writes: bool,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:  # fmt: skip
        """Raises WorkspaceError when it is to write and another process runs the flow."""
        self._plan, self._journal, self._lake, self._control, self._now = plan, journal, lake, control, clock()
        self._lock = locked(plan) if writes else -1
        try:
            if writes:
                lake.recover()
            self._shaper = Shaper(plan)
        except BaseException:
            self.close()
            raise
        self._made = _Prepared()
        self._span = ("", 0, 0)
        self._found: Comparison | None = None

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────

    def compare(self, source: str, first: int, last: int, progress: Progress = lambda _done, _all: None) -> Comparison:
        """What a replay of what a source received in [first, last) (microseconds) would change.

        Raises WorkspaceError when nothing of it is kept, or its commits are not known any more.
        """
        version = self._lake.version()
        span = self._journal.span(source, first, last)
        if span is None or span[0] > self._lake.position():
            raise WorkspaceError(
                f"the journal holds nothing that '{source}' received then and that was stored",
                hint=f"raw payloads are kept for {self._plan.project.journal_retention} (journal_retention)",
            )
        stretches = list(self._stretches(source, *span))
        found = Comparison(source, 0, 0)
        old = _Old(self._lake, source, stretches[0].after, stretches[-1].upto)
        horizon = Duration(self._plan.project.dedup_horizon).micros
        index = Without(Dedup(self._plan.data / "dedup", self._lake, horizon, writes=False), horizon)
        index.leave(old.keys())
        schema, ends = self._lake.schema(version), (stretches[0].after, stretches[-1].upto)
        for stretch in stretches:
            blocks = self._journal.of(source, stretch.after, stretch.upto)
            if blocks:
                schema = self._compare(blocks, stretch, old, index, schema, found)
            progress(stretch.upto - ends[0], ends[1] - ends[0])
        self._facts(source, old, found)
        self._span, self._found = (source, ends[0] + 1, ends[1]), found
        return found

    def _stretches(self, source: str, low: int, high: int) -> Iterator[Stretch]:
        """The commits with which the blocks of a span came, and what the ledger says of each now."""
        since = {version: counts for one in self._lake.replays.every() if one.source == source
                 for version, counts in one.batches.items()}  # fmt: skip
        for commit, after in self._commits(low, min(high, self._lake.position())):
            noted = [row[1:] for row in commit.note.get("counts", []) if row[0] == source and row[1] != "drift"]
            counts: Counts = Counter()
            for bin_, step, reason, number in since.get(str(commit.version), noted):
                counts[bin_, step, reason] += number
            yield Stretch(commit.version, after, commit.position, counts)

    def _commits(self, low: int, high: int) -> Iterator[tuple[Commit, int]]:
        """The commits that brought the blocks from `low` to `high`, each with the position before it."""
        first = self._lake.commit_of(low)
        rest = None if first is None else self._lake.commits(first.version - 1)
        if first is None or rest is None:
            raise WorkspaceError("the log of the lake does not reach so far back", hint="replay a later span")
        after = self._lake.tables["events"].before(first.version)
        for commit in rest:
            if commit.position < 0:
                continue
            yield commit, after
            after = commit.position
            if after >= high:
                return

    def _compare(  # noqa: PLR0913, PLR0917 - one batch and what it is compared with
        self, blocks: list[Block], stretch: Stretch, old: _Old, index: Without, schema: Any, found: Comparison
    ) -> Any:
        """One batch through the pipeline; returns the columns of the lake with those it brings."""
        source, batch = found.source, Batch(blocks)
        for decoded in decode(blocks, {source: self._shaper.steps.known(source, schema)}):
            batch.unreadable(decoded)
            if decoded.events.num_rows:
                shaped = self._shaper.shape(decoded, schema)
                batch.shaped(shaped)
                schema = batch.widened(schema, shaped)
        fresh(batch, index)
        index.add(batch.run)
        now = pa.scalar(self._now, pa.timestamp("us", "UTC"))
        events, before = joined(batch, now), old.events(stretch.after, stretch.upto)
        refused, was = refusals_of(batch, now, pipeline(self._plan)), old.refused(stretch.after, stretch.upto)
        pairs = paired(before, events, found)
        self._made.refused.append(refusals(was, refused, found))
        coming, going = events.take(pa.array(pairs.new)), before.take(pa.array(pairs.gone))
        found.accepted += len(records(coming) & records(was))
        found.rejected += len(records(going) & records(refused))
        self._count(blocks, stretch, batch, found)
        self._keep(events, before, np.concatenate([pairs.changed, pairs.new]), [*pairs.replaced, *pairs.gone])
        return schema

    def _count(self, blocks: list[Block], stretch: Stretch, batch: Batch, found: Comparison) -> None:
        after: Counts = Counter({(way.bin, way.step, way.reason): n for (_s, way), n in batch.counts.items() if n})
        found.before.update(stretch.counts)
        found.after.update(after)
        found.first = found.first or blocks[0].received_at
        found.last = blocks[-1].received_at
        found.blocks += len(blocks)
        found.records += sum(block.records for block in blocks)
        self._made.batches[str(stretch.version)] = [[*way, n] for way, n in sorted(after.items())]

    def _keep(self, events: pa.Table, before: pa.Table, coming: np.ndarray, going: list[int]) -> None:
        """Write the rows that come, and remember those that go."""
        self._made.facts.append(_earliest(stated(events)))
        if self._lock < 0:
            return
        if len(coming):
            rows = dated(events.take(pa.array(np.sort(coming))))
            self._made.schema = pa.unify_schemas([self._made.schema, rows.schema])
            self._made.added += self._lake.replays.write(rows)
        if going:
            self._made.removed.append(before.select([FILE, PLACE]).take(pa.array(going, pa.int64())))

    def _facts(self, source: str, old: _Old, found: Comparison) -> None:
        """The identity facts of the span: as they are where they say the same, else those of the events now."""
        every = self._lake.identities()
        inside = old.covers(every)
        was, outside = every.filter(inside), every.filter(pc.invert(inside))
        stated_now = _earliest(pa.concat_tables([FACTS.empty_table(), *self._made.facts]))
        others = _times(outside)
        new = [row for row in stated_now.to_pylist() if row["time"] < others.get(_pair(row), LATEST)]
        now = pa.Table.from_pylist(new, FACTS)
        lost = _times(was).keys() - _times(now).keys() - others.keys()
        now = pa.concat_tables([now, self._said_elsewhere(source, lost, old)])
        before, after = (_times(pa.concat_tables([facts, outside])) for facts in (was, now))
        found.facts = sum(before.get(pair) != after.get(pair) for pair in before.keys() | after.keys())
        self._made.facts = [now if found.facts else was]

    def _said_elsewhere(self, source: str, lost: set[Any], old: _Old) -> pa.Table:
        """Facts that events outside of the span state, and that were not written since the span stated them earlier."""
        owners = sorted({owner for _, owner, _ in lost if owner})
        files = self._lake.files()
        if not lost or not files:
            return FACTS.empty_table()
        with scratch() as connection:
            connection.execute("set timezone = 'UTC'")
            rows = connection.sql(
                f"select * from {listed(files)} where user_id in ({', '.join(map(literal, owners))})"
                f" and not (source = {literal(source)} and block > {old.after} and block <= {old.upto})"
            ).to_arrow_table()
        facts = _earliest(stated(rows))
        return pa.Table.from_pylist([row for row in facts.to_pylist() if _pair(row) in lost], FACTS)

    # ── doing ───────────────────────────────────────────────────────────────────────────────────────

    def commit(self) -> int | None:
        """Let it happen; the version it made, None when nothing changes. Raises StorageError."""
        found, made = self._found, self._made
        if found is None or found.nothing or self._lock < 0:
            self._lake.replays.discard()
            return None
        caught_up(self._lake, self._control)
        events = self._lake.tables["events"]
        source, low, high = self._span
        delta = [[source, *way, found.after[way] - found.before[way]] for way in sorted({*found.before, *found.after})]
        replayed = Replayed(
            events.widen(made.schema) + 1, self._now, source, low, high, pipeline(self._plan), made.batches,
            {name: self._lake.tables[name].version() for name in ("refused", "identities")},
            {key: value for key, value in found.as_json().items() if key != "samples"},
        )  # fmt: skip
        beside = {
            "refused": pa.concat_tables([REFUSED.empty_table(), *made.refused]),
            "identities": pa.concat_tables([FACTS.empty_table(), *made.facts]),
        }
        counts = [count for count in delta if count[-1]]
        version = self._lake.replays.commit(replayed, self._stay(), made.added, beside, counts)
        caught_up(self._lake, self._control)
        return version

    def _stay(self) -> dict[str, pa.Table]:
        """For each file that loses rows, those that stay."""
        if not self._made.removed:
            return {}
        gone = pa.concat_tables(self._made.removed)
        paths = np.array(gone[FILE].to_pylist())
        numbers = gone[PLACE].to_numpy()
        kept = {}
        for path in np.unique(paths):
            rows = pq.read_table(path, partitioning=None)
            stays = np.ones(rows.num_rows, bool)
            stays[numbers[paths == path]] = False
            kept[str(Path(path).relative_to(self._lake.folder / "events"))] = rows.filter(pa.array(stays))
        return kept

    def close(self) -> None:
        """Release the lock; what was written and not committed is removed."""
        if self._lock >= 0:
            self._lake.replays.discard()
            os.close(self._lock)
            self._lock = -1
        if hasattr(self, "_shaper"):
            self._shaper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Old:
    """What the lake has of a source for blocks in (after, upto]."""

    def __init__(self, lake: Lake, source: str, after: int, upto: int) -> None:
        self.after, self.upto = after, upto
        self._source = source
        self._files = [(path, *_blocks(path)) for path in lake.files()]
        refused = lake.refused()
        self._refused = refused.filter(self.covers(refused))

    def covers(self, rows: pa.Table) -> pa.ChunkedArray:
        """Which rows are of its span."""
        inside = pc.and_(pc.greater(rows["block"], self.after), pc.less_equal(rows["block"], self.upto))
        return pc.and_(inside, pc.equal(rows["source"], self._source))

    def events(self, after: int, upto: int, columns: str = "*") -> pa.Table:
        """Its events of blocks in (after, upto], and where they stand."""
        paths = [path for path, low, high in self._files if low <= upto and high > after]
        with scratch() as connection:
            connection.execute("set timezone = 'UTC'")
            if not paths:
                nulls = "null::bigint as block, null::bigint as row, null::varchar as event_id"
                return connection.sql(f"select {nulls} where false").to_arrow_table()
            rows = connection.sql(
                f"select {columns} from {listed(paths)} where source = {literal(self._source)}"
                f" and block > {after} and block <= {upto}"
            ).to_arrow_table()
        names = [PLACE if name == "file_row_number" else name for name in rows.column_names]
        return rows.rename_columns(names)

    def refused(self, after: int, upto: int) -> pa.Table:
        """Its refusals of blocks in (after, upto]."""
        return within(self._refused, after, upto)

    def keys(self) -> Keys:
        """The dedup keys of all its events."""
        rows = self.events(self.after, self.upto, "source, event_id, epoch_us(received_at)::ubigint as received")
        if not rows.num_rows:
            return Keys.empty()
        hi, lo = of_texts(rows["source"], rows["event_id"])
        return Keys(hi, lo, rows["received"].to_numpy(), np.zeros(len(hi), np.uint64))


def _blocks(path: str) -> tuple[int, int]:
    """The least and greatest block of a data file, by its footer."""
    metadata = pq.read_metadata(path)
    place = metadata.schema.names.index("block")
    groups = [metadata.row_group(number).column(place).statistics for number in range(metadata.num_row_groups)]
    if not groups or not all(group is not None and group.has_min_max for group in groups):
        return 0, 1 << 62
    return min(group.min for group in groups), max(group.max for group in groups)


def _earliest(facts: pa.Table) -> pa.Table:
    """Of equal pairs the earliest fact."""
    if facts.num_rows < 2:
        return facts
    with scratch() as connection:
        connection.register("facts", facts)
        keys = ", ".join(map(quoted, PAIR))
        text = f"select distinct on ({keys}) * from facts order by {keys}, time, event_id, block, row"
        return connection.sql(text).to_arrow_table().cast(FACTS)


def _pair(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in PAIR)


def _times(facts: pa.Table) -> dict[tuple[Any, ...], Any]:
    """Since when each pair is known."""
    times: dict[tuple[Any, ...], Any] = {}
    for row in facts.select([*PAIR, "time"]).to_pylist():
        times[_pair(row)] = min(row["time"], times.get(_pair(row), row["time"]))
    return times
