"""Small mutable facts: the ledger's totals and key-values, in SQL (SQLite by default).

The totals are a sum of the notes that the flow's commits carry, up to one version of the lake; whoever
reads them adds the missing notes first, so a crash between a commit and this file changes nothing, and
deleting the file loses nothing that the lake's log still tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Integer, String, create_engine, delete, event, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from trackway.errors import StorageError, WorkspaceError
from trackway.store.delta import Commit

FORMAT = 1
"""Layout of the tables; a larger number was written by a newer version."""
COVERED = "covered"


@dataclass(frozen=True, slots=True, order=True)
class Count:
    """Records of one source that took one way: a bin, or a drift (which moves no record)."""

    source: str
    bin: str
    """`stored`, `duplicate`, `dropped`, `refused`; or `drift`."""
    step: str
    """The transform, check or column that decided."""
    reason: str
    records: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All counts up to a version of the lake and the journal position it stands at."""

    version: int = -1
    position: int = 0
    counts: list[Count] = field(default_factory=list)


class Row(DeclarativeBase):
    """What all tables share."""


class Total(Row):
    """One sum."""

    __tablename__ = "totals"
    source: Mapped[str] = mapped_column(String, primary_key=True)
    bin: Mapped[str] = mapped_column(String, primary_key=True)
    step: Mapped[str] = mapped_column(String, primary_key=True)
    reason: Mapped[str] = mapped_column(String, primary_key=True)
    records: Mapped[int] = mapped_column(Integer)


class Mark(Row):
    """How far something is: a version of the lake and a journal position."""

    __tablename__ = "marks"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)


class Fact(Row):
    """A key and its text."""

    __tablename__ = "facts"
    key: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[str] = mapped_column(String)


class Control:
    """The control database of a workspace; any thread, any process."""

    def __init__(self, path: Path) -> None:
        """Opens or makes it. Raises WorkspaceError for one of a newer version, StorageError when it cannot be."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = _engine(path)
        try:
            self._prepare(path)
        except BaseException:
            self.close()
            raise

    def _prepare(self, path: Path) -> None:
        """Make what is missing, and check the format."""
        try:
            Row.metadata.create_all(self._engine)
            found = int(self.get("format") or FORMAT)
            if self.get("format") is None:
                self.set("format", str(FORMAT))
        except OperationalError as error:
            raise StorageError(
                f"cannot open {path}: {error.orig}", hint="check the disk and its permissions"
            ) from error
        if found > FORMAT:
            raise WorkspaceError(
                f"{path} has format {found}, this version knows up to {FORMAT}", hint="upgrade trackway"
            )

    def covered(self) -> int:
        """The version of the lake whose counts are in the totals; -1 when none."""
        with Session(self._engine) as session:
            mark = session.get(Mark, COVERED)
            return -1 if mark is None else mark.version

    def add(self, commits: Iterable[Commit], version: int) -> None:
        """Add the notes of commits up to a version; those already in the totals are passed over."""
        with Session(self._engine) as session, session.begin():
            mark = session.get(Mark, COVERED) or Mark(name=COVERED, version=-1, position=0)
            for commit in commits:
                if commit.version > mark.version:
                    self._add(session, commit)
                    mark.version = commit.version
                    mark.position = max(mark.position, commit.position)
            mark.version = max(mark.version, version)
            session.add(mark)

    def _add(self, session: Session, commit: Commit) -> None:
        for source, bin_, step, reason, records in commit.note.get("counts", []):
            row = {"source": source, "bin": bin_, "step": step, "reason": reason, "records": records}
            session.execute(
                insert(Total)
                .values(**row)
                .on_conflict_do_update(
                    index_elements=["source", "bin", "step", "reason"],
                    set_={"records": Total.records + records},
                )
            )

    def totals(self) -> Totals:
        """The sums and what they cover, read at one instant."""
        with Session(self._engine) as session, session.begin():
            mark = session.get(Mark, COVERED)
            some = select(Total).where(Total.records != 0)
            rows = session.scalars(some.order_by(Total.source, Total.bin, Total.step, Total.reason)).all()
            counts = [Count(r.source, r.bin, r.step, r.reason, r.records) for r in rows]
            return Totals(counts=counts) if mark is None else Totals(mark.version, mark.position, counts)

    def forget(self) -> None:
        """Drop the totals, to be summed again from the lake."""
        with Session(self._engine) as session, session.begin():
            session.execute(delete(Total))
            session.execute(delete(Mark))

    def get(self, key: str) -> str | None:
        """The text under a key."""
        with Session(self._engine) as session:
            fact = session.get(Fact, key)
            return None if fact is None else fact.value

    def set(self, key: str, value: str) -> None:
        """Put a text under a key."""
        with Session(self._engine) as session, session.begin():
            session.merge(Fact(key=key, value=value))

    def sizes(self) -> dict[str, int]:
        """Rows of every table, for people who look."""
        with Session(self._engine) as session:
            tables = Row.metadata.sorted_tables
            return {table.name: int(session.scalar(select(func.count()).select_from(table)) or 0) for table in tables}

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("begin immediate")

    return engine
