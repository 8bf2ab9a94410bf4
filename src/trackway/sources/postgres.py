"""Tables of PostgreSQL, row by row as they appear and change.

    [sources.orders]
    type = "postgres"
    address = "postgresql://reader@db-1/shop"
    password = { env = "PGPASSWORD" }
    table = "public.orders"
    cursor = "updated_at"
    event = "Order Changed"
    columns = { user_id = "customer_id" }

Rows are read in the order of a column that only grows, such as the time of the last change or a serial number, and of
the primary key, after the place that the journal has. Every change that moves the column is one event, stored exactly
once. A transaction that is still open may yet write an earlier row, so that a row waits until every transaction as old
as its own has ended, and for `settle`; give `settle` at least the time that a transaction takes from its beginning to
its first write. Deleted rows, and rows without a value in the column, are not seen.

The columns of a row are properties, but those that are named for the envelope; an event is called `event`, else as its
table. It happened at `columns.time`, else when the cursor says, if that is a time. An index that begins with the cursor
makes every look cheap.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from trackway.errors import SourceError, optional, suggest
from trackway.flow.messages import Message
from trackway.flow.options import Columns
from trackway.flow.pulling import Fetched, Puller, unreachable
from trackway.model.secret import Secret
from trackway.model.time import Duration
from trackway.plan.component import Finding

PATIENCE = 10
"""Seconds that the server has to answer a connection."""
COUNTED = 100_000
"""Most waiting rows that are counted."""
COUNT = 10.0
"""Seconds between two counts."""
READABLE = {"r": "table", "p": "partitioned table"}
INDEXED = """
    select exists (select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = %s::oid and a.attname = %s)"""
ATTRIBUTES = """
    select a.attname, format_type(a.atttypid, a.atttypmod), coalesce(array_position(i.indkey::int[], a.attnum::int), -1)
    from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
    where a.attrelid = %s::oid and a.attnum > 0 and not a.attisdropped order by a.attnum"""
NEAR = """
    select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')"""


