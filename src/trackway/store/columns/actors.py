"""Whom a question is about: the columns whose values make an actor, their texts, and what must be said of them.

Both engines mean the same by `actor`: for one column its value as text, for several the values joined by `|`,
in which a `|` or backslash of a value has a backslash before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from trackway.errors import ConditionError, QuestionError
from trackway.model.condition import quoted
from trackway.model.schema import Kind, Schema
from trackway.store.columns.reading import LEFT_OUT
from trackway.store.columns.view import View
from trackway.store.scratch import scratch

Key = tuple[str, ...]
"""The columns whose values make an actor; `("actor",)` is the actor of the workspace."""
DEFAULT: Key = ("actor",)

HEAVY_EVENTS = 1_000_000
"""An actor with more events than this …"""
HEAVY_SHARE = 0.01
"""… and more than this share of all of them is heavy: most likely a machine, and worth a note."""
MOST_NAMED = 5
"""Heavy actors a note names."""
WHOLE = 2**53
"""Numbers without a fraction are written without a point below this."""


def key_of(names: Sequence[str], schema: Schema) -> Key:
    """The columns an actor is made of, checked. Raises QuestionError."""
    try:
        key = tuple(dict.fromkeys(schema.resolve(name) for name in names))
    except ConditionError as error:
        raise QuestionError(error.message, path="actor", hint=error.hint) from error
    for name in key:
        if name in LEFT_OUT:
            raise QuestionError(
                f"'{name}' is of one event, not of an actor", path="actor", hint="name a column such as account_id"
            )
        if schema[name] == "time":
            raise QuestionError(f"'{name}' is a time, not an actor", path="actor", hint="name a column of ids")
    return key


def text_of(key: Key, schema: Schema) -> str:
    """DuckDB text of the name of an actor: different for different values, and null when one of them is."""
    texts = [_plain(quoted(name), schema[name]) for name in key]
    if len(texts) == 1:
        return texts[0]
    return " || '|' || ".join(rf"replace(replace({text}, '\', '\\'), '|', '\|')" for text in texts)


def _plain(column: str, kind: Kind) -> str:
    """A value as text; whole numbers have no point."""
    if kind == "number":
        whole = f"{column} = trunc({column}) and abs({column}) < {WHOLE}"
        return f"case when {whole} then {column}::bigint::varchar else {column}::varchar end"
    return f"{column}::varchar"


def texts(values: pa.Table, key: Key, schema: Schema) -> pa.Array:
    """The names of actors from a table with the values of the key columns."""
    with scratch() as connection:
        connection.register("keyed", values)
        found = connection.sql(f"select {text_of(key, schema)} as name from keyed").to_arrow_table()
    return found["name"].combine_chunks()


def rekey(connection: duckdb.DuckDBPyConnection, key: Key, schema: Schema) -> None:
    """Let `events` hold the events that have these actors; `all_events` holds all of them."""
    known = " and ".join(f"{quoted(name)} is not null" for name in key)
    connection.execute("alter view events rename to all_events")
    connection.execute(
        f"create view events as select * replace ({text_of(key, schema)} as actor) from all_events where {known}"
    )


def remarks(view: View) -> list[str]:
    """What a reader must know of the actors of a view."""

    def heavy() -> list[tuple[str, int]]:
        if view.rows <= HEAVY_EVENTS:
            return []
        sizes = np.add.reduceat(view.hi - view.lo, view.first[:-1])
        places = np.flatnonzero((sizes > HEAVY_EVENTS) & (sizes > view.rows * HEAVY_SHARE))
        names = view.names(view.codes[places]).to_pylist()
        return list(zip(names, sizes[places].tolist(), strict=True))

    return _remarks(view.key, view.left_out, view.once("heavy actors", heavy), view.rows)


def remarks_by_sql(run: Callable[[str], pa.Table], key: Key, rows: int) -> list[str]:
    """The same from the relation `events` of `rekey`."""
    stored = rows if key == DEFAULT else run("select count(*) as n from all_events")["n"][0].as_py()
    heavy: list[tuple[str, int]] = []
    if rows > HEAVY_EVENTS:
        least = f"count(*) > {HEAVY_EVENTS} and count(*) > {rows} * {HEAVY_SHARE}::double"
        table = run(f"select actor, count(*) as n from events group by actor having {least}")
        heavy = list(zip(table["actor"].to_pylist(), table["n"].to_pylist(), strict=True))
    return _remarks(key, stored - rows, heavy, rows)


def _remarks(key: Key, without: int, heavy: Sequence[tuple[str, int]], rows: int) -> list[str]:
    notes = []
    if without:
        what = f"{without:,} events" if without > 1 else "1 event"
        notes.append(f"{what} without {' or '.join(key)} {'are' if without > 1 else 'is'} left out.")
    if heavy:
        named = sorted(heavy, key=lambda one: (-one[1], one[0]))[:MOST_NAMED]
        listed = ", ".join(f"'{name}' has {count:,} ({count / rows:.0%})" for name, count in named)
        texts = ", ".join("'" + name.replace("'", "''") + "'" for name, _ in named)
        ask = f"actor <> {texts}" if len(named) == 1 else f"actor not in ({texts})"
        more = f", and {len(heavy) - len(named)} more" if len(heavy) > len(named) else ""
        notes.append(f"Of {rows:,} events {listed}{more}; ask where {ask} to leave such heavy actors out.")
    return notes
