"""The pieces transforms build their DuckDB expressions from: columns that may be missing, and where values go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

from trackway.errors import ConditionError
from trackway.flow.times import time_sql
from trackway.model.condition import quoted
from trackway.model.schema import ENVELOPE, SQL, Kind, Schema
from trackway.store.scratch import scratch

WRITABLE = ("event", "time", "event_id", "user_id", "anonymous_id")
"""Columns of the envelope that a transform may set."""
EXACT = 2**53


def find(name: str, schema: Schema) -> str | None:
    """The column that a name in a transform means; None when there is none."""
    try:
        return schema.resolve(name)
    except ConditionError:
        return None


def value(name: str, schema: Schema) -> str:
    """DuckDB text of a column as it is; null when there is none."""
    found = find(name, schema)
    return "null" if found is None else quoted(found)


def text(name: str, schema: Schema) -> str:
    """DuckDB text of a column as a string; whole numbers without a fraction."""
    found = find(name, schema)
    if found is None:
        return "null::varchar"
    column = quoted(found)
    if schema[found] == "number":
        whole = f"{column} = trunc({column}) and abs({column}) <= {EXACT}"
        return f"(case when {whole} then {column}::bigint::varchar else {column}::varchar end)"
    return column if SQL[schema[found]] == "VARCHAR" else f"{column}::varchar"


def converted(name: str, schema: Schema, kind: Kind, zone: str = "UTC") -> str:
    """DuckDB text of a column in another kind; null where the value does not fit."""
    found = find(name, schema)
    if found is None:
        return f"null::{SQL[kind]}"
    column = quoted(found)
    if SQL[schema[found]] == SQL[kind]:
        return column
    if SQL[kind] == "VARCHAR":
        return text(name, schema)
    if kind == "time":
        return time_sql(text(name, schema), zone)
    return _whole(column, schema[found]) if kind == "integer" else f"try_cast({column} as {SQL[kind]})"


def _whole(column: str, kind: Kind) -> str:
    """DuckDB text of a column as an integer; a fraction is null, never rounded."""
    number = f"try_cast({column} as double)"
    whole = f"{number} = trunc({number})"
    if kind == "string":
        whole += f" or regexp_matches({column}, '^\\s*-?\\d{{1,19}}\\s*$')"
    return f"(case when {whole} then try_cast({column} as bigint) end)"


def target(name: str) -> str:
    """The column a transform writes when it names one. Raises ValueError for one it may not write."""
    bare = name.removeprefix("properties.")
    own = name if bare in ENVELOPE else bare
    if own in ENVELOPE and own not in WRITABLE:
        raise ValueError(f"'{own}' cannot be set; of the envelope only {', '.join(WRITABLE)} can")
    if not own.strip() or any(ord(letter) < 32 for letter in own):
        raise ValueError(f"{name!r} is not the name of a column")
    return own


Target = Annotated[str, AfterValidator(target)]
"""The option for a column that is written."""
Targets = Annotated[list[Target], Field(min_length=1)]
"""The option for columns that are written."""


def rewritten(columns: Iterable[str], schema: Schema, expression: Callable[[str], str]) -> dict[str, tuple[str, Kind]]:
    """Those of some columns that exist, as texts: an expression over the text of each."""
    return {name: (expression(text(name, schema)), "string") for name in columns if find(name, schema)}


def kind_for(name: str, wanted: Kind, schema: Schema) -> Kind:
    """The kind a column gets that a transform writes with values of `wanted`."""
    if name in ENVELOPE:
        return ENVELOPE[name]
    return schema[name] if name in schema and SQL[schema[name]] == SQL[wanted] else wanted


def kind_of_expression(expression: str, schema: Schema) -> Kind:
    """The kind of what a DuckDB expression over these columns gives; integers are numbers, as in JSON."""
    return _kind(expression, tuple(schema.items()))


@lru_cache(maxsize=4096)
def _kind(expression: str, columns: tuple[tuple[str, Kind], ...]) -> Kind:
    empty = ", ".join(f"null::{SQL[kind]} as {quoted(name)}" for name, kind in columns)
    with scratch() as connection:
        type_ = str(connection.sql(f"select ({expression}) as x from (select {empty})").types[0])
    if type_ == "BOOLEAN":
        return "boolean"
    if type_.startswith(("TIMESTAMP", "DATE")):
        return "time"
    numeric = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
               "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
    return "number" if type_.startswith(numeric) else "string"
