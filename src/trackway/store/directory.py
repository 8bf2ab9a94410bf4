"""The lookups of a lake and all versions of their rows, read again when something was added to them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pyarrow as pa

from trackway.errors import ConditionError, ConfigError, suggest
from trackway.model.condition import literal, quoted
from trackway.model.schema import Kind, Schema
from trackway.plan.lookup import Lookup
from trackway.store import views
from trackway.store.lookups import facts, key_sql, row_sql
from trackway.store.standing import WHOLE, Versions, versions

if TYPE_CHECKING:
    from trackway.store.lake import Lake


class Directory:
    """The lookups of a lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._read: dict[str, Versions] = {}

    def versions(self, name: str, asked: Lookup, version: int | None = None) -> Versions:
        """All versions of the rows of a lookup; of one that is the events of a source, as of a version of the lake.

        Raises ConfigError when its columns are not there.
        """
        lake = self._lake
        table = lake.tables["events" if asked.source else "lookups"]
        at = table.version() if version is None or not asked.source else version
        mark = f"{lake.name()} {at} {asked!r}"
        with self._lock:
            if name not in self._read or self._read[name].mark != mark:
                rows = of_source(lake, asked, at) if asked.source else facts(lake.tables["lookups"], name)
                self._read[name] = versions(rows, asked, mark)
            return self._read[name]


def of_source(lake: Lake, asked: Lookup, version: int) -> pa.Table:
    """The events of a source as facts: a row each, valid since it happened."""
    schema, of = lake.schema(version), f"source = {literal(asked.source)}"
    keys = [_found(name, schema) for name in asked.key]
    with views.connect(lake, version) as connection:
        names = list(schema.properties)
        told = ", ".join(f"count({quoted(name)})" for name in names) or "1"
        counts = connection.sql(f"select {told} from events where {of}")
        held = [name for name, count in zip(names, counts.fetchall()[0], strict=False) if count]
        columns = [name for name in held if not asked.columns or name in asked.columns]
        texts = {name: text_sql(name, schema[name]) for name in columns}
        texts |= {told: text_sql(found, schema[found]) for told, found in zip(asked.key, keys, strict=True)}
        key = key_sql([f"nullif({text_sql(found, schema[found])}, '')" for found in keys])
        return connection.sql(f"""select {key} as key, time as valid_from, {row_sql(texts)} as row,
            null::timestamptz as dump from events where {of} order by time, tie""").to_arrow_table()


def _found(name: str, schema: Schema) -> str:
    try:
        return schema.resolve(name)
    except ConditionError as error:
        raise ConfigError(f"no column '{name}'", path="key", hint=suggest(name, schema)) from error


def text_sql(name: str, kind: Kind, table: str = "") -> str:
    """DuckDB text of a column as a text that keys are compared by: whole numbers without a fraction."""
    column = f"{table}{quoted(name)}"
    if kind == "number":
        whole = f"{column} = trunc({column}) and abs({column}) <= {WHOLE}"
        return f"(case when {whole} then {column}::bigint::varchar else {column}::varchar end)"
    return f"{column}::varchar"
