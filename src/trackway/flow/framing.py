"""Messages in a stream of bytes: lines, or frames with their length in front, told apart message by message.

RFC 6587 knows both, and says of neither which it is: a message that begins with a number, a space and then `<` or `{`
is a frame of so many bytes, any other goes on to the end of its line (or to a NUL, which some devices put there).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trackway.flow.spans import Bytes, Ints, as_array
from trackway.model.event import Reason
from trackway.model.kernels import kernel, leaf

LINE, FRAME, CUT, LARGE = 0, 1, 2, 3
"""What a message is: a line, a frame, a frame that ends with the stream, one that is longer than allowed."""
TO_LINE_END = -1
Marks = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Heard:
    """Whole messages, in the order they came, and what was none."""

    body: bytes = b""
    framed: bool = False
    """Whether the body holds frames with their length in front; else lines, all with their ends."""
    bad: list[tuple[bytes, Reason, str]] = field(default_factory=list)
    """The first bytes of what was refused, and why."""


@dataclass(slots=True)
class Stream:
    """What one sender sends; holds no more than a message that is not whole yet."""

    limit: int
    """The longest message, in bytes."""
    _pending: bytes = b""
    _skip: int = 0
    """Bytes still to come of a message that is too large."""

    def feed(self, piece: bytes) -> Heard:
        """The messages that are whole with this piece."""
        return self._cut(self._skipped(piece), final=False)

    def end(self, *, broken: bool = False) -> Heard:
        """The last message; one `broken` off with the stream is refused."""
        if broken and self._pending:
            rest, self._pending = self._pending, b""
            return Heard(bad=[(rest, Reason.TRUNCATED, "the connection broke in the middle of a message")])
        return self._cut(b"", final=True)

    def _skipped(self, piece: bytes) -> bytes:
        """The piece without the rest of a message that is too large."""
        if self._skip == TO_LINE_END:
            ends = [end for end in (piece.find(b"\n"), piece.find(b"\0")) if end >= 0]
            if not ends:
                return b""
            self._skip = 0
            return piece[min(ends) :]
        done = min(self._skip, len(piece))
        self._skip -= done
        return piece[done:]

    def _cut(self, piece: bytes, *, final: bool) -> Heard:
        data = self._pending + piece if self._pending else piece
        starts, ends, marks, used, skip = messages(as_array(data), self.limit, final)
        self._skip = self._skip or skip
        self._pending = data[used:]
        bad = []
        for row in np.flatnonzero(marks >= CUT).tolist():
            raw = data[starts[row] : min(ends[row], starts[row] + self.limit)]
            bad.append((raw, *self._why(int(marks[row]))))
        good = marks < CUT
        if good.all() and not marks.any() and b"\0" not in data:
            return Heard(_closed(data[:used]), framed=False, bad=bad)
        return written([data[s:e] for s, e in zip(starts[good].tolist(), ends[good].tolist(), strict=True)], bad)

    def _why(self, mark: int) -> tuple[Reason, str]:
        if mark == CUT:
            return Reason.TRUNCATED, "the stream ended in the middle of a message"
        return Reason.TOO_LARGE, f"a message of more than {self.limit:,} bytes"


def written(texts: list[bytes], bad: list[tuple[bytes, Reason, str]]) -> Heard:
    """Messages as one body: lines, or frames where a message itself has several lines."""
    if any(b"\n" in text for text in texts):
        return Heard(b"".join(b"%d %b\n" % (len(text), text) for text in texts), framed=True, bad=bad)
    return Heard(b"".join(text + b"\n" for text in texts), framed=False, bad=bad)


def _closed(data: bytes) -> bytes:
    return data + b"\n" if data and not data.endswith(b"\n") else data


@kernel
def messages(  # noqa: C901 - one state machine
    data: Bytes, limit: int, final: bool
) -> tuple[Ints, Ints, Marks, int, int]:
    """Starts, ends and marks of messages, how much of the data they take up, and how many bytes of a message that is
    too large are still to come (TO_LINE_END: up to the end of its line)."""
    starts = np.empty(len(data) // 2 + 1, dtype=np.int64)
    ends = np.empty(len(data) // 2 + 1, dtype=np.int64)
    marks = np.empty(len(data) // 2 + 1, dtype=np.uint8)
    at, count, skip = 0, 0, 0
    while at < len(data):
        if data[at] in (0, 10, 13):
            at += 1
            continue
        place, size = _length(data, at)
        if size < 0 and not final:
            break
        if size > 0:
            end, mark = place + size, FRAME
            if size > limit:
                mark, skip = LARGE, max(0, end - len(data))
            elif end > len(data):
                if not final:
                    break
                mark = CUT
        else:
            place, end, mark = at, _line_end(data, at), LINE
            if end == len(data) and not final:
                if end - at <= limit:
                    break
                skip = TO_LINE_END
            if end - at > limit:
                mark = LARGE
        at = min(end, len(data))
        starts[count], ends[count], marks[count] = place, _trimmed(data, place, at), mark
        count += ends[count] > place
    return starts[:count].copy(), ends[:count].copy(), marks[:count].copy(), at, skip


@leaf
def _length(data: Bytes, at: int) -> tuple[int, int]:
    """Where a frame begins and its size; size 0 when there is none here, -1 when that cannot be told yet."""
    place, size = at, 0
    if not 49 <= data[at] <= 57:
        return at, 0
    while place < len(data) and place - at < 8 and 48 <= data[place] <= 57:
        size = size * 10 + data[place] - 48
        place += 1
    if place >= len(data):
        return at, -1
    if data[place] != 32:
        return at, 0
    if place + 1 >= len(data):
        return at, -1
    return (place + 1, size) if data[place + 1] in (60, 123) else (at, 0)


@leaf
def _line_end(data: Bytes, at: int) -> int:
    while at < len(data) and data[at] != 10 and data[at] != 0:
        at += 1
    return at


@leaf
def _trimmed(data: Bytes, start: int, end: int) -> int:
    """The end without line ends and NULs before it."""
    while end > start and data[end - 1] in (0, 10, 13):
        end -= 1
    return end
