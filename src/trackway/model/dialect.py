"""What a protocol calls things: the table of names that is most of a codec of JSON objects.

    Dialect({"event_id": "uuid", "user_id": ("distinct_id", "properties.distinct_id")}, inside={"properties": ""})

A column is taken from the first of its paths that has a value; what a later one says differently stays a
property under its own name. Members of an object `inside` get another prefix, or none; everything else keeps
its dotted name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.cells import Path
from trackway.model.documents import HIDDEN, IDS, Records, column_or_nulls, property_name, tabulate
from trackway.model.event import DECODED, Block, Reason
from trackway.model.parcel import Parcel, arounds_of, below, records_of
from trackway.model.schema import ENVELOPE, Kind, kind_of


@dataclass(frozen=True)
class Dialect:
    """The names of one protocol."""

    columns: Mapping[str, str | tuple[str, ...]]
    """Column -> dotted path, or paths in the order in which they count. A column whose name begins with HIDDEN is for
    the codec alone, which takes it out again."""
    inside: Mapping[str, str] = field(default_factory=dict)
    """Dotted path of an object -> what its members have in front, such as nothing or `traits.`; the first counts."""
    without: tuple[str, ...] = ()
    """Dotted paths that become no column, nor does what lies below them: secrets, and what is about the payload."""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """Of columns that are neither texts nor of the envelope."""

    @cached_property
    def _places(self) -> dict[str, str]:
        """Dotted path -> column; of the second and later paths of a column, a hidden one each."""
        made: dict[str, str] = {}
        for column, paths in self.columns.items():
            for rank, path in enumerate((paths,) if isinstance(paths, str) else paths):
                made[path] = _spare(column, rank) if rank else column
        return made

    @cached_property
    def own(self) -> dict[str, Kind]:
        """The kinds of all columns named here, hidden ones included."""
        made: dict[str, Kind] = {}
        for column, paths in self.columns.items():
            kind = self.kinds.get(column, ENVELOPE.get(column, "string"))
            made |= dict.fromkeys(_spares(column, paths), kind) | {column: kind}
        return made

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(name for name, kind in self.own.items() if kind == "string") | IDS

    def name(self, path: Path) -> str | None:
        """The column of a path."""
        dotted = ".".join(path)
        if dotted in self._places:
            return self._places[dotted]
        if any(dotted == path_ or dotted.startswith(path_ + ".") for path_ in self.without):
            return None
        for prefix, front in self.inside.items():
            if dotted.startswith(prefix + "."):
                name = property_name((front + dotted.removeprefix(prefix + "."),))
                return f"{prefix}.{name}" if name in self.own else name
        name = property_name(path)
        return f"properties.{name}" if name in self.own else name

    def table(self, records: Records, known: Mapping[str, Kind]) -> pa.Table:
        """Records as a table (`model.documents.tabulate`), each column from the first of its paths."""
        made = tabulate(records, {**known, **self.own}, self.name, ids=self._ids)
        for column, paths in self.columns.items():
            for path, spare in (
                zip(paths[1:], _spares(column, paths), strict=True) if not isinstance(paths, str) else ()
            ):
                if spare in made.column_names:
                    made = _folded(made, column, spare, path)
        return made

    def read(
        self, blocks: Sequence[Block], parcels: Sequence[Parcel], known: Mapping[str, Kind],
        around: Dialect | None = None, *, whole: bool = True,
    ) -> pa.Table:  # fmt: skip
        """The records of parcels, with what stands around them in the words of `around` (see `within`)."""
        table = self.table(records_of(blocks, parcels), known)
        return table if around is None else within(table, parcels, known, around, whole=whole)


def _spare(column: str, rank: int) -> str:
    return f"{HIDDEN}{rank}{column.replace(HIDDEN, '~')}"


def _spares(column: str, paths: str | tuple[str, ...]) -> list[str]:
    return [] if isinstance(paths, str) else [_spare(column, rank) for rank in range(1, len(paths))]


def _folded(table: pa.Table, column: str, spare: str, path: str) -> pa.Table:
    """The table with the gaps of a column filled from a spare one; what differs there becomes a property."""
    values = table[spare]
    table = table.drop_columns([spare])
    if column not in table.column_names:
        return table.append_column(column, values)
    first = table[column]
    differs = pc.fill_null(pc.not_equal(first, values), fill_value=False)
    name = property_name(tuple(path.split(".")))
    if pc.any(differs).as_py() and name not in table.column_names:
        table = table.append_column(name, only(values, differs))
    return table.set_column(table.column_names.index(column), column, pc.coalesce(first, values))


def within(
    table: pa.Table, parcels: Sequence[Parcel], known: Mapping[str, Kind], around: Dialect, *, whole: bool = True
) -> pa.Table:
    """The records of parcels, with what stands around them where they say nothing themselves.

    With `whole=False` a record by itself does not say whose it is or when, and its id is made of both.
    """
    outer, place = arounds_of(parcels)
    if not len(outer.starts):
        return table
    named = {name: kind_of(table[name].type) for name in table.column_names[len(DECODED) :]}
    context = around.table(outer, {**known, **named})
    table = below(table, context, place)
    if whole:
        return table
    digests = [*(hashlib.md5(text, usedforsecurity=False).digest() for text in context["raw"].to_pylist()), b""]
    return identified(table, [digests[number] for number in place.tolist()], place >= 0)


def put(table: pa.Table, **columns: pa.ChunkedArray | pa.Array) -> pa.Table:
    """The table with these columns, replaced or added; without new ones that hold nothing."""
    for name, column in columns.items():
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, column)
        elif column.null_count < len(column):
            table = table.append_column(name, column)
    return table


def revealed(table: pa.Table) -> pa.Table:
    """The table without what the codec alone needed."""
    return table.drop_columns([name for name in table.column_names if name.startswith(HIDDEN)])


def only(column: pa.ChunkedArray, where: Any) -> pa.ChunkedArray:
    """A column, null but for some rows."""
    return pc.if_else(pc.fill_null(where, fill_value=False), column, pa.scalar(None, column.type))


def called(table: pa.Table, event: pa.ChunkedArray | pa.Array, why: str) -> pa.Table:
    """The table with the names of its events; records without one are refused, and `why` says it."""
    nameless = pc.and_(pc.is_null(event), pc.is_null(table["reason"]))
    return put(
        table,
        event=event,
        reason=pc.if_else(nameless, Reason.NO_EVENT.value, table["reason"]),
        detail=pc.if_else(nameless, why, table["detail"]),
    )


def identified(table: pa.Table, contexts: Sequence[bytes], where: Any) -> pa.Table:
    """The table with an id for every record of some rows that has a time and no id: a digest of it, of the text its
    meaning rests on, and of how many equal ones came before it in its payload. Sent again it gets the same.
    """
    given = column_or_nulls(table, "event_id")
    timed = column_or_nulls(table, "time", "time")
    wanted = where & pc.and_(pc.is_null(given), pc.is_valid(timed)).to_numpy(zero_copy_only=False)
    if not wanted.any():
        return table
    rows, blocks = np.flatnonzero(wanted), table["block"].to_numpy()
    raws = table["raw"].take(pa.array(rows)).to_pylist()
    named = zip(map(contexts.__getitem__, rows.tolist()), raws, strict=True)
    digests = [hashlib.md5(context + raw, usedforsecurity=False).hexdigest() for context, raw in named]
    seen: Counter[tuple[int, str]] = Counter()
    if len(set(digests)) < len(digests):
        for place, digest in enumerate(digests):
            key = (int(blocks[rows[place]]), digest)
            if seen[key]:
                again = bytes.fromhex(digest) + b"#%d" % seen[key]
                digests[place] = hashlib.md5(again, usedforsecurity=False).hexdigest()
            seen[key] += 1
    made = np.full(len(wanted), -1)
    made[rows] = np.arange(len(rows))
    texts = pc.binary_join_element_wise("a", pa.array(digests, pa.string()), "")
    ids = texts.take(pa.array(made, mask=made < 0))
    return put(table, event_id=pc.coalesce(given, ids))


def together(makers: Sequence[Callable[[Mapping[str, Kind]], pa.Table]], known: Mapping[str, Kind]) -> pa.Table:
    """The tables that several ways of reading make of some blocks, as one in the order of blocks and rows; a column
    that is not of one type in all of them is text in all.
    """
    tables = [make(known) for make in makers]
    types: dict[str, pa.DataType] = {}
    fields = [field for table in tables for field in table.schema]
    mixed = {field.name for field in fields if types.setdefault(field.name, field.type) != field.type}
    if mixed:
        tables = [make({**known, **dict.fromkeys(mixed, "string")}) for make in makers]
    if len(tables) == 1:
        return tables[0]
    table = pa.concat_tables(tables, promote_options="default")
    order = np.lexsort((table["row"].to_numpy(), table["block"].to_numpy()))
    return table if bool((np.diff(order) == 1).all()) else table.take(pa.array(order))
