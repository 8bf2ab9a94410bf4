"""Codecs of line formats: a layout in, a table out.

What all of them share stands here once: lines are counted, read by the compiled pass, turned into typed columns, and
refused by themselves when they do not fit. A format brings its layouts and the words it is told by.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.flow.layout import Field, Layout, States
from trackway.flow.moments import as_utc, compiled, moments
from trackway.flow.scanning import GARBLED, GOOD, SHAPELESS, TIMELESS, scan
from trackway.flow.spans import Bytes, Ints, as_array, gather, hashes, line_spans
from trackway.flow.values import (
    DASHED,
    HOSTED,
    MISFIT,
    PORTED,
    addresses,
    integers,
    numbers,
    one_of,
    requests,
    unescaped,
    urls,
)
from trackway.model.event import DECODED, Block, Reason
from trackway.model.gather import ABSENT
from trackway.model.kernels import kernel, leaf
from trackway.model.parallel import in_parallel
from trackway.model.schema import Schema
from trackway.plan.component import Codec

LONGEST_INTEGER = 18
PLAIN = frozenset({"method", "protocol", "status"})
"""Parts of a request that are never escaped."""
REASONS = {
    SHAPELESS: Reason.UNREADABLE.value, TIMELESS: Reason.NO_TIME.value, GARBLED: Reason.ENCODING.value,
}  # fmt: skip


class LineCodec(Codec):
    """A codec whose records are lines of a layout."""

    @abstractmethod
    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:
        """The layouts that the lines of a block may have, tried in this order line by line."""

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises FormatError for a format that cannot be compiled."""
        for layout in self.layouts(headers):
            _ = layout.program
            for field in layout.fields:
                if field.reads == "time":
                    compiled(field.format)

    def what(self, headers: Mapping[str, str]) -> str:  # noqa: ARG002
        """What a line is not when it is refused."""
        return f"not a line of {type(self).__module__.rpartition('.')[2]}"

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The lines that are not blank."""
        return len(line_spans(as_array(body))[0])

    def in_line(self, record: bytes) -> bool:
        """Every line."""
        return b"\n" not in record

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:  # noqa: ARG002
        """One row a line; several blocks at once on several cores."""
        if not blocks:
            return DECODED.empty_table()
        if len(blocks) == 1:
            return self.table(blocks[0])
        return stacked(in_parallel(self.table, blocks))

    def table(self, block: Block) -> pa.Table:
        """The events of one block."""
        data = as_array(block.body)
        lines = Lines(block, data, *line_spans(data))
        return read(lines, self.layouts(block.headers), self.what(block.headers))


@dataclass(frozen=True)
class Lines:
    """Lines of one block."""

    block: Block
    data: Bytes
    starts: Ints
    ends: Ints
    first: int = 0
    """The number of the first of them in the block."""

    @cached_property
    def text(self) -> bool:
        """Whether all of it is UTF-8."""
        return is_utf8(self.block.body)

    @cached_property
    def backslashed(self) -> Ints:
        """The lines in which a backslash stands."""
        body, places, at = self.block.body, [], -1
        while (at := body.find(b"\\", at + 1)) >= 0:
            row = int(np.searchsorted(self.starts, at, "right")) - 1
            places.append(row)
            at = max(at, int(self.ends[row]) if row >= 0 else at)
        return np.array(places, dtype=np.int64)

    def head(self, rows: Ints, state: States, what: str) -> dict[str, pa.Array]:
        """The columns of DECODED for some of the lines."""
        bad = state != GOOD
        details = {SHAPELESS: what, TIMELESS: "a time that does not exist", GARBLED: "bytes that are not UTF-8"}
        which = pa.array(np.where(bad, state.astype(np.int64) - 1, 0), mask=~bad)
        return {
            "block": pa.array(np.full(len(rows), self.block.seq)),
            "row": pa.array(rows + self.first),
            "raw": gather(self.data, self.starts[rows], self.ends[rows] - self.starts[rows]),
            "reason": pa.array(list(REASONS.values()), pa.string()).take(which),
            "detail": pa.array([details[key] for key in REASONS], pa.string()).take(which),
        }


def stacked(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one below the other; a column that is not of one type in all of them is text."""
    types: dict[str, pa.DataType] = {}
    fields = [field for table in tables for field in table.schema]
    mixed = {field.name for field in fields if types.setdefault(field.name, field.type) != field.type}
    for name in mixed:
        tables = [
            table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.string()))
            if name in table.column_names
            else table
            for table in tables
        ]
    return pa.concat_tables(tables, promote_options="default")


