"""Cutting a stream of bytes into records: lines, CSV rows, or the elements of a JSON array.

A cutter is fed pieces of any size and gives the same records however the pieces fall. It never holds more
than one record and one piece; of a record over the limit it keeps the first bytes and goes on after it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trackway.flow.patterns import entries
from trackway.flow.spans import Bytes, Ints, as_array, join, line_spans
from trackway.model.event import Reason
from trackway.model.kernels import kernel, leaf

KEPT = 64 * 1024
"""Bytes kept of a record that is too large."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A record refused before any codec saw it."""

    offset: int
    raw: bytes
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Records found in one piece; each is a span of `body` and is followed there by one newline."""

    body: Bytes
    starts: Ints
    ends: Ints
    offset: int
    """Where in the stream the piece begins, in bytes."""
    until: int
    """Where in the stream reading goes on after it."""
    bad: list[Bad] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the codec must know of what stands before the piece."""


@dataclass(frozen=True, slots=True)
class Found:
    """Spans a cutter found, and how much of the data is done with."""

    starts: Ints
    ends: Ints
    used: int
    broken: dict[int, tuple[Reason, str]] = field(default_factory=dict)
    """Row -> why it is no record."""


class Cutter(ABC):
    """Holds what is not yet a whole record."""

    flat = False
    """Whether newlines inside a record become spaces."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Largest record in bytes."""
        self._kept = min(KEPT, limit)
        self._too_large = (Reason.TOO_LARGE, f"longer than {limit:,} bytes")
        self._pending = b""
        self._at = 0
        self._large: Bad | None = None

    @property
    def holding(self) -> bool:
        """Whether a record has begun and not yet ended."""
        return bool(self._pending) or self._large is not None

    @abstractmethod
    def find(self, data: bytes, *, final: bool) -> Found:
        """The records in `data`; with `final` all of it, else only what surely is whole."""

    def skip(self, data: bytes, *, final: bool) -> int:
        """How much of `data` still belongs to a record that is too large; all of it when its end is not in sight."""
        return len(data) if final else data.find(b"\n") + 1 or len(data) + 1

    def begin_skip(self, data: bytes) -> None:  # noqa: B027 - most forms need not know
        """Called with the beginning of a record that is too large."""

    def feed(self, piece: bytes, *, final: bool = False) -> Cut:
        """The records that are whole with this piece; with `final`, also a last one without its end."""
        bad: list[Bad] = []
        piece = self._drop(piece, bad, final=final)
        data = self._pending + piece if self._pending else piece
        found = self.find(data, final=final)
        begin = self._at
        self._at += found.used
        self._pending = data[found.used :]
        if len(self._pending) > self.limit + len("\r"):
            self._large = Bad(self._at, self._pending[: self._kept], *self._too_large)
            self._at += len(self._pending)
            self.begin_skip(self._pending)
            self._pending = b""
        return self._cut(as_array(data), found, begin, bad)

    def end(self, damage: str = "") -> Cut:
        """The last records of a stream. With `damage`, what is left of the last one is refused as truncated."""
        if not damage:
            return self.feed(b"", final=True)
        if self._large is not None:
            cut = self.feed(b"", final=True)
            rest = b""
        else:
            whole = self._pending.rfind(b"\n") + 1
            self._pending, rest = self._pending[:whole], self._pending[whole:]
            cut = self.feed(b"", final=True)
        self._at += len(rest)
        last = Bad(cut.until, rest[: self._kept], Reason.TRUNCATED, damage)
        return Cut(cut.body, cut.starts, cut.ends, cut.offset, self._at, [*cut.bad, last])

    def _drop(self, piece: bytes, bad: list[Bad], *, final: bool) -> bytes:
        if self._large is None:
            return piece
        length = self.skip(piece, final=final)
        done = length <= len(piece)
        length = min(length, len(piece))
        self._at += length
        if done:
            bad.append(self._large)
            self._large = None
        return piece[length:]

    def _cut(self, data: Bytes, found: Found, begin: int, bad: list[Bad]) -> Cut:
        starts, ends = found.starts, found.ends
        lengths = ends - starts
        large = set(np.flatnonzero(lengths > self.limit).tolist())
        out = large | set(found.broken)
        for row in sorted(out):
            raw = data[starts[row] : min(ends[row], starts[row] + self._kept)].tobytes()
            bad.append(Bad(begin + int(starts[row]), raw, *(self._too_large if row in large else found.broken[row])))
        if out:
            keep = np.ones(len(starts), dtype=bool)
            keep[sorted(out)] = False
            starts, ends = starts[keep], ends[keep]
        contiguous = not self.flat and len(starts) and int((ends - starts + 1).sum()) == found.used
        if contiguous and ends[-1] < len(data):
            body = data[: found.used]
        else:
            body, starts, ends = join(data, starts, ends, flat=self.flat)
        return Cut(body, starts, ends, begin, self._at, bad)


