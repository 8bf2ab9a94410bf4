"""Logs of unknown applications: each line an event named by the statement that wrote it, with what varies as fields.

    [sources.app]
    type = "file"
    paths = ["/var/log/app/*.log"]
    codec = "template"

    [sources.pinned]
    type = "file"
    paths = ["shop.log"]
    codec = "template"
    format = '''
    %d{yyyy-MM-dd HH:mm:ss.SSS} [%t] %-5level %logger{36} - %msg%n
    cart <cart:text> of <user:text> paid <amount:number> EUR
    user <user:text> logged in
    '''

`user ann logged in` and `user bob logged in` are two events `user <user> logged in` with the column `user`. What stands
in front of the message (time, level, logger, thread) is read as by `application_log`, whose patterns are recognised or
told by `format`. Templates are learned from the first megabyte of a file and kept with every block, so that reading
again gives the same; names of events stay for ever when the templates are told by `format`, one a line, with
`<name:text>` for a word and `<name:number>` for a number. A line that fits no template is an event `log`; every event
has its `message`. Which templates there are, and how often: `select event, count(*) from events group by 1`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.flow import patterns
from trackway.flow.layout import Field, Layout
from trackway.flow.lines import LineCodec, Lines, of_somebody, read
from trackway.flow.patterns import entries, recognised, with_stack
from trackway.flow.spans import as_array, line_spans
from trackway.flow.templates import is_template, layouts, learn
from trackway.model.event import DECODED, Block
from trackway.plan.component import Likeness

BARE = (Layout((Field("message", escape="none"),), event="log", null=b"", escape="none", visitor=False),)
"""Lines of which nothing is known."""


class Template(LineCodec):
    """Entries of logs to events named by their templates."""

    general: ClassVar[int] = 9
    sample: ClassVar[int] = 1 << 20

    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:
        """Those of what stands in front of a message."""
        heads, _ = told(headers)
        return (*patterns.layouts(heads), *BARE) if heads else BARE

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises FormatError for patterns and templates that have no meaning."""
        super().check(headers)
        for layout in layouts(told(headers)[1]):
            _ = layout.program

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The entries."""
        return len(self._lines(Block(0, "", 0, "", body, 0, headers)).starts)

    def table(self, block: Block) -> pa.Table:
        """The entries of one block."""
        table = read(self._lines(block), self.layouts(block.headers), "nothing")
        table = of_somebody(table, "thread", "pid", "logger")
        if "message" not in table.column_names:
            return table
        return _templated(with_stack(table), told(block.headers)[1])

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """The patterns that stand in front of lines; that lines are a log is for the source to say."""
        heads = "\n".join(recognised([line for line in lines if not line[:1].isspace()]))
        return Likeness(0.0, "entries", {"format": heads})

    def learn(self, lines: Sequence[bytes], headers: Mapping[str, str]) -> Mapping[str, str]:
        """The templates of some lines, unless they are told."""
        heads, given = told(headers)
        if not given:
            block = Block(0, "", 0, "", b"\n".join(lines), 0, {"format": heads})
            table = with_stack(read(self._lines(block), self.layouts(block.headers), "nothing"))
            found = table["message"].drop_null().to_pylist() if "message" in table.column_names else []
            given = "\n".join(learn(found))
        return {"format": heads, "templates": given}

    def _lines(self, block: Block) -> Lines:
        data = as_array(block.body)
        starts, ends = line_spans(data)
        heads, _ = told(block.headers)
        if heads:
            starts, ends, _ = entries(data, starts, ends, heads)
        return Lines(block, data, starts, ends)


def told(headers: Mapping[str, str]) -> tuple[str, str]:
    """The patterns of what stands in front, and the templates."""
    lines = [line.strip() for line in headers.get("format", "").split("\n") if line.strip()]
    templates = "\n".join(line for line in lines if is_template(line))
    return "\n".join(line for line in lines if not is_template(line)), templates or headers.get("templates", "")


def _templated(table: pa.Table, templates: str) -> pa.Table:
    """The table with the event of every message and the fields of its template."""
    messages = table["message"].combine_chunks().cast(pa.binary())
    rows = np.flatnonzero(messages.is_valid().to_numpy(zero_copy_only=False))
    body = b"\n".join(messages.drop_null().to_pylist())
    lengths = pc.binary_length(messages.drop_null()).to_numpy().astype(np.int64)
    ends = np.cumsum(lengths + 1) - 1
    block = Block(0, "", 0, "", body, len(rows))
    found = read(Lines(block, as_array(body), ends - lengths, ends), layouts(templates), "nothing")
    found = found.select(["event", *(n for n in found.column_names[len(DECODED) :] if n not in ("event", "rest"))])
    if len(rows) < len(table):
        place = np.full(len(table), -1)
        place[rows] = np.arange(len(rows))
        found = found.take(pa.array(place, mask=place < 0))
    event = pc.if_else(pc.is_null(table["reason"]), pc.coalesce(found["event"], "log"), None)
    table = table.set_column(table.schema.get_field_index("event"), "event", event)
    for name in found.column_names:
        if name not in table.column_names and found[name].null_count < len(found):
            table = table.append_column(name, found[name])
    return table
