"""Access logs written as JSON: nginx (`escape=json`), Caddy, Traefik, Cloudflare, load balancers of Google Cloud.

    [sources.edge]
    type = "file"
    paths = ["/var/log/caddy/access.log"]
    codec = "access_json"    # or "auto"

One object a line. Whatever a server calls them, the columns are those of an access log: `ip user method path query
protocol status bytes referrer user_agent host duration` (Caddy's `request.remote_ip` is `ip`, Traefik's `RequestPath`
is `path` and `query`, `request_time`, `duration`, `Duration` and `httpRequest.latency` are all seconds), so that one
question works on all of them; the event is `request`, and the visitor is known by address and user agent. Everything
else becomes a property under its dotted name. An object without a request, such as what a server says when it starts,
is an event `log`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.flow.layout import CLF, ISO
from trackway.flow.lines import visitors
from trackway.flow.moments import times_of
from trackway.flow.values import as_parts, replaced
from trackway.model.cells import Path
from trackway.model.documents import HIDDEN, Records, Split, property_name, tabulate
from trackway.model.event import Block, Reason
from trackway.model.json_text import as_array, text_lines
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Codec, Likeness

CALLED: Mapping[str, tuple[str, ...]] = {
    "time": ("time", "time_local", "time_iso8601", "timestamp", "@timestamp", "ts", "msec", "startutc",
             "edgestarttimestamp"),
    "ip": ("remote_addr", "remote_ip", "client_ip", "clientip", "clienthost", "request.remote_ip", "ip",
           "httprequest.remoteip", "request.remote_addr"),
    "user": ("remote_user", "user", "user_id", "clientusername"),
    "method": ("request_method", "method", "request.method", "requestmethod", "httprequest.requestmethod",
               "clientrequestmethod", "verb"),
    "url": ("request_uri", "uri", "url", "path", "request.uri", "requestpath", "httprequest.requesturl",
            "clientrequesturi"),
    "query": ("args", "query_string", "query"),
    "protocol": ("server_protocol", "protocol", "request.proto", "requestprotocol", "httprequest.protocol"),
    "request": ("request",),
    "status": ("status", "status_code", "downstreamstatus", "httprequest.status", "edgeresponsestatus"),
    "bytes": ("body_bytes_sent", "bytes_sent", "bytes", "size", "downstreamcontentsize", "httprequest.responsesize",
              "edgeresponsebytes"),
    "referrer": ("http_referer", "http_referrer", "referer", "referrer", "request.headers.referer",
                 "request_referer", "httprequest.referer", "clientrequestreferer"),
    "user_agent": ("http_user_agent", "user_agent", "useragent", "agent", "request.headers.user-agent",
                   "request_user-agent", "httprequest.useragent", "clientrequestuseragent"),
    "host": ("http_host", "host", "server_name", "request.host", "requesthost", "clientrequesthost"),
    "duration": ("request_time", "httprequest.latency"),
    "nanoseconds": ("duration",),
}  # fmt: skip
"""What servers call a column, in small letters. `duration` is seconds in Caddy and nanoseconds in Traefik."""
OURS = {name: f"{HIDDEN}{column}" for column, names in CALLED.items() for name in names}
KINDS: dict[str, Kind] = dict.fromkeys(OURS.values(), "string")
TEXTS = ("ip", "user", "method", "path", "query", "protocol", "referrer", "user_agent", "host")
DIGITS = r"^\d{1,18}$"
NUMBER = r"^\d+(\.\d+)?$"
PORTED = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[\d.]+)):\d+")
LONGEST_SECONDS = 100_000.0
"""A `duration` above this is in nanoseconds."""


class AccessJson(Codec):
    """Objects of web servers to events."""

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The lines that are not blank."""
        return len(_split(body).starts)

    def in_line(self, record: bytes) -> bool:
        """Every line."""
        return b"\n" not in record

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row a line."""
        records = Records.of(blocks, [_split(block.body) for block in blocks])
        return _shaped(tabulate(records, {**known.properties, **KINDS}, _name, ids=()))

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Objects that tell an address, a request and a status."""
        return Likeness(sum(map(_is_access, lines)) / max(len(lines), 1))


def _split(body: bytes) -> Split:
    return Split(*text_lines(as_array(body), 0, len(body)))


def _name(path: Path) -> str:
    return OURS.get(".".join(path).lower()) or property_name(path)