class Postgres(Puller):
    """Reads one table."""

    address: str
    """Where it is: `postgresql://USER@HOST:PORT/DATABASE`, with `?sslmode=verify-full` and the like behind it."""
    password: Secret | None = None
    """Of the user."""
    table: str
    """The table, with its schema if that is not `public`."""
    cursor: str
    """The column that grows with every new row, and with every change that shall be seen."""
    key: list[str] = Field(default=[])
    """Columns that tell rows of the same cursor apart; the primary key when left out."""
    event: str = ""
    """What a row is called; its table when left out."""
    columns: Columns = Field(default_factory=dict)
    """Which column is `event`, `time`, `event_id`, `user_id` or `anonymous_id`, when its name does not say so."""
    every: Duration = Duration("2s")
    """Time between two looks while nothing is new."""
    settle: Duration = Duration("2s")
    """How long a row waits for transactions that began before it."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts = urlsplit(self.address)
        if parts.scheme not in ("postgresql", "postgres"):
            raise ValueError("address is such as postgresql://reader@127.0.0.1/shop")
        if parts.password or "password=" in parts.query:
            raise ValueError('a secret does not stand in the file: write password = { env = "NAME" }')
        if self.codec != "json":
            raise ValueError("rows are read as JSON")
        return self

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A connection at the cursor."""
        return Reader(self, name, cursors)

    def examine(self) -> Iterator[Finding]:
        """The server, the table with its columns, and whether looks are cheap."""
        link = Link(self)
        try:
            version = link.ask("show server_version")[0][0]
            yield Finding("connect", f"PostgreSQL {version} at {urlsplit(self.address).hostname or 'the local socket'}")
            shape = link.shape()
            key = ", ".join(name for name, _ in shape.order)
            yield Finding(
                "list", f"{READABLE[shape.kind]} {self.table}: {len(shape.columns)} columns, ordered by {key}"
            )
            cheap = link.ask(INDEXED, shape.oid, self.cursor)[0][0]
            every = f"no index begins with {self.cursor}: every look reads the whole table"
            yield Finding("index", f"an index begins with {self.cursor}" if cheap else every)
        finally:
            link.close()


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table is like."""

    oid: int
    kind: str
    """As PostgreSQL calls it: `r`, `p`."""
    columns: Mapping[str, str]
    """Name and type of each."""
    order: Sequence[tuple[str, str]]
    """The cursor and the key, with their types."""


class Link:
    """A connection, its errors in words."""

    def __init__(self, source: Postgres) -> None:
        """Raises SourceError when nobody answers or we are not let in."""
        with optional("sources.postgres", "postgres"):
            import psycopg
            import psycopg.sql
        self._driver = psycopg
        self._source = source
        secret = {"password": str(source.password)} if source.password is not None else {}
        with self._explained():
            self._connection = psycopg.connect(
                source.address, connect_timeout=PATIENCE, application_name="trackway", autocommit=True,
                options="-c timezone=UTC -c datestyle=ISO -c default_transaction_read_only=on", **secret,
            )  # fmt: skip
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the server and the way to it. Raises SourceError."""
        errors = self._driver.errors
        try:
            yield
        except errors.InsufficientPrivilege as error:
            raise SourceError(f"not allowed: {error}".strip(), hint=f"grant select on {self._source.table}") from error
        except errors.OperationalError as error:
            said = " ".join(str(error).split())
            if "authentication" in said or "password" in said or "role " in said or "pg_hba" in said:
                raise SourceError(f"PostgreSQL does not let us in: {said}", hint="check user and password") from error
            if "database" in said and "does not exist" in said:
                raise SourceError(said, path="address", hint="check the name behind the last /") from error
            raise unreachable(_shown(self._source.address), said, "check `address`; is it running?") from error
        except self._driver.Error as error:
            raise SourceError(
                f"PostgreSQL refuses: {' '.join(str(error).split())}", hint="check `table` and `cursor`"
            ) from error

    def ask(self, statement: Any, *values: Any) -> list[Any]:
        """The rows of a statement. Raises SourceError."""
        with self._explained():
            return list(self._connection.execute(statement, values or None).fetchall())

    def shape(self) -> Shape:
        """The table. Raises SourceError for one there is not, or that cannot be read in order."""
        wanted = self._source.table if "." in self._source.table else f"public.{self._source.table}"
        schema, _, table = wanted.partition(".")
        found = self.ask(
            "select c.oid, c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = %s and c.relname = %s", schema, table,
        )  # fmt: skip
        if not found:
            names = [name.removeprefix("public.") for (name,) in self.ask(NEAR)]
            hint = suggest(self._source.table, names)
            raise SourceError(f"there is no table '{self._source.table}'", path="table", hint=hint)
        oid, kind = found[0]
        if kind not in READABLE:
            raise SourceError(
                f"'{self._source.table}' is no table", path="table", hint="name the table behind the view"
            )
        rows = self.ask(ATTRIBUTES, oid)
        types = {name: type_ for name, type_, _ in rows}
        primary = [name for _, name in sorted((place, name) for name, _, place in rows if place >= 0)]
        key = self._source.key or primary
        for name in (self._source.cursor, *key, *self._source.columns.values()):
            if name not in types:
                raise SourceError(f"{self._source.table} has no column '{name}'", hint=suggest(name, types))
        if not key:
            raise SourceError(f"{self._source.table} has no primary key", path="key", hint='name columns: key = ["id"]')
        order = dict.fromkeys((self._source.cursor, *key))
        return Shape(oid, kind, types, [(name, types[name]) for name in order])

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