class Lines(Cutter):
    """Records are the lines that are not blank."""

    def find(self, data: bytes, *, final: bool) -> Found:
        """Whole lines; with `final` the last one need not end."""
        used = len(data) if final else data.rfind(b"\n") + 1
        return Found(*line_spans(as_array(data)[:used]), used)


class Headed(Lines):
    """Records are lines; those that begin with `#` are none but say what follows, and stay in the body.

    What the last of them with a given beginning said is told with every piece after it (header `heading`).
    """

    def __init__(self, limit: int, mark: bytes = b"#Fields:") -> None:
        super().__init__(limit)
        self._mark = mark
        self._heading = ""

    def _cut(self, data: Bytes, found: Found, begin: int, bad: list[Bad]) -> Cut:
        cut = super()._cut(data, found, begin, bad)
        beside = cut.body[cut.starts] == ord("#") if len(cut.starts) else np.zeros(0, dtype=bool)
        headers = {"heading": self._heading} if self._heading else {}
        for start, end in zip(cut.starts[beside].tolist(), cut.ends[beside].tolist(), strict=True):
            line = cut.body[start:end].tobytes()
            if line.startswith(self._mark):
                self._heading = line.decode("utf-8", "replace")
        return replace(cut, starts=cut.starts[~beside], ends=cut.ends[~beside], headers=headers)


class Entries(Cutter):
    """Records are entries of an application log: a line of one of its patterns, and those after it that have none."""

    def __init__(self, limit: int, format_: str) -> None:
        super().__init__(limit)
        self._format = format_

    def find(self, data: bytes, *, final: bool) -> Found:
        """Entries whose end is in sight, which is where the next begins; with `final` the last one too."""
        array = as_array(data)
        whole = len(data) if final else data.rfind(b"\n") + 1
        starts, ends, _ = entries(array, *line_spans(array[:whole]), self._format)
        if final or not len(starts):
            return Found(starts, ends, len(data) if final else 0)
        return Found(starts[:-1], ends[:-1], int(starts[-1]))


class Elements(Cutter):
    """Records are the elements of JSON arrays, or JSON values one after another."""

    flat = True

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._inside = False
        self._state = np.zeros(4, dtype=np.int64)

    def find(self, data: bytes, *, final: bool) -> Found:
        """Whole elements. One that never ends is given up at the first place where the next seems to begin."""
        array = as_array(data)
        starts: list[Ints] = []
        ends: list[Ints] = []
        broken: dict[int, tuple[Reason, str]] = {}
        at = rows = 0
        while True:
            first, last, bad, within, at, self._inside = _elements(array, at, self._inside)
            cut, length = self._first_unclosed(data, first, last)
            if length:
                first, last, at, self._inside = first[:cut], last[:cut], int(first[cut]), bool(within[cut])
            starts.append(first)
            ends.append(last)
            broken |= {
                rows + int(row): (Reason.UNREADABLE, "a line break inside a text") for row in bad[bad < len(first)]
            }
            rows += len(first)
            rest = len(data) - at
            if not length and rest and (final or rest > self.limit):
                length = _unclosed(data[at : at + self.limit])
            if length:
                broken[rows] = (Reason.UNREADABLE, "a text without its closing quote")
            elif rest and final:
                broken[rows], length = (Reason.TRUNCATED, "ends in the middle of a record"), rest
            else:
                break
            starts.append(np.array([at]))
            ends.append(np.array([at + length]))
            at += length
            rows += 1
        return Found(np.concatenate(starts), np.concatenate(ends), at, broken)

    def _first_unclosed(self, data: bytes, starts: Ints, ends: Ints) -> tuple[int, int]:
        """The first element over the limit that had better end earlier, and its better length; else zeros."""
        for row in np.flatnonzero(ends - starts > self.limit).tolist():
            if length := _unclosed(data[starts[row] : starts[row] + self.limit]):
                return row, length
        return 0, 0

    def begin_skip(self, data: bytes) -> None:
        """Remembers how deep inside the element its beginning leads."""
        self._state[:] = 0
        _element(as_array(data), 0, self._state)

    def skip(self, data: bytes, *, final: bool) -> int:
        """Up to the end of the element."""
        length = _element(as_array(data), 0, self._state)
        if length >= 0:
            return int(length)
        return len(data) if final else len(data) + 1


