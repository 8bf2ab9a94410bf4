"""Sources whose events come in files, wherever those lie: their options, and how what is read of one becomes payloads.

A file is known to the flow by the header `file` of its blocks: a record without an id of its own is then known by its
bytes (and which copy in its file it is), so that the same lines under another name are the same events.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from trackway.flow.containers import Containers
from trackway.flow.detect import Detected, detect
from trackway.flow.options import CodecNameOrAuto, Columns, told
from trackway.flow.reading import Piece, Reading, open_reading
from trackway.flow.sheet import Sheet
from trackway.flow.spans import write_copies
from trackway.flow.streams import open_file
from trackway.flow.zones import Zone
from trackway.model.size import Size
from trackway.plan import registry
from trackway.plan.component import Payload, Source


class Filed(Source):
    """A source that reads files."""

    codec: CodecNameOrAuto = "auto"
    """`auto`, or what the files hold: `access_log`, `json`, `csv`, `parquet` …"""
    format: str = ""
    """How a line is laid out, in the words of what wrote it: a `LogFormat` or `log_format` for `access_log`, and as the
    other codecs say. Found by itself when left out."""
    zone: Zone = Zone("UTC")
    """The time zone of times that do not say theirs, such as `Europe/Berlin`."""
    encoding: str = "auto"
    """`auto` (UTF-8, or UTF-16 when it looks like it, and for tables Windows-1252), or a name such as `latin-1`."""
    max_line: Size = Size("1MB")
    """Largest record; a larger one is refused, with its first bytes."""
    block: Size = Size("8MB")
    """How much is read at once."""
    sheet: Sheet = Sheet()
    """For CSV: how its rows are written, where that is not found by itself, such as
    `{ delimiter = ";", decimal = ",", skip = 3, names = ["id", "name"] }`."""
    columns: Columns = Field(default_factory=dict)
    """For CSV and Parquet, which column is `event`, `time`, `event_id`, `user_id` or `anonymous_id`, when its
    name does not say so."""

    @model_validator(mode="after")
    def _known_format(self) -> Self:
        if self.codec == "auto" and self.format:
            raise ValueError('a format needs its codec: codec = "access_log"')
        if self.codec != "auto":
            registry.codec(self.codec).check(told(self.format, self.zone))
        return self

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            codecs.lookup("utf-8" if value == "auto" else value)
        except LookupError as error:
            raise ValueError(f"unknown encoding '{value}', expected one such as 'latin-1' or 'utf-16'") from error
        return value

    def detected(self, path: Path, *, growing: bool = False) -> Detected:
        """What a file seems to be; without a codec while too little of a `growing` one is there. Raises TrackwayError
        when that cannot be told.
        """
        said = told(self.format, self.zone)
        return detect(path, self.codec, self.encoding, growing=growing, told=said, sheet=self.sheet)

    def encoded(self, found: Detected) -> str:
        """The encoding to read a file in."""
        return found.encoding if self.encoding == "auto" else self.encoding

    def opened(self, path: Path, found: Detected) -> Reading:
        """The reading of a file, at its beginning. Raises TrackwayError."""
        limit, block = self.max_line.bytes, self.block.bytes
        if found.form == "avro":
            return Containers(open_file(path), block=block, limit=limit)
        return open_reading(path, found, encoding=self.encoded(found), block=block, limit=limit)

    def packed(
        self, source: str, file: str, found: Detected, piece: Piece, cursors: Mapping[str, str]
    ) -> list[Payload]:
        """One piece of a file and what is refused of it, as payloads that reach the cursors."""
        where = {"file": file}
        payloads = []
        if piece.records:
            headers = {**where, "offset": str(piece.offset), **self._headers(found), **piece.headers}
            if repeats := write_copies(piece.copies):
                headers["repeats"] = repeats
            payloads.append(Payload(source, found.codec, piece.body, piece.records, headers, cursors))
        for bad in piece.bad:
            headers = {**where, "offset": str(bad.offset), "reason": bad.reason.value, "detail": bad.detail}
            payloads.append(Payload(source, "refused", bad.raw, 1, headers, cursors))
        return payloads

    def _headers(self, found: Detected) -> dict[str, str]:
        headers = dict(found.headers)
        if found.form == "rows":
            headers["max_line"] = str(self.max_line.bytes)
        if found.codec == "json":
            headers["lines"] = "true"
        if self.columns:
            headers["columns"] = json.dumps(self.columns)
        return headers
