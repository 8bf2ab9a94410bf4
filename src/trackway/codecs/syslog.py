"""Syslog: RFC 5424, RFC 3164, and what real senders make of it; lines, or frames with their length in front.

    [sources.machines]
    type = "file"
    paths = ["/var/log/syslog*"]
    zone = "Europe/Berlin"    # for times that do not tell theirs

A message is one event `log` with the columns `level` (emerg alert crit err warning notice info debug), `facility`,
`host`, `app`, `pid`, `msgid` and `message`; the structured data of RFC 5424 becomes `data.ID.NAME`. Old times have no
year: the latest is meant that is not more than a day after the message was received. A message without a time happened
when it was received. A message that only has its priority, or only a time, is an event all the same; a line that has
neither is refused. Until a transform finds users in the messages, an event is its `host`'s, else its `app`'s.

Bodies with the header `framing = "octets"` hold frames of RFC 6587 (`83 <34>1 …`), in which a message may have several
lines; all others are lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from trackway.flow.layout import BLANK, PADDING, Field, Layout, Maybe, Piece
from trackway.flow.lines import LineCodec, Lines, of_somebody, read, share
from trackway.flow.patterns import WORD
from trackway.flow.scanning import frames
from trackway.flow.spans import Ints, as_array, line_spans
from trackway.model.documents import property_name
from trackway.model.event import Block
from trackway.plan.component import Likeness

LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
FACILITIES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
              "ntp", "audit", "alert", "clock", *(f"local{number}" for number in range(8)))  # fmt: skip
PRIORITY: tuple[Piece, ...] = (b"<", Field("priority", "integer", strict=True), b">")
ISO = Field("time", "time", "%Y-%m-%dT%H:%M:%S%f%z")
OLD = (ISO, Field("time", "time", "%b %e %H:%M:%S%f"), Field("time", "time", "%b %e %Y %H:%M:%S%f"))
"""Times of RFC 3164, of rsyslog's files, and of routers."""
HOST = Field("host", format=WORD, strict=True)
APP = Field("app", format=WORD, strict=True)
MESSAGE: tuple[Piece, ...] = (BLANK, Field("message", escape="none"))
TAGGED: tuple[Piece, ...] = (APP, b"[", Field("pid", format=WORD, strict=True), b"]:", *MESSAGE)
NAMED: tuple[Piece, ...] = (APP, b":", *MESSAGE)
NEW: tuple[Piece, ...] = (
    *PRIORITY, b"1 ", Field("time", "time", ISO.format, empty=True), b" ", Field("host"), b" ", Field("app"), b" ",
    Field("pid"), b" ", Field("msgid"), b" ", Field("data", "lists"),
    Maybe((b" ", PADDING, Field("message", escape="none"))),
)  # fmt: skip
BODIES: tuple[tuple[Piece, ...], ...] = (
    (HOST, BLANK, *TAGGED), (HOST, BLANK, *NAMED), TAGGED, NAMED, (HOST, *MESSAGE),
)  # fmt: skip
DATA = re.compile(r'\[([^\s\]"=]+)((?:\s+[^\s=\]"]+="(?:[^"\\]|\\.)*")*)\s*\]')
PARAMETER = re.compile(r'([^\s=\]"]+)="((?:[^"\\]|\\.)*)"')


def _layouts() -> tuple[Layout, ...]:
    olds = [(Maybe(PRIORITY), time, BLANK, *body) for body, time in product(BODIES, OLD)]
    routers = [(Maybe(PRIORITY), time, b":", *MESSAGE) for time in OLD]
    all_ = [NEW, *olds, *routers, *[(*PRIORITY, *body) for body in (*BODIES[2:4], (Field("message", escape="none"),))]]
    return tuple(
        Layout(tuple(pieces), event="log", null=b"-" if pieces is NEW else b"", escape="none", visitor=False)
        for pieces in all_
    )


LAYOUTS = _layouts()


class Syslog(LineCodec):
    """Messages to events."""

    general: ClassVar[int] = 1

    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:  # noqa: ARG002
        """RFC 5424, then what there was before it."""
        return LAYOUTS

    def what(self, headers: Mapping[str, str]) -> str:  # noqa: ARG002
        """What a line is not when it is refused."""
        return "neither a priority nor a time in front"

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The lines or frames."""
        return len(_spans(body, headers)[0])

    def table(self, block: Block) -> pa.Table:
        """The messages of one block."""
        lines = Lines(block, as_array(block.body), *_spans(block.body, block.headers))
        return of_somebody(_told(read(lines, LAYOUTS, self.what(block.headers))), "host", "app")

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Messages that tell a host or a program."""
        return Likeness(share(lines, *LAYOUTS[: 1 + 4 * len(OLD)]))


def _spans(body: bytes, headers: Mapping[str, str]) -> tuple[Ints, Ints]:
    data = as_array(body)
    return frames(data) if headers.get("framing") == "octets" else line_spans(data)


def _told(table: pa.Table) -> pa.Table:
    """The table with priorities and structured data taken apart."""
    if "priority" in table.column_names:
        number = table["priority"]
        known = pc.if_else(pc.less(number, 8 * len(FACILITIES)), number, None)
        level = pa.array(LEVELS).take(pc.bit_wise_and(known, 7).combine_chunks())
        facility = pa.array(FACILITIES).take(pc.shift_right(known, 3).combine_chunks())
        table = table.drop_columns("priority").append_column("level", level).append_column("facility", facility)
    if "data" in table.column_names:
        table = _with_data(table)
    if "message" in table.column_names:
        place = table.schema.get_field_index("message")
        table = table.set_column(place, "message", pc.utf8_ltrim(table["message"], "\ufeff"))
    return table


def _with_data(table: pa.Table) -> pa.Table:
    """Structured data as columns; every different one is taken apart once."""
    written = table["data"].combine_chunks().dictionary_encode()
    table = table.drop_columns("data")
    found: dict[str, dict[int, str]] = {}
    for number, text in enumerate(written.dictionary.to_pylist()):
        for list_ in DATA.finditer(text):
            for name, value in PARAMETER.findall(list_[2]):
                column = property_name(("data", list_[1], name))
                found.setdefault(column, {})[number] = re.sub(r'\\(["\\\]])', r"\1", value)
    for column in sorted(found):
        values = [found[column].get(number) for number in range(len(written.dictionary))]
        table = table.append_column(column, pa.array(values, pa.string()).take(written.indices))
    return table
