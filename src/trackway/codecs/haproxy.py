"""Logs of HAProxy: `option httplog`, `option tcplog`, and any `log-format`.

    [sources.proxy]
    type = "file"
    paths = ["/var/log/haproxy.log"]
    zone = "Europe/Berlin"    # of the host: the usual formats tell no zone

    [sources.edge]
    type = "file"
    paths = ["edge.log"]
    codec = "haproxy"
    format = '%ci:%cp [%T] %ft %b/%s %Ta %ST %B %{+Q}r'

What syslog writes in front is passed over. A line of HTTP is one event `request` with the columns of an access log
(`ip method path query protocol status bytes duration`), a line of TCP an event `connection`; both have `frontend
backend server termination_state remote_port`, the timers in seconds (`queue_time connect_time response_time …`; -0.001
where HAProxy writes -1, which means never), and the counts of connections. Captured headers are `request_headers` and
`response_headers`, as they were written. Other lines of the log, such as a server that went down, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from trackway.flow.layout import REQUEST, Field, FormatError, Layout, Maybe, Piece, distinct
from trackway.flow.lines import LineCodec, share
from trackway.flow.values import PORTED
from trackway.flow.web import BYTES, MILLIS, called
from trackway.plan.component import Likeness

LOCAL = Field("time", "time", "%d/%b/%Y:%H:%M:%S%f")
ZONED = Field("time", "time", "%d/%b/%Y:%H:%M:%S %z")
SIMPLE = {
    "ci": "ip", "ft": "frontend", "f": "frontend", "b": "backend", "s": "server", "CC": "request_cookie",
    "CS": "response_cookie", "tsc": "termination_state", "ts": "termination_state", "HM": "method", "HP": "path",
    "HPO": "path", "HV": "protocol", "H": "hostname", "ID": "request_id", "si": "server_ip", "fi": "frontend_ip",
    "bi": "backend_ip", "hr": "request_headers", "hs": "response_headers", "sslc": "ssl_cipher", "sslv": "ssl_protocol",
}  # fmt: skip
COUNTS = {
    "cp": "remote_port", "U": "bytes_received", "ac": "active_connections", "fc": "frontend_connections",
    "bc": "backend_connections", "sc": "server_connections", "rc": "retries", "sq": "server_queue",
    "bq": "backend_queue", "pid": "pid", "sp": "server_port", "fp": "port", "rt": "request_number",
}  # fmt: skip
TIMERS = {"TR": "request_time", "Tq": "request_time", "Tw": "queue_time", "Tc": "connect_time", "Tr": "response_time"}
FIELDS: Mapping[str, Field] = {
    **{name: Field(column) for name, column in SIMPLE.items()},
    **{name: Field(column, "integer") for name, column in COUNTS.items()},
    **{name: Field(column, "number", scale=1e-3) for name, column in TIMERS.items()},
    "cip": Field(("ip", "remote_port"), "address", PORTED), "t": LOCAL, "tr": LOCAL, "T": ZONED, "Tl": ZONED,
    "trg": ZONED, "trl": ZONED, "Ts": Field("time", "time", "%s"), "Ta": MILLIS, "Tt": MILLIS, "B": BYTES,
    "ST": Field("status", "status"), "r": Field(REQUEST, "request"), "HU": Field(("path", "query", ""), "url"),
    "HQ": Field(("", "query"), "url", empty=True),
}  # fmt: skip
"""Variables of `log-format` that have a column of their own name here; times in milliseconds become seconds."""
VARIABLE = re.compile(r"%(?:\{([^}]*)\})?(?:\[([^\]]*)\]|([A-Za-z]+)|(%))")
HTTP_FORMAT = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq"
TCP_FORMAT = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"
CAPTURED: tuple[Piece, ...] = (
    Maybe((b" {", Field("request_headers", empty=True), b"}")),
    Maybe((b" {", Field("response_headers", empty=True), b"}")), b' "',
    Field(REQUEST, "request"), b'"', Maybe((b" ", Field("rest", aside=True, escape="none"))),
)  # fmt: skip
"""Captured headers, and the request, after HTTP_FORMAT."""
PREFIX: tuple[Piece, ...] = (Field("", escape="none"), b": ")
"""What syslog writes in front."""


class Haproxy(LineCodec):
    """Lines of HAProxy to events."""

    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:
        """The format told, or those of the options `httplog` and `tcplog`; each also behind a header of syslog."""
        return layouts(headers.get("format", ""))

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Lines of the usual formats."""
        return Likeness(share(lines, *layouts("")))


@cache
def layouts(format_: str) -> tuple[Layout, ...]:
    """The layouts of a `log-format`, or the usual ones. Raises FormatError for one that has no meaning."""
    if format_:
        found = [Layout(tuple(distinct(_pieces(format_))), escape="hash")]
    else:
        http, tcp = (_strict(_pieces(format_)) for format_ in (HTTP_FORMAT, TCP_FORMAT))
        found = [Layout((*http, *CAPTURED), escape="hash"), Layout(tuple(tcp), event="connection")]
    for layout in tuple(found):
        if not layout.fields:
            raise FormatError("the format names no variable", hint="such as '%ci:%cp [%tr] %ft %b/%s %ST %B %{+Q}r'")
        found.append(replace(layout, pieces=(*PREFIX, *layout.pieces)))
    return tuple(found)


def _pieces(text: str) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    always = "+Q" in (re.findall(r"%\{([^}]*)\}o", text) or [""])[0]
    text = text.replace("%ci:%cp", "%cip")
    for match in VARIABLE.finditer(text):
        flags, expression, name, percent = match.groups()
        pieces.append(text[at : match.start()].encode().replace(b"\\ ", b" "))
        at = match.end()
        if percent:
            pieces.append(b"%")
        elif name != "o":
            mark = b'"' if always or "+Q" in (flags or "") else b""
            pieces += [mark, *_variable(name, expression), mark]
    return [*pieces, text[at:].encode().replace(b"\\ ", b" ")]


def _strict(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with numbers that must be numbers: the formats are told apart by them."""
    return [replace(piece, strict=piece.reads != "text") if isinstance(piece, Field) else piece for piece in pieces]


def _variable(name: str | None, expression: str | None) -> list[Piece]:
    if name is None:
        return [called(re.sub(r"\W+", "_", expression or "").strip("_") or "unnamed")]
    if name in ("hr", "hs"):
        return [b"{", FIELDS[name].maybe_empty(), b"}"]
    if name not in FIELDS:
        raise FormatError(f"unknown '%{name}' in the format", hint="see 'Custom log format' in the manual of HAProxy")
    return [FIELDS[name]]