class Reader(Link):
    """A connection at some row."""

    def __init__(self, source: Postgres, name: str, cursors: Mapping[str, str]) -> None:
        super().__init__(source)
        self._name = name
        self._due = 0.0
        self._counted = float("-inf")
        self._lag = 0
        self._horizons: deque[tuple[float, int]] = deque()
        """When, and which transaction was the next to begin then."""
        try:
            self._shape = self.shape()
            self._place: list[str] | None = json.loads(cursors[source.table]) if source.table in cursors else None
            self._named = self._columns()
            self._horizons.append((time.monotonic(), self._next()))
            time.sleep(source.settle.seconds)
        except BaseException:
            self.close()
            raise

    def _columns(self) -> dict[str, str]:
        """Which columns are the envelope; the time is that of the cursor unless a column is called so."""
        columns = dict(self._source.columns)
        kind = self._shape.columns[self._source.cursor]
        if "time" not in columns and "time" not in self._shape.columns and kind.startswith(("timestamp", "date")):
            columns["time"] = self._source.cursor
        return columns

    def fetch(self, most: int, seconds: float) -> Fetched:
        """The next rows that are settled."""
        wait = self._due - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, seconds))
            return Fetched((), self._lag)
        with self._explained(), self._connection.transaction():
            limit = self._limit()
            rows = self._rows(most, limit)
        settled = next((index for index, row in enumerate(rows) if not row[0]), len(rows))
        self._count(settled, len(rows), most)
        if settled < most:
            self._due = time.monotonic() + self._source.every.seconds
        messages = [Message(self._source.table, "/".join(place), text.encode()) for _, text, *place in rows[:settled]]
        if messages:
            self._place = list(rows[settled - 1][2:])
        cursors = {self._source.table: json.dumps(self._place)}
        return Fetched(self._source.packed(self._name, messages, cursors, columns=json.dumps(self._named)), self._lag)

    def kept(self) -> None:
        """The server need not know."""

    def _next(self) -> int:
        """The transaction that begins next."""
        return int(self.ask("select pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])

    def _limit(self) -> int:
        """The transaction before which every one has ended, and had, for `settle`, nothing younger beside it."""
        low, following = map(int, self.ask(
            "select pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text from (select pg_current_snapshot()) q (s)"
        )[0])  # fmt: skip
        now = time.monotonic()
        self._horizons.append((now, following))
        while len(self._horizons) > 1 and now - self._horizons[1][0] >= self._source.settle.seconds:
            self._horizons.popleft()
        return min(low, self._horizons[0][1])

    def _rows(self, most: int, limit: int) -> list[Any]:
        """Whether each is settled, it as JSON, and its place."""
        sql = self._driver.sql
        order = sql.SQL(", ").join(sql.Identifier("t", name) for name, _ in self._shape.order)
        places = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier("t", name)) for name, _ in self._shape.order
        )
        name = (
            sql.SQL("'{}'::jsonb")
            if "event" in self._source.columns
            else sql.SQL("jsonb_build_object('event', {}::text)").format(
                sql.Literal(self._source.event or self._source.table.split(".")[-1])
            )
        )
        statement = sql.SQL(
            "select age(t.xmin) > age({limit}::text::xid) or age(t.xmin) < 0, ({name} || to_jsonb(t))::text, {places}"
            " from {table} t where {after} order by {order} limit {most}"
        ).format(
            limit=sql.Literal(str(limit % 2**32)), name=name, places=places, order=order, most=sql.Literal(most),
            table=self._table(), after=self._after(),
        )  # fmt: skip
        return list(self._connection.execute(statement).fetchall())

    def _table(self) -> Any:
        schema, _, table = self._source.table.rpartition(".")
        return self._driver.sql.Identifier(schema or "public", table)

    def _after(self) -> Any:
        """The rows behind where we are."""
        sql = self._driver.sql
        if self._place is None:
            return sql.SQL("{} is not null").format(sql.Identifier("t", self._source.cursor))
        names = sql.SQL(", ").join(sql.Identifier("t", name) for name, _ in self._shape.order)
        values = sql.SQL(", ").join(
            sql.SQL("{}::{}").format(sql.Literal(text), sql.SQL(type_))
            for text, (_, type_) in zip(self._place, self._shape.order, strict=True)
        )
        return sql.SQL("({}) > ({})").format(names, values)

    def _count(self, settled: int, seen: int, most: int) -> None:
        """How many rows wait: those seen that are not settled, and now and then those behind them."""
        if seen < most:
            self._lag = seen - settled
        elif time.monotonic() - self._counted > COUNT:
            self._counted = time.monotonic()
            sql = self._driver.sql
            some = sql.SQL("select count(*) from (select from {} t where {} limit {}) q")
            waiting = self.ask(some.format(self._table(), self._after(), sql.Literal(COUNTED)))[0][0]
            self._lag = max(1, int(waiting) - settled)
        else:
            self._lag = max(1, self._lag - settled)


def _shown(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.hostname or 'the local socket'}{f':{parts.port}' if parts.port else ''}{parts.path}"
