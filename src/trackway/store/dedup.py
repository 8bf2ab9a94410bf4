"""Dedup: an exact index of the 128-bit keys of stored events, within the horizon.

A few sorted runs on disk, memory-mapped, and the newest keys in memory; a lookup is one `searchsorted` of
sorted needles per run. The lake is the truth: the index says which version it covers, holds nothing of a
commit that did not happen, and on opening reads what it misses from the files added since.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackway.model.condition import literal
from trackway.store.keys import Words, halves, order, same_as_before, words
from trackway.store.lake import Lake
from trackway.store.scratch import scratch

IN_MEMORY = 262_144
"""Keys kept in memory before they become a run on disk."""
LARGEST = 8_000_000
"""Keys of a run that is not merged further: bounds the longest merge to about a second."""
FACTOR = 4
"""A run is merged with the next older one while that is less than this many times larger."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys with when they were received (microseconds) and a hash of their content (0: not known)."""

    hi: Words
    lo: Words
    received: Words
    content: Words

    def __len__(self) -> int:
        return len(self.hi)

    @classmethod
    def empty(cls) -> Keys:
        """No keys."""
        return cls(*(np.zeros(0, np.uint64) for _ in cls.__slots__))

    def take(self, rows: NDArray[Any]) -> Keys:
        """These rows, in this order."""
        return Keys(self.hi[rows], self.lo[rows], self.received[rows], self.content[rows])


@dataclass(frozen=True, slots=True)
class Run:
    """Keys sorted by (hi, lo); for equal keys only the last received is kept."""

    keys: Keys
    newest: int
    """When the last of them was received: after this and the horizon the run is forgotten."""
    name: str = ""
    """Its folder; empty while in memory."""


def sorted_run(keys: Keys) -> Run:
    """A run of keys in any order."""
    if len(keys) == 0:
        return Run(keys, 0)
    keys = keys.take(order(keys.hi, keys.lo, keys.received))
    last = ~np.roll(same_as_before(keys.hi, keys.lo), -1)
    if not last.all():
        keys = keys.take(np.flatnonzero(last))
    return Run(keys, int(keys.received.max()))


def merged(one: Run, other: Run) -> Run:
    """Two runs as one."""
    fields = ("hi", "lo", "received", "content")
    return sorted_run(Keys(*(np.concatenate([getattr(one.keys, f), getattr(other.keys, f)]) for f in fields)))


