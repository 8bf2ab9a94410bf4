"""What a log line says about events, under the names that loggers, shippers and log managers use.

A line without the name of an event is the event `log`; its actor is a user if it names one, else the session, the
visitor or the host it came from. What it says of levels, loggers and hosts stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.dialect import Dialect, put
from trackway.model.documents import HIDDEN, Records, column_or_nulls
from trackway.model.event import DECODED, Block, Reason
from trackway.model.gather import binary_column
from trackway.model.json_text import Bools, are_objects, as_array
from trackway.model.parcel import Parcel, arounds_of, below, records_of
from trackway.model.schema import Kind

EVENT = f"{HIDDEN}event"
MESSAGE = "message"
LOG = "log"
"""The event of a line that names none."""
MEANT: Mapping[str, tuple[str, ...]] = {
    "event_id": ("event_id", "eventId", "event.id"),
    EVENT: ("event", "event_name", "eventName", "event.name", "event.action"),
    "time": ("@timestamp", "time", "timestamp", "ts", "date"),
    "user_id": ("user_id", "userId", "user.id", "enduser.id"),
    "anonymous_id": ("anonymous_id", "anonymousId", "visitor_id", "session_id", "session.id", "client.ip"),
}
"""Column -> names, in the order in which they count."""


def meant(*fronts: str) -> dict[str, tuple[str, ...]]:
    """The names below some objects; those of the first count first.

    >>> meant("event.", "")["user_id"][:3]
    ('event.user_id', 'event.userId', 'event.user.id')
    """
    return {column: tuple(front + name for front in fronts for name in names) for column, names in MEANT.items()}


def as_events(table: pa.Table, host: pa.ChunkedArray | pa.Array | None = None) -> pa.Table:
    """The table of lines with event names and actors."""
    readable = pc.is_null(table["reason"])
    event = pc.coalesce(column_or_nulls(table, EVENT), pc.if_else(readable, LOG, pa.scalar(None, pa.string())))
    user, anonymous = column_or_nulls(table, "user_id"), column_or_nulls(table, "anonymous_id")
    if host is not None:
        anonymous = pc.coalesce(anonymous, pc.if_else(pc.is_null(user), host, pa.scalar(None, pa.string())))
    return put(table, event=event, anonymous_id=anonymous)


def hosts(table: pa.Table, blocks: Sequence[Block], names: Sequence[str]) -> pa.ChunkedArray:
    """Where each record came from: the first of some columns that says it, else the `sender` of its block."""
    place = np.searchsorted([block.seq for block in blocks], table["block"].to_numpy())
    senders = pa.array([block.headers.get("sender") or None for block in blocks], pa.string()).take(pa.array(place))
    return pc.coalesce(*(column_or_nulls(table, name).cast(pa.string()) for name in names), senders)


def read_lines(
    blocks: Sequence[Block], parcels: Sequence[Parcel], words: Dialect, known: Mapping[str, Kind], around: Dialect
) -> pa.Table:
    """Lines of text, each of which may be a JSON object; any other is the `message` of an event."""
    records = records_of(blocks, parcels)
    json = are_objects(as_array(records.data), records.starts, records.ends)
    table = words.table(_some(records, json), known)
    if not json.all():
        order = np.argsort(np.concatenate([np.flatnonzero(json), np.flatnonzero(~json)]))
        tables = [table, _texts(_some(records, ~json))]
        table = pa.concat_tables(tables, promote_options="default").take(pa.array(order))
    outer, place = arounds_of(parcels)
    return below(table, around.table(outer, {**known, **words.own}), place) if len(outer.starts) else table


def _some(records: Records, some: Bools) -> Records:
    return replace(
        records, starts=records.starts[some], ends=records.ends[some], block=records.block[some], row=records.row[some]
    )


def _texts(records: Records) -> pa.Table:
    """Lines as they are; those that are not UTF-8 are refused."""
    raw = binary_column(as_array(records.data), records.starts, records.ends)
    try:
        texts, bad = raw.cast(pa.string()), np.zeros(len(raw), dtype=np.bool_)
    except pa.ArrowInvalid:
        found = [_text(line) for line in raw.to_pylist()]
        texts, bad = pa.array(found, pa.string()), np.array([text is None for text in found])
    none = pa.scalar(None, pa.string())
    wrong = pc.if_else(pa.array(bad), Reason.ENCODING.value, none)
    detail = pc.if_else(pa.array(bad), "bytes that are not UTF-8", none)
    columns = [pa.array(records.block), pa.array(records.row), raw, wrong, detail, texts]
    return pa.table(columns, [*DECODED.names, MESSAGE])


def _text(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None
