"""The runner: journal blocks in, a Delta commit out, each record counted into exactly one bin.

The commit of `events` is the one instant at which a batch happens: it carries the journal position and the
counts. Refusals and identity facts are written before it and hold only with it; the dedup index and the
ledger follow it and are caught up from it. A crash anywhere between leaves a batch undone or done.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pyarrow as pa

from trackway.errors import StorageError, TrackwayError, WorkspaceError
from trackway.flow.ahead import Ahead, Taken
from trackway.flow.batch import Batch, fresh, joined, refusals
from trackway.flow.facts import KnownFacts, stated
from trackway.flow.ledger import caught_up
from trackway.flow.shape import Shaper
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.model.time import MICROS, Duration
from trackway.plan.config import Plan
from trackway.store.control import Control
from trackway.store.dedup import Dedup
from trackway.store.journal import Journal
from trackway.store.lake import Lake

log = logging.getLogger(__name__)

BATCH, BATCH_BYTES = 100_000, 64 << 20
"""Records and bytes of a micro-batch while the flow keeps up."""
CATCH_UP, CATCH_UP_BYTES = 250_000, 128 << 20
"""The same when more than two micro-batches wait."""
PAUSE = 1.0
"""Seconds between commits while there is little to do: freshness against the number of files."""
LONGEST_RETRY = 10.0
COMPACT_EVERY = 5.0
VACUUM_ROUNDS = 720
"""Rounds of compaction between two vacuums: about an hour."""
PRUNE_EVERY = 3_600.0


@dataclass(frozen=True, slots=True)
class Step:
    """One micro-batch: what became of its records."""

    position: int
    version: int
    records: int
    stored: int
    duplicate: int
    dropped: int
    refused: int
    seconds: float


def _now() -> int:
    return time.time_ns() // 1000


class Runner:
    """The flow of one workspace: one at a time, guarded by a file lock. A context manager."""

    def __init__(
        self, plan: Plan, journal: Journal, lake: Lake, control: Control, clock: Callable[[], int] = _now
    ) -> None:
        """Takes the lock and heals what a crash left. `clock` gives microseconds since 1970 UTC.

        Raises WorkspaceError when another flow runs, or when the journal lost what the lake has.
        """
        self._plan, self._journal, self._lake, self._control, self._clock = plan, journal, lake, control, clock
        self._pipeline = pipeline(plan)
        self._lock = locked(plan)
        self._clean = False
        self._pruned = float("-inf")
        try:
            _agree(journal, lake)
            lake.recover()
            self._dedup = Dedup(plan.data / "dedup", lake, Duration(plan.project.dedup_horizon).micros)
            self._facts = KnownFacts(lake)
            self._shaper = Shaper(plan)
            self._limits = (BATCH, BATCH_BYTES)
            self._ahead = Ahead(self._read, self._known)
        except BaseException:
            os.close(self._lock)
            raise

    def _heal(self) -> None:
        """Undo what was written for a batch that was not committed; count what was committed and not counted."""
        if not self._clean:
            self._lake.recover()
            self._dedup.catch_up()
            self._facts.read()
            caught_up(self._lake, self._control)
            self._clean = True

    # ── one batch ───────────────────────────────────────────────────────────────────────────────────

    def step(self, most_records: int | None = None) -> Step | None:
        """Take the next micro-batch to the lake; None when nothing waits.

        Raises StorageError when the disk refuses: nothing is lost, and the next call tries again.
        """
        began = time.monotonic()
        self._heal()
        position = self._lake.position()
        waiting = sum(self._journal.backlog(position).values())
        if not waiting:
            return None
        self._limits = _limits(waiting, most_records)
        taken = self._ahead.take(position)
        if not taken.blocks:
            return None
        position, records = taken.blocks[-1].seq, sum(block.records for block in taken.blocks)
        if waiting - records > BATCH:
            self._ahead.begin(position)
        batch = self._shaped(taken)
        self._clean = False
        events, facts = self._stored(batch)
        version = self._lake.commit(events, position, batch.note(self._pipeline))
        self._dedup.add(batch.run, version)
        self._facts.add(facts)
        caught_up(self._lake, self._control)
        self._clean = True
        return Step(
            position=position, version=version, records=records, seconds=time.monotonic() - began, **batch.bins()
        )

    def _read(self, after: int) -> list[Block]:
        return self._journal.read(after, *self._limits)

    def _known(self, blocks: Sequence[Block]) -> dict[str, Schema]:
        lake = self._lake.schema()
        return {source: self._shaper.steps.known(source, lake) for source in {block.source for block in blocks}}

    def _shaped(self, taken: Taken) -> Batch:
        """Shaped, checked and deduplicated; nothing written yet."""
        lake = self._lake.schema()
        batch = Batch(taken.blocks)
        for decoded in taken.decoded:
            batch.unreadable(decoded)
            if decoded.events.num_rows:
                shaped = self._shaper.shape(decoded, lake)
                batch.shaped(shaped)
                lake = batch.widened(lake, shaped)
        fresh(batch, self._dedup)
        return batch

    def _stored(self, batch: Batch) -> tuple[pa.Table, pa.Table]:
        """Write what holds only with the commit; the events to commit, and the new identity facts."""
        now = pa.scalar(self._clock(), pa.timestamp("us", "UTC"))
        self._lake.refuse(refusals(batch, now, self._pipeline))
        events = joined(batch, now)
        facts = self._facts.new(stated(events))
        self._lake.add_identities(facts)
        return events, facts

    # ── for ever ────────────────────────────────────────────────────────────────────────────────────

    def run(self, stop: threading.Event, idle: float = 0.2) -> None:
        """Take batches until told to stop. A disk that refuses is waited for."""
        tidying = threading.Thread(target=self._tidy, args=(stop,), name="compaction", daemon=True)
        tidying.start()
        wait = 0.0
        while not stop.wait(wait):
            began = time.monotonic()
            try:
                step = self.step()
                self._prune()
            except StorageError as error:
                wait = min(max(2 * wait, 0.5), LONGEST_RETRY)
                log.error("the flow waits %.1f s for the disk: %s", wait, error)  # noqa: TRY400 - expected
                continue
            if step is None:
                self._journal.wait(self._lake.position(), idle)
                wait = 0.0
            else:
                busy = step.records >= BATCH
                wait = 0.0 if busy else max(0.0, PAUSE - (time.monotonic() - began))
        tidying.join()

    def _tidy(self, stop: threading.Event) -> None:
        """Merge small files now and then, and delete what nobody reads any more."""
        rounds = 0
        while not stop.wait(COMPACT_EVERY):
            rounds += 1
            try:
                self._lake.compact(most=1)
                if rounds % VACUUM_ROUNDS == 0:
                    self._lake.vacuum()
            except TrackwayError as error:
                log.warning("compaction waits: %s", error)

    def _prune(self) -> None:
        """Now and then, delete journal files whose events were stored long enough ago."""
        if time.monotonic() - self._pruned >= PRUNE_EVERY:
            self._pruned = time.monotonic()
            keep = max(Duration(self._plan.project.journal_retention).micros, 2 * 3600 * MICROS)
            self._journal.prune(self._lake.position(), self._clock() - keep)

    def close(self) -> None:
        """Release the lock; what was not committed is taken up by the next runner."""
        if self._lock >= 0:
            self._dedup.close()
            self._ahead.close()
            self._shaper.close()
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _limits(waiting: int, most_records: int | None) -> tuple[int, int]:
    """Most records and bytes of the next batch."""
    if most_records is not None:
        return most_records, CATCH_UP_BYTES
    return (CATCH_UP, CATCH_UP_BYTES) if waiting > 2 * BATCH else (BATCH, BATCH_BYTES)


def pipeline(plan: Plan) -> str:
    """A hash of everything that decides what becomes of an event: a refusal says under which it was refused."""
    parts = {
        kind: {name: [type(c).__name__, c.model_dump(mode="json")] for name, c in getattr(plan, kind).items()}
        for kind in ("transforms", "contracts")
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _agree(journal: Journal, lake: Lake) -> None:
    """A journal that ends before the lake is not the one the lake was made from: its positions would be reused."""
    if journal.last() < lake.position():
        raise WorkspaceError(
            f"the journal ends at {journal.last()}, the lake has events up to {lake.position()}",
            hint="data/journal was deleted or replaced: restore it, or begin with a new data folder",
        )


def locked(plan: Plan) -> int:
    """The lock of the flow, freed by the kernel when the process ends in any way."""
    plan.data.mkdir(parents=True, exist_ok=True)
    path = plan.data / "flow.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise WorkspaceError(
            f"another process runs the flow of {plan.data}", hint="stop it, or let it do the work"
        ) from error
    return handle
