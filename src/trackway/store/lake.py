"""The lake: events as Delta tables, the truth that columns, answers and other engines read.

Three tables. `events` (partitioned by `date`, the UTC day of `time`) holds what was stored; the commit that
adds rows also moves the journal position, so a restart can neither lose nor repeat. `refused` and
`identities` are written before it: their rows beyond the position belong to a commit that never happened,
are never shown, and are removed when the flow starts again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.parallel import in_parallel
from trackway.model.schema import ENVELOPE, Schema, kind_of
from trackway.store import views
from trackway.store.compaction import compact
from trackway.store.delta import Commit, Table
from trackway.store.directory import Directory
from trackway.store.identity import FACTS, resolve
from trackway.store.keys import order
from trackway.store.replays import Replays, before
from trackway.store.stretches import together

REFUSED = pa.schema(
    [
        ("source", pa.string()), ("reason", pa.string()), ("detail", pa.string()), ("step", pa.string()),
        ("block", pa.int64()), ("row", pa.int64()), ("received_at", pa.timestamp("us", "UTC")),
        ("refused_at", pa.timestamp("us", "UTC")), ("raw", pa.binary()), ("parsed", pa.string()),
        ("pipeline", pa.string()),
    ]
)  # fmt: skip
"""One row per refused event: why (`reason`, `detail`), where in the flow (`step`), where in the journal
(`block`, `row`), its original bytes, what had been read of it (`parsed`, JSON), and the hash of the plan."""


KEEP_HOURS = 168
"""How long replaced files stay for those who read an older version."""
DAY = 86_400_000_000
"""Microseconds."""


class Lake:
    """The Delta tables of a workspace; one flow writes, any number of processes read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = {
            "events": Table(folder / "events", partition="date"),
            "refused": Table(folder / "refused"),
            "identities": Table(folder / "identities"),
            "cohorts": Table(folder / "cohorts"),
            "lookups": Table(folder / "lookups"),
        }
        self._events = self.tables["events"]
        self.replays = Replays(folder / "replays", self.tables)
        self.directory = Directory(self)
        self._resolved: tuple[int, pa.Table, pa.Table] | None = None

    # ── what is there ───────────────────────────────────────────────────────────────────────────────

    def version(self) -> int:
        """The newest version of the events, -1 before the first commit."""
        return self._events.version()

    def name(self) -> str:
        """What tells this lake from one that was made anew in its place; empty before the first commit."""
        table = self._events.current()
        return "" if table is None else str(table.metadata().id)

    def position(self, version: int | None = None) -> int:
        """The journal position up to which a version (default: the newest) holds everything; 0 at the beginning."""
        if version is None:
            return self._events.position()
        table = self._events.at(version)
        return 0 if table is None else int(table.transaction_version("flow") or 0)

    def schema(self, version: int | None = None) -> Schema:
        """The columns of the events and their kinds, in the order they appeared."""
        fields = self._events.fields(version)
        return Schema({name: kind_of(type_) for name, type_ in fields.items() if name not in ENVELOPE})

    def committed(self, version: int) -> int:
        """When a version was committed, in microseconds. Raises OSError when that is not known any more."""
        return self._events.committed(version)

    def kept(self) -> list[int]:
        """The versions whose commits are known, ascending."""
        return self._events.kept()

    def files(self, version: int | None = None) -> list[str]:
        """Absolute paths of the Parquet files of a version; the column `date` is in their folder's name.

        Raises WorkspaceError for a version that is not kept any more.
        """
        return self._events.files(version)

    def commits(self, since: int, upto: int | None = None) -> Iterator[Commit] | None:
        """The commits of the flow in (since, upto]; None when their log is not kept any more."""
        return self._events.commits(since, self.version() if upto is None else upto)

    def added(self, since: int, upto: int) -> list[str] | None:
        """Absolute paths of the files that commits in (since, upto] added; compaction adds nothing.

        None when the log or a file is not there any more, or when a replay took rows away: read `files(upto)` instead.
        """
        commits = self._events.commits(since, upto)
        if commits is None:
            return None
        seen = list(commits)
        if any(commit.replaced for commit in seen):
            return None
        paths = [path for commit in seen for path in commit.added]
        return paths if all(Path(path).exists() for path in paths) else None

    # ── writing: the flow alone ─────────────────────────────────────────────────────────────────────

    def commit(self, events: pa.Table, position: int, note: Mapping[str, Any]) -> int:
        """Store events and move the position, as one transaction; returns the version.

        `note` becomes the commit's metadata. An empty table still moves the position. The rows of a day keep the
        order they came in until compaction. Raises StorageError when the disk refuses: then nothing was stored.
        """
        return self._events.append(dated(events), position, note)

    def refuse(self, rows: pa.Table) -> None:
        """Add refusals (columns of REFUSED); they count once the events of their blocks are committed."""
        if rows.num_rows:
            self.tables["refused"].append(rows.select(REFUSED.names).cast(REFUSED), None, {})

    def add_identities(self, facts: pa.Table) -> None:
        """Add identity facts (columns of identity.FACTS); they hold once their blocks are committed."""
        if facts.num_rows:
            self.tables["identities"].append(facts.select(FACTS.names).cast(FACTS), None, {})

    def recover(self) -> None:
        """Remove refusals and facts of a commit that never happened (the flow died before it); end a begun replay."""
        self.replays.settle()
        position = self.position()
        for name in ("refused", "identities"):
            self.tables[name].remove_beyond(position)

    def compact(self, most: int = 64) -> int:
        """Merge small files where there are many; returns how many files there are less. No answer changes."""
        return sum(compact(table, arranged if name == "events" else None, most) for name, table in self.tables.items())

    def vacuum(self, hours: int = KEEP_HOURS) -> int:
        """Delete files that compaction replaced and that no version of the last `hours` needs.

        Older versions can still be asked: their events are told by journal position from the files of today.
        """
        return sum(table.vacuum(hours) for table in self.tables.values())

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────

    def refused(self, version: int | None = None) -> pa.Table:
        """Every refusal up to a version of the events."""
        return self._beside("refused", REFUSED, version)

    def identities(self, version: int | None = None) -> pa.Table:
        """Every identity fact up to a version of the events."""
        return self._beside("identities", FACTS, version)

    def _beside(self, name: str, schema: pa.Schema, version: int | None) -> pa.Table:
        while True:
            newest = self.replays.newest()
            table = self._rows(name, schema, version)
            position = self.position(version)
            if newest == self.replays.newest():
                return table.filter(pc.less_equal(table["block"], position))

    def _rows(self, name: str, schema: pa.Schema, version: int | None) -> pa.Table:
        """All rows of a table, as it was before the replays after a version of the events."""
        later = None if version is None else self.replays.after(version)
        if later is None:
            return self.replays.read(name, schema)
        try:
            return self.tables[name].read(schema, later.tables[name])
        except FileNotFoundError as error:
            raise before(version, later) from error

    def resolved(self, version: int) -> tuple[pa.Table, pa.Table]:
        """The identity facts up to a version, and the mapping they resolve to (`identity.resolve`)."""
        seen = self._resolved
        if seen is None or seen[0] != version:
            facts = self.identities(version)
            seen = self._resolved = (version, facts, resolve(facts))
        return seen[1], seen[2]

    def find(self, condition: str, values: Sequence[Any], most: int = 10) -> list[dict[str, Any]]:
        """The first events for which a condition (DuckDB text with `?`) holds, each with its `file`, and its
        actor as known now.
        """
        return views.find(self, condition, values, most)

    def commit_of(self, block: int) -> Commit | None:
        """The commit with which the events of a block came; None when its log is not kept any more."""
        return self._events.commit_reaching(block)

    def connect(self, version: int | None = None, days: Collection[str] | None = None) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection of its own with the views `events` (identity-resolved `actor`), `refused` and
        `identities`, as of a version (default: now), in UTC; with `days` (`2026-01-05`), the events of these alone.
        """
        return views.connect(self, version, days)

    def sql(self, statement: str, most_rows: int = 100_000, *, seconds: float = 60, memory: str = "2GB") -> pa.Table:
        """The rows of one SELECT over the views, at most `most_rows`.

        The statement can read nothing but the lake and write nothing at all. Raises QuestionError.
        """
        return views.ask(self, statement, most_rows, seconds, memory)


def dated(events: pa.Table) -> pa.Table:
    """Events with their `date`, those of one day together, in the order given otherwise."""
    days = events["time"].cast(pa.int64()).to_numpy() // DAY
    dates = pa.array(days.astype("datetime64[D]")).cast(pa.string())
    return together(events.append_column("date", dates), days)


def arranged(events: pa.Table) -> pa.Table:
    """Events with their `date`, sorted by (date, actor, time, tie): for what is written once and read for long."""
    time = events["time"].cast(pa.int64()).to_numpy()
    days = time // DAY
    seconds = (time - days * DAY) // 1_000_000
    actors = _ranks(events["actor"])
    people = int(actors.max(initial=0)) + 2
    rough = ((days - days.min(initial=0)) * people + actors + 1).astype(np.uint64) << np.uint64(17)
    found = pa.array(order(rough | seconds.astype(np.uint64), time.view(np.uint64), events["tie"].to_numpy()))
    dates = pa.array(days.astype("datetime64[D]")).cast(pa.string())
    if "date" in events.column_names:
        events = events.drop_columns(["date"])
    columns = in_parallel(lambda column: column.take(found), [*events.combine_chunks().columns, dates])
    return pa.table(columns, names=[*events.column_names, "date"])


def _ranks(texts: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each text its place among the distinct texts, in order."""
    encoded = pc.dictionary_encode(texts.combine_chunks())
    places = np.empty(len(encoded.dictionary) + 1, np.int64)
    places[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(encoded.dictionary))
    places[-1] = -1
    return np.asarray(places[pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)])
