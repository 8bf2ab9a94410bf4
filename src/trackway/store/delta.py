"""One Delta table on disk: files sorted by us, commits and schema by `deltalake`.

Data files are written here rather than by the library, since we know how they are sorted and partitioned,
and an append with its position is then one small commit (about 3 ms).
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Field, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from trackway.errors import StorageError, WorkspaceError
from trackway.model.parallel import in_parallel
from trackway.store.durable import sync

APP = "flow"
"""The application whose transaction version is the journal position."""
METADATA = "trackway"
"""The key of the commit metadata that is ours."""
ROWS = 128 * 1024
"""Rows of a row group: small enough to skip, large enough to compress."""
UNREPEATED = frozenset({"event_id", "tie", "row", "time"})
"""Columns of which a dictionary would only cost."""
KEPT = 2
"""Versions kept open."""
OPTIONS = {"delta.logRetentionDuration": "interval 90 days", "delta.checkpointInterval": "100"}


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit of the flow says about itself."""

    version: int
    position: int
    note: dict[str, Any]
    added: list[str]
    """Absolute paths of the files it added."""
    replaced: bool = False
    """Whether it took rows away too: what it added is then not all that changed."""


@dataclass(frozen=True, slots=True)
class File:
    """One data file of a table."""

    path: str
    """Relative to the folder of the table."""
    size: int
    partition: str


