"""The HTTP Event Collector of Splunk: what its loggers, forwarders and every log shipper's output for it send.

    [sources.logs]
    type = "http"
    codecs = ["splunk_hec"]
    write_keys = ["my-hec-token"]

`/services/collector/event` takes JSON objects one after another, `/services/collector/raw` a line of text each.
What an `event` object holds stands outside, as do its `message` if that is an object and `fields`; an event that
is a text is the `message`. A line names
its event with `event`, `event_name`, `event.name` or `event.action`, else it is the event `log`; its actor is
`user_id` or another usual name, else the `host` or the address that sent it. `host`, `source` (as
`properties.source`), `sourcetype` and `index` count for later objects of the request too, as do those in the address.

A sender that names a channel gets an `ackId`; since nothing is answered before it is on disk, every id asked for is
acknowledged. Of a request that is broken in the middle what stands before is kept, and the sender told where. There
are no event ids: of an event with a time, the same bytes sent again are the same event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np
import orjson
import pyarrow as pa

from trackway.errors import PayloadError, TrackwayError
from trackway.model.dialect import Dialect, identified, put, revealed, together
from trackway.model.documents import column_or_nulls
from trackway.model.event import Block
from trackway.model.json_text import array_items, as_array, skip, values_in_a_row
from trackway.model.log_line import as_events, hosts, meant, read_lines
from trackway.model.parcel import Parcel, arounds_of, below, lines, records_of
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Codec, Reply, Request, Taken

AT = "/services/collector"
METADATA = {"host": "host", "properties.source": "source", "sourcetype": "sourcetype", "index": "index"}
INSIDE = meant("event.", "event.message.", "fields.")
WORDS = Dialect(
    {**INSIDE, **METADATA, "time": ("time", *INSIDE["time"]), "message": ("event", "event.message")},
    inside={"event.message": "", "event": "", "fields": ""},
)
LINES = Dialect({**meant(""), "message": "message"})
AROUND = Dialect(METADATA)


class SplunkHec(Codec):
    """Events and lines to records."""

    routes: ClassVar[tuple[str, ...]] = (
        *(AT + path for path in ("", "/event", "/event/1.0", "/raw", "/raw/1.0", "/ack")),
        f"GET {AT}/health", f"GET {AT}/health/1.0",
    )  # fmt: skip

    def greet(self, request: Request) -> Reply | None:
        """Healthy; and yes, what was acknowledged is kept."""
        if "/health" in request.path:
            return _said(200, 17, "HEC is healthy")
        if not request.path.endswith("/ack"):
            return None
        try:
            asked = orjson.loads(request.body).get("acks", [])
            return Reply(200, orjson.dumps({"acks": {str(int(number)): True for number in asked}}))
        except (ValueError, TypeError, AttributeError):
            return _said(400, 6, "Invalid data format")

    def key(self, request: Request) -> str | None:
        """The token: of its own scheme, the password of Basic authentication, or in the address."""
        basic = request.authorization("basic")
        password = None if basic is None else basic.partition(":")[2]
        return request.authorization("splunk") or password or request.query.get("token")

    def take(self, request: Request) -> Taken:
        """What can be read; the reply says where it ends when it ends early."""
        kept = {
            "path": request.path,
            **{name: request.query[name] for name in METADATA.values() if name in request.query},
        }
        if "/raw" in request.path:
            records = self.count(request.body, kept)
            return Taken(request.body, records, kept, _success(request))
        starts, _, end, whole = _values(request.body)
        if not len(starts) and whole:
            raise PayloadError("no data")
        broken = {"text": "Invalid data format", "code": 6, "invalid-event-number": len(starts)}
        reply = _success(request) if whole else Reply(400, orjson.dumps(broken))
        return Taken(request.body[:end], len(starts), kept, reply)

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The objects or lines in a body. Raises PayloadError for objects that are not JSON."""
        if "/raw" in headers.get("path", ""):
            return len(lines(body))
        starts, _, end, whole = _values(body)
        if not whole:
            raise PayloadError(f"not JSON from byte {end} on")
        return len(starts)

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every object and every line."""
        raw = [block for block in blocks if "/raw" in block.headers.get("path", "")]
        rest = [block for block in blocks if "/raw" not in block.headers.get("path", "")]
        makers = [partial(_objects, rest)] if rest or not raw else []
        table = together([*makers, partial(_lines, raw)] if raw else makers, known.properties)
        return revealed(as_events(table, hosts(table, blocks, ["host"])))

    def complain(self, request: Request, error: TrackwayError) -> Reply | None:
        """In the numbers that senders of HEC know."""
        if error.status == 401:
            missing = self.key(request) is None
            return _said(401, 2, "Token is required") if missing else _said(403, 4, "Invalid token")
        if error.status == 503:
            return _said(503, 9, "Server is busy")
        if error.status == 400:
            return _said(400, 5, "No data") if error.message == "no data" else _said(400, 6, "Invalid data format")
        return None


def _said(status: int, code: int, text: str) -> Reply:
    return Reply(status, orjson.dumps({"text": text, "code": code}))


def _success(request: Request) -> Reply | Callable[[int], Reply]:
    """The reply; with the position in the journal as `ackId` for a sender that names its channel."""
    if "x-splunk-request-channel" not in request.headers and "channel" not in request.query:
        return _said(200, 0, "Success")
    return lambda position: Reply(200, orjson.dumps({"text": "Success", "code": 0, "ackId": position}))


def _values(body: bytes) -> tuple[np.ndarray, np.ndarray, int, bool]:
    """Starts and ends of the objects, in a list or one after another; where they end, and whether that is all."""
    data = as_array(body)
    first = skip(data, 0, len(data))
    if first < len(data) and data[first] == ord("["):
        starts, ends, after = array_items(data, first, len(data))
        if after >= 0 and skip(data, after, len(data)) == len(data):
            return starts, ends, len(data), True
    starts, ends, until = values_in_a_row(data, 0, len(data))
    return starts, ends, until, until == len(data)


def _around(block: Block, parcel: Parcel) -> Parcel:
    """A parcel with what its address said of it around."""
    said = {name: block.headers[name] for name in METADATA.values() if name in block.headers}
    return Parcel(parcel.starts, parcel.ends, (orjson.dumps(said),))


def _objects(blocks: Sequence[Block], known: Mapping[str, Kind]) -> pa.Table:
    parcels = [_around(block, Parcel(*_values(block.body)[:2])) for block in blocks]
    table = WORDS.table(records_of(blocks, parcels), known)
    outer, place = arounds_of(parcels)
    return below(_carried(table), AROUND.table(outer, {**known, **WORDS.own}), place)


def _lines(blocks: Sequence[Block], known: Mapping[str, Kind]) -> pa.Table:
    return read_lines(blocks, [_around(block, lines(block.body)) for block in blocks], LINES, known, AROUND)


def _carried(table: pa.Table) -> pa.Table:
    """The table with metadata as it was said last within a request, and the ids of events that rest on it."""
    block = table["block"].to_numpy()
    number = np.arange(len(block))
    filled = np.zeros(len(block), dtype=np.bool_)
    for name in METADATA:
        if name in table.column_names and table[name].null_count:
            last = np.maximum.accumulate(np.where(table[name].is_valid().to_numpy(), number, 0))
            same = block[last] == block
            filled |= same & (last != number) & table[name].take(pa.array(last)).is_valid().to_numpy()
            table = put(table, **{name: table[name].take(pa.array(last, mask=~same))})
    said = [column_or_nulls(table, name).to_pylist() for name in METADATA] if filled.any() else []
    return identified(table, [orjson.dumps(texts) for texts in zip(*said, strict=True)], filled)