def share(lines: Sequence[bytes], *layouts: Layout) -> float:
    """How many of some lines have one of the layouts, as a share of all."""
    if not lines:
        return 0.0
    body = b"\n".join(lines)
    table = read(Lines(Block(0, "", 0, "", body, 0), as_array(body), *line_spans(as_array(body))), layouts, "")
    return table["reason"].null_count / len(table) if len(table) else 0.0


def fitting(lines: Lines, layouts: Sequence[Layout]) -> NDArray[np.bool_]:
    """Which lines have one of the layouts, with values that fit; those in no UTF-8 too."""
    found = np.zeros(len(lines.starts), dtype=np.bool_)
    for layout in layouts:
        left = np.flatnonzero(~found)
        spans, state = scan(lines.data, lines.starts[left], lines.ends[left], layout)
        Values(lines, left, spans, state, layout).judge()
        found[left] = state == GOOD
    return found


def read(lines: Lines, layouts: Sequence[Layout], what: str) -> pa.Table:
    """A row for every line, read by the first layout that it has; refused when it has none."""
    left = np.arange(len(lines.starts))
    timeless = np.zeros(len(left), dtype=np.bool_)
    tables: list[pa.Table] = []
    for number, layout in enumerate(layouts):
        last = number + 1 == len(layouts)
        spans, state = scan(lines.data, lines.starts[left], lines.ends[left], layout)
        values = Values(lines, left, spans, state, layout)
        if not last:
            values.judge()
        timeless[left] |= state == TIMELESS
        mine = np.ones(len(left), dtype=np.bool_) if last else state == GOOD
        if mine.any() or (last and not tables):
            if not mine.all():
                values = Values(lines, left[mine], np.ascontiguousarray(spans[:, :, mine]), state[mine], layout)
            tables.append(values.table(timeless, what))
        left = left[~mine]
        if not len(left) and tables:
            break
    if len(tables) == 1:
        return tables[0]
    table = stacked(tables)
    return table.take(pc.sort_indices(table["row"])).combine_chunks()


