"""Exports: sources that are asked over HTTP, again and again, for what happened in a while.

What they share: a record becomes an event of the envelope it is told to have, or the text in one of its fields is read
by a codec; faults are waited out as the server wishes (`flow.calling`); and since servers show a record only a while
after it happened, every look goes back by an overlap. What was fetched twice for it is left out by what is remembered
of this session, and after a restart known as a duplicate by its id.
"""

from __future__ import annotations

import json
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Self
from urllib.parse import urlsplit

import orjson
from pydantic import Field, field_validator, model_validator

from trackway.errors import SourceError
from trackway.flow.calling import Busy, Caller, Patience
from trackway.flow.messages import Message
from trackway.flow.options import ACTOR, ActorColumns
from trackway.flow.pulling import Fetched, Puller
from trackway.model.time import Duration, instant

REMEMBERED = 200_000
"""Records of a session that are known again; of more, the flow finds the duplicates."""


class Export(Puller):
    """A source that is asked for what happened in a while."""

    address: str
    """Where it is: `https://HOST`, with the path of a proxy if there is one."""
    event: str = ""
    """What a record is called that does not say so itself; the name of the source when left out."""
    columns: ActorColumns = Field(default_factory=dict)
    """Which field is `event`, `user_id` or `anonymous_id`, when its name does not say so, such as
    `{ user_id = "user.id" }`."""
    field: str = ""
    """The field that holds a text for the codec, such as `message`; the whole record is JSON when left out."""
    every: Duration = Duration("10s")
    """Time between two looks while nothing is new."""
    overlap: Duration = Duration("5m")
    """How much later than it happened a record may be found there."""
    ca: str = ""
    """File with the certificates to trust; those of the system when left out."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("address is such as https://logs.example")
        if parts.password:
            raise ValueError('a secret does not stand in the address: write { env = "NAME" } as its option')
        if self.codec != "json" and not self.field:
            raise ValueError('a codec reads one field of a record: name it, such as field = "message"')
        return self

    def message(
        self, name: str, place: Place, record: Mapping[str, Any], named: str = "", *, actor: str = ""
    ) -> Message:
        """A record as a message of the source `name`; `named` is the id of its event, else its place is. `actor` is the
        field that is its `user_id` where `columns` name no actor."""
        if self.field:
            text = at(record, self.field)
            if text is None:
                return self.unreadable(place, record, f"a record without the field '{self.field}'")
            body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else orjson.dumps(text)
            return Message(place.stream, place.at, body, place.millis)
        inside = dict(record)
        made: dict[str, Any] = {"event_id": named} if named else {}
        columns = self.columns
        if actor and not {"user_id", "anonymous_id"} & columns.keys():
            columns = {**columns, "user_id": actor}
        for column in ACTOR:
            source = columns.get(column, column)
            value = at(record, source)
            if isinstance(value, str | int) and not isinstance(value, bool):
                made[column] = str(value)
                inside.pop(source, None)
        made.setdefault("event", self.event or name)
        made["time"] = place.time or place.millis or None
        try:
            body = orjson.dumps({**made, "properties": inside})
        except orjson.JSONEncodeError as error:
            return self.unreadable(place, record, f"a record that is no text: {error}")
        return Message(place.stream, place.at, body, place.millis)

    def unreadable(self, place: Place, record: Mapping[str, Any], wrong: str) -> Message:
        """A record that is refused."""
        return Message(place.stream, place.at, json.dumps(record).encode(), place.millis, wrong=wrong)

    def ragged(self, stream: str, row: str) -> Message:
        """A row of a CSV that is refused, known by what it holds."""
        mark = blake2b(row.encode("utf-8", "replace"), digest_size=16).hexdigest()
        return self.unreadable(Place(stream, mark), {"row": row}, "a row with more or fewer fields than its header")


class Place:
    """Where a record stands at its origin."""

    __slots__ = ("at", "millis", "stream", "time")

    def __init__(self, stream: str, at: str, millis: int = 0, time: str = "") -> None:
        """`time` is the time as exactly as the origin says it, if it says more than `millis` does."""
        self.stream, self.at, self.millis, self.time = stream, at, millis, time


class Visit:
    """A session over HTTP. Nothing is asked before the first fetch, so that a server that wants us to wait is waited
    for, and not asked again because the session is."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.patience = Patience()
        self.waiting: int | None = None
        """Records that are known to wait there."""

    @abstractmethod
    def more(self, most: int) -> Fetched:
        """What comes next. Raises Busy for what is worth trying again as it was, SourceError for anything else."""

    def fetch(self, most: int, seconds: float) -> Fetched:
        """What comes next, once the server may be asked."""
        wait = self.patience.left
        if wait > 0:
            time.sleep(min(wait, seconds))
            return Fetched((), self.waiting)
        try:
            fetched = self.more(most)
        except Busy as busy:
            self.patience.bear(busy)
            self.waiting = max(1, self.waiting or 1)
            return Fetched((), self.waiting)
        if fetched.payloads or not fetched.lag:
            self.patience.thank()
        self.waiting = fetched.lag
        return fetched

    def kept(self) -> None:
        """A server that is asked need not know."""

    def close(self) -> None:
        """Ends the connections."""
        self.caller.close()


