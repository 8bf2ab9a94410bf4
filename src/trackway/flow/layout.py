"""How a line is laid out: literal text and fields, compiled to a small program that one kernel runs over all lines.

Every line format of the world is such a list, whatever language describes it: `LogFormat` of Apache, `log_format` of
nginx, the patterns of logging libraries, a header line that names columns. A format is therefore data, and one
compiled pass (`flow.scanning`) reads them all.

    Layout((Field("ip"), b" ", Field("user"), b" [", Field("time", "time", CLF), b'] "', Field("text"), b'"'))

A field goes on to the next literal. Between two double quotes it is quoted: a quote after a backslash does not end
it. A `Maybe` is taken when the line goes on with its first literal, and may be missing at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trackway.errors import TrackwayError
from trackway.flow.spans import Bytes, Ints, as_array

LITERAL, BLANKS, FIELD, MAYBE = range(4)
"""Operations: `LITERAL _ text`, `BLANKS`, `FIELD slot text flags`, `MAYBE target text slots`; a text is a place and a
length."""
QUOTED, LAST, EMPTY, NEAREST, THEN, ASKED, OPEN, FINAL, LISTS = 1, 2, 4, 8, 16, 32, 64, 128, 256
"""Flags of a field: between quotes; may end with the line; may be empty; ends at the first byte of the literal after
it, which must then follow as a whole; the literal is taken with it; holds spaces up to its `HTTP/1.1`; may be in
quotes; ends where the literal after it ends the line; is `-` or lists in brackets, one after another."""
PASSED = 1 << 16
"""Times this in the flags: so often the byte that ends the field stands in it, as `:` does in a time."""
TO_END, TO_BLANK = 0, -1
"""Lengths of a literal that is none: the field is the rest of the line, or ends at white space; each less is a word
more."""

Reads = Literal["text", "integer", "number", "status", "time", "request", "url", "address", "lists"]
CLF = "%d/%b/%Y:%H:%M:%S %z"
ISO = "%Y-%m-%dT%H:%M:%S%f%z"
"""Times of access logs, and ISO 8601 with a fraction and a zone where there are any."""
REQUEST = ("method", "path", "query", "protocol", "request")
REQUEST_OF_HOST = (*REQUEST, "host")
"""Columns of `METHOD target PROTOCOL`; what is not of this form stays whole as `request`. With a host, the target is a
whole address."""


class FormatError(TrackwayError, ValueError):
    """A format string that cannot be compiled."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a line."""

    columns: str | tuple[str, ...]
    """The column it becomes, or several for a value of several parts; empty for none."""
    reads: Reads = "text"
    """`status` is an integer of three digits, `url` a path and query (and host), `address` `ip:port`, `lists` syslog's
    structured data."""
    format: str = ""
    """Of a time, in the letters of strftime (`flow.moments`); of a text, the words it may be, with `|` between."""
    strict: bool = False
    """Whether a line whose value does not fit is not of this layout; else the value goes to `more`."""
    aside: bool = False
    """Kept in `more`, not in a column."""
    scale: float = 1.0
    """What a number is multiplied with: 0.001 for milliseconds."""
    empty: bool = False
    """Whether there may be nothing where it stands, as between two quotes there always may, and no time."""
    quotes: bool = False
    """Whether it may be in double quotes, and then hold what else would end it."""
    escape: str = ""
    """How it is escaped, when not as the layout says: `c`, `json`, `percent`, `none`."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, always as many as parts."""
        return (self.columns,) if isinstance(self.columns, str) else self.columns

    def called(self, *columns: str) -> Field:
        """The same field with other columns."""
        return replace(self, columns=columns[0] if isinstance(self.columns, str) else columns)

    def in_quotes(self) -> Field:
        """The same field, which may be in quotes."""
        return replace(self, quotes=True)

    def maybe_empty(self) -> Field:
        """The same field, which may be missing."""
        return replace(self, empty=True)


