"""Many JSON documents to one table of typed columns by dotted names: fast, and the same however they are cut.

A column takes the kind the lake knows. Else, over the batch: only booleans, `boolean`; only numbers, `number`;
only lists, `json`; anything mixed, and numbers with an integer that a double cannot hold, `string`. A value
that does not fit goes to `more`, a JSON object by column name; a string column takes any value as its
canonical JSON text. Names that differ only in case are one column, since to SQL they are one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.model.cells import OBJECT, TEXT, TEXT_ESCAPED, Cells, Grouped, Path, dumps
from trackway.model.column import Column, json_text
from trackway.model.event import DECODED, Block, Reason
from trackway.model.gather import binary_column, text_columns
from trackway.model.json_text import Ints
from trackway.model.scan import read
from trackway.model.schema import ARROW, ENVELOPE, Kind

MOST_COLUMNS = 2_000
"""Most property columns of one batch; the rarest further ones go to `more`."""
LONGEST_NAME = 255
IDS = frozenset({"event_id", "event", "user_id", "anonymous_id"})
"""Columns that hold a text or a number; a list or a boolean is no id."""
RESERVED = frozenset(name.lower() for name in (*ENVELOPE, *DECODED.names))
TEXTS = 1 << TEXT | 1 << TEXT_ESCAPED
HIDDEN = "\0"
"""First character of a column that the codec reads and takes out again."""

Naming = Callable[[Path], str | None]
"""The column of a path; None for what is left out."""


@dataclass(frozen=True, slots=True)
class Split:
    """Where the records of one block lie in its body."""

    starts: Ints
    ends: Ints
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Members to be merged below those of every record."""


