"""The lake as DuckDB views: `events` with resolved actors, `refused`, `identities`, `lookups`; and SQL under lock.

A version that compaction has rewritten since is read from today's files by its journal position, because, but for
replays, events are only ever added: version v holds exactly the events of blocks up to its position.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from trackway.errors import QuestionError
from trackway.model.condition import literal, quoted
from trackway.model.schema import SQL, Schema
from trackway.store.replays import before
from trackway.store.scratch import scratch

if TYPE_CHECKING:
    from trackway.store.lake import Lake

REFUSED_SQL = {
    "source": "varchar", "reason": "varchar", "detail": "varchar", "step": "varchar", "block": "bigint",
    "row": "bigint", "received_at": "timestamptz", "refused_at": "timestamptz", "raw": "blob", "parsed": "varchar",
    "pipeline": "varchar",
}  # fmt: skip


def connect(lake: Lake, version: int | None, days: Collection[str] | None = None) -> duckdb.DuckDBPyConnection:
    """A connection with the views as of a version; of the events only those of some days (UTC), if given."""
    version = lake.version() if version is None else version
    connection = duckdb.connect(config={"python_enable_replacements": False})
    connection.execute("set timezone = 'UTC'")
    facts, mapping = lake.resolved(version)
    for name, table in (("identities", facts), ("resolved", mapping)):
        connection.register(f"arrow_{name}", table)
        connection.execute(f"create table {name} as select * from arrow_{name}")
        connection.unregister(f"arrow_{name}")
    connection.execute(f"create view refused as {_refused(lake, version)}")
    connection.execute(f"create view lookups as {_lookups(lake)}")
    schema = lake.schema(version)
    connection.execute(f"create view stored as {_events(lake, version, schema, days)}")
    if mapping.num_rows == 0:
        connection.execute("create view events as select * from stored")
    else:
        columns = ", ".join(
            "coalesce(r.actor, e.actor) as actor" if name == "actor" else f"e.{quoted(name)}" for name in schema
        )
        connection.execute(
            f"create view events as select {columns} from stored e left join resolved r on e.actor = r.id"
        )
    return connection


def _events(lake: Lake, version: int, schema: Schema, days: Collection[str] | None) -> str:
    """The SELECT of all events of a version (on some days), columns in the order of the schema."""
    beyond = ""
    files = lake.files(version) if version >= 0 else []
    if not all(Path(path).exists() for path in files):
        if (later := lake.replays.after(version)) is not None:
            raise before(version, later)
        files = lake.files()
        beyond = f" where block <= {lake.position(version)}"
    if days is not None:
        files = [path for path in files if not {f"date={day}" for day in days}.isdisjoint(Path(path).parts)]
    if not files:
        nulls = ", ".join(f"null::{SQL[kind]} as {quoted(name)}" for name, kind in schema.items())
        return f"select {nulls} where false"
    listed = ", ".join(literal(path) for path in files)
    source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    held = _held(source)
    columns = ", ".join(
        quoted(name) if name in held else f"null::{SQL[kind]} as {quoted(name)}" for name, kind in schema.items()
    )
    return f"select {columns} from {source}{beyond}"


def _refused(lake: Lake, version: int) -> str:
    """The SELECT of all refusals up to a version: a view, since refused bytes may be many."""
    later = lake.replays.after(version)
    staged = lake.replays.staged("refused") if later is None else None
    files = lake.tables["refused"].files(None if later is None else later.tables["refused"])
    columns = ", ".join(map(quoted, REFUSED_SQL))
    empty = f"select {', '.join(f'null::{type_} as {quoted(name)}' for name, type_ in REFUSED_SQL.items())} where false"
    listed = ", ".join(literal(path) for path in files)
    rows = f"select {columns} from read_parquet([{listed}])" if files else empty
    if staged is not None:
        made, path = staged
        outside = f"not (source = {literal(made.source)} and block between {made.low} and {made.high})"
        rows = f"{rows} {'where' if files else 'and'} {outside} union all"
        rows += f" select {columns} from read_parquet([{literal(str(path))}])"
    return f"select * from ({rows}) where block <= {lake.position(version)}"


def _lookups(lake: Lake) -> str:
    """The SELECT of all versions of the rows of lookups, with until when each holds; `row` is null where it is gone."""
    kinds = {"lookup": "varchar", "key": "varchar", "valid_from": "timestamptz", "row": "varchar",
             "dump": "timestamptz", "file": "varchar", "loaded_at": "timestamptz", "place": "bigint"}  # fmt: skip
    files = ", ".join(literal(path) for path in lake.tables["lookups"].files())
    nulls = ", ".join(f"null::{type_} as {quoted(name)}" for name, type_ in kinds.items())
    rows = f"select * from read_parquet([{files}])" if files else f"select {nulls} where false"
    return f"""select lookup, key, valid_from, lead(valid_from) over (partition by lookup, key order by valid_from)
        as valid_to, row, dump, file, loaded_at from (select * from ({rows}) where key is not null
        qualify row_number() over (partition by lookup, key, valid_from order by loaded_at desc, place desc) = 1)"""


def find(lake: Lake, condition: str, values: Sequence[Any], most: int) -> list[dict[str, Any]]:
    """Events for which a condition holds, with `file` and resolved `actor`, in the order received."""
    files = lake.files()
    if not files:
        return []
    listed = ", ".join(literal(path) for path in files)
    source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false, filename = 'file')"
    with connect(lake, None) as connection:
        return (  # type: ignore[no-any-return]
            connection.sql(
                f"select e.* replace (coalesce(r.actor, e.actor) as actor) from {source} e"
                f" left join resolved r on e.actor = r.id where {condition} order by block, row limit {most}",
                params=list(values),
            )
            .to_arrow_table()
            .to_pylist()
        )


def _held(source: str) -> set[str]:
    """The columns that the files have; a column of the table may not be in any file yet."""
    with scratch() as connection:
        return {str(row[0]) for row in connection.execute(f"describe select * from {source}").fetchall()}


def ask(lake: Lake, statement: str, most_rows: int, seconds: float, memory: str) -> pa.Table:
    """The rows of one SELECT, with nothing but the lake in reach."""
    connection = connect(lake, None)
    with connection:
        _only_select(connection, statement)
        connection.execute(f"set allowed_directories = [{literal(str(lake.folder))}]")
        connection.execute(f"set memory_limit = {literal(memory)}")
        connection.execute("set temp_directory = ''")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        timer = threading.Timer(seconds, connection.interrupt)
        timer.start()
        try:
            return connection.sql(statement).limit(most_rows).to_arrow_table()
        except duckdb.InterruptException as error:
            raise QuestionError(f"no answer within {seconds:g} s", hint="ask for fewer days or columns") from error
        except duckdb.Error as error:
            raise QuestionError(str(error).split("\n\nLINE")[0]) from error
        finally:
            timer.cancel()


def _only_select(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    try:
        found = connection.extract_statements(statement)
    except duckdb.Error as error:
        raise QuestionError(str(error).split("\n\nLINE")[0]) from error
    if len(found) != 1:
        raise QuestionError(f"expected one statement, got {len(found)}")
    if found[0].type != duckdb.StatementType.SELECT:
        raise QuestionError("only SELECT can be asked", hint="the lake is read-only here")
