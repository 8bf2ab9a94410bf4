"""DuckDB over a few rows of values that stand for columns: how conditions and expressions are worked out."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from trackway.errors import ConditionError
from trackway.model.condition import literal, quoted
from trackway.model.schema import SQL, Schema
from trackway.store.scratch import scratch

UNFIT = (duckdb.BinderException, duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException)
"""What DuckDB says when values do not fit a condition."""


def evaluate(  # noqa: PLR0913
    table: pa.Table, names: Mapping[str, str], sql: str, *, schema: Schema, zone: str, shown: str = ""
) -> pa.ChunkedArray:
    """An expression (DuckDB text) for each row of a table.

    `names` says which column of the table holds which column of events; times are microseconds there. `shown` is the
    expression as people know it. Raises ConditionError when it does not fit the values.
    """
    kinds = {name: schema[name] for name in names}
    typed = ", ".join(
        f"{f'make_timestamptz({held})' if kinds[name] == 'time' else f'{held}::{SQL[kinds[name]]}'} {quoted(name)}"
        for name, held in names.items()
    )
    text = f"select ({sql}) as r from (select {typed or 'v'} from t)"
    with scratch() as connection:
        connection.execute(f"set timezone = {literal(zone)}")
        connection.register("t", table)
        try:
            return connection.sql(text).to_arrow_table()["r"]
        except UNFIT as error:
            raise unanswerable(shown or sql, error) from error


def unanswerable(sql: str, error: Exception) -> ConditionError:
    """DuckDB's complaint about a condition, for people."""
    message = str(error).splitlines()[0].split(": ", 1)[-1]
    if "ivision by zero" in message:
        return ConditionError(f"{sql} cannot be answered: division by zero", hint="divide by nullif(x, 0)")
    return ConditionError(f"{sql} cannot be answered: {message}", hint="compare values of one kind")
