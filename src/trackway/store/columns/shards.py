"""The columns of a workspace: runs on disk and in memory that follow the lake, and views over them.

Whoever asks catches up first: files that the lake gained since are read into a run in memory; when enough
has gathered, it is merged and written, by the one process that holds the lock. Everything here can be
deleted and is built again from the lake.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from trackway.model.schema import Kind, Schema
from trackway.store.columns import manifest as book
from trackway.store.columns import reading
from trackway.store.columns.actors import DEFAULT, Key
from trackway.store.columns.arrange import arrange
from trackway.store.columns.locate import gone
from trackway.store.columns.manifest import Manifest
from trackway.store.columns.merge import merge
from trackway.store.columns.rekey import Rekeying
from trackway.store.columns.run import Batch, Run, load, sort
from trackway.store.columns.view import View
from trackway.store.columns.words import MOST_FILES, Words

if TYPE_CHECKING:
    from trackway.store.lake import Lake

LOG = logging.getLogger(__name__)

FLUSH = 500_000
"""Rows in memory from which on they are written to disk, whatever is there already."""
FLUSH_FIRST = 50_000
"""The same while there is little on disk yet."""
BATCH = 2_000_000
"""Rows sorted at a time when much is read at once."""
TIER = 3
"""A run is merged with the newer ones unless it has this many times their rows."""
WIDE = 2_000_000
"""A column with more distinct values than this is not kept as codes."""
WIDE_SHARE = 0.5
WIDE_FROM = 200_000
"""From so many rows on, neither is a column whose values are mostly distinct."""
LATE = 1_000_000
"""An earlier version is asked of the columns when no more events than this came since …"""
LATE_PART = 4
"""… or no more than one in so many."""
MOST_PAST = 2
"""Views of earlier versions that are kept."""


@dataclass
class _State:
    """What this process knows: the manifest it started from, and what it added since."""

    manifest: Manifest = field(default_factory=Manifest)
    version: int = -1
    words: Words = field(default_factory=Words)
    runs: list[Run] = field(default_factory=list)
    """Oldest first; those on disk have a name."""
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Manifest entry of every run on disk."""
    wide: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        return sum(run.rows for run in self.runs)

    @property
    def loose(self) -> int:
        """Rows that the manifest does not know."""
        known = {entry["name"] for entry in self.manifest.runs}
        return sum(run.rows for run in self.runs if run.name not in known)