class Values:
    """The columns of lines that were scanned; `state` is marked where values show that a line is of another layout."""

    def __init__(self, lines: Lines, rows: Ints, spans: Ints, state: States, layout: Layout) -> None:
        self._lines = lines
        self._data = lines.data
        self._rows = rows
        self._spans = spans
        self._state = state
        self._layout = layout
        self._suspects = np.flatnonzero(np.isin(rows, lines.backslashed)) if len(lines.backslashed) else rows[:0]
        self._numbers: dict[str, tuple[NDArray[np.generic], States]] = {}
        self._where: dict[str, Ints] = {}
        self._aside: list[tuple[str, pa.Array]] = []

    def table(self, timeless: Bools, what: str) -> pa.Table:
        """The events; `timeless` are lines (by number) that are known to be of a layout but for their time."""
        columns = self.columns()
        self._state[timeless[self._rows] & (self._state == SHAPELESS)] = TIMELESS
        return pa.table({**self._lines.head(self._rows, self._state, what), **columns})

    def columns(self) -> dict[str, pa.Array]:
        """Time, event and all fields."""
        micros = self.judge()
        self._mark_garbled()
        bad = self._state != GOOD
        found: dict[str, pa.Array] = {}
        for field in self._layout.fields:
            for name in filter(None, field.names if field.reads != "time" else ()):
                if name in self._numbers:
                    found[name] = self._number(name, bad)
                else:
                    found |= self._text(name, field, bad)
        out: dict[str, pa.Array] = {}
        if micros is not None:
            out["time"] = pa.array(micros, mask=bad | self._without_time).cast(pa.timestamp("us", "UTC"))
        if self._layout.event:
            out["event"] = pa.repeat(self._layout.event, len(self._rows))
        if self._layout.visitor and "ip" in found:
            out["anonymous_id"] = self._visitors(found, bad)
        out |= found
        out |= {name: pa.repeat(value, len(self._rows)) for name, value in self._layout.constants}
        return {**out, "more": more_column(self._aside, len(self._rows))}

    def judge(self) -> Ints | None:
        """Marks the lines whose values do not fit; the times."""
        for slot, field in enumerate(self._layout.fields):
            self._take_apart(slot, field)
        return self._time()

    def _take_apart(self, slot: int, field: Field) -> None:
        """Numbers, and the parts of a value of several."""
        spans, first = self._spans[slot], field.names[0]
        misfit = None
        if field.reads in ("request", "url", "address"):
            parts = np.zeros((len(field.names), 2, len(self._rows)), dtype=np.int64)
            if field.reads == "url":
                urls(self._data, spans, parts, field.format == DASHED, field.format == HOSTED)
            elif field.reads == "request":
                requests(self._data, spans, parts)
            else:
                misfit = addresses(self._data, spans, parts, field.format == PORTED)
                self._numbers[field.names[1]] = integers(self._data, parts[1], 1, LONGEST_INTEGER)
            self._where |= dict(zip(field.names, parts, strict=True))
        else:
            self._where[first] = spans
        if field.reads in ("integer", "status"):
            least, most = (3, 3) if field.reads == "status" else (1, LONGEST_INTEGER)
            self._numbers[first] = integers(self._data, spans, least, most)
            misfit = self._numbers[first][1]
        elif field.reads == "number":
            self._numbers[first] = numbers(self._data, spans, field.scale)
            misfit = self._numbers[first][1]
        elif field.reads == "text" and field.format:
            misfit = one_of(self._data, spans, as_array(f"|{field.format}|".encode()), field.format == r"\S")
        if field.strict and misfit is not None:
            self._state[(misfit == MISFIT) & (self._state == GOOD)] = SHAPELESS

    def _time(self) -> Ints | None:
        """Microseconds since 1970 UTC, from all fields of time together."""
        parts = [(slot, field.format) for slot, field in enumerate(self._layout.fields) if field.reads == "time"]
        if not parts:
            return None
        total = np.zeros(len(self._rows), dtype=np.int64)
        lost = np.zeros(len(self._rows), dtype=np.bool_)
        self._without_time = np.zeros(len(self._rows), dtype=np.bool_)
        local = np.ones(len(self._rows), dtype=np.bool_)
        for slot, format_ in parts:
            micros, zoned = moments(self._data, self._spans[slot], format_, self._lines.block.received_at)
            absent = (self._spans[slot, 1] < 0) & self._layout.fields[slot].empty
            self._without_time |= absent
            lost |= (micros == ABSENT) & ~absent
            total += np.where(micros == ABSENT, 0, micros)
            local &= ~zoned
        self._state[lost & (self._state == GOOD)] = TIMELESS
        return as_utc(total, local, self._lines.block.headers.get("zone", "UTC"))

    def _mark_garbled(self) -> None:
        body = self._lines.block.body
        if self._lines.text:
            return
        starts, ends = (edges[self._rows].tolist() for edges in (self._lines.starts, self._lines.ends))
        garbled = [not is_utf8(body[start:end]) for start, end in zip(starts, ends, strict=True)]
        self._state[np.array(garbled, dtype=np.bool_)] = GARBLED

    def _number(self, name: str, bad: Bools) -> pa.Array:
        values, misfit = self._numbers[name]
        starts, lengths = self._where[name]
        odd = (misfit == MISFIT) & ~bad
        if odd.any():
            self._aside.append((name, gather(self._data, starts, np.where(odd, lengths, -1), pa.string())))
        return pa.array(values, mask=bad | odd | (lengths < 0))

    def _text(self, name: str, field: Field, bad: Bools) -> dict[str, pa.Array]:
        starts, lengths = self._where[name]
        texts = gather(self._data, starts, np.where(bad, -1, lengths), pa.string())
        escape = field.escape or self._layout.escape
        if name not in PLAIN:
            texts = unescaped(texts, escape, self._suspects if escape in ("c", "json") else None)
        if field.aside or name == "request":
            self._aside.append((name, texts))
            return {}
        return {name: texts}

    def _visitors(self, found: Mapping[str, pa.Array], bad: Bools) -> pa.Array:
        """16 hex digits of the md5 of address and user agent, computed once for each different pair."""
        none = np.zeros((2, len(self._rows)), dtype=np.int64)
        ips, agents = self._where["ip"].copy(), self._where.get("user_agent", none).copy()
        ips[1, bad] = agents[1, bad] = -1
        of_ip, of_agent = (hashes(self._data, start, start + np.maximum(size, 0)) for start, size in (ips, agents))
        groups, firsts = _groups(self._data, ips, agents, of_ip * np.uint64(31) + of_agent)
        blank = pa.nulls(len(self._rows), pa.string())
        pairs = (found.get(name, blank).take(pa.array(firsts)).to_pylist() for name in ("ip", "user_agent"))
        names = [visitor(ip, agent) for ip, agent in zip(*pairs, strict=True)]
        return pa.array(names, pa.string()).take(pa.array(groups, mask=bad))


