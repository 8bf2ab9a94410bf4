"""Logs of OpenTelemetry over HTTP, in protobuf and in JSON: what its exporters and collectors send.

    [sources.logs]
    type = "http"
    codecs = ["otlp"]
    write_keys = ["my-token"]

Point the exporter of logs at `/v1/logs` with the header `Authorization: Bearer my-token` (or `api-key`). `event_name`
or the attribute `event.name` names the event, else it is `log`; its body is the `message`, or columns when it is an
object. Attributes of the record and of its resource stand outside under their own names (`http.route`,
`service.name`), the scope is `scope.name`. The user is `user.id` or `enduser.id`, else the anonymous id is
`session.id`, else the host, the service, or the address that sent it. OTLP has no event ids: the same record of the
same resource sent again is the same event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import orjson
import pyarrow as pa

from trackway.errors import PayloadError, TrackwayError
from trackway.model.dialect import Dialect, put, revealed, within
from trackway.model.documents import HIDDEN, Records
from trackway.model.event import Block
from trackway.model.gather import binary_column
from trackway.model.json_text import (
    DEEPEST,
    Bytes,
    Ints,
    array_items,
    as_array,
    complaint,
    find_member,
    is_value,
    value_end,
)
from trackway.model.log_line import as_events, hosts, meant
from trackway.model.otlp_json import plain_records
from trackway.model.parcel import Parcel, records_of
from trackway.model.protobuf import inner, messages, pairs_as_json, records_as_json
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken

MEANT = meant("attributes.", "message.")
WORDS = Dialect(
    {**MEANT, f"{HIDDEN}event": ("event_name", *MEANT[f"{HIDDEN}event"]), "time": "time", "message": "message"},
    inside={"attributes": "", "message": ""},
)
AROUND = Dialect(
    {"user_id": ("resource.user.id",), "anonymous_id": ("resource.session.id",)},
    inside={"resource": "", "scope.attributes": "scope."},
)
HOSTS = ("host.name", "host.id", "service.instance.id", "service.name")
PROTOBUF = "application/x-protobuf"
CODES = {400: 3, 401: 16, 413: 8, 503: 14}
"""HTTP status -> code of the status that OTLP shares with gRPC."""


class Otlp(Codec):
    """Log records to records."""

    routes: ClassVar[tuple[str, ...]] = ("/v1/logs",)

    def key(self, request: Request) -> str | None:
        """A bearer token, the password of Basic authentication, or the header `api-key` or `x-api-key`."""
        basic = request.authorization("basic")
        password = None if basic is None else basic.partition(":")[2]
        given = request.headers.get("api-key") or request.headers.get("x-api-key")
        return request.authorization("bearer") or password or given

    def take(self, request: Request) -> Taken:
        """The records; answered in the form they came in."""
        reply = Reply(200, b"{}") if _is_json(request.body) else Reply(200, b"", PROTOBUF)
        return Taken(request.body, self.count(request.body, {}), {"sender": request.sender}, reply)

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The log records in a body. Raises PayloadError for what is none of OTLP."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every record."""
        parcels = [_cut(block.body) for block in blocks]
        given = records_of(blocks, parcels)
        table = WORDS.table(_as_json(blocks, parcels, given), known.properties)
        table = put(table, raw=binary_column(as_array(given.data), given.starts, given.ends))
        table = within(table, parcels, known.properties, AROUND, whole=False)
        return revealed(as_events(table, hosts(table, blocks, HOSTS)))

    def complain(self, request: Request, error: TrackwayError) -> Reply | None:
        """A status, in the form of the request."""
        text, code = error.message.encode(), CODES.get(error.status, 13)
        if _is_json(request.body):
            return Reply(error.status, orjson.dumps({"code": code, "message": error.message}))
        size = bytes([len(text) & 127 | 128, len(text) >> 7])
        return Reply(error.status, bytes([8, code, 18]) + size + text, PROTOBUF)


def _is_json(body: bytes) -> bool:
    """Whether a body is JSON; no message of OTLP begins with a brace, though one may begin with a newline."""
    data = as_array(body)
    return body[:100].lstrip()[:1] == b"{" and (body[:1] == b"{" or bool(is_value(data, 0, len(data))))


def _cut(body: bytes) -> Parcel:
    """The records of all resources and scopes. Raises PayloadError for what is none of OTLP."""
    parts = list(_json_scopes(body) if _is_json(body) else _protobuf_scopes(as_array(body)))
    none = np.zeros(0, dtype=np.int64)
    return Parcel(
        np.concatenate([none, *(starts for starts, _, _ in parts)]),
        np.concatenate([none, *(ends for _, ends, _ in parts)]),
        [around for _, _, around in parts],
        np.repeat(np.arange(len(parts)), [len(starts) for starts, _, _ in parts]),
    )


Scope = tuple[Any, Any, bytes]
"""Starts and ends of the records of one scope, and what stands around them."""


def _protobuf_scopes(data: Bytes) -> list[Scope]:
    made: list[Scope] = []
    whole = _all(data, 0, len(data), 1)
    for first, last in zip(*whole, strict=True):
        resource = _pairs(data, inner(data, first, last, 1), 1)
        for begin, end in zip(*_all(data, first, last, 2), strict=True):
            starts, ends, _ = messages(data, begin, end, 2)
            scope = inner(data, begin, end, 1)
            said = {
                "name": _text(data, inner(data, *scope, 1)), "version": _text(data, inner(data, *scope, 2)),
                "attributes": orjson.Fragment(_pairs(data, scope, 3)),
            }  # fmt: skip
            around = {"resource": orjson.Fragment(resource), "scope": said}
            made.append((starts, ends, orjson.dumps(around)))
    return made