class Dedup:
    """The index of one workspace; the flow alone writes it."""

    def __init__(self, folder: Path, lake: Lake, horizon_micros: int, *, writes: bool = True) -> None:
        """Opens the index and brings it up to the lake; on disk too if it `writes`."""
        self.folder = folder
        self._writes = writes
        self._lake = lake
        self._horizon = horizon_micros
        self._runs: list[Run] = []
        self._fresh: list[Run] = []
        self._version = -1
        self._read()
        self.catch_up()

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────

    def find(self, needles: Keys) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """For every needle (sorted by `hi`): is it a copy of an event received within the horizon before it,
        and does its content differ from that event's.
        """
        known = np.zeros(len(needles), bool)
        differs = np.zeros(len(needles), bool)
        for run in (*self._runs, *self._fresh):
            rows, found = places(run.keys, needles)
            age = needles.received[rows].astype(np.int64) - run.keys.received[found].astype(np.int64)
            within = age <= self._horizon
            rows, found = rows[within], found[within]
            known[rows] = True
            ours, theirs = needles.content[rows], run.keys.content[found]
            differs[rows] = (ours != theirs) & (ours != 0) & (theirs != 0)
        return known, differs

    # ── growing ─────────────────────────────────────────────────────────────────────────────────────

    def add(self, run: Run, version: int) -> None:
        """Add the keys of the commit that made `version`."""
        self._remember(run)
        self._version = version
        if self._writes and sum(len(run.keys) for run in self._fresh) >= IN_MEMORY:
            self.flush()

    def _remember(self, run: Run) -> None:
        if len(run.keys) == 0:
            return
        while self._fresh and len(self._fresh[-1].keys) < FACTOR * len(run.keys):
            run = merged(self._fresh.pop(), run)
        self._fresh.append(run)

    def flush(self) -> None:
        """Put what is in memory on disk, merging runs of like size and forgetting those past the horizon."""
        if self._fresh:
            run = reduce(merged, reversed(self._fresh))
            while self._runs and len(self._runs[-1].keys) < min(FACTOR * len(run.keys), LARGEST):
                run = merged(self._runs.pop(), run)
            newest = max(run.newest, *(old.newest for old in self._runs), 0)
            self._runs = [old for old in self._runs if old.newest >= newest - self._horizon]
            self._runs.append(self._saved(run))
            self._fresh = []
        self._write()

    def catch_up(self) -> None:
        """Add what the lake has and the index has not; from nothing when the lake is not the one it knew."""
        version = self._lake.version()
        if version == self._version:
            return
        files = self._lake.added(self._version, version) if 0 <= self._version < version else None
        if files is None:
            self._runs, self._fresh = [], []
            files = self._lake.files()
        for start in range(0, len(files), 256):
            self._remember(sorted_run(_keys_of(files[start : start + 256])))
        self._version = version
        if self._writes:
            self.flush()

    # ── on disk ─────────────────────────────────────────────────────────────────────────────────────

    def _read(self) -> None:
        try:
            manifest = json.loads((self.folder / "manifest.json").read_text())
            if manifest["lake"] != self._lake.name() or manifest["version"] > self._lake.version():
                return
            self._runs = [self._opened(run["name"], run["newest"]) for run in manifest["runs"]]
            self._version = manifest["version"]
        except (OSError, ValueError, KeyError):
            self._runs, self._version = [], -1

    def _opened(self, name: str, newest: int) -> Run:
        arrays = (np.load(self.folder / name / f"{part}.npy", mmap_mode="r") for part in Keys.__slots__)
        return Run(Keys(*arrays), newest, name)

    def _saved(self, run: Run) -> Run:
        name = f"run-{uuid.uuid4().hex[:12]}"
        (self.folder / name).mkdir(parents=True)
        for part in Keys.__slots__:
            np.save(self.folder / name / f"{part}.npy", getattr(run.keys, part))
        return self._opened(name, run.newest)

    def _write(self) -> None:
        """The manifest, replaced as a whole; then the runs it does not name are deleted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        runs = [{"name": run.name, "newest": run.newest} for run in self._runs]
        manifest = {"lake": self._lake.name(), "version": self._version, "runs": runs}
        made = self.folder / "manifest.new"
        made.write_text(json.dumps(manifest))
        made.replace(self.folder / "manifest.json")
        kept = {run.name for run in self._runs}
        for path in self.folder.glob("run-*"):
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Put what is in memory on disk."""
        if self._fresh and self._writes:
            self.flush()


def places(keys: Keys, needles: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (row of the needle, place in the run) of equal keys. Needles are sorted by `hi`."""
    at = np.searchsorted(keys.hi, needles.hi)
    rows = np.flatnonzero(at < len(keys))
    at = at[rows]
    while len(rows):
        same = keys.hi[at] == needles.hi[rows]
        rows, at = rows[same], at[same]
        found = keys.lo[at] == needles.lo[rows]
        if found.all():
            break
        further = np.where(found, at, at + 1)
        inside = further < len(keys)
        rows, at = rows[inside], further[inside]
    return rows, at


def _keys_of(files: Sequence[str]) -> Keys:
    """The keys of the events in files of the lake; their content is not known any more."""
    listed = ", ".join(literal(path) for path in files)
    events = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    hi, lo = halves("m")
    key = "md5_number(source || chr(0) || event_id)"
    with scratch() as connection:
        high, low, received = words(
            connection,
            f"select {hi}, {lo}, epoch_us(received_at)::ubigint from (select {key} as m, received_at from {events})",
        )
    return Keys(high, low, received, np.zeros(len(high), np.uint64))
