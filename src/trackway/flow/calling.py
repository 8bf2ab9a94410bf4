"""Calling an HTTP interface that events are fetched from: what a fault means, how long to wait, how much to read.

A fault is one of two kinds. `Busy` will be better later by itself: too many requests (429), a server that is away (502,
503, 504, `Retry-After` honoured as seconds or as a date), a connection that is refused, reset or cut in the midst of an
answer. `Refused` will not: wrong credentials, a question the server does not take, a redirect (which is never followed,
since credentials would go with it). An answer is read up to a size and a time, so that no server can fill the memory or
hold a source for ever.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
import orjson

from trackway.errors import SourceError

PATIENCE = 30.0
"""Seconds that may pass between two bytes."""
LONGEST = 300.0
"""Seconds that an answer may take in all."""
LARGEST = 64 << 20
"""Bytes of an answer, decompressed."""
LONGEST_LINE = 16 << 20
"""Bytes of one line of a streamed answer."""
LATEST = 3600.0
"""Seconds after which a server is asked again, whatever it says."""
AWAY = frozenset((408, 425, 429, 500, 502, 503, 504))
SHOWN = 300
"""Bytes of an answer that an error shows."""

T = TypeVar("T")


class Busy(SourceError):
    """It will be better later; `seconds` is when the server says, None when it does not. `answer` is what it said, if
    it said anything."""

    def __init__(
        self, message: str, *, hint: str = "", seconds: float | None = None, answer: Answer | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.seconds, self.answer = seconds, answer


class Refused(SourceError):
    """It will not be better by itself."""

    def __init__(self, message: str, *, hint: str = "", answer: Answer) -> None:
        super().__init__(message, hint=hint)
        self.answer = answer


class TooLarge(SourceError):
    """The answer has more bytes than are read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises SourceError."""
        return read_json(self.body)


def read_json(body: bytes) -> Any:
    """JSON, and what servers hand on that is nearly JSON, such as half of a surrogate pair in one of a thousand
    records, which must not cost the others. Raises SourceError.

    >>> read_json(b'["a", "\\\\ud800"]')
    ['a', '\\ud800']
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            return json.loads(body.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            said = body[:SHOWN].decode("utf-8", "replace")
            raise SourceError(f"an answer that is not JSON: {said}", hint="check `address`") from error


class Caller:
    """A server, and the connections to it, which keep its cookies."""

    def __init__(  # noqa: PLR0913
        self, what: str, address: str, *, headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None, ca: str = "", secrets: str = "the credentials", every: float = 0.0,
    ) -> None:  # fmt: skip
        """`what` is the server in words, `secrets` the options that let us in, `every` the seconds from one request to
        the next. Raises SourceError for a `ca` that cannot be read."""
        self._what, self._address, self._secrets = what, address.rstrip("/"), secrets
        self._every, self._free = every, 0.0
        try:
            trusted = ssl.create_default_context(cafile=ca) if ca else True
        except (OSError, ssl.SSLError) as error:
            raise SourceError(f"cannot read the certificates in {ca}: {error}", hint="check `ca`") from error
        self._http = httpx.Client(headers=dict(headers or {}), auth=auth, timeout=PATIENCE, verify=trusted)

    def ask(self, method: str, path: str, *, most: int = LARGEST, **told: Any) -> Answer:
        """The whole answer; `told` is what httpx takes (`params`, `json`, `data`). Raises Busy, Refused, TooLarge."""
        with self._opened(method, path, told) as reply:
            return self._whole(reply, most)

    def lines(self, method: str, path: str, **told: Any) -> Iterator[bytes]:
        """The lines of an answer as they come, without blank ones; for an answer of any size. Raises Busy, Refused,
        TooLarge for a line that does not end."""
        with self._opened(method, path, told) as reply:
            rest = b""
            for some in reply.iter_bytes():
                *whole, rest = (rest + some).split(b"\n")
                yield from (line for line in whole if line.strip())
                if len(rest) > LONGEST_LINE:
                    raise TooLarge(f"{self._what} answers with a line of more than {LONGEST_LINE >> 20} MB")
            if rest.strip():
                yield rest

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    @contextmanager
    def _opened(self, method: str, path: str, told: Mapping[str, Any]) -> Iterator[httpx.Response]:
        """A good answer of which nothing was read yet."""
        time.sleep(max(0.0, self._free - time.monotonic()))
        self._free = time.monotonic() + self._every
        url = path if "://" in path else self._address + path
        try:
            with self._http.stream(method, url, **told) as reply:
                if not reply.is_success:
                    raise self._fault(reply)
                yield reply
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise Busy(f"cannot reach {self._what} at {self._address}: {said}", hint="is `address` right?") from error
        except (httpx.InvalidURL, httpx.CookieConflict, UnicodeError) as error:
            raise SourceError(f"{url[:SHOWN]} is no address: {error}", hint="check `address`") from error

    def _whole(self, reply: httpx.Response, most: int) -> Answer:
        parts, size, until = [], 0, time.monotonic() + LONGEST
        for some in reply.iter_bytes():
            parts.append(some)
            size += len(some)
            if size > most:
                raise TooLarge(f"{self._what} answers with more than {most:,} bytes")
            if time.monotonic() > until:
                raise Busy(f"{self._what} did not finish its answer in {LONGEST:.0f} s")
        return Answer(reply.status_code, dict(reply.headers), b"".join(parts))

    def _fault(self, reply: httpx.Response) -> SourceError:
        """What an answer that is no success means."""
        answer = Answer(reply.status_code, dict(reply.headers), _beginning(reply))
        said = f"{answer.status} {' '.join(answer.body[:SHOWN].decode('utf-8', 'replace').split())}".strip()
        if answer.status in AWAY:
            later = _later(answer.headers.get("retry-after", ""))
            return Busy(f"{self._what} is busy: {said}", seconds=later, answer=answer)
        if answer.status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return Refused(f"{self._what} does not let us in: {said}", hint=f"check {self._secrets}", answer=answer)
        if reply.is_redirect:
            there = answer.headers.get("location", "")
            return Refused(f"{self._what} is elsewhere: {answer.status} {there}", hint="check `address`", answer=answer)
        return Refused(f"{self._what} refuses: {said}", answer=answer)


class Patience:
    """When to ask again, and when to give up."""

    MOST = 6
    """Faults in a row after which the session is given up; a server that says when to come again is waited for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._due, self._faults = clock, 0.0, 0

    @property
    def left(self) -> float:
        """Seconds until something may be asked."""
        return max(0.0, self._due - self._clock())

    def rest(self, seconds: float) -> None:
        """Ask nothing for so long."""
        self._due = self._clock() + seconds

    def bear(self, fault: Busy) -> None:
        """Wait as long as the server says, else ever longer. Raises the fault once it is one too many."""
        self._faults += fault.seconds is None
        if self._faults >= self.MOST:
            raise fault
        self.rest(2.0 ** (self._faults - 3) if fault.seconds is None else fault.seconds)

    def thank(self) -> None:
        """It went well."""
        self._faults = 0


def _beginning(reply: httpx.Response) -> bytes:
    """As much of a complaint as is of use."""
    found = b""
    for some in reply.iter_bytes():
        found += some
        if len(found) > LONGEST_LINE >> 8:
            break
    return found


def _later(said: str) -> float | None:
    """Seconds of a `Retry-After`: a number, or a date."""
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(LATEST, max(0.0, seconds)) if seconds == seconds else None  # noqa: PLR0124
