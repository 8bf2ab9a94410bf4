"""Application logs: Python's logging, log4j, logback and Spring, Go, error logs of servers; stack traces stay together.

    [sources.app]
    type = "file"
    paths = ["/var/log/app/*.log"]
    zone = "Europe/Berlin"    # when the lines do not say it

    [sources.shop]
    type = "file"
    paths = ["shop.log"]
    codec = "application_log"
    format = "%d{yyyy-MM-dd HH:mm:ss.SSS} [%t] %-5level %logger{36} - %msg%n"

Some fifty usual patterns are recognised by themselves; any other is told as the application's own configuration says
it, in the words of Python (`%(asctime)s %(levelname)s %(message)s`) or of log4j and logback (`%d %p %c - %m%n`),
several of them one a line. A line that has none of them belongs to the entry before it, as the lines of a stack trace
do, and so one entry is one event `log` with the columns `level logger thread pid message …`. What follows the first
line is `stack`, and the exception it tells is `exception.type` and `exception.message`. Lines before the first entry
are refused. Until a transform finds users in the messages, an entry is its thread's, its process's or its logger's. A
followed file gives its last entry when the next one begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from trackway.flow.layout import Layout
from trackway.flow.lines import LineCodec, Lines, of_somebody, read
from trackway.flow.patterns import entries, layouts, recognised, with_stack
from trackway.flow.spans import as_array, line_spans
from trackway.model.event import Block
from trackway.plan.component import Likeness

CONTINUED = (b" ", b"\t", b"Caused by:", b"Traceback (most recent", b"}", b")", b"]", b"...", b"During handling of")
"""How lines begin that belong to the one before."""


class ApplicationLog(LineCodec):
    """Entries of logs to events."""

    general: ClassVar[int] = 2

    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:
        """Those of the patterns told or recognised."""
        return layouts(headers.get("format", "") or "%d{ISO8601} %m")

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The entries."""
        data = as_array(body)
        return len(entries(data, *line_spans(data), headers.get("format", ""))[0])

    def table(self, block: Block) -> pa.Table:
        """The entries of one block."""
        data = as_array(block.body)
        starts, ends, _ = entries(data, *line_spans(data), block.headers.get("format", ""))
        table = read(Lines(block, data, starts, ends), self.layouts(block.headers), "not of a pattern of this log")
        table = of_somebody(table, "thread", "pid", "logger")
        return with_stack(table)

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Lines of usual patterns, and those that go on from one."""
        heads = [line for line in lines if not line.startswith(CONTINUED)]
        patterns = recognised(heads)
        format_ = "\n".join(patterns)
        if not patterns:
            return Likeness(0.0, "entries")
        body = b"\n".join(heads)
        data = as_array(body)
        _, _, places = entries(data, *line_spans(data), format_)
        return Likeness(len(places) / max(len(heads), 1), "entries", {"format": format_})