class Table:
    """A Delta table; safe to use from several threads, and to read from several processes."""

    def __init__(self, folder: Path, partition: str | None = None) -> None:
        self.folder = folder
        self._partition = partition
        self._lock = threading.RLock()
        self._open: DeltaTable | None = None
        self._versions: dict[int, DeltaTable] = {}

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────

    def at(self, version: int | None = None) -> DeltaTable | None:
        """The table as of a version (default: now); None when there is none yet.

        Raises WorkspaceError for a version that never was or is not kept any more.
        """
        if version is not None and version < 0:
            return None
        with self._lock:
            if version is not None and version in self._versions:
                return self._versions[version]
            try:
                return self._seen(DeltaTable(str(self.folder), version=version), version)
            except TableNotFoundError:
                if version is None:
                    return None
                raise _no_version(version) from None
            except Exception as error:
                if version is None or isinstance(error, OSError):
                    raise
                raise _no_version(version) from error

    def _seen(self, table: DeltaTable, version: int | None) -> DeltaTable:
        """The same, kept when it is of one version: that never changes."""
        if version is not None:
            self._versions[version] = table
            while len(self._versions) > KEPT:
                del self._versions[next(iter(self._versions))]
        return table

    def current(self) -> DeltaTable | None:
        """The table as of now, kept open: only for looking at version, position and schema."""
        with self._lock:
            if self._open is None:
                self._open = self.at()
            elif not self._newest(int(self._open.version())):
                self._open.update_incremental()
            return self._open

    def _newest(self, version: int) -> bool:
        """Whether a version is still the newest: its own commit stands in the log, so none after it was cleaned away,
        and the next does not."""
        log = self.folder / "_delta_log"
        return (log / f"{version:020}.json").exists() and not (log / f"{version + 1:020}.json").exists()

    def version(self) -> int:
        """The newest version, -1 when there is none."""
        with self._lock:
            table = self.current()
            return -1 if table is None else int(table.version())

    def position(self) -> int:
        """The journal position up to which this table holds everything; 0 at the beginning."""
        return self.mark(APP)

    def mark(self, app: str) -> int:
        """How far an application says it is; 0 at the beginning."""
        with self._lock:
            table = self.current()
            return 0 if table is None else int(table.transaction_version(app) or 0)

    def fields(self, version: int | None = None) -> dict[str, pa.DataType]:
        """Column -> Arrow type, in the order of the table, without the partition column."""
        with self._lock:
            table = self.current() if version is None else self.at(version)
            if table is None:
                return {}
            schema = pa.schema(table.schema().to_arrow())
            return {field.name: field.type for field in schema if field.name != self._partition}

    def files(self, version: int | None = None) -> list[str]:
        """Absolute paths of the Parquet files of a version, sorted."""
        table = self.at(version)
        return [] if table is None else sorted(self._absolute(table.file_uris()))

    def every_file(self) -> list[File]:
        """The data files of the newest version."""
        table = self.at()
        if table is None:
            return []
        actions = pa.table(table.get_add_actions(flatten=True))
        partitions = actions[f"partition.{self._partition}"].to_pylist() if self._partition else [""] * len(actions)
        paths, sizes = actions["path"].to_pylist(), actions["size_bytes"].to_pylist()
        return [File(unquote(p), s, v or "") for p, s, v in zip(paths, sizes, partitions, strict=True)]

    def commits(self, since: int, upto: int) -> Iterator[Commit] | None:
        """The commits in (since, upto] that changed data or moved the position, oldest first.

        None when the log of one of them is not kept any more.
        """
        paths = [self._log(version) for version in range(since + 1, upto + 1)]
        if not all(path.exists() for path in paths):
            return None
        return (commit for path in paths if (commit := self._read(path)) is not None)

    def kept(self) -> list[int]:
        """The versions whose log is kept, ascending."""
        return sorted(int(path.stem) for path in (self.folder / "_delta_log").glob("*.json") if path.stem.isdigit())

    def committed(self, version: int) -> int:
        """When a version was committed, in microseconds. Raises OSError when its log is not kept."""
        for line in self._log(version).read_bytes().splitlines():
            action = json.loads(line)
            if "commitInfo" in action:
                return int(action["commitInfo"]["timestamp"]) * 1_000
        return int(self._log(version).stat().st_mtime * 1_000_000)

    def commit_reaching(self, position: int) -> Commit | None:
        """The first commit that moved the position to this one or beyond; None when its log is not kept."""
        low, high = 0, self.version()
        reached = None
        while low <= high:
            middle = (low + high) // 2
            at = middle
            commit = None
            while at >= low and (commit is None or commit.position < 0):
                path = self._log(at)
                commit = self._read(path) if path.exists() else None
                at -= 1
            if commit is not None and commit.position >= position:
                reached, high = commit, commit.version - 1
            else:
                low = middle + 1
        return reached if reached is not None and self.before(reached.version) < position else None

    def before(self, version: int) -> int:
        """The position before a version; a very large one when that is not known any more."""
        for earlier in range(version - 1, -1, -1):
            path = self._log(earlier)
            if not path.exists():
                return 1 << 62
            commit = self._read(path)
            if commit is not None and commit.position >= 0:
                return commit.position
        return 0

    def _log(self, version: int) -> Path:
        return self.folder / "_delta_log" / f"{version:020d}.json"

    def _read(self, path: Path) -> Commit | None:
        note: dict[str, Any] = {}
        position = -1
        added = []
        replaced = False
        for line in path.read_bytes().splitlines():
            action = json.loads(line)
            if "commitInfo" in action:
                note = json.loads(action["commitInfo"].get(METADATA) or "{}")
            elif "txn" in action and action["txn"]["appId"] == APP:
                position = int(action["txn"]["version"])
            elif "add" in action and action["add"]["dataChange"]:
                added.append(unquote(action["add"]["path"]))
            elif "remove" in action and action["remove"]["dataChange"]:
                replaced = True
        if position < 0 and not added and not replaced and not note:
            return None
        return Commit(int(path.stem), position, note, self._absolute(added), replaced)

    def _absolute(self, paths: Sequence[str]) -> list[str]:
        return [str(self.folder / unquote(path.removeprefix("file://"))) for path in paths]

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────

    def append(self, rows: pa.Table, position: int | None, note: Mapping[str, Any]) -> int:
        """Commit rows (sorted by the partition column, if there is one) and the position as one transaction.

        New columns widen the table first. Returns the version. Raises StorageError when the disk refuses.
        """
        with self._lock:
            try:
                table = self._wide_enough(rows.schema)
                actions = self.write(rows, changes=True)
                self._commit(table, actions, {} if position is None else {APP: position}, note)
            except (OSError, pa.ArrowInvalid, CommitFailedError) as error:
                self._open = None
                raise StorageError(f"cannot write to {self.folder}: {error}", hint="is the disk full?") from error
            return self.version()

    def _commit(
        self,
        table: DeltaTable,
        actions: Sequence[AddAction | RemoveAction],
        marks: Mapping[str, int],
        note: Mapping[str, Any],
    ) -> None:
        transactions = [Transaction(app, version) for app, version in marks.items()] or None
        table.create_write_transaction(
            list(actions),
            "append",
            table.schema(),
            [self._partition] if self._partition else None,
            commit_properties=CommitProperties(
                custom_metadata={METADATA: json.dumps(note, separators=(",", ":"))}, app_transactions=transactions
            ),
        )
        table.update_incremental()
        sync(self._log(int(table.version())))

    def _wide_enough(self, schema: pa.Schema) -> DeltaTable:
        table = self.current()
        if table is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            partitions = [self._partition] if self._partition else None
            self._open = DeltaTable.create(
                str(self.folder), _nullable(schema), partition_by=partitions, configuration=OPTIONS
            )
            return self._open
        known = {field.name for field in table.schema().fields}
        new = [field for field in _nullable(schema) if field.name not in known]
        if new:
            from deltalake import Schema

            fields = Schema.from_arrow(pa.schema(new)).fields
            table.alter.add_columns([Field(field.name, field.type, nullable=True) for field in fields])
            table.update_incremental()
        return table

    def read(self, schema: pa.Schema, version: int | None = None) -> pa.Table:
        """All rows of a version (default: now), in the columns of `schema`."""
        table = self.at(version)
        if table is None:
            return schema.empty_table()
        files = self._absolute(table.file_uris())
        return pa.concat_tables([schema.empty_table(), *(pq.read_table(path, schema=schema) for path in files)])

    def remove_beyond(self, position: int) -> None:
        """Remove the rows of blocks after a journal position."""
        with self._lock:
            table = self.at()
            if table is not None and table.count():
                table.delete(f"block > {position}")
                self._open = None

    def replace(self, paths: Sequence[str], rows: pa.Table) -> int:
        """Put new files with the same rows in the place of files (relative paths); returns how many were written.

        The old ones stay on disk until `vacuum`. Raises StorageError when the disk refuses.
        """
        try:
            actions: list[AddAction | RemoveAction] = list(self.write(rows, changes=False))
            with self._lock:
                table = self.current()
                if table is None:
                    return 0
                known = {file.path: file for file in self.every_file()}
                now = time.time_ns() // 1_000_000
                for path in paths:
                    values = {self._partition: known[path].partition} if self._partition else {}
                    actions.append(RemoveAction(path, False, now, known[path].size, values))
                self._commit(table, actions, {}, {})
        except (OSError, pa.ArrowInvalid, CommitFailedError) as error:
            raise StorageError(f"cannot write to {self.folder}: {error}", hint="is the disk full?") from error
        return len(actions) - len(paths)

    def exchange(
        self,
        rows: Mapping[str, pa.Table],
        added: Sequence[AddAction],
        marks: Mapping[str, int],
        note: Mapping[str, Any],
    ) -> int:
        """Put other rows in the place of files (relative path -> what stays of its rows), and add files that were
        written before, as one transaction; returns its version. Raises StorageError when the disk refuses.
        """
        try:
            with self._lock:
                table = self._wide_enough(pa.schema([]))
                known = {file.path: file for file in self.every_file()}
                actions: list[AddAction | RemoveAction] = list(added)
                now = time.time_ns() // 1_000_000
                for path, kept in rows.items():
                    value, size = known[path].partition, known[path].size
                    if kept.num_rows:
                        actions.append(self._file(value, kept, changes=True))
                    values = {self._partition: value} if self._partition else {}
                    actions.append(RemoveAction(path, True, now, size, values))
                self._commit(table, actions, marks, note)
                return int(table.version())
        except (OSError, pa.ArrowInvalid, CommitFailedError) as error:
            self._open = None
            raise StorageError(f"cannot write to {self.folder}: {error}", hint="is the disk full?") from error

    def widen(self, schema: pa.Schema) -> int:
        """Have these columns too; returns the version then. Raises StorageError when the disk refuses."""
        try:
            with self._lock:
                return int(self._wide_enough(schema).version())
        except (OSError, CommitFailedError) as error:
            raise StorageError(f"cannot write to {self.folder}: {error}", hint="is the disk full?") from error

    def vacuum(self, hours: int) -> int:
        """Delete files that no version of the last `hours` needs; returns how many."""
        with self._lock:
            table = self.at()
            return 0 if table is None else len(table.vacuum(hours, dry_run=False, enforce_retention_duration=False))

    def write(self, rows: pa.Table, *, changes: bool) -> list[AddAction]:
        """Data files of rows, on disk and not yet committed."""
        parts = _parts(rows, self._partition)
        return in_parallel(lambda part: self._file(*part, changes=changes), parts)

    def _file(self, value: str, rows: pa.Table, *, changes: bool) -> AddAction:
        folder = self.folder / f"{self._partition}={value}" if self._partition else self.folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"part-{uuid.uuid4().hex}.zstd.parquet"
        pq.write_table(
            rows, path, compression="zstd", compression_level=1, row_group_size=ROWS, store_schema=False,
            use_dictionary=[name for name in rows.column_names if name not in UNREPEATED], write_page_index=False,
        )  # fmt: skip
        sync(path)
        values = {self._partition: value} if self._partition else {}
        now = time.time_ns() // 1_000_000
        name = str(path.relative_to(self.folder))
        return AddAction(name, path.stat().st_size, values, now, changes, json.dumps(_statistics(rows)))


def _parts(rows: pa.Table, partition: str | None) -> Iterator[tuple[str, pa.Table]]:
    """Slices of equal partition value; rows are sorted by it, so nothing is copied."""
    if rows.num_rows == 0:
        return
    if partition is None:
        yield "", rows
        return
    runs = pc.run_end_encode(rows[partition].combine_chunks())
    plain = rows.drop_columns([partition])
    start = 0
    for value, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield value, plain.slice(start, end - start)
        start = end


def _statistics(rows: pa.Table) -> dict[str, Any]:
    """Delta statistics: the row count, and the range of `time` so that any engine can skip files."""
    statistics: dict[str, Any] = {"numRecords": rows.num_rows}
    if "time" in rows.column_names:
        ends = pc.min_max(rows["time"])
        statistics["nullCount"] = {"time": rows["time"].null_count}
        for key, end in (("minValues", ends["min"]), ("maxValues", ends["max"])):
            if end.is_valid:
                text = pc.strftime(end, format="%Y-%m-%dT%H:%M:%SZ").as_py()
                statistics[key] = {"time": text}
    return statistics


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])


def _no_version(version: int) -> WorkspaceError:
    return WorkspaceError(f"the lake has no version {version}, or keeps it no more", hint="trackway ledger names it")