class Columns:
    """The fast copy of a lake. Any number of threads may ask; any number of processes may have it open."""

    def __init__(self, folder: Path, lake: Lake) -> None:
        self.folder = folder
        self.lake = lake
        self._lock = threading.RLock()
        self._state = _State()
        self._views: dict[int, View] = {}
        self._before: dict[int, View] = {}
        self._rekeying = Rekeying(folder, lake)

    def by(self, view: View, key: Key) -> View:
        """The same events by another actor."""
        if key == DEFAULT:
            return view
        if view.wide & set(key):
            with self._lock:
                self._state.words.columns["actor"].find(pa.array([], pa.string()))
        return self._rekeying.view(view, key)

    def view(self, version: int | None = None, *, catch_up: bool = True) -> View | None:
        """The events of a lake version (default: the newest), sorted and coded.

        Without `catch_up`, what is there already. None for a version the columns have passed: the lake
        still answers for it.
        """
        with self._lock:
            self._follow_disk()
            target = self.lake.version() if version is None else version
            if version is None and not catch_up and self._state.version >= 0:
                target = self._state.version
            if target in self._views:
                return self._views[target]
            if target < self._state.version:
                if version is not None:
                    return self._past(version)
                self._forget()
            if target > self._state.version:
                self._catch_up(target)
            return self._show()

    def _past(self, version: int) -> View | None:
        """The view of a version the columns have passed: without the events that came since; None when they are
        many, or cannot be told any more.
        """
        state = self._state
        if version not in self._before:
            paths = self.lake.added(version, state.version)
            if paths is None or sum(map(reading.rows_in, paths)) > max(LATE, state.rows // LATE_PART):
                return None
            rows = gone(paths, state.runs, state.words.columns["actor"])
            if rows is None:
                return None
            made = arrange(
                version, self.lake.schema(version), state.runs, state.words, frozenset(state.wide),
                self.lake.identities(version), rows,
            )  # fmt: skip
            self._before = dict([*self._before.items(), (version, made)][-MOST_PAST:])
        return self._before[version]

    def _forget(self) -> None:
        """Begin anew, without believing what is on disk: it is not of this lake."""
        self._state = _State(manifest=self._state.manifest)
        self._before = {}

    def close(self) -> None:
        """Forget everything; files stay."""
        with self._lock:
            self._state = _State()
            self._views, self._before = {}, {}
        self._rekeying.close()

    # ── following ───────────────────────────────────────────────────────────────────────────────────

    def _follow_disk(self) -> None:
        """Take what another process wrote instead of what this one has in memory."""
        found = book.read(self.folder)
        mine = self._state
        if found.version < 0 or (found.serial, found.version) == (mine.manifest.serial, mine.manifest.version):
            return
        entries = {entry["name"]: entry for entry in found.runs}
        held = {run.name: run for run in mine.runs if run.name}
        try:
            runs = [held.get(name) or load(self.folder, entry) for name, entry in entries.items()]
            words = Words.load(self.folder, found.words, cast("dict[str, Kind]", found.kinds))
        except (OSError, ValueError, KeyError, pa.ArrowInvalid) as error:
            LOG.warning("columns in %s cannot be read (%s); building them again", self.folder, error)
            return
        self._state = _State(found, found.version, words, runs, entries, set(found.wide))

    def _catch_up(self, target: int) -> None:
        paths = self._missing(target)
        pending = sum(reading.rows_in(path) for path in paths)
        with book.writing(self.folder, wait=pending > FLUSH) as mine:
            if mine:
                self._follow_disk()
                if self._state.version >= target:
                    return
                paths = self._missing(target)
            self._read(paths, self.lake.schema(target), spill=mine)
            self._state.version = target
            limit = min(FLUSH, max(FLUSH_FIRST, self._state.rows // 20))
            if mine and self._state.loose >= limit:
                self._flush()
            else:
                self._tidy()

    def _missing(self, target: int) -> list[str]:
        """The files to read to get to a version; starts anew when the steps in between are not known."""
        schema = self.lake.schema(target)
        kinds = {name: dictionary.kind for name, dictionary in self._state.words.columns.items()}
        if self._state.version >= 0 and all(schema.get(name) == kind for name, kind in kinds.items()):
            added = self.lake.added(self._state.version, target)
            if added is not None:
                return added
        self._forget()
        return self.lake.files(target)

    def _read(self, paths: Iterable[str], schema: Schema, *, spill: bool) -> None:
        """Read files into new runs, a bounded number of rows at a time."""
        state = self._state
        parts: list[Batch] = []
        for path in paths:
            for batch in reading.batches(path, schema, state.wide):
                parts.append(reading.encode(batch, state.words.columns, schema))
                if sum(len(part.time) for part in parts) >= BATCH:
                    self._add(parts, spill=spill)
                    parts = []
        if parts:
            self._add(parts, spill=False)

    def _add(self, parts: list[Batch], *, spill: bool) -> None:
        state = self._state
        run = sort(reading.joined(parts), state.words.places())
        if run.rows == 0:
            return
        if spill:
            with suppress(OSError):
                run = self._written([run])
        state.runs.append(run)
        rows = state.rows
        for name, dictionary in list(state.words.columns.items()):
            many = len(dictionary) > WIDE or (rows > WIDE_FROM and len(dictionary) > rows * WIDE_SHARE)
            if many and name != "actor":
                state.wide.add(name)
                del state.words.columns[name]

    # ── merging ─────────────────────────────────────────────────────────────────────────────────────

    def _tidy(self) -> None:
        """Merge small runs in memory, so that there are never many."""
        state = self._state
        kept = [run for run in state.runs if run.name]
        loose = [run for run in state.runs if not run.name]
        begin = _suffix(loose, 1)
        if len(loose) - begin > 1:
            merged, _ = merge(loose[begin:], state.words.places(), without=state.wide)
            loose = [*loose[:begin], merged]
        state.runs = [*kept, *loose]

    def _flush(self) -> None:
        """Merge what is new into the runs on disk and write the manifest. A full disk leaves all as it was."""
        state = self._state
        known = {entry["name"] for entry in state.manifest.runs}
        loose = next((i for i, run in enumerate(state.runs) if run.name not in known), len(state.runs))
        begin = min(_suffix(state.runs, TIER), loose)
        try:
            runs = [*state.runs[:begin], self._written(state.runs[begin:])]
            words = self._words_written()
        except OSError as error:
            LOG.warning("columns stay in memory: %s", error)
            return
        made = replace(
            state.manifest,
            version=state.version,
            runs=[state.entries[run.name] for run in runs],
            kinds={name: dictionary.kind for name, dictionary in state.words.columns.items()},
            words=words,
            wide=sorted(state.wide),
            serial=state.manifest.serial + 1,
        )
        try:
            book.write(self.folder, made)
        except OSError as error:
            LOG.warning("columns stay in memory: %s", error)
            return
        state.words.written()
        state.runs, state.manifest = runs, made

    def _written(self, runs: list[Run]) -> Run:
        """One run on disk with the rows of all. Raises OSError when there is no room."""
        path = self.folder / f"{uuid.uuid4().hex}.run"
        try:
            run, places = merge(runs, self._state.words.places(), path, self._state.wide)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self._state.entries[run.name] = {"name": run.name, "arrays": places}
        return run

    def _words_written(self) -> list[str]:
        """Write new dictionary values; the list of all files of values. Many small files become one."""
        old = self._state.manifest.words if self._state.manifest.version >= 0 else []
        whole = len(old) >= MOST_FILES or self._fresh_start()
        name = f"{uuid.uuid4().hex}.words"
        self._state.words.write(self.folder / name, whole=whole)
        return [name] if whole else [*old, name]

    def _fresh_start(self) -> bool:
        """Whether the runs on disk are not those this process builds on."""
        known = {entry["name"] for entry in self._state.manifest.runs}
        return not known & {run.name for run in self._state.runs}

    # ── showing ─────────────────────────────────────────────────────────────────────────────────────

    def _show(self) -> View:
        state = self._state
        if state.version not in self._views:
            facts = self.lake.identities(state.version) if state.version >= 0 else None
            self._views = {
                state.version: arrange(
                    state.version, self.lake.schema(state.version), tuple(state.runs), state.words,
                    frozenset(state.wide), facts,
                )
            }  # fmt: skip
        return self._views[state.version]


def _suffix(runs: list[Run], tier: int) -> int:
    """From which run on all newer ones should be one: each older run has `tier` times the rows of all newer."""
    begin = len(runs) - 1
    newer = runs[-1].rows if runs else 0
    for index in range(len(runs) - 2, -1, -1):
        if runs[index].rows < tier * newer:
            begin = index
        newer += runs[index].rows
    return max(begin, 0)
