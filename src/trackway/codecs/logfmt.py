"""Lines of `key=value`: logfmt, the routers of Heroku, Splunk's way of logging, firewalls.

    [sources.api]
    type = "file"
    paths = ["/var/log/api.log"]    # at=2026-05-17T10:05:03Z level=info msg="signed up" user_id=u1 plan=pro ms=12.5
    columns = { time = "at", event = "msg" }

Pairs stand between spaces, with or without commas. `time` (or `ts timestamp t datetime @timestamp`), `event` (or
`event_name`), `event_id`, `user_id` and `anonymous_id` are the envelope, in any case of letters; a source can name
others. Everything else is a property: a number or truth value written as in JSON is one, anything else is text, in
double quotes with the escapes of JSON, or up to the next key. Text before the first pair is `message`; a word alone
after it is true. An event without a name is `log`, and one
of nobody is its `host`'s. A line without a pair is refused as `unreadable`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from trackway.flow.lines import of_somebody
from trackway.flow.pairs import pairs
from trackway.flow.tabular import ALIASES
from trackway.model.cells import Path
from trackway.model.dialect import together
from trackway.model.documents import Records, Split, property_name, tabulate_cells
from trackway.model.event import Block
from trackway.model.json_text import as_array, text_lines
from trackway.model.schema import ENVELOPE, Kind, Schema
from trackway.plan.component import Codec, Likeness

TOLD: dict[str, Kind] = {name: ENVELOPE[name] for name in ALIASES}
PAIRS = re.compile(rb'(?:^|[\s,;])[A-Za-z_@][\w.@/-]*=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)')


class Logfmt(Codec):
    """Pairs to events."""

    general: ClassVar[int] = 1

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The lines that are not blank."""
        return len(_split(body).starts)

    def in_line(self, record: bytes) -> bool:
        """Every line."""
        return b"\n" not in record

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row a line."""
        groups = [list(some) for _, some in groupby(blocks, key=lambda block: block.headers.get("columns", ""))]
        return together([partial(_table, some) for some in groups or [[]]], {**known.properties, **TOLD})

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Lines that begin with a pair and have two at least."""
        found = [PAIRS.findall(line) for line in lines]
        good = sum(len(some) > 1 and line.startswith(some[0]) for line, some in zip(lines, found, strict=True))
        return Likeness(good / max(len(lines), 1))


def _split(body: bytes) -> Split:
    return Split(*text_lines(as_array(body), 0, len(body)))


def _table(blocks: Sequence[Block], kinds: Mapping[str, Kind]) -> pa.Table:
    records = Records.of(blocks, [_split(block.body) for block in blocks])
    told = json.loads(blocks[0].headers.get("columns", "{}")) if blocks else {}
    cells = pairs(records.data, records.starts, records.ends)
    table = tabulate_cells(cells, records, kinds, partial(_name, told=told))
    table = of_somebody(table, "host")
    if "event" not in table.column_names:
        return table.append_column("event", pa.repeat("log", table.num_rows))
    place = table.schema.get_field_index("event")
    return table.set_column(place, "event", pc.fill_null(table["event"], "log"))


def _name(path: Path, told: Mapping[str, str]) -> str:
    """The column of a key."""
    lower = path[0].lower()
    for column, aliases in ALIASES.items():
        if lower in ([told[column].lower()] if column in told else aliases):
            return column
    if "time" not in told and lower in ("t", "@timestamp"):
        return "time"
    return property_name(path)
