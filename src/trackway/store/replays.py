"""Replays: rows of a span of the journal that were put in the place of what the lake had of it, all or none.

The commit of `events` is the one instant of a replay, as it is of a batch. Refusals and identity facts lie in tables of
their own, so what they are to be is written beside the lake first, with a record of the replay. Once the commit is
there whoever reads takes those rows instead of the tables'; they are then put into the tables, and a process that died
in between is made up for by the next flow. Without the commit the record means nothing and is removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trackway.errors import WorkspaceError
from trackway.store.delta import Table
from trackway.store.durable import sync

APP = "replay"
"""The application whose transaction version, in the events, is the version of the newest replay."""
BESIDE = ("refused", "identities")
WRITTEN = "written"
"""The list of data files that were written for a replay not yet committed."""


@dataclass(frozen=True)
class Replayed:
    """One replay, as it is remembered for good."""

    version: int
    """Of the events, which its commit made."""
    at: int
    """When, in microseconds."""
    source: str
    low: int
    high: int
    """The first and last block it read; of this source it read all of them."""
    pipeline: str
    batches: Mapping[str, list[list[Any]]]
    """Version of the commit a batch first came with -> what became of its records since: `bin step reason records`."""
    tables: Mapping[str, int]
    """Version of `refused` and `identities` before it, for those who ask as of then."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """What was said of it before it was confirmed."""

    def covers(self, rows: pa.Table) -> pa.ChunkedArray:
        """Which rows are of its span."""
        block = rows["block"]
        inside = pc.and_(pc.greater_equal(block, self.low), pc.less_equal(block, self.high))
        return pc.and_(inside, pc.equal(rows["source"], self.source))


class Replays:
    """The replays of one lake."""

    def __init__(self, folder: Path, tables: Mapping[str, Table]) -> None:
        self.folder = folder
        self._tables = tables

    def newest(self) -> int:
        """The version of the events that the newest replay made; 0 when there was none."""
        return self._tables["events"].mark(APP)

    def after(self, version: int) -> Replayed | None:
        """The first replay after a version of the events."""
        if self.newest() <= version:
            return None
        return next((one for one in self.every() if one.version > version), None)

    def every(self) -> list[Replayed]:
        """All replays, oldest first."""
        newest = self.newest()
        found = sorted(path for path in self.folder.glob("*.json") if int(path.stem) <= newest) if newest else []
        return [Replayed(**json.loads(path.read_text())) for path in found]

    # ── what holds before it is in its table ────────────────────────────────────────────────────────

    def staged(self, name: str) -> tuple[Replayed, Path] | None:
        """The newest replay and the file of its rows, while they are not in the table `name`."""
        newest = self.newest()
        path = self._rows(newest, name)
        if not newest or not path.exists():
            return None
        return Replayed(**json.loads(self._record(newest).read_text())), path

    def read(self, name: str, schema: pa.Schema) -> pa.Table:
        """All rows of a table beside the events, as of now."""
        staged = self.staged(name)
        rows = None if staged is None else self._staged(staged[1], schema)
        table = self._tables[name].read(schema)
        if staged is None or rows is None:
            return table
        return pa.concat_tables([table.filter(pc.invert(staged[0].covers(table))), rows])

    def _staged(self, path: Path, schema: pa.Schema) -> pa.Table | None:
        """The rows of a file; None when they were put into the table meanwhile."""
        try:
            return pq.read_table(path, schema=schema)
        except FileNotFoundError:
            return None

    # ── making one ──────────────────────────────────────────────────────────────────────────────────

    def write(self, rows: pa.Table) -> list[Any]:
        """Write data files of events, to be committed or `discard`ed."""
        added = self._tables["events"].write(rows, changes=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / WRITTEN).open("a", encoding="utf-8") as listed:
            listed.writelines(f"{action.path}\n" for action in added)
        return list(added)

    def commit(
        self, made: Replayed, kept: Mapping[str, pa.Table], added: Sequence[Any], beside: Mapping[str, pa.Table],
        counts: Sequence[Sequence[Any]],
    ) -> int:  # fmt: skip
        """Let a replay happen: `kept` are the rows that stay of files (relative path), `added` data files, `beside` the
        rows of its span for `refused` and `identities`, `counts` what the ledger adds. Returns the version.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in BESIDE:
            pq.write_table(beside[name], self._rows(made.version, name))
            sync(self._rows(made.version, name))
        self._record(made.version).write_text(json.dumps(asdict(made)))
        sync(self._record(made.version))
        sync(self.folder)
        note = {"pipeline": made.pipeline, "counts": counts, "replay": made.found}
        version = self._tables["events"].exchange(kept, added, {APP: made.version}, note)
        (self.folder / WRITTEN).unlink(missing_ok=True)
        self.settle()
        return version

    def discard(self) -> None:
        """Remove what was written for a replay that did not happen."""
        listed = self.folder / WRITTEN
        if not listed.exists():
            return
        events = self._tables["events"]
        held = {file.path for file in events.every_file()}
        for path in listed.read_text(encoding="utf-8").split():
            if path not in held:
                (events.folder / path).unlink(missing_ok=True)
        listed.unlink()

    def settle(self) -> None:
        """Put what holds into its tables, and remove what never happened; the flow alone does this."""
        newest = self.newest()
        for name in BESIDE:
            if (staged := self.staged(name)) is not None:
                self._put(name, *staged)
                staged[1].unlink()
        for path in self.folder.glob("*"):
            number = path.name.partition(".")[0]
            if number.isdigit() and int(number) > newest:
                path.unlink()
        self.discard()

    def _put(self, name: str, made: Replayed, path: Path) -> None:
        """The rows of a file in the place of those of its span."""
        table, rows = self._tables[name], pq.read_table(path)
        if table.version() < 0:
            if rows.num_rows:
                table.append(rows, None, {})
            return
        kept = {}
        for file in table.every_file():
            held = pq.read_table(table.folder / file.path)
            inside = made.covers(held)
            if pc.any(inside).as_py():
                kept[file.path] = held.filter(pc.invert(inside))
        if kept or rows.num_rows:
            table.exchange(kept, table.write(rows, changes=True), {}, {})

    def _record(self, version: int) -> Path:
        return self.folder / f"{version:020d}.json"

    def _rows(self, version: int, name: str) -> Path:
        return self.folder / f"{version:020d}.{name}.parquet"


def before(version: int | None, later: Replayed) -> WorkspaceError:
    """Why a version cannot be read any more: a later replay put other rows in the place of its own."""
    return WorkspaceError(
        f"version {version} is of before the replay of version {later.version}, and its files are not kept any more",
        hint="files are kept for a week after a replay took their place",
    )
