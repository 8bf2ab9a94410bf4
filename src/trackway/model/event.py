"""The values that travel: payload blocks from a source, and what a codec reads in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa


class Reason(StrEnum):
    """Why an event was refused: a closed list, since people and rules key on it."""

    UNREADABLE = "unreadable"
    """Not of the format: broken JSON, a log line that does not match, a ragged CSV row."""
    ENCODING = "encoding"
    """Bytes that are not text in the encoding of the source."""
    TOO_LARGE = "too_large"
    """One record over the size limit."""
    TRUNCATED = "truncated"
    """The payload ends in the middle (a cut gzip, a line without its end)."""
    NO_EVENT = "no_event"
    """A record without the name of an event, or not an object at all."""
    NO_TIME = "no_time"
    """A time that cannot be read."""
    TIME_RANGE = "time_range"
    """A time before 1970 or more than a day ahead of the clock when received."""
    NO_ACTOR = "no_actor"
    """No id from which an actor could be known."""
    CONTRACT = "contract"
    """Broke a contract of mode `refuse`."""
    FUNCTION = "function"
    """A function of the user's raised, gave something else than was asked, or needed too much time or memory."""


@dataclass(frozen=True, slots=True)
class Block:
    """One payload as it was received: the unit of the journal."""

    seq: int
    """Position in the journal, ascending, never reused."""
    source: str
    received_at: int
    """Microseconds since 1970 UTC."""
    codec: str
    body: bytes
    records: int
    """How many records the codec counted in it when it was received."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the codec needs beside the body: route, file, CSV header line, `repeats` …"""


DECODED = pa.schema(
    [
        ("block", pa.int64()),
        ("row", pa.int64()),
        ("raw", pa.binary()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
"""The columns every decoded batch begins with: which record of which block, its original bytes, and,
for a record that could not be read, the reason code and a sentence. `event_id time event user_id
anonymous_id` and the properties follow, as far as the codec knows them."""