NEXT = re.compile(rb"\}\s*,\s*(?=\{)")


def _unclosed(data: bytes) -> int:
    """Where an element with an unclosed quote had better end: after the first `}` that is followed by `,{`,
    when most of such places are inside what looks like texts. 0 when it is not that."""
    places = np.array([match.start() for match in NEXT.finditer(data)], dtype=np.int64)
    quotes = np.array([match.start() for match in re.finditer(rb'(?<!\\)"', data)], dtype=np.int64)
    inside = places[np.searchsorted(quotes, places) % 2 == 1]
    return int(inside[0]) + 1 if 2 * len(inside) > len(places) else 0


@leaf
def _element(data: Bytes, at: int, state: Ints) -> int:  # noqa: C901 - one state machine
    """Where the JSON value that began before `at` (or begins there) ends; -1 when not in this data.

    `state` is depth, in a text, after a backslash, broken; it is kept from call to call.
    """
    while at < len(data):
        byte = data[at]
        if state[1] == 1:
            if state[2] == 1:
                state[2] = 0
            elif byte == 92:
                state[2] = 1
            elif byte == 34:
                state[1] = 0
            if byte == 10:
                state[1], state[2], state[3] = 0, 0, 1
                end = _closed(data, at, state[0])
                if end >= 0:
                    return end
        elif byte == 34:
            state[1] = 1
        elif byte in (123, 91):
            state[0] += 1
        elif state[0] > 0 and byte in (125, 93):
            state[0] -= 1
            if state[0] == 0:
                return at + 1
        elif state[0] == 0 and byte in (44, 93, 10):
            return at
        at += 1
    return -1


@leaf
def _closed(data: Bytes, at: int, depth: int) -> int:
    """The end of an element whose last line, up to `at`, ends with as many brackets as are open; else -1.

    Such brackets seem to stand in a text, but it is the text that lacks its quote.
    """
    end = -1
    while at > 0 and depth > 0:
        at -= 1
        if data[at] in (125, 93):
            end = max(end, at + 1)
            depth -= 1
        elif data[at] not in (9, 13, 32, 44) or (data[at] == 44 and end >= 0):
            break
    return end if depth == 0 else -1


@kernel
def _elements(data: Bytes, at: int, inside: bool) -> tuple[Ints, Ints, Ints, NDArray[np.bool_], int, bool]:
    """Starts and ends of whole elements, which are broken, which lie inside an array, and where this stopped."""
    starts = np.empty(len(data) // 2 + 1, dtype=np.int64)
    ends = np.empty(len(data) // 2 + 1, dtype=np.int64)
    broken = np.zeros(len(data) // 2 + 1, dtype=np.bool_)
    within = np.zeros(len(data) // 2 + 1, dtype=np.bool_)
    state = np.zeros(4, dtype=np.int64)
    rows = 0
    while at < len(data):
        byte = data[at]
        if byte in (9, 10, 13, 32, 44):
            at += 1
        elif byte == 91 and not inside:
            inside = True
            at += 1
        elif byte == 93:
            inside = False
            at += 1
        else:
            state[:] = 0
            end = _element(data, at, state)
            if end < 0:
                break
            starts[rows], ends[rows], broken[rows], within[rows] = at, end, state[3] == 1, inside
            rows += 1
            at = end
    odd = np.flatnonzero(broken[:rows])
    return starts[:rows].copy(), ends[:rows].copy(), odd, within[:rows].copy(), at, inside
