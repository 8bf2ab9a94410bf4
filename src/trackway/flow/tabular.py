"""Tables that come with column names: which columns are the envelope, and of which kind the others are.

CSV has only text, and Parquet has its own types; what becomes of them is decided here, the same for both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.flow.times import read_times
from trackway.model.event import Reason
from trackway.model.schema import ARROW, ENVELOPE, Kind, kind_of

ALIASES: dict[str, tuple[str, ...]] = {
    "event": ("event", "event_name", "eventname"),
    "time": ("time", "timestamp", "ts", "datetime", "event_time", "date"),
    "event_id": ("event_id", "eventid", "message_id", "messageid"),
    "user_id": ("user_id", "userid"),
    "anonymous_id": ("anonymous_id", "anonymousid"),
}
"""Names, in any case, by which the envelope is known; the first one present is taken. `id` is none of
them: in a dump of contacts it names the contact, and every later row of the contact would be a copy."""
NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$"
INTEGER = r"^-?(0|[1-9]\d{0,17})$"
EXACT = 2.0**53
"""Integers beyond this are not exact in a double."""
SAMPLE = 1_000
"""Rows by which a guess is given up before all are looked at."""
Mask = NDArray[np.bool_]


def place(names: Sequence[str], chosen: Mapping[str, str]) -> list[str]:
    """The column each name becomes: one of the envelope, or a property, each once."""
    lower = [name.strip().lower() for name in names]
    taken: dict[int, str] = {}
    for column, aliases in ALIASES.items():
        wanted = [chosen[column].lower()] if column in chosen else aliases
        index = next((lower.index(alias) for alias in wanted if alias in lower and lower.index(alias) not in taken), -1)
        if index >= 0:
            taken[index] = column
    placed: list[str] = []
    for index, name in enumerate(names):
        own = first = taken.get(index) or _property(name.strip() or f"column_{index + 1}")
        number = 1
        while own in placed:
            number += 1
            own = f"{first}_{number}"
        placed.append(own)
    return placed


def _property(name: str) -> str:
    clean = re.sub(r"[\x00-\x1f]", " ", name)
    return f"properties.{clean}" if clean in ENVELOPE else clean


def shape(table: pa.Table, known: Mapping[str, Kind]) -> pa.Table:
    """The table with every column after those of DECODED in its kind; columns without a value are left out.

    Texts that are all numbers become numbers unless `known` says otherwise. A value that does not fit the
    known kind of its column goes to `more`; a time that cannot be read makes a row refused.
    """
    columns = {name: table[name] for name in ("block", "row", "raw", "reason", "detail")}
    misfits: dict[str, tuple[pa.ChunkedArray, Mask]] = {}
    for name in table.column_names:
        values = table[name]
        if name in columns or values.null_count == len(values):
            continue
        if name == "time":
            columns |= _timed(values, columns)
            continue
        kind = ENVELOPE.get(name) or known.get(name)
        fitting = _in_kind(values, kind) if pa.types.is_string(values.type) else _typed(values, kind)
        columns[name] = fitting
        wrong = pc.and_(pc.is_valid(values), pc.is_null(fitting)).to_numpy(zero_copy_only=False)
        if wrong.any():
            misfits[name] = (values, wrong)
    if misfits:
        columns["more"] = _more(misfits, len(table))
    return pa.table(columns)


def zoned(texts: pa.Array, zone: str) -> pa.Array:
    """Times with their offset, those that do not say theirs in a time zone; what is no time stays as it is."""
    times = read_times(pa.chunked_array([texts]), zone).combine_chunks()
    return pc.if_else(pc.is_valid(times), pc.strftime(times, format="%Y-%m-%dT%H:%M:%SZ"), texts)


def _timed(values: pa.ChunkedArray, columns: Mapping[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
    """The time, and a refusal for every row whose time cannot be read."""
    if kind_of(values.type) == "time":
        return {"time": _as_time(values)}
    texts = values.cast(pa.string())
    times = read_times(texts)
    wrong = pc.and_(pc.and_(pc.is_valid(texts), pc.is_null(times)), pc.is_null(columns["reason"]))
    if not pc.any(wrong).as_py():
        return {"time": times}
    detail = pc.binary_join_element_wise("cannot read the time '", pc.utf8_slice_codeunits(texts, 0, 100), "'", "")
    return {
        "time": times,
        "reason": pc.if_else(wrong, Reason.NO_TIME.value, columns["reason"]),
        "detail": pc.if_else(wrong, detail, columns["detail"]),
    }


def _as_time(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(values.type) or values.type.tz is None:
        return values.cast(pa.timestamp("us"), safe=False).cast(ARROW["time"])
    return values.cast(ARROW["time"], safe=False)


def _in_kind(texts: pa.ChunkedArray, kind: Kind | None) -> pa.ChunkedArray:
    """Texts in a kind, null where they do not fit; without a known kind, in the one that all of them fit."""
    if kind is None:
        first = texts.slice(0, SAMPLE)
        for guess in ("number", "boolean"):
            if _in_kind(first, guess).null_count != first.null_count:
                continue
            found = _in_kind(texts, guess)
            if found.null_count == texts.null_count:
                return found
        return texts
    if kind == "number":
        values = _cast(texts, NUMBER, pa.float64())
        beyond = pc.and_(pc.greater_equal(pc.abs(values), EXACT), pc.match_substring_regex(texts, r"^-?\d+$"))
        inexact = pc.and_(beyond, pc.invert(pc.match_substring_regex(texts, f"^-?{EXACT:.0f}$")))
        return pc.if_else(pc.or_(inexact, pc.invert(pc.is_finite(values))), None, values)
    if kind == "integer":
        return _cast(texts, INTEGER, pa.int64())
    if kind == "boolean":
        lower = pc.utf8_lower(texts)
        fits = pc.is_in(lower, pa.array(["true", "false"]))
        return pc.if_else(pc.and_(fits, pc.is_valid(texts)), pc.equal(lower, "true"), None)
    return read_times(texts) if kind == "time" else texts


def _cast(texts: pa.ChunkedArray, pattern: str, type_: pa.DataType) -> pa.ChunkedArray:
    fits = pc.match_substring_regex(texts, pattern)
    return pc.if_else(fits, texts, pa.scalar(None, pa.string())).cast(type_)


def _typed(values: pa.ChunkedArray, kind: Kind | None) -> pa.ChunkedArray:
    """Typed values in a kind, null where they do not fit; without a known kind, in their own."""
    own = kind_of(values.type)
    kind = kind or own
    if own == "time" and kind == "time":
        return _as_time(values)
    if own == "integer" and kind == "number":
        values = values.cast(pa.int64())
        exact = pc.and_(pc.less_equal(values, int(EXACT)), pc.greater_equal(values, -int(EXACT)))
        return pc.if_else(exact, values.cast(pa.float64(), safe=False), None)
    if own == kind:
        return values.cast(ARROW[kind], safe=False)
    return _in_kind(values.cast(pa.string()), kind)


def _more(misfits: Mapping[str, tuple[pa.ChunkedArray, Mask]], rows: int) -> pa.Array:
    found: dict[int, dict[str, object]] = {}
    for name, (values, wrong) in misfits.items():
        for row in np.flatnonzero(wrong).tolist():
            found.setdefault(row, {})[name] = values[row].as_py()
    texts = [orjson.dumps(found[row], default=str).decode() if row in found else None for row in range(rows)]
    return pa.array(texts, pa.string())