Bools = NDArray[np.bool_]


def visitor(ip: str | None, agent: str | None) -> str:
    """Who it was, as far as address and user agent tell."""
    return hashlib.md5(f"{ip or '-'} {agent or '-'}".encode(), usedforsecurity=False).hexdigest()[:16]


def of_somebody(table: pa.Table, *columns: str) -> pa.Table:
    """The table with an `anonymous_id` where nobody is told: the first of some columns that has a value, else `log`.

    An event is always somebody's; of a log without users it is the thread's or the machine's that wrote it.
    """
    none = pa.nulls(table.num_rows, pa.string())
    told = [table[name].cast(pa.string()) for name in columns if name in table.column_names]
    given = table["anonymous_id"] if "anonymous_id" in table.column_names else none
    user = table["user_id"] if "user_id" in table.column_names else none
    guessed = pc.coalesce(*told, pa.scalar("log")) if told else pa.repeat("log", table.num_rows)
    ids = pc.if_else(pc.or_(pc.is_valid(given), pc.is_valid(user)), given, guessed)
    ids = pc.if_else(pc.is_null(table["reason"]), ids, None)
    if "anonymous_id" in table.column_names:
        return table.set_column(table.schema.get_field_index("anonymous_id"), "anonymous_id", ids)
    return table.append_column("anonymous_id", ids)


def visitors(ips: pa.Array, agents: pa.Array) -> pa.Array:
    """Who it was, of columns of address and user agent; null without both."""
    pairs = pc.binary_join_element_wise(pc.fill_null(ips, "-"), pc.fill_null(agents, "-"), " ").dictionary_encode()
    names = [
        hashlib.md5(pair.encode(), usedforsecurity=False).hexdigest()[:16] for pair in pairs.dictionary.to_pylist()
    ]
    told = pc.or_(pc.is_valid(ips), pc.is_valid(agents))
    return pc.if_else(told, pa.array(names, pa.string()).take(pairs.indices), None)


def is_utf8(data: bytes) -> bool:
    """Whether bytes are text."""
    try:
        return data.isascii() or bool(data.decode("utf-8") or True)
    except UnicodeDecodeError:
        return False


def more_column(aside: Sequence[tuple[str, pa.Array]], rows: int) -> pa.Array:
    """JSON objects of texts by name, null where there is none."""
    members: list[pa.Array] = []
    for name, texts in aside:
        if texts.null_count < rows:
            words = texts.dictionary_encode()
            written = [orjson.dumps({name: word})[1:-1].decode() + "," for word in words.dictionary.to_pylist()]
            members.append(pc.fill_null(pa.array(written, pa.string()).take(words.indices), ""))
    if not members:
        return pa.nulls(rows, pa.string())
    inner = pc.binary_join_element_wise(*members, "")
    objects = pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(inner, 0, -1), "}", "")
    return pc.if_else(pc.equal(inner, ""), None, objects)


@kernel
def _groups(data: Bytes, ips: Ints, agents: Ints, mixed: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """The number of the (ip, agent) pair of every row, and the first row of every pair."""
    size = 16
    while size < 2 * len(mixed):
        size *= 2
    slots = np.full(size, -1, dtype=np.int64)
    groups = np.empty(len(mixed), dtype=np.int64)
    firsts = np.empty(len(mixed), dtype=np.int64)
    count = 0
    for row in range(len(mixed)):
        place = np.int64((mixed[row] ^ (mixed[row] >> np.uint64(32))) & np.uint64(size - 1))
        while slots[place] >= 0:
            first = firsts[slots[place]]
            if mixed[first] == mixed[row] and _same(data, ips, first, row) and _same(data, agents, first, row):
                break
            place = (place + 1) & (size - 1)
        if slots[place] < 0:
            slots[place] = count
            firsts[count] = row
            count += 1
        groups[row] = slots[place]
    return groups, firsts[:count].copy()


@leaf
def _same(data: Bytes, spans: Ints, one: int, other: int) -> bool:
    if spans[1, one] != spans[1, other]:
        return False
    for place in range(spans[1, one]):  # noqa: SIM110 - numba has no all() over a generator
        if data[spans[0, one] + place] != data[spans[0, other] + place]:
            return False
    return True
