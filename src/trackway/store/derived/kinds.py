"""Of which kind an expression is, asked of DuckDB, which will work it out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import duckdb

from trackway.errors import ConditionError
from trackway.model.condition import quoted
from trackway.model.schema import SQL, Kind
from trackway.store.scratch import scratch

WHOLE = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "BIGNUM",
})  # fmt: skip


def kind_of_sql(sql: str, columns: Mapping[str, Kind]) -> Kind:
    """The kind of an expression (DuckDB text) over columns of these kinds. Raises ConditionError."""
    return _kind(sql, tuple(sorted(columns.items())))


@lru_cache(maxsize=4096)
def _kind(sql: str, columns: tuple[tuple[str, Kind], ...]) -> Kind:
    nulls = ", ".join(f"null::{SQL[kind]} as {quoted(name)}" for name, kind in columns) or "1 as one"
    with scratch() as connection:
        try:
            found = connection.execute(f"describe select ({sql}) as r from (select {nulls})").fetchall()[0][1]
        except duckdb.Error as error:
            message = str(error).splitlines()[0].split(": ", 1)[-1]
            raise ConditionError(f"{sql} cannot be worked out: {message}", hint="put values of one kind in") from error
    return _named(str(found), sql)


def _named(found: str, sql: str) -> Kind:
    if found in WHOLE:
        return "integer"
    if found in ("DOUBLE", "FLOAT") or found.startswith("DECIMAL"):
        return "number"
    if found == "DATE" or found.startswith("TIMESTAMP"):
        return "time"
    if found in ("VARCHAR", "JSON", "ENUM", '"NULL"', "NULL"):
        return "string"
    if found == "BOOLEAN":
        return "boolean"
    raise ConditionError(
        f"{sql} is {found.lower()}, which is not a value an event can have",
        hint="make it a text, a number, true or false, or a time",
    )


def typed(sql: str, kind: Kind) -> str:
    """DuckDB text of an expression as a value of a kind; of the two zeros of numbers, the plain one."""
    return f"(({sql})::{SQL[kind]} + 0.0)" if kind == "number" else f"({sql})::{SQL[kind]}"