@dataclass(frozen=True)
class Records:
    """Where the records of some blocks lie in their joined bytes."""

    data: bytes
    starts: Ints
    ends: Ints
    block: Ints
    row: Ints
    defaults: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Members to be merged below those of a record (by its number in all blocks)."""

    @classmethod
    def of(cls, blocks: Sequence[Block], splits: Sequence[Split]) -> Records:
        """The records of blocks, each split into its own."""
        counts = [len(split.starts) for split in splits]
        shift = np.repeat(_before([len(block.body) for block in blocks]), counts)
        first = _before(counts)
        none = [np.zeros(0, dtype=np.int64)]
        merged: dict[int, Mapping[str, Any]] = {}
        for place, split in enumerate(splits):
            if split.defaults:
                merged |= dict.fromkeys(range(int(first[place]), int(first[place]) + counts[place]), split.defaults)
        return cls(
            data=b"".join(block.body for block in blocks),
            starts=np.concatenate([split.starts for split in splits] or none) + shift,
            ends=np.concatenate([split.ends for split in splits] or none) + shift,
            block=np.repeat(np.array([block.seq for block in blocks], dtype=np.int64), counts),
            row=np.arange(sum(counts)) - np.repeat(first, counts),
            defaults=merged,
        )


def _before(sizes: Sequence[int]) -> Ints:
    """The sum of all sizes before each."""
    return np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))[: len(sizes)].astype(np.int64)


def property_name(path: Path) -> str:
    """The dotted name of a property; with `properties.` in front when the name has another meaning.

    >>> property_name(("address", "city")), property_name(("time",))
    ('address.city', 'properties.time')
    """
    name = ".".join(path)
    return f"properties.{name}" if name.lower() in RESERVED or name.startswith(HIDDEN) else name


def tabulate(  # noqa: PLR0913
    records: Records, known: Mapping[str, Kind], naming: Naming, *, ids: Collection[str] = IDS,
    most: int = MOST_COLUMNS, deepest: int | None = None,
) -> pa.Table:  # fmt: skip
    """The columns of `model.event.DECODED`, then one per name that `naming` gives (the most frequent first, then
    by name), then `more` when needed.

    `known` are the kinds of columns as the lake or the codec knows them; `ids` the columns that hold ids; what lies in
    more than `deepest` objects gets no column.
    """
    cells = read(records.data, records.starts, records.ends, records.defaults)
    return tabulate_cells(cells, records, known, naming, ids=ids, most=most, deepest=deepest)


def tabulate_cells(  # noqa: PLR0913
    cells: Cells, records: Records, known: Mapping[str, Kind], naming: Naming, *, ids: Collection[str] = IDS,
    most: int = MOST_COLUMNS, deepest: int | None = None,
) -> pa.Table:  # fmt: skip
    """The same for values that were read already, whatever they were written in."""
    made = _Columns(cells, known, frozenset(ids), most, deepest)
    made.build(naming)
    reason, detail = made.refusals()
    head = [
        pa.array(records.block),
        pa.array(records.row),
        binary_column(cells.data, records.starts, records.ends),
        reason,
        detail,
    ]
    return pa.table([*head, *made.columns.values()], [*DECODED.names, *made.columns])


class _Columns:
    """Columns in the making."""

    def __init__(
        self, cells: Cells, known: Mapping[str, Kind], ids: frozenset[str], most: int, deepest: int | None
    ) -> None:
        self.columns: dict[str, pa.Array] = {}
        self._cells = cells
        self._known = known
        self._ids = ids
        self._most = most
        self._deepest = deepest
        self._more: defaultdict[int, dict[str, bytes]] = defaultdict(dict)
        self._refused = dict(cells.refused)

    def build(self, naming: Naming) -> None:
        """All columns, then `more`."""
        counts = np.bincount(self._cells.path, minlength=len(self._cells.paths))
        names, spilled = self._names(naming, counts)
        values: Counter[str] = Counter()
        for path, name in names.items():
            values[name] += int(counts[path])
        groups = sorted(values, key=lambda name: (-values[name], name))
        number = {name: place for place, name in enumerate(groups)}
        group = np.full(len(self._cells.paths), len(groups) + 1, dtype=np.int32)
        for path, name in names.items():
            group[path] = number[name]
        for path in spilled:
            group[path] = len(groups)
        found = self._cells.by_group(group, len(groups) + 1)
        self.columns = self._plain_texts(groups, found)
        cells, edges = found.cells, found.edges.tolist()
        for place, name in enumerate(groups):
            if name not in self.columns:
                self._column(name, cells.of(slice(edges[place], edges[place + 1])), twice=bool(found.twice[place]))
        self.columns = {name: self.columns[name] for name in groups if name in self.columns}
        rest = cells.of(slice(edges[-2], edges[-1]))
        for cell in range(len(rest.row)):
            self._put_aside(rest, cell, spilled[int(rest.path[cell])])
        if self._more:
            self.columns["more"] = self._more_column()

    def _plain_texts(self, groups: Sequence[str], found: Grouped) -> dict[str, pa.Array]:
        """The columns in which there is nothing but texts, one a row: most of what most records hold."""
        some = [
            place
            for place, name in enumerate(groups)
            if found.types[place] & ~TEXTS == 0
            and not found.twice[place]
            and not (name in self._ids and found.empty[place])
            and self._known.get(name, "string") == "string"
        ]
        arrays = text_columns(found.cells, found.edges[some], found.edges[1:][some], found.sizes[some])
        return {groups[place]: array for place, array in zip(some, arrays, strict=True)}

    def _names(self, naming: Naming, counts: Ints) -> tuple[dict[int, str], dict[int, str]]:
        """Path number -> column, and path number -> name in `more` for what gets no column."""
        wanted = {path: naming(self._cells.paths[path]) for path in np.flatnonzero(counts).tolist()}
        spilled = {
            path: name for path, name in wanted.items()
            if name is not None and not (_good(name) and self._shallow(self._cells.paths[path]))
        }  # fmt: skip
        variants: defaultdict[str, dict[str, list[int]]] = defaultdict(dict)
        for path, name in wanted.items():
            if name is not None and path not in spilled:
                variants[name.lower()].setdefault(name, []).append(path)
        known = {name.lower(): name for name in self._known}
        new = {key: sum(int(counts[path]) for paths in names.values() for path in paths)
               for key, names in variants.items() if key not in known and not key.startswith(HIDDEN)}  # fmt: skip
        rare = sorted(new, key=lambda key: (-new[key], key))[self._most :]
        named: dict[int, str] = {}
        for key, names in variants.items():
            for name, paths in names.items():
                for path in paths:
                    if key in rare:
                        spilled[path] = name
                    else:
                        named[path] = known.get(key, min(names))
        return named, spilled

    def _shallow(self, path: Path) -> bool:
        return self._deepest is None or len(path) <= self._deepest

    def _column(self, name: str, cells: Cells, *, twice: bool) -> None:
        cells = self._one_a_row(cells) if twice else cells
        objects = cells.type == OBJECT
        for cell in np.flatnonzero(objects).tolist():
            self._put_aside(cells, cell, name)
        cells = cells.of(~objects)
        if not len(cells.row):
            return
        column = Column(cells, self._known.get(name), is_id=name in self._ids)
        self.columns[name] = column.array
        for cell in column.misfits.tolist():
            if name == "time":
                text = json_text(cells, cell).decode()
                self._refused.setdefault(int(cells.row[cell]), (Reason.NO_TIME, f"cannot read the time {text[:80]}"))
            else:
                self._put_aside(cells, cell, name)

    def _one_a_row(self, cells: Cells) -> Cells:
        """The cells without those that share a row with one of a path that sorts before theirs."""
        again = np.flatnonzero(cells.row[1:] == cells.row[:-1]) + 1
        keep = np.ones(len(cells.row), dtype=np.bool_)
        sharing: defaultdict[int, list[int]] = defaultdict(list)
        for cell in sorted({*again.tolist(), *(again - 1).tolist()}):
            sharing[int(cells.row[cell])].append(cell)
        for rivals in sharing.values():
            first, *others = sorted(rivals, key=lambda cell: cells.paths[cells.path[cell]])
            for cell in others:
                keep[cell] = False
                if json_text(cells, cell) != json_text(cells, first):
                    self._put_aside(cells, cell, ".".join(cells.paths[cells.path[cell]]))
        return cells.of(keep)

    def _put_aside(self, cells: Cells, cell: int, name: str) -> None:
        self._more[int(cells.row[cell])].setdefault(name, json_text(cells, cell))

    def _more_column(self) -> pa.Array:
        texts: list[str | None] = [None] * self._cells.rows
        for row, values in self._more.items():
            members = (dumps(name.lstrip(HIDDEN)) + b":" + value for name, value in sorted(values.items()))
            texts[row] = (b"{" + b",".join(members) + b"}").decode()
        return pa.array(texts, pa.string())

    def refusals(self) -> tuple[pa.Array, pa.Array]:
        """Reason and detail of every row."""
        if not self._refused:
            return (pa.nulls(self._cells.rows, pa.string()),) * 2
        found = [self._refused.get(row, (None, None)) for row in range(self._cells.rows)]
        return pa.array([reason for reason, _ in found], pa.string()), pa.array(
            [text for _, text in found], pa.string()
        )


def _good(name: str) -> bool:
    """Whether a column can have this name."""
    plain = name.removeprefix(HIDDEN)
    return 0 < len(plain) <= LONGEST_NAME and plain.isprintable() and plain.strip() == plain


def column_or_nulls(table: pa.Table, name: str, kind: Kind = "string") -> pa.ChunkedArray:
    """A column, or one of nothing when there is none of this name."""
    if name in table.column_names:
        return table[name]
    return pa.chunked_array([pa.nulls(len(table), ARROW[kind])])
