"""Extended log files of the W3C: IIS, CloudFront, Incapsula, NetScaler, Shoutcast, and all that begin with `#Fields`.

    [sources.site]
    type = "file"
    paths = ["/inetpub/logs/LogFiles/W3SVC1/*.log"]    # or CloudFront's, packed as they are delivered

A line `#Fields: date time c-ip …` says what the lines after it hold, and may come again with other names; the other
lines with `#` are passed over. Values stand between spaces or tabs, in quotes or not; `-` is null. The names become
those of an access log: `c-ip` is `ip`, `cs-uri-stem` is `path`, `cs(User-Agent)` is `user_agent`, `sc-bytes` is
`bytes`; others keep theirs (`x-edge-location` is `x_edge_location`), and headers become `request_headers.NAME`. Times
are UTC, as IIS and CloudFront write them; `time-taken` is milliseconds in IIS and seconds elsewhere, `duration` is
seconds always. The event is `request`, or what `x-event` says where there is one (streams of CloudFront).

For lines without their `#Fields`, `format = "date time c-ip …"` of the source says them. A line with more or fewer
values is refused as `unreadable`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pyarrow as pa

from trackway.flow.layout import BLANK, Field, Layout, Piece, distinct
from trackway.flow.lines import LineCodec, Lines, read, share, stacked
from trackway.flow.spans import as_array, line_spans
from trackway.flow.values import HOSTED
from trackway.flow.web import HEADERS, MILLIS, SECONDS, W3C, called
from trackway.model.event import Block
from trackway.plan.component import Likeness

MARK = b"#Fields:"
OF_IIS = {"sc-win32-status", "sc-substatus", "s-computername", "s-sitename"}
"""Fields that only IIS writes, which counts the time taken in milliseconds."""
HEADER = re.compile(r"(cs|sc)\((.+)\)")


class W3c(LineCodec):
    """Lines under a heading to events."""

    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:
        """Values between tabs, else between spaces, named by `heading` or `format`."""
        return layouts((headers.get("heading") or headers.get("format", "")).removeprefix("#Fields:"))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The lines that do not begin with `#`."""
        data = as_array(body)
        starts, _ = line_spans(data)
        return int((data[starts] != ord("#")).sum()) if len(starts) else 0

    def table(self, block: Block) -> pa.Table:
        """The events of one block: lines under one heading together."""
        data = as_array(block.body)
        starts, ends = line_spans(data)
        directive = data[starts] == ord("#") if len(starts) else np.zeros(0, dtype=np.bool_)
        headings = [row for row in np.flatnonzero(directive).tolist() if block.body.startswith(MARK, starts[row])]
        said = [self.layouts(block.headers), *(layouts(_text(block.body[starts[row] : ends[row]])) for row in headings)]
        first, tables = 0, []
        for begin, stop, layout in zip([0, *headings], [*headings, len(starts)], said, strict=True):
            rows = np.flatnonzero(~directive[begin:stop]) + begin
            if len(rows) or stop == len(starts):
                lines = Lines(block, data, starts[rows], ends[rows], first)
                what = "not as many values as #Fields has names" if layout[0].fields else "no line #Fields before it"
                tables.append(read(lines, layout, what))
                first += len(rows)
        return stacked(tables)

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Lines that follow a heading."""
        headings = [line for line in lines if line.startswith(MARK)]
        rows = [line for line in lines if not line.startswith(b"#")]
        if not headings:
            return Likeness(0.0, "headed")
        named = max(share(rows, *layouts(_text(line))) for line in headings)
        return Likeness(named if rows else 1.0, "headed")


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").removeprefix("#Fields:")


@cache
def layouts(heading: str) -> tuple[Layout, ...]:
    """The layouts of lines under a heading: between tabs, and between spaces."""
    names = heading.split()
    fields = [_field(name.lower(), frozenset(names)).in_quotes() for name in names]
    if not fields:
        return (Layout((b"#",), visitor=False),)
    event = "" if "x-event" in names else "request"
    found = []
    for mark in (b"\t", BLANK):
        pieces: list[Piece] = [piece for field in distinct(fields) for piece in (mark, field)]
        found.append(Layout(tuple(pieces[1:]), event=event, escape="none"))
    return tuple(found)


def _field(name: str, names: frozenset[str]) -> Field:
    if name == "time-taken":
        return MILLIS if OF_IIS & names else SECONDS
    if name == "cs(host)" and "x-host-header" in names:
        return Field("request_headers.host")
    if name == "cs-uri":
        return Field(("path", "" if "cs-uri-query" in names else "query", "host"), "url", HOSTED)
    if name in W3C:
        return W3C[name]
    if match := HEADER.fullmatch(name):
        prefix = "request_headers" if match[1] == "cs" else "response_headers"
        return Field(HEADERS.get(match[2], f"{prefix}.{match[2].replace('-', '_')}"))
    return called(re.sub(r"[^\w.]+", "_", name).strip("_") or "unnamed")