def _is_access(line: bytes) -> bool:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    names = set()
    for key, member in value.items() if isinstance(value, dict) else ():
        inner = member if isinstance(member, dict) else {}
        names |= {OURS.get(key.lower()), *(OURS.get(f"{key}.{name}".lower()) for name in inner)}
    asked = f"{HIDDEN}request" in names or {f"{HIDDEN}method", f"{HIDDEN}url"} <= names
    return asked and {f"{HIDDEN}ip", f"{HIDDEN}status"} <= names


def _shaped(table: pa.Table) -> pa.Table:
    """The table with what servers call by other names in our columns, in their kinds."""
    rows = table.num_rows
    blank = pa.nulls(rows, pa.string())
    given = {
        name: _plain(table[f"{HIDDEN}{name}"].combine_chunks()) if f"{HIDDEN}{name}" in table.column_names else blank
        for name in CALLED
    }
    parts = as_parts(given["request"], "request", 5)
    target = as_parts(given["url"], "url", 3)
    found = {**given, "path": pc.coalesce(target[0], parts[1]),
             "query": pc.coalesce(given["query"], target[1], parts[2]),
             "method": pc.coalesce(given["method"], parts[0]), "protocol": pc.coalesce(given["protocol"], parts[3]),
             "host": pc.coalesce(given["host"], target[2]), "ip": _mapped(given["ip"], ":", _address)}  # fmt: skip
    columns = {name: found[name] for name in TEXTS}
    columns |= {name: _number(given[name], DIGITS, pa.int64()) for name in ("status", "bytes")}
    columns["duration"] = _seconds(given["duration"], given["nanoseconds"])
    asked = pc.or_(pc.is_valid(columns["method"]), pc.is_valid(columns["status"]))
    good = pc.is_null(table["reason"])
    head = {name: table[name] for name in ("block", "row", "raw")} | _timed(table, given["time"])
    own = {name: table[name] for name in table.column_names if not name.startswith(HIDDEN) and name not in head}
    who = pc.fill_null(visitors(columns["ip"], columns["user_agent"]), "log")
    told = {"event": pc.if_else(asked, "request", "log"), "anonymous_id": pc.if_else(good, who, None)}
    return pa.table({**head, **told, **columns, **own})


def _timed(table: pa.Table, texts: pa.Array) -> dict[str, pa.Array]:
    """Time, and reason and detail of rows whose time cannot be read."""
    times = times_of(texts, (CLF, ISO, "%s%f"))
    wrong = pc.and_(pc.and_(pc.is_valid(texts), pc.is_null(times)), pc.is_null(table["reason"]))
    return {
        "reason": pc.if_else(wrong, Reason.NO_TIME.value, table["reason"]),
        "detail": pc.if_else(wrong, "a time that cannot be read", table["detail"]),
        "time": times,
    }


def _plain(texts: pa.Array) -> pa.Array:
    """Texts; of a list, as headers are in Caddy, the first; a `-` or nothing is null."""
    texts = _mapped(texts, "[", _first)
    return pc.if_else(pc.is_in(texts, pa.array(["", "-"])), None, texts)


def _mapped(texts: pa.Array, mark: str, function: Callable[[str], str | None]) -> pa.Array:
    rows = np.flatnonzero(pc.fill_null(pc.match_substring(texts, mark), False).to_numpy(zero_copy_only=False))
    return replaced(texts, rows, function)


def _first(text: str) -> str | None:
    try:
        value = orjson.loads(text) if text.startswith("[") else text
    except orjson.JSONDecodeError:
        return text
    if isinstance(value, list):
        return str(value[0]) if value else None
    return text


def _address(text: str) -> str:
    match = PORTED.fullmatch(text)
    return (match["v6"] or match["v4"]) if match else text


def _number(texts: pa.Array, pattern: str, kind: pa.DataType) -> pa.Array:
    fits = pc.match_substring_regex(texts, pattern)
    return pc.if_else(fits, texts, pa.scalar(None, pa.string())).cast(kind)


def _seconds(seconds: pa.Array, either: pa.Array) -> pa.Array:
    seconds = _number(pc.utf8_rtrim(seconds, "s"), NUMBER, pa.float64())
    other = _number(either, NUMBER, pa.float64())
    nanos = pc.greater(other, LONGEST_SECONDS)
    return pc.coalesce(seconds, pc.if_else(nanos, pc.divide(other, 1e9), other))