@dataclass(frozen=True, slots=True)
class Maybe:
    """Pieces that a line may end without; the first is a literal."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Blanks:
    """One space or tab, or several."""

    least: int = 1


BLANK, PADDING = Blanks(), Blanks(0)
Piece = bytes | Field | Maybe | Blanks


@dataclass(frozen=True)
class Layout:
    """The pieces of a line, and what all its events have."""

    pieces: tuple[Piece, ...]
    event: str = "request"
    """Name of the events; empty when a field is it."""
    null: bytes = b"-"
    """The one byte that stands for nothing; empty when there is none."""
    escape: str = "c"
    """How texts are escaped: `c` (backslashes, as web servers do), `json`, `percent`, `hash` (`#22`), or `none`.
    Without backslashes a quote ends a text only before what follows the text."""
    visitor: bool = True
    """Whether address and user agent tell who it was."""
    constants: tuple[tuple[str, str], ...] = ()
    """Further columns, the same for all lines."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """All fields, by slot."""
        return tuple(_fields(self.pieces))

    @cached_property
    def program(self) -> tuple[Ints, Bytes]:
        """The operations, a row each, and the literals they point to. Raises FormatError for fields side by side."""
        maker = _Maker(raw=self.escape in ("none", "hash"))
        maker.add(self.pieces, ())
        return np.array(maker.steps or [(LITERAL, 0, 0, 0, 0)], dtype=np.int64), as_array(maker.pool)

    @property
    def null_byte(self) -> int:
        """The byte that stands for nothing, -1 when there is none."""
        return self.null[0] if self.null else -1


def _fields(pieces: Sequence[Piece]) -> Iterator[Field]:
    for piece in pieces:
        if isinstance(piece, Maybe):
            yield from _fields(piece.pieces)
        elif isinstance(piece, Field):
            yield piece


class _Maker:
    """A program in the making."""

    def __init__(self, *, raw: bool) -> None:
        self._raw = raw
        self.steps: list[tuple[int, int, int, int, int]] = []
        self.pool = b""
        self._slot = 0

    def add(self, pieces: Sequence[Piece], after: Sequence[Piece]) -> None:
        """The pieces, behind which come those of `after`."""
        pieces = merged(pieces)
        for place, piece in enumerate(pieces):
            rest = (*pieces[place + 1 :], *after)
            if isinstance(piece, bytes):
                if place and isinstance(pieces[place - 1], Field):
                    continue
                self.steps.append((LITERAL, 0, *self._text(piece), 0))
            elif isinstance(piece, Blanks):
                self.steps.append((BLANKS, 0, 0, piece.least, 0))
            elif isinstance(piece, Field):
                before = pieces[place - 1] if place else b""
                self.steps.append(self._field(piece, before if isinstance(before, bytes) else b"", rest))
            else:
                self._maybe(piece, rest)

    def _maybe(self, piece: Maybe, rest: Sequence[Piece]) -> None:
        first = piece.pieces[0]
        if not isinstance(first, bytes):
            raise FormatError("what may be missing begins with a text")
        here, slot = len(self.steps), self._slot
        self.steps.append((MAYBE, 0, 0, 0, 0))
        text = self._text(first)
        self.add(piece.pieces, rest)
        self.steps[here] = (MAYBE, len(self.steps), *text, slot << 32 | self._slot)

    def _field(  # noqa: PLR0911 - each says how a field ends
        self, field: Field, before: bytes, rest: Sequence[Piece]
    ) -> tuple[int, int, int, int, int]:
        slot, self._slot = self._slot, self._slot + 1
        flags = LAST * all(isinstance(piece, Maybe) for piece in rest) | EMPTY * field.empty
        flags |= ASKED * (field.reads == "request") | OPEN * field.quotes
        following = rest[0] if rest else None
        if field.reads == "lists":
            return FIELD, slot, 0, TO_END, flags | LISTS
        if following is None:
            return FIELD, slot, 0, TO_END, flags | EMPTY
        if isinstance(following, Blanks):
            return FIELD, slot, 0, TO_BLANK - field.format.count(" ") * (field.reads == "time"), flags
        if isinstance(following, Maybe):
            first = following.pieces[0]
            return FIELD, slot, *self._text(first[:1] if isinstance(first, bytes) else b""), flags
        if isinstance(following, Field):
            raise FormatError(f"nothing stands between {field.columns} and {following.columns}")
        final = FINAL * (len(rest) == 1)
        if before.endswith(b'"') and following.startswith(b'"'):
            if self._raw:
                return FIELD, slot, *self._text(following), (flags | EMPTY | THEN | final) & ~ASKED
            return FIELD, slot, *self._text(following), (flags | QUOTED | EMPTY | THEN) & ~ASKED
        near = NEAREST * (field.reads not in ("text", "request") or len(following) == 1)
        if field.reads == "time":
            flags |= field.format.count(chr(following[0])) * PASSED
        return FIELD, slot, *self._text(following), flags | near | THEN | (final if field.reads == "text" else 0)

    def _text(self, text: bytes) -> tuple[int, int]:
        at = self.pool.find(text)
        if at < 0:
            at = len(self.pool)
            self.pool += text
        return at, len(text)


def distinct(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with every column once: a second one of a name gets a number. Parts of a time stay as they are."""
    seen: dict[str, int] = {}
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Field) and piece.reads != "time":
            columns: list[str] = []
            for column in piece.names:
                key = column.lower()
                seen[key] = seen.get(key, 0) + 1
                columns.append(column if seen[key] == 1 or not column else f"{column}_{seen[key]}")
            found.append(piece.called(*columns))
        else:
            found.append(piece)
    return found


def merged(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with literals that follow one another as one, and no empty ones."""
    found: list[Piece] = []
    for literal, group in groupby(pieces, key=lambda piece: isinstance(piece, bytes)):
        some = list(group)
        text = b"".join(piece for piece in some if isinstance(piece, bytes))
        found += ([text] if text else []) if literal else some
    return found


States = NDArray[np.uint8]
