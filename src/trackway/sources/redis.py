"""Streams of Redis, and of Valkey.

    [sources.clicks]
    type = "redis"
    address = "redis://cache-1:6379/0"
    streams = ["clicks", "orders:*"]
    password = { env = "REDIS_PASSWORD" }

Entries are read after the id that the journal has (`XREAD`), so each is stored exactly once, and no consumer group is
needed. An entry is an object of its fields; with `field` it is the text in one field, read by the codec. An event that
has no time happened when its entry was added; one that has no id is known by its stream and the id of its entry.

Entries that the stream was trimmed of before they were read are gone; a stream that was deleted and begun anew is read
from its beginning.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import orjson
from pydantic import Field, model_validator

from trackway.errors import SourceError, optional, suggest
from trackway.flow.messages import Message
from trackway.flow.pulling import Fetched, Puller, unreachable
from trackway.model.secret import Secret
from trackway.plan.component import Finding

if TYPE_CHECKING:
    from redis import Redis as Client

PATIENCE = 10.0
"""Seconds that the server has to answer."""
LOOK = 5.0
"""Seconds between two looks for new streams."""
BEGINNING = "0-0"


class Redis(Puller):
    """Reads streams."""

    address: str = "redis://127.0.0.1:6379/0"
    """Where it is: `redis://HOST:PORT/DATABASE`, `rediss://…` for an encrypted connection, or `unix://PATH`."""
    streams: list[str] = Field(min_length=1)
    """Keys of streams, or patterns with `*`."""
    start: str = "earliest"
    """Where a stream that was never read begins: `earliest`, `latest`, or the id of the entry before."""
    field: str = ""
    """The field of an entry that holds the message; all fields as one object when left out."""
    user: str = ""
    """Who we are, where there are users."""
    password: Secret | None = None
    """Of the server or the user."""
    ca: str = ""
    """File with the certificates to trust; those of the system when left out."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts = urlsplit(self.address)
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ValueError("address is such as redis://127.0.0.1:6379/0")
        if parts.password:
            raise ValueError('a secret does not stand in the file: write password = { env = "NAME" }')
        if self.codec != "json" and not self.field:
            raise ValueError("a codec reads one field of an entry: name it as `field`")
        return self

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader at the cursors."""
        return Reader(self, name, cursors)

    def examine(self) -> Iterator[Finding]:
        """The server, and the streams with their entries."""
        link = Link(self)
        try:
            version = link.ask(lambda: link.client.info("server"))["redis_version"]
            yield Finding("connect", f"Redis {version} at {self.address}")
            for key in link.streams():
                yield Finding("list", f"stream {key}: {link.ask(lambda key=key: link.client.xlen(key)):,} entries")
        finally:
            link.close()


class Link:
    """A connection, its errors in words."""

    def __init__(self, source: Redis) -> None:
        """Raises SourceError when nobody answers or we are not let in."""
        with optional("sources.redis", "redis"):
            import redis
        self._redis = redis
        self._source = source
        encrypted = {"ssl_ca_certs": source.ca} if source.ca else {}
        self.client: Client = redis.Redis.from_url(
            source.address, username=source.user or None, password=str(source.password) if source.password else None,
            socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, client_name="trackway", **encrypted,
        )  # fmt: skip
        try:
            self.ask(self.client.ping)
        except BaseException:
            self.close()
            raise

    def ask(self, question: Any) -> Any:
        """What the server answers. Raises SourceError."""
        errors = self._redis.exceptions
        try:
            return question()
        except (errors.AuthenticationError, errors.NoPermissionError) as error:
            raise SourceError(f"Redis does not let us in: {error}", hint="check user and password") from error
        except (errors.ConnectionError, errors.TimeoutError) as error:
            raise unreachable(self._source.address, error, "check `address`; is it running?") from error
        except errors.RedisError as error:
            raise SourceError(f"Redis refuses: {error}", hint="is every key of `streams` a stream?") from error

    def streams(self) -> list[str]:
        """The keys that are meant. Raises SourceError for one there is not, or that is no stream."""
        found: dict[str, None] = {}
        for wanted in self._source.streams:
            if "*" in wanted:
                scan = self.ask(lambda wanted=wanted: list(self.client.scan_iter(wanted, count=1000, _type="stream")))
                found |= dict.fromkeys(sorted(key.decode() for key in scan))
                continue
            kind = self.ask(lambda wanted=wanted: self.client.type(wanted)).decode()
            if kind == "none":
                there = self.ask(lambda: list(self.client.scan_iter(count=1000, _type="stream")))
                names = [key.decode("utf-8", "replace") for key in there]
                raise SourceError(f"there is no stream '{wanted}'", path="streams", hint=suggest(wanted, names))
            if kind != "stream":
                raise SourceError(f"'{wanted}' is a {kind}, not a stream", path="streams", hint="name a stream")
            found[wanted] = None
        return list(found)

    def close(self) -> None:
        """Ends the connection."""
        self.client.close()


class Reader(Link):
    """A connection at some entries."""

    def __init__(self, source: Redis, name: str, cursors: Mapping[str, str]) -> None:
        super().__init__(source)
        self._name = name
        self._at: dict[str, str] = {}
        self._told = dict(cursors)
        """What the journal has."""
        self._moved: dict[str, str] = {}
        self._behind: dict[str, int] = {}
        """How many entries of a stream are known to wait."""
        self._looked = 0.0
        try:
            self._look(cursors, first=not cursors)
        except BaseException:
            self.close()
            raise

    def fetch(self, most: int, seconds: float) -> Fetched:
        """Entries of all streams, each in its order."""
        if time.monotonic() - self._looked > LOOK:
            self._look(self._at, first=False)
        each = max(1, most // max(1, len(self._at)))
        wait = max(1, round(seconds * 1000))
        found = self.ask(lambda: self.client.xread(dict(self._at), count=each, block=wait)) if self._at else []
        messages: list[Message] = []
        for key, entries in found:
            stream = key.decode()
            messages += [self._message(stream, place.decode(), fields) for place, fields in entries]
            self._at[stream] = entries[-1][0].decode()
            self._behind[stream] -= len(entries)
        self._moved = {stream: place for stream, place in self._at.items() if self._told.get(stream) != place}
        payloads = self._source.packed(self._name, messages, self._moved)
        return Fetched(payloads, self._lag(each, found))

    def kept(self) -> None:
        """Redis need not know."""
        self._told |= self._moved

    def _lag(self, each: int, found: Any) -> int:
        """Entries that wait: counted when a stream gave as much as was asked for, else none."""
        full = {key.decode() for key, entries in found if len(entries) >= each}
        for stream in self._at:
            if stream not in full:
                self._behind[stream] = 0
            elif self._behind[stream] <= 0:
                self._behind[stream] = self._waiting(stream)
        return sum(max(0, behind) for behind in self._behind.values())

    def _waiting(self, stream: str) -> int:
        """An estimate that costs the server nothing: the length of a stream that is read from its beginning, else the
        share of it that the time from here to its end has in the time it spans."""
        about = self.ask(lambda: self.client.xinfo_stream(stream))
        length, first, last = about["length"], about["first-entry"], about["last-generated-id"]
        if not length or first is None:
            return 0
        begin, end, here = (_millis(place) for place in (first[0], last, self._at[stream]))
        return round(length * min(1.0, max(0.0, (end - here) / max(1, end - begin)))) if here >= begin else int(length)

    def _message(self, stream: str, place: str, fields: Mapping[bytes, bytes] | None) -> Message:
        wanted = self._source.field
        stamp = _millis(place)
        if fields is None:
            return Message(stream, place, b"", stamp, wrong="an entry that was deleted")
        if not wanted:
            return Message(stream, place, _object(fields), stamp)
        body = fields.get(wanted.encode())
        wrong = "" if body is not None else f"an entry without the field '{wanted}'"
        return Message(stream, place, _object(fields) if body is None else body, stamp, wrong=wrong)

    def _look(self, known: Mapping[str, str], *, first: bool) -> None:
        """Take up what streams there are, those that are new from their beginning."""
        there = self.streams()
        starts = {"earliest": BEGINNING} if not first else {"earliest": BEGINNING, "latest": ""}
        at: dict[str, str] = {}
        for stream in there:
            start = known.get(stream) or starts.get(self._source.start, self._source.start if first else BEGINNING)
            last = _text(self.ask(lambda stream=stream: self.client.xinfo_stream(stream))["last-generated-id"])
            anew = start and _order(last) < _order(start) and stream in known
            at[stream] = BEGINNING if anew else start or last
        self._at = at
        self._behind = {stream: self._behind.get(stream) or self._waiting(stream) for stream in at}
        self._looked = time.monotonic()


def _object(fields: Mapping[bytes, bytes]) -> bytes:
    """The fields of an entry as JSON; what is a number or a truth value there is one here."""
    return orjson.dumps({_text(name): _value(value) for name, value in fields.items()})


def _value(value: bytes) -> Any:
    text = _text(value)
    if text[:1] in "-0123456789{[tfn":
        try:
            return orjson.Fragment(text.encode()) if orjson.loads(text) is not None else None
        except orjson.JSONDecodeError:
            return text
    return text


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _millis(place: bytes | str) -> int:
    return int(_text(place).partition("-")[0])


def _order(place: str) -> tuple[int, int]:
    at, _, number = place.partition("-")
    return int(at), int(number or 0)
