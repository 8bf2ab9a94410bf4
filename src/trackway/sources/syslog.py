"""A listener for syslog: UDP, TCP and TLS, RFC 5424, RFC 3164 and what devices make of them.

    [sources.machines]
    type = "syslog"
    listen = "127.0.0.1:5514"
    protocols = ["udp", "tcp"]

    [sources.branches]
    type = "syslog"
    listen = "127.0.0.1:6514"
    protocols = ["tls"]
    certificate = "tls/collector.pem"
    key = "tls/collector.key"
    clients = "tls/branches-ca.pem"    # only who shows a certificate of this authority

What is sent over a connection may be lines or frames with their length in front (RFC 6587), told apart message by
message. Messages are read by the codec `syslog`. With the codec of another kind of lines, such as `access_log` for an
nginx that logs to syslog, or `json`, what follows the header of each message is what is kept and read; lines without
a header, as shippers send JSON, are read as they are.

Syslog knows no acknowledgement. Messages are kept in groups, a moment after they came; while that cannot be done, or
too much waits, nothing is read from connections, and their senders wait. When Trackway stops it ends its side of each
connection and reads on until the sender has ended its own: a sender with a queue on disk, such as rsyslog's, loses
nothing and goes on when Trackway is back. What is on its way when the machine dies is lost, as are datagrams that the
kernel had no room for: the log says how many.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Self

from pydantic import Field, field_validator, model_validator

from trackway.errors import PayloadError, TrackwayError, suggest
from trackway.flow.framing import Heard
from trackway.flow.lines import LineCodec
from trackway.flow.listening import Place, listen, server_context
from trackway.flow.options import told
from trackway.flow.zones import Zone
from trackway.model.event import Reason
from trackway.model.size import Size
from trackway.plan import registry
from trackway.plan.component import Finding, Keep, Payload, Progress, Source

PROTOCOLS = ("udp", "tcp", "tls")
DROPPED = "udp_dropped"
HEADER = re.compile(
    rb"<\d{1,3}>(?:"
    rb'1 \S+ \S+ \S+ \S+ \S+ (?:-|(?:\[(?:[^\]\\"]|\\.|"(?:[^"\\]|\\.)*")*\])+)(?: |$)(?:\xef\xbb\xbf)?'
    rb"|(?:(?:[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?[\d:.]{8,15}|\d{4}-\d\d-\d\dT\S+) )?"
    rb"(?:[^\s:\[]+ )?[^\s:\[]+(?:\[[^\]\s]*\])?: ?"
    rb")?"
)
"""What stands before the message proper."""


class Syslog(Source):
    """What machines and devices log, over the network."""

    listens = True
    listen: str = "127.0.0.1:5514"
    """Address. Nothing asks who sends, but for TLS with `clients`: open it to networks you trust."""
    protocols: list[str] = Field(default=["udp", "tcp"], min_length=1)
    """`udp` and `tcp`, or `tls`."""
    codec: str = "syslog"
    """How messages are read: `syslog`, or what they hold: `json`, `access_log`, `logfmt` …"""
    format: str = ""
    """For a codec that takes one: how a line is laid out."""
    zone: Zone = Zone("UTC")
    """The time zone of times that do not say theirs, as those of RFC 3164."""
    max_message: Size = Size("64KB")
    """Longest message; a longer one is refused, with its first bytes."""
    connections: int = Field(default=1_000, ge=1)
    """Most connections at a time; further ones wait until one ends."""
    certificate: str = ""
    """For TLS: file with the certificate and those it rests on."""
    key: str = ""
    """For TLS: file with the key of the certificate."""
    clients: str = ""
    """For TLS: file with the authority whose certificates senders must show."""

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:
            raise ValueError(f"expected an address such as 127.0.0.1:5514, got '{value}'")
        return value

    @field_validator("protocols")
    @classmethod
    def _known_protocols(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in PROTOCOLS:
                raise ValueError(f"unknown protocol '{name}'; {suggest(name, PROTOCOLS)}")
        if {"tcp", "tls"} <= set(value):
            raise ValueError("tcp and tls need a port each: make two sources of it")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if ("tls" in self.protocols) != bool(self.certificate and self.key):
            raise ValueError("tls needs a certificate and its key, and they need tls")
        codec = registry.codec(self.codec) if self.codec in registry.names("codecs") else None
        if not isinstance(codec, LineCodec) and self.codec != "json":
            raise ValueError(f"no codec '{self.codec}' of lines; such are syslog, json, access_log, logfmt")
        if isinstance(codec, LineCodec):
            codec.check(self._told)
        return self

    @cached_property
    def _told(self) -> dict[str, str]:
        """What the codec is told with every block."""
        return told(self.format, self.zone) | ({"lines": "true"} if self.codec == "json" else {})

    def read(self, name: str, keep: Keep, cursors: Mapping[str, str], stop: threading.Event) -> Iterator[Progress]:
        """Listen until told to stop. Raises WorkspaceError for an address that cannot be had."""
        before = int(cursors.get(DROPPED, 0))

        def durable(group: list[tuple[str, Heard]], dropped: int) -> None:
            payloads = list(self._payloads(name, group))
            if payloads and dropped:
                payloads[-1] = replace(payloads[-1], cursors={DROPPED: str(before + dropped)})
            keep(payloads)

        return listen(self._place(), durable, stop)

    def prove(self, name: str) -> Iterator[Finding]:  # noqa: ARG002
        """Whether the address can be had, and the certificate used. Raises TrackwayError."""
        probe = threading.Event()
        probe.set()
        for _ in listen(self._place(), lambda _group, _dropped: None, probe):
            continue
        yield Finding("listen", f"{self.listen} can be listened on, with {' and '.join(self.protocols)}")

    def _place(self) -> Place:
        host, _, port = self.listen.rpartition(":")
        context = None
        if "tls" in self.protocols:
            try:
                context = server_context(self.certificate, self.key, self.clients)
            except (OSError, ValueError) as error:
                raise TrackwayError(f"cannot use the certificate: {error}", path="certificate") from error
        return Place(
            host.strip("[]"), int(port), frozenset(self.protocols), self.max_message.bytes, self.connections, context
        )

    def _payloads(self, name: str, group: list[tuple[str, Heard]]) -> Iterator[Payload]:
        """What was heard, as few payloads: one for each sender and framing, and one for each refusal."""
        bodies: dict[tuple[str, bool], list[bytes]] = {}
        for peer, heard in group:
            if heard.body:
                bodies.setdefault((peer, heard.framed), []).append(heard.body)
            for raw, reason, detail in heard.bad:
                yield refused(name, raw, peer, reason, detail)
        for (peer, framed), parts in bodies.items():
            headers = {"peer": peer, **self._told} | ({"framing": "octets"} if framed else {})
            body = b"".join(parts)
            if self.codec != "syslog":
                body, headers = bared(body, framed=framed), {"peer": peer, **self._told}
            try:
                records = registry.codec(self.codec).count(body, headers)
            except PayloadError as error:
                yield refused(name, body, peer, Reason.UNREADABLE, error.message)
                continue
            if records:
                yield Payload(name, self.codec, body, records, headers)


def refused(name: str, raw: bytes, peer: str, reason: Reason, detail: str) -> Payload:
    """A message that no codec gets to see."""
    return Payload(name, "refused", raw, 1, {"peer": peer, "reason": reason.value, "detail": detail})


def bared(body: bytes, *, framed: bool) -> bytes:
    """Messages without the headers of syslog, a line each or as many as they have.

    >>> bared(b"<190>Oct 11 22:14:15 web nginx: 1.2.3.4 - -\\n", framed=False)
    b'1.2.3.4 - -\\n'
    """
    if not framed:
        lines = body.split(b"\n")
    else:
        lines, at = [], 0
        while at < len(body):
            length, _, _ = body[at : at + 9].partition(b" ")
            at += len(length) + 1
            lines.append(body[at : at + int(length)])
            at += int(length) + 1
        lines.append(b"")
    return b"\n".join(HEADER.sub(b"", line, count=1) if line.startswith(b"<") else line for line in lines)