def _all(data: Bytes, at: int, end: int, number: int) -> tuple[list[int], list[int]]:
    starts, ends, whole = messages(data, at, end, number)
    if not whole:
        raise PayloadError("neither protobuf nor JSON of OTLP", hint="send an ExportLogsServiceRequest")
    return starts.tolist(), ends.tolist()


def _pairs(data: Bytes, place: tuple[int, int], field: int) -> bytes:
    return pairs_as_json(data, place[0], place[1], field)


def _text(data: Bytes, place: tuple[int, int]) -> str | None:
    return data[place[0] : place[1]].tobytes().decode("utf-8", "replace") or None


def _json_scopes(body: bytes) -> list[Scope]:
    data = as_array(body)
    if not is_value(data, 0, len(data)):
        raise PayloadError(f"not JSON: {complaint(body)}", hint="send an ExportLogsServiceRequest")
    made: list[Scope] = []
    for first, last in _items(data, 0, len(data), b"resourceLogs"):
        resource = _attributes(_member(body, first, last, b"resource"))
        for begin, end in _items(data, first, last, b"scopeLogs"):
            at = find_member(data, begin, end, as_array(b"logRecords"))
            starts, ends, after = array_items(data, at, end) if at >= 0 else (_NONE, _NONE, -1)
            scope = _member(body, begin, end, b"scope")
            said = {"name": scope.get("name"), "version": scope.get("version"), "attributes": _attributes(scope)}
            if after >= 0:
                made.append((starts, ends, orjson.dumps({"resource": resource, "scope": said})))
    return made


_NONE = np.zeros(0, dtype=np.int64)


def _items(data: Bytes, start: int, end: int, key: bytes) -> list[tuple[int, int]]:
    at = find_member(data, start, end, as_array(key))
    starts, ends, _ = array_items(data, at, end) if at >= 0 else (_NONE, _NONE, -1)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _member(body: bytes, start: int, end: int, key: bytes) -> dict[str, Any]:
    """An object under a key, empty when there is none."""
    data = as_array(body)
    at = find_member(data, start, end, as_array(key))
    if at < 0:
        return {}
    try:
        found = orjson.loads(body[at : value_end(data, at, end, np.empty(DEEPEST, dtype=np.uint8))])
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _as_json(blocks: Sequence[Block], parcels: Sequence[Parcel], given: Records) -> Records:
    """The records as plain JSON objects."""
    texts, edges, used = [], [np.zeros(1, dtype=np.int64)], 0
    for block, parcel in zip(blocks, parcels, strict=True):
        if _is_json(block.body):
            text, bounds = _plain_records(block.body, parcel)
        else:
            text, bounds = records_as_json(as_array(block.body), parcel.starts, parcel.ends)
        texts.append(text)
        edges.append(bounds[1:] + used)
        used += len(text)
    bounds = np.concatenate(edges)
    return Records(b"".join(texts), bounds[:-1], bounds[1:], given.block, given.row)


def _plain_records(body: bytes, parcel: Parcel) -> tuple[bytes, Ints]:
    """Records with their attributes as objects, one after another, and their bounds."""
    written, bounds = plain_records(as_array(body), parcel.starts, parcel.ends)
    text, sizes = written.tobytes(), np.diff(bounds)
    if bool(sizes.all()):
        return text, bounds
    firsts, spans = bounds.tolist(), zip(parcel.starts.tolist(), parcel.ends.tolist(), strict=True)
    each = [
        text[firsts[row] : firsts[row + 1]] or _plain_record(body[start:end]) for row, (start, end) in enumerate(spans)
    ]
    return b"".join(each), np.cumsum([0, *map(len, each)])


def _plain_record(text: bytes) -> bytes:
    """A record in the JSON of OTLP with its attributes as an object; what is no record as it is."""
    try:
        record = orjson.loads(text)
        made = {
            "time": _micros(record.get("timeUnixNano")) or _micros(record.get("observedTimeUnixNano")),
            "severity_number": record.get("severityNumber"), "severity_text": record.get("severityText") or None,
            "event_name": record.get("eventName") or None, "message": _plain(record.get("body")),
            "trace_id": record.get("traceId") or None, "span_id": record.get("spanId") or None,
            "attributes": _attributes(record),
        }  # fmt: skip
        return orjson.dumps(made)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return text if not text.lstrip().startswith(b"{") else b"{" + text


def _micros(nanos: Any) -> int | None:
    """Nanoseconds, as a number or as digits, in microseconds; None for 0."""
    return int(nanos) // 1000 or None if nanos else None


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """The list of pairs of a record, a resource or a scope as an object."""
    given = holder.get("attributes")
    pairs = [pair for pair in given if isinstance(pair, dict)] if isinstance(given, list) else []
    return {str(pair["key"]): _plain(pair.get("value")) for pair in pairs if "key" in pair}


def _plain(value: Any) -> Any:
    """A value of any type; None for what is none."""
    if not isinstance(value, dict):
        return None
    return next((READ[name](found) for name, found in value.items() if name in READ), None)


def _double(found: Any) -> Any:
    return found if found in ("NaN", "Infinity", "-Infinity") else float(found)


READ: Mapping[str, Callable[[Any], Any]] = {
    "stringValue": lambda text: text,
    "boolValue": lambda said: said,
    "bytesValue": lambda coded: coded,
    "intValue": int,
    "doubleValue": _double,
    "arrayValue": lambda found: [_plain(item) for item in found.get("values", [])],
    "kvlistValue": lambda found: _attributes({"attributes": found.get("values")}),
}
"""Numbers of 64 bits may come as digits."""
