"""One file of the journal: the payload blocks of one day, in SQLite.

WAL with synchronous=FULL means one fsync a transaction and whole transactions after a crash. Every file
opens with the totals and cursors of the file before it, so the newest file alone answers how much was
ever received and where each source is, also after older files were deleted.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from trackway.errors import StorageError
from trackway.model.event import Block
from trackway.plan.component import Payload

TABLES = """
CREATE TABLE blocks (
  seq INTEGER PRIMARY KEY, source TEXT NOT NULL, received_at INTEGER NOT NULL, codec TEXT NOT NULL,
  records INTEGER NOT NULL, total INTEGER NOT NULL, size INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX marks ON blocks (source, seq, total);
CREATE TABLE opening (source TEXT PRIMARY KEY, payloads INTEGER, records INTEGER, bytes INTEGER) WITHOUT ROWID;
CREATE TABLE received (source TEXT PRIMARY KEY, payloads INTEGER, records INTEGER, bytes INTEGER) WITHOUT ROWID;
CREATE TABLE cursors (source TEXT, key TEXT, value TEXT, PRIMARY KEY (source, key)) WITHOUT ROWID;
"""
COMPRESSION = "zstd"
PATIENCE_MS = 30_000
"""How long a connection waits for another process that writes."""


@dataclass(frozen=True, slots=True)
class Received:
    """All that ever came from one source, also what was pruned since."""

    payloads: int = 0
    records: int = 0
    bytes: int = 0
    """Of the bodies, uncompressed."""


class DayFile:
    """One journal file; safe to use from many threads. `first` is the first position it can hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        first, self.date, _ = path.name.split(".")
        self.first = int(first)
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()

    @classmethod
    def create(cls, folder: Path, first: int, date: str, before: DayFile | None) -> DayFile:
        """A new file that carries on from `before`; it appears under its name only when complete."""
        path = folder / f"{first:015d}.{date}.sqlite"
        made = path.with_suffix(".new")
        with _explained(path):
            made.unlink(missing_ok=True)
            with closing(sqlite3.connect(made, isolation_level=None)) as new:
                new.execute("PRAGMA page_size=16384")
                new.execute("PRAGMA journal_mode=WAL")
                new.execute("PRAGMA synchronous=FULL")
                new.executescript(f"BEGIN; {TABLES} COMMIT;")
                if before is not None:
                    new.execute("BEGIN")
                    totals = [(name, t.payloads, t.records, t.bytes) for name, t in before.received().items()]
                    new.executemany("INSERT INTO opening VALUES (?, ?, ?, ?)", totals)
                    new.executemany("INSERT INTO received VALUES (?, ?, ?, ?)", totals)
                    new.executemany("INSERT INTO cursors VALUES (?, ?, ?)", before.every_cursor())
                    new.execute("COMMIT")
            made.rename(path)
        return cls(path)

    def append(self, payloads: Sequence[Payload], received_at: int) -> list[int]:
        """Keep payloads in one transaction; on disk on return. The caller holds the lock of the journal."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                seqs = self._insert(db, payloads, received_at)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        return seqs

    def _insert(self, db: sqlite3.Connection, payloads: Sequence[Payload], received_at: int) -> list[int]:
        (last,) = db.execute("SELECT max(seq) FROM blocks").fetchone()
        seq = (self.first - 1 if last is None else last) + 1
        totals = {name: [count, records, size] for name, count, records, size in db.execute("SELECT * FROM received")}
        rows: list[tuple[Any, ...]] = []
        cursors: list[tuple[str, str, str]] = []
        for number, payload in enumerate(payloads):
            total = totals.setdefault(payload.source, [0, 0, 0])
            total[0] += 1
            total[1] += payload.records
            total[2] += len(payload.body)
            body = pa.compress(payload.body, codec=COMPRESSION, asbytes=True)
            headers = json.dumps(dict(payload.headers))
            rows.append((seq + number, payload.source, received_at, payload.codec, payload.records, total[1],
                         len(payload.body), headers, body))  # fmt: skip
            cursors += [(payload.source, key, value) for key, value in payload.cursors.items()]
        touched = {payload.source for payload in payloads}
        db.executemany("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.executemany("INSERT OR REPLACE INTO received VALUES (?, ?, ?, ?)", [(s, *totals[s]) for s in touched])
        db.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", cursors)
        return list(range(seq, seq + len(payloads)))

    def read(self, after: int, most_records: int, most_bytes: int) -> list[Block]:
        """The blocks after a position, at least one if there is one, within both limits otherwise."""
        rows: list[tuple[Any, ...]] = []
        records = size = 0
        with self._connection() as db:
            found = db.execute(
                "SELECT seq, source, received_at, codec, body, records, headers, size FROM blocks"
                " WHERE seq > ? ORDER BY seq", (after,),
            )  # fmt: skip
            with closing(found):
                for row in found:
                    records += row[5]
                    size += row[7]
                    if rows and (records > most_records or size > most_bytes):
                        break
                    rows.append(row)
        with _explained(self.path):
            return [_block(row) for row in rows]

    def of(self, source: str, after: int, upto: int) -> list[Block]:
        """The blocks of a source in (after, upto]."""
        with self._connection() as db:
            rows = db.execute(
                "SELECT seq, source, received_at, codec, body, records, headers, size FROM blocks"
                " WHERE source = ? AND seq > ? AND seq <= ? ORDER BY seq", (source, after, upto),
            ).fetchall()  # fmt: skip
        with _explained(self.path):
            return [_block(row) for row in rows]

    def span(self, source: str, first: int, last: int) -> tuple[int, int] | None:
        """The first and last position of what a source received in [first, last), in microseconds; None for nothing."""
        with self._connection() as db:
            low, high = db.execute(
                "SELECT min(seq), max(seq) FROM blocks WHERE source = ? AND received_at >= ? AND received_at < ?",
                (source, first, last),
            ).fetchone()
        return None if low is None else (low, high)

    def last(self) -> tuple[int, int | None]:
        """The newest position (one below `first` when empty), and when it was received."""
        with self._connection() as db:
            row = db.execute("SELECT seq, received_at FROM blocks ORDER BY seq DESC LIMIT 1").fetchone()
        return row or (self.first - 1, None)

    def received(self) -> dict[str, Received]:
        """What ever came, per source, up to the end of this file."""
        with self._connection() as db:
            return {name: Received(*counts) for name, *counts in db.execute("SELECT * FROM received")}

    def records_until(self, seq: int) -> dict[str, int]:
        """Records received per source up to and including a position of this file; one index look-up a source."""
        with self._connection() as db:
            return dict(
                db.execute(
                    "SELECT source, coalesce((SELECT total FROM blocks b WHERE b.source = r.source AND seq <= ?"
                    " ORDER BY seq DESC LIMIT 1), (SELECT records FROM opening o WHERE o.source = r.source), 0)"
                    " FROM received r", (seq,),
                ).fetchall()
            )  # fmt: skip

    def cursors(self, source: str) -> dict[str, str]:
        """Where a source is."""
        with self._connection() as db:
            return dict(db.execute("SELECT key, value FROM cursors WHERE source = ?", (source,)).fetchall())

    def every_cursor(self) -> list[tuple[str, str, str]]:
        """(source, key, value) of all sources."""
        with self._connection() as db:
            return db.execute("SELECT source, key, value FROM cursors").fetchall()

    def close(self) -> None:
        """Close what is open, and what is in use as soon as it is given back; the last connection of the last process
        folds the WAL into the file."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()

    def delete(self) -> None:
        """Remove the file and its WAL."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection nobody else uses meanwhile. One that failed is closed, so the next starts afresh."""
        with _explained(self.path):
            with self._lock:
                db = self._idle.pop() if self._idle else None
            db = db or self._connect()
            try:
                yield db
            except BaseException:
                db.close()
                raise
            with self._lock:
                if self._closed:
                    db.close()
                else:
                    self._idle.append(db)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
            db.execute("PRAGMA synchronous=FULL")
        except BaseException:
            db.close()
            raise
        return db


def _block(row: tuple[Any, ...]) -> Block:
    seq, source, received_at, codec, body, records, headers, size = row
    plain = pa.decompress(body, decompressed_size=size, codec=COMPRESSION, asbytes=True)
    return Block(seq, source, received_at, codec, plain, records, json.loads(headers))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Errors of SQLite and the disk as one StorageError that says what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageError(f"the journal cannot be used: {error}", path=str(path), hint=_remedy(error)) from error
    except (sqlite3.DatabaseError, pa.ArrowException) as error:
        raise StorageError(f"the journal file is damaged: {error}", path=str(path), hint=_remedy(error)) from error
    except OSError as error:
        raise StorageError(
            f"the journal cannot be used: {error.strerror}", path=str(path), hint=_remedy(error)
        ) from error


def _remedy(error: Exception) -> str:
    text = str(error)
    if "full" in text or "disk I/O" in text or "No space" in text:
        return "free space on the disk of the workspace; nothing that was acknowledged is lost"
    if "readonly" in text or "Permission" in text or "Read-only" in text or "unable to open" in text:
        return "the process must be able to read and write the folder of the journal"
    if "locked" in text:
        return "another process holds the journal; is it stopped in a debugger?"
    return "move the file out of the journal folder to go on without what it holds, or restore it from a copy"