class Remembered:
    """Records that were fetched already, as many as are worth it."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._known: dict[str, None] = {}
        self._most = most

    def new(self, messages: Sequence[Message], *, changes: bool = False) -> list[Message]:
        """Those that are seen for the first time; with `changes`, also those that hold something else than before."""
        found = []
        for message in messages:
            mark = f"{message.stream}@{message.place}"
            if changes:
                mark += blake2b(message.body, digest_size=12).hexdigest()
            if mark not in self._known:
                self._known[mark] = None
                found.append(message)
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return found


class Slices:
    """The time from a beginning until now, in slices that are read one after another, as long as they hold about as
    many records as a server gives at once; and, once now is reached, again from an overlap before it. All are in
    milliseconds since 1970, and whole units of them."""

    LONGEST = 7 * 86_400_000

    def __init__(
        self, begin: int, overlap: Duration, *, unit: int = 1000, longest: int = LONGEST,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """`longest` is as long as a slice may become."""
        self.begin = self._at = begin // unit * unit
        self._now, self._longest = 0, longest
        self._overlap = max(2 * unit, round(overlap.seconds * 1000))
        self._unit, self._clock = unit, clock
        self._length = 3_600_000

    def resume(self, done: int) -> None:
        """Everything before was read once."""
        self._at = max(self.begin, (done - self._overlap) // self._unit * self._unit)

    def following(self) -> tuple[int, int]:
        """The next slice, from and until (without)."""
        self._now = (round(self._clock() * 1000) // self._unit + 1) * self._unit
        return self._at, max(self._at + self._unit, min(self._at + self._length, self._now))

    def done(self, until: int, records: int, wanted: int) -> bool:
        """A slice was read, and `wanted` records would have been good; whether now is reached."""
        if records * 4 < wanted:
            self._length = min(self._longest, self._length * 2)
        elif records > wanted:
            self.halve()
        self._at = until
        if until < self._now:
            return False
        self.resume(until)
        return True

    def halve(self) -> bool:
        """Make slices shorter; whether they could be."""
        could = self._length > self._unit
        self._length = max(self._unit, self._length // 2 // self._unit * self._unit)
        return could


class Overfull(SourceError):
    """A slice holds more than the server gives."""


class SlicedExport(Export):
    """A source that is asked for the records of a slice of time."""

    start: str = "1d"
    """Where to begin if nothing was read yet: a date or time, or how long before now."""

    @field_validator("start")
    @classmethod
    def _known_start(cls, value: str) -> str:
        beginning(value)
        return value


class SlicedVisit(Visit):
    """A session that reads slice by slice; one that breaks is read again from its beginning."""

    WANTED = 20_000
    """Records of a slice: so many are read twice at most when it breaks."""

    LONGEST = Slices.LONGEST
    """Milliseconds of a slice at most."""

    def __init__(self, source: SlicedExport, name: str, caller: Caller, cursors: Mapping[str, str]) -> None:
        super().__init__(caller)
        self.source, self.name, self.cursors = source, name, cursors
        self._slices: Slices | None = None
        self._pages: Iterator[Sequence[Message]] | None = None
        self._page: Sequence[Message] = ()
        """The page that was read last, which waits to hear whether it is the last of its slice."""
        self._until = self._count = 0
        self._known = Remembered()

    def first(self) -> int:
        """Where to begin if nothing was read yet, in milliseconds since 1970. May ask, and raise Busy, SourceError."""
        return beginning(self.source.start)

    @abstractmethod
    def pages(self, begin: int, until: int, most: int) -> Iterator[Sequence[Message]]:
        """The records of a slice, about so many at a time, an empty page while there is something to wait for. Raises
        Busy, Overfull, SourceError, after which the slice is read again."""

    def more(self, most: int) -> Fetched:
        """The page before, now that it is known whether another one follows."""
        if self._slices is None:
            self._slices = self._sliced()
        slices = self._slices
        if self._pages is None:
            begin, self._until = slices.following()
            self._pages, self._page, self._count = self.pages(begin, self._until, most), (), 0
        try:
            page = next(self._pages, None)
        except SourceError as error:
            self._pages, shorter = None, slices.halve()
            if isinstance(error, Overfull) and shorter:
                return Fetched((), 1)
            raise
        ready, self._page = self._known.new(self._page), page or ()
        self._count += len(ready)
        if page is not None:
            return Fetched(self.source.packed(self.name, ready, {}), 1)
        self._pages = None
        now = slices.done(self._until, self._count, self.WANTED)
        if now:
            self.patience.rest(self.source.every.seconds)
        cursors = {"begin": str(slices.begin), "until": str(self._until)}
        return Fetched(self.source.packed(self.name, ready, cursors), int(not now))

    def _sliced(self) -> Slices:
        """From the beginning, or from where it was read to; a beginning that is told as a while before now was then."""
        known = "until" in self.cursors
        begin = int(self.cursors.get("begin", 0)) if known else self.first()
        slices = Slices(begin, self.source.overlap, longest=self.LONGEST)
        if known:
            slices.resume(int(self.cursors["until"]))
        return slices

    def close(self) -> None:
        """Ends what is being read, and the connections."""
        close = getattr(self._pages, "close", None)
        if close is not None:
            close()
        super().close()


def members(text: str) -> dict[str, Any]:
    """What a log manager keeps as a text: the members of an object, or the text itself, as `message`.

    >>> members('{"n": 1}'), members("started")
    ({'n': 1}, {'message': 'started'})
    """
    try:
        inside = orjson.loads(text) if text.lstrip().startswith("{") else None
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        inside = None
    return inside if isinstance(inside, dict) else {"message": text}


def at(record: Mapping[str, Any], path: str) -> Any:
    """The value of a field, whether its dots are in its name or lead inside; None when it is not there.

    >>> at({"user": {"id": 7}}, "user.id"), at({"user.id": 8}, "user.id"), at({}, "user.id")
    (7, 8, None)
    """
    if path in record or "." not in path:
        return record.get(path)
    for dot in (index for index, letter in enumerate(path) if letter == "."):
        inside = record.get(path[:dot])
        if isinstance(inside, Mapping) and (found := at(inside, path[dot + 1 :])) is not None:
            return found
    return None


def beginning(start: str, clock: Callable[[], float] = time.time) -> int:
    """Milliseconds since 1970 of a date, a time, or a length of time before now. Raises ValueError.

    >>> beginning("2026-05-17"), beginning("2h", lambda: 10_000.0)
    (1778976000000, 2800000)
    """
    try:
        return round((clock() - Duration(start).seconds) * 1000)
    except ValueError:
        return instant(start) // 1000


def moment(text: str) -> int | None:
    """Microseconds since 1970 of a time as a server wrote it; None when it means nothing, such as the year 12026."""
    try:
        return instant(text)
    except (ValueError, OverflowError):
        return None
