"""Avro: files of records with their schema, and messages of Kafka with theirs in a registry.

    [sources.exports]
    type = "file"
    paths = ["exports/*.avro"]

    [sources.orders]
    type = "kafka"
    brokers = ["127.0.0.1:9092"]
    topics = ["orders"]
    codec = "avro"
    registry = "http://127.0.0.1:8081"

Over HTTP whole container files are sent to `/v1/avro`, with the key as for `json`.

Fields are named as the members of JSON objects are (`json`), a record in a record dotted: `event`, `time`, `event_id`,
`user_id` and `anonymous_id` are the envelope, everything else is a property. Timestamps, dates and UUIDs are read as
such, decimals as text, bytes as UTF-8 or else in hexadecimal. A record that is not of the schema is refused; in a file
it takes the rest of its block with it, since nobody knows where the next one begins.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError
from trackway.flow.containers import FAULTS, LARGEST, parsed, separated
from trackway.model.avro import AvroError, container, opened, unpacked
from trackway.model.cells import Path
from trackway.model.dialect import together
from trackway.model.documents import Records, Split, property_name, tabulate
from trackway.model.event import Block, Reason
from trackway.model.schema import ENVELOPE, Kind, Schema
from trackway.plan.component import Codec, Reply, Request, Taken

TOLD: dict[str, Kind] = {name: ENVELOPE[name] for name in ("event", "time", "event_id", "user_id", "anonymous_id")}


MOST = 64 << 20
"""Bytes that a request may unpack to."""


class Row(NamedTuple):
    """One record: its bytes, and itself as JSON or what is wrong with it."""

    raw: bytes
    text: bytes = b""
    wrong: str = ""


class Avro(Codec):
    """Records to events."""

    routes: ClassVar[tuple[str, ...]] = ("/v1/avro",)

    def key(self, request: Request) -> str | None:
        """A bearer token, the user name of Basic authentication, or `?key=` where no header can be set."""
        user = request.authorization("basic")
        if user is not None:
            return user.partition(":")[0]
        return request.authorization("bearer") or request.query.get("key")

    def take(self, request: Request) -> Taken:
        """A container, unpacked. Raises PayloadError for one of which a part cannot be read: send it again."""
        try:
            body = separated(request.body, MOST)
        except AvroError as error:
            raise PayloadError(str(error), hint="send a whole container file of Avro") from error
        records = self.count(body, {}) if body else 0
        return Taken(body, records, {"path": request.path}, self.reply(records))

    def reply(self, records: int) -> Reply:
        """How many events were kept."""
        return Reply(200, orjson.dumps({"ok": True, "received": records}))

    def in_line(self, record: bytes) -> bool:
        """Every record that has bytes."""
        return bool(record)

    def join(self, records: Sequence[bytes], schema: str) -> bytes:
        """A container."""
        return container(schema, records)

    def check(self, headers: Mapping[str, str]) -> None:  # noqa: ARG002
        """Raises MissingDriver where nothing could be read."""
        parsed('"null"')

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The records of all blocks, and what is left when the end is missing. Raises PayloadError for no container."""
        try:
            found = opened(body)
        except AvroError as error:
            raise PayloadError(
                str(error), hint="Avro is read from container files, or with a schema registry"
            ) from error
        return int(found.records.sum()) + bool(found.broken)

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every record."""
        kinds = {**known.properties, **TOLD}
        return together([partial(_table, [block]) for block in blocks] or [partial(_table, [])], kinds)


def _table(blocks: Sequence[Block], kinds: Mapping[str, Kind]) -> pa.Table:
    rows = [row for block in blocks for row in _rows(block.body)]
    lengths = np.array([len(row.text) for row in rows], dtype=np.int64)
    ends = np.cumsum(lengths)
    joined = b"".join(row.text for row in rows)
    made = [Block(block.seq, block.source, block.received_at, block.codec, joined, len(rows)) for block in blocks]
    table = tabulate(Records.of(made, [Split(ends - lengths, ends)] * len(made)), kinds, _name)
    wrong = pa.array([row.wrong or None for row in rows], pa.string())
    told = {"raw": pa.array([row.raw for row in rows], pa.binary())}
    if wrong.null_count < len(wrong):
        told["reason"] = pc.if_else(pc.is_valid(wrong), Reason.UNREADABLE.value, table["reason"])
        told["detail"] = pc.coalesce(wrong, table["detail"])
    for name, values in told.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    return table


def _name(path: Path) -> str:
    """The column of a field."""
    name = ".".join(path)
    return name if name in TOLD else property_name(path)


def _rows(body: bytes) -> list[Row]:
    found = opened(body)
    rows: list[Row] = []
    read = partial(_block, schema=found.schema, compression=found.compression)
    for records, start, end in zip(found.records.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True):
        rows += read(body[start:end], records)
    return [*rows, Row(b"", b"{}", found.broken)] if found.broken else rows


def _block(data: bytes, records: int, schema: str, compression: str) -> list[Row]:
    """The records of one block, in which the first that cannot be read ends those after it."""
    rows: list[Row] = []
    wrong = ""
    try:
        type_, read = parsed(schema)
        plain = unpacked(data, compression, LARGEST)
        stream = io.BytesIO(plain)
        before = 0
        for _ in range(records):
            text = orjson.dumps(read(stream, type_, None), default=_plain)
            after = stream.tell()
            rows.append(Row(plain[before:after] if compression == "null" else b"", text))
            before = after
        if before < len(plain):
            wrong = "bytes are left after the record"
    except FAULTS as error:
        wrong = f"not of its schema: {type(error).__name__} {error}"[:300]
    if not wrong:
        return rows
    if records == 1:
        return [Row(data, b"{}", wrong)]
    return rows + [Row(b"", b"{}", wrong)] * (records - len(rows))


def _plain(value: Any) -> Any:
    """What JSON does not have, as text."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(value)
