"""Lookups in the lake: rows by a key, every version a fact that is only ever added.

A dump adds what it says otherwise than what held before it: rows that are new or changed, and that a row is gone. A
fact is (lookup, key, since when, row); of two for the same moment the later counts. What held when is worked out when
it is read (`store.standing`), so that options may change without loading anything again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import ConfigError
from trackway.model.condition import quoted
from trackway.model.time import iso
from trackway.plan.lookup import Lookup
from trackway.store.delta import Table
from trackway.store.scratch import scratch

JOINT = "\x1f"
"""Between the parts of a key of several columns."""
SINCE = "\x01since"
"""The column of a dump with the time from which a row holds, when it says so."""
SAMPLES = 5
STAMP = pa.timestamp("us", "UTC")
FACTS = pa.schema([
    ("lookup", pa.string()), ("key", pa.string()), ("valid_from", STAMP), ("row", pa.string()), ("dump", STAMP),
    ("file", pa.string()), ("loaded_at", STAMP), ("place", pa.int64()),
])  # fmt: skip
"""`row` is a JSON object of texts, null where the row is gone. A fact without a key is a dump: its row says what the
dump held and changed."""
ROW = """json_merge_patch('{{}}', to_json(struct_pack({pairs})))::varchar"""
"""DuckDB text of a row as JSON, its nulls left out."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What a file says of a lookup."""

    rows: pa.Table
    """A column of texts for each column, and SINCE where its rows say since when."""
    at: int
    """When it was made, in microseconds."""
    file: str
    columns: Mapping[str, str]
    """Column -> the header it was found under."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a dump changes."""

    lookup: str
    file: str
    dump: int
    """When it was made, in microseconds."""
    columns: Mapping[str, str]
    """Column -> the header it was found under."""
    rows: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    gone: int = 0
    repeated: int = 0
    """Rows that a later one of the same dump replaces, since they have the same key."""
    unnamed: int = 0
    """Rows without a key, or without the time from which they hold; they are left out."""
    samples: Sequence[Mapping[str, Any]] = ()
    """A few rows that are new, changed or gone: `what`, `key`, `before` and `after`."""

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of rows, by their names."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.type == "int" and one.name != "dump"}

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {**asdict(self), "dump": iso(self.dump)}


def key_sql(texts: Sequence[str]) -> str:
    """DuckDB text of a key from its parts, which are texts; null unless all are there."""
    there = " and ".join(f"{text} is not null" for text in texts)
    return f"case when {there} then concat_ws(chr(31), {', '.join(texts)}) end"


def row_sql(texts: Mapping[str, str]) -> str:
    """DuckDB text of a row as a JSON object of texts, columns in the order of their names."""
    return ROW.format(pairs=", ".join(f"{quoted(name)} := {texts[name]}" for name in sorted(texts)))


def compare(known: pa.Table, name: str, asked: Lookup, dump: Dump) -> tuple[Change, pa.Table]:
    """What a dump changes of the facts of a lookup, and what is to be added to them.

    Raises ConfigError for a dump that is older than one that was loaded, or that would leave no row.
    """
    at, rows = dump.at, dump.rows
    _in_order(known, name, dump)
    names = [column for column in rows.column_names if column != SINCE]
    texts = {column: f"nullif(trim({quoted(column)}), '')" for column in names}
    since = quoted(SINCE) if asked.valid_from else f"make_timestamptz({at})"
    with scratch() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("known", known)
        connection.register("dump", rows.append_column("\x01place", pa.array(range(rows.num_rows), pa.int64())))
        connection.execute(f"""create temp table given as select {key_sql([texts[one] for one in asked.key])} as key,
            {since} as since, {row_sql(texts)} as row, "\x01place" as place from dump""")
        connection.execute("""create temp table named as select * from given where key is not null and since is not null
            qualify row_number() over (partition by key, since order by place desc) = 1""")
        connection.execute(f"create temp table told as {_told_sql(asked, at)}")
        unnamed, named = connection.sql("""select count(*) filter (where key is null or since is null),
            (select count(*) from named) from given""").fetchall()[0]
        counts = dict(connection.sql("select what, count(*) from told group by what").fetchall())
        kept = connection.sql("select * from told where what <> 'same' order by place, key, since").to_arrow_table()
    if counts.get("gone") and not named:
        raise ConfigError(
            f"{dump.file} holds no row, so that all {counts['gone']:,} would be gone", path=f"lookups.{name}",
            hint="is the dump whole? where dumps hold only some rows, say complete = false",
        )  # fmt: skip
    samples = [
        {"what": row["what"], "key": row["key"].split(JOINT), "before": read(row["before"]), "after": read(row["row"])}
        for row in kept.slice(0, SAMPLES).to_pylist()
    ]
    repeated = rows.num_rows - unnamed - named
    change = Change(name, dump.file, at, dump.columns, rows.num_rows, **counts, repeated=repeated, unnamed=unnamed,
                    samples=samples)  # fmt: skip
    return change, kept


