"""The words of web servers, load balancers and content networks: what their names for a field mean in ours.

One vocabulary, so that one question works on the logs of all of them: `ip user method path query protocol status
bytes referrer user_agent host scheme port duration bytes_received`. Durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trackway.flow.layout import REQUEST, Field, Piece
from trackway.flow.values import DASHED
from trackway.model.documents import property_name

HEADERS: Mapping[str, str] = {"referer": "referrer", "user-agent": "user_agent", "host": "host"}
"""Request headers that have a column of their own."""
PREFIXES = {"i": "request_headers", "o": "response_headers", "C": "cookies", "e": "env", "n": "notes"}
QUESTION = Field(("", "query"), "url", empty=True)
"""A query with its question mark, or nothing."""
SECONDS = Field("duration", "number")
MILLIS = Field("duration", "number", scale=1e-3)
MICROS = Field("duration", "number", scale=1e-6)
BYTES = Field("bytes", "integer")
APACHE: Mapping[str, Field] = {
    "a": Field("ip"), "{c}a": Field("peer_ip"), "A": Field("server_ip"), "b": BYTES, "B": BYTES, "D": MICROS,
    "f": Field("filename"), "h": Field("ip"), "{c}h": Field("peer_host"), "H": Field("protocol"),
    "I": Field("bytes_received", "integer"), "k": Field("keepalive", "integer"), "l": Field("ident", aside=True),
    "L": Field("log_id"), "m": Field("method"), "O": BYTES, "p": Field("port", "integer"),
    "{remote}p": Field("remote_port", "integer"), "{local}p": Field("local_port", "integer"),
    "P": Field("pid", "integer"), "{tid}P": Field("tid", "integer"), "q": QUESTION, "r": Field(REQUEST, "request"),
    "R": Field("handler"), "s": Field("status", "status"), "S": Field("bytes_total", "integer"), "T": SECONDS,
    "{s}T": SECONDS, "{ms}T": MILLIS, "{us}T": MICROS, "u": Field("user"), "U": Field("path"), "v": Field("host"),
    "V": Field("host"), "X": Field("connection"), "^FB": Field("first_byte", "number", scale=1e-6),
    "^FU": Field("url_codes"),
}  # fmt: skip
"""`%letter` and `%{argument}letter` of `LogFormat`."""
APACHE_TIMES = {"sec": "%s", "msec": "%Q", "usec": "%q", "msec_frac": "%L", "usec_frac": "%L", "": ""}
NGINX: Mapping[str, Field] = {
    "remote_addr": Field("ip"), "realip_remote_addr": Field("peer_ip"), "remote_user": Field("user"),
    "remote_port": Field("remote_port", "integer"), "time_local": Field("time", "time", "%d/%b/%Y:%H:%M:%S %z"),
    "time_iso8601": Field("time", "time", "%Y-%m-%dT%H:%M:%S%z"), "msec": Field("time", "time", "%s%f"),
    "request": Field(REQUEST, "request"), "request_method": Field("method"),
    "request_uri": Field(("path", "query", ""), "url"), "uri": Field("path"), "document_uri": Field("path"),
    "args": Field("query"), "query_string": Field("query"), "is_args": QUESTION, "status": Field("status", "status"),
    "body_bytes_sent": BYTES, "bytes_sent": BYTES, "request_length": Field("bytes_received", "integer"),
    "request_time": SECONDS, "host": Field("host"), "server_name": Field("host"), "scheme": Field("scheme"),
    "server_addr": Field("server_ip"), "server_port": Field("port", "integer"), "server_protocol": Field("protocol"),
    "connection": Field("connection", "integer"), "connection_requests": Field("connection_requests", "integer"),
    "pid": Field("pid", "integer"), "gzip_ratio": Field("gzip_ratio", "number"),
    "upstream_response_time": Field("upstream_response_time", "number"),
    "upstream_connect_time": Field("upstream_connect_time", "number"),
    "upstream_header_time": Field("upstream_header_time", "number"),
    "upstream_status": Field("upstream_status", "status"),
}  # fmt: skip
"""Variables of nginx."""


W3C: Mapping[str, Field] = {
    "date": Field("time", "time", "%Y-%m-%d"), "time": Field("time", "time", "%H:%M:%S%f"), "c-ip": Field("ip"),
    "cs-username": Field("user"), "cs-method": Field("method"),
    "cs-uri-stem": Field(("path", "", ""), "url"), "cs-uri-query": Field("query"),
    "sc-status": Field("status", "status"),
    "c-status": Field("status", "status"), "sc-bytes": BYTES, "cs-bytes": Field("bytes_received", "integer"),
    "cs(user-agent)": Field("user_agent", escape="percent"), "c-user-agent": Field("user_agent", escape="percent"),
    "cs(referer)": Field("referrer"), "cs(referrer)": Field("referrer"), "c-referrer": Field("referrer"),
    "cs-host": Field("host"), "cs(host)": Field("host"), "x-host-header": Field("host"), "s-dns": Field("server_name"),
    "cs-version": Field("protocol"), "cs-protocol-version": Field("protocol"), "cs-protocol": Field("scheme"),
    "s-ip": Field("server_ip"), "s-port": Field("port", "integer"), "c-port": Field("remote_port", "integer"),
    "sc-substatus": Field("sc_substatus", "integer"), "sc-win32-status": Field("sc_win32_status", "integer"),
    "x-duration": SECONDS, "x-event": Field("event"), "time-to-first-byte": Field("first_byte", "number"),
    "sc-content-len": Field("content_length", "integer"), "sc-range-start": Field("sc_range_start", "integer"),
    "sc-range-end": Field("sc_range_end", "integer"),
}  # fmt: skip
"""Fields of `#Fields`, in small letters."""
KNOWN: Mapping[str, Field] = {
    column: Field(column, field.reads, scale=field.scale)
    for field in (*APACHE.values(), *NGINX.values(), *W3C.values())
    for column in field.names
    if field.reads in {"integer", "number", "status"}
}
"""Columns that are numbers, and how: a field that comes to be of such a name is read so too."""


def called(column: str) -> Field:
    """A field of a name that only the log knows; one of the envelope's names is a property."""
    return KNOWN.get(column) or Field(property_name((column,)))


def join_targets(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with path and query as one where nothing stands between them: `%U%q`, `$uri$is_args$args`."""
    found: list[Piece] = []
    for piece in pieces:
        before = found[-1] if found else None
        if piece == b"":
            continue
        if isinstance(piece, Field) and isinstance(before, Field):
            if piece == QUESTION and before.columns == "path":
                found[-1] = Field(("path", "query", ""), "url")
                continue
            if piece.columns == "query" and before.reads == "url":
                found[-1] = Field(before.columns, "url", DASHED)
                continue
        found.append(piece)
    return found