def _in_order(known: pa.Table, name: str, dump: Dump) -> None:
    latest = pc.max(known["dump"].cast(pa.int64())).as_py()
    if latest is not None and latest > dump.at:
        raise ConfigError(
            f"{dump.file} is of {iso(dump.at)}, and one of {iso(latest)} is loaded", path=f"lookups.{name}",
            hint="load dumps in the order in which they were made; --at says when one was",
        )  # fmt: skip


def _told_sql(asked: Lookup, at: int) -> str:
    """The SELECT of every row of the dump beside what held before it, and of the rows that it says are gone."""
    latest = """select key, valid_from, row from known where key is not null
        qualify row_number() over (partition by {by} order by valid_from desc, loaded_at desc, place desc) = 1"""
    before, same = latest.format(by="key"), "f.key = n.key"
    if asked.valid_from:
        before, same = latest.format(by="key, valid_from"), "f.key = n.key and f.valid_from = n.since"
    text = f"""select n.key, n.since, n.row, n.place, f.row as before,
        case when f.row is null then 'new' when f.row = n.row then 'same' else 'changed' end as what
        from named n left join ({before}) f on {same}"""
    if not asked.complete:
        return text
    return f"""{text} union all select key, make_timestamptz({at}), null, null, row, 'gone'
        from ({latest.format(by="key")}) where row is not null and key not in (select key from named)"""


def add(table: Table, change: Change, kept: pa.Table) -> None:
    """Keep what a dump changes, and that it was loaded, as one commit. Raises StorageError."""
    size = kept.num_rows + 1
    rows = {
        "lookup": pa.repeat(change.lookup, size), "key": _with(kept["key"], None),
        "valid_from": _with(kept["since"].cast(STAMP), change.dump),
        "row": _with(kept["row"], json.dumps(change.counts)), "dump": pa.repeat(pa.scalar(change.dump, STAMP), size),
        "file": pa.repeat(change.file, size), "place": pa.array(range(size), pa.int64()),
        "loaded_at": pa.repeat(pa.scalar(time.time_ns() // 1_000, STAMP), size),
    }  # fmt: skip
    table.append(pa.table([rows[name] for name in FACTS.names], schema=FACTS), None, change.counts)


def _with(column: pa.ChunkedArray, last: Any) -> pa.Array:
    return pa.concat_arrays([*column.chunks, pa.array([last], column.type)])


def facts(table: Table, name: str) -> pa.Table:
    """The facts of a lookup, in the order in which they were loaded; none before the first."""
    rows = table.read(FACTS)
    return rows.filter(pc.equal(rows["lookup"], name)).sort_by([("loaded_at", "ascending"), ("place", "ascending")])


def read(row: str | None) -> dict[str, Any] | None:
    """A row from its JSON; None when it is gone."""
    return None if row is None else json.loads(row)
