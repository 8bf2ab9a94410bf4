"""Pulling: one mechanism for all sources that fetch, of which each only knows how to fetch.

A puller opens a *session* at the cursors that the journal has, and fetches batches. The payloads of a batch and the
cursors it reaches are kept in one transaction, which is what makes a message stored exactly once: after kill -9 the
next session opens at what was kept, whatever the origin was told. The origin is told afterwards, as a courtesy. Any
fault ends the session; whoever reads opens the next one, ever more patiently (`flow.intake`).
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol, Self

from pydantic import model_validator

from trackway.errors import SourceError
from trackway.flow.messages import Message, payloads
from trackway.flow.options import CodecName, told
from trackway.flow.zones import Zone
from trackway.model.rate import Rate
from trackway.plan import registry
from trackway.plan.component import Finding, Keep, Payload, Progress, Source

MOST = 10_000
"""Records fetched at once."""
WAIT = 0.25
"""Seconds that a fetch waits for something to come."""
AIR = 2.0
"""Seconds that waiting for the sake of a rate is silent."""
LOOK = 10.0
"""Seconds that a look at one record waits for it."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one fetch gave."""

    payloads: Sequence[Payload] = ()
    """The cursors of the last one say where the source is after all of them."""
    lag: int | None = None
    """Records that wait there still; None when the origin does not say."""


class Session(Protocol):
    """An open connection to where events come from, at some place."""

    def fetch(self, most: int, seconds: float) -> Fetched:
        """What comes next, at most about so many records, waiting at most so long. Raises SourceError."""
        ...

    def kept(self) -> None:
        """Everything fetched is on disk: the origin may be told, and may forget it."""
        ...

    def close(self) -> None:
        """Lets go of the connection."""
        ...


class Puller(Source):
    """A source that fetches."""

    codec: CodecName = "json"
    """What a message holds."""
    format: str = ""
    """How a message is laid out, for codecs that are told, such as the `log_format` of `access_log`."""
    zone: Zone = Zone("UTC")
    """The time zone of times that do not say theirs."""
    rate: Rate | None = None
    """Most records taken in, such as `500/s`; as fast as they come when left out."""
    follow: bool = True
    """Go on for ever; `false` ends it once everything that waited was read."""

    @model_validator(mode="after")
    def _known_format(self) -> Self:
        registry.codec(self.codec).check(told(self.format, self.zone))
        return self

    @abstractmethod
    def connect(self, name: str, cursors: Mapping[str, str]) -> Session:
        """A session that fetches what comes after the cursors. Raises SourceError with a hint at what to mend."""

    @abstractmethod
    def examine(self) -> Iterator[Finding]:
        """Connect, be let in, and list what there is to read. Raises SourceError."""

    def read(self, name: str, keep: Keep, cursors: Mapping[str, str], stop: threading.Event) -> Iterator[Progress]:
        """Fetch, keep, tell the origin, and again. Raises SourceError when the origin is gone."""
        pace, done = Pace(self.rate), 0
        with closing(self.connect(name, cursors)) as session:
            while not stop.is_set():
                fetched = session.fetch(pace.most, WAIT)
                if fetched.payloads:
                    keep(fetched.payloads)
                    session.kept()
                    done += sum(len(payload.body) for payload in fetched.payloads)
                yield Progress(done, None, fetched.lag)
                if not (self.follow or fetched.payloads or fetched.lag):
                    return
                for _ in pace.spend(sum(payload.records for payload in fetched.payloads), stop):
                    yield Progress(done, None, fetched.lag)

    def prove(self, name: str) -> Iterator[Finding]:
        """What `examine` finds, and one record, which stays where it is."""
        yield from self.examine()
        seen = self.look(name).payloads
        if seen:
            yield Finding("look", "one record was seen, and left where it is", seen[0])
        else:
            yield Finding("look", "there is no record to see; send one and try again")

    def look(self, name: str) -> Fetched:
        """One record, without taking it, after a little patience. Raises SourceError."""
        until = time.monotonic() + LOOK
        with closing(self.connect(name, {})) as session:
            fetched = Fetched()
            while not fetched.payloads and time.monotonic() < until:
                fetched = session.fetch(1, WAIT)
                if fetched.lag == 0:
                    break
        return fetched

    # ── for those who are made of messages ──────────────────────────────────────────────────────────

    def packed(self, name: str, messages: Sequence[Message], cursors: Mapping[str, str], **more: str) -> list[Payload]:
        """Messages as payloads of this source, the cursors with the last; `more` is what else the codec is told."""
        said = told(self.format, self.zone) | more
        made = list(payloads(name, self.codec, registry.codec(self.codec), said, messages))
        return [*made[:-1], replace(made[-1], cursors=cursors)] if made else []


class Pace:
    """How much may be fetched so that a rate is kept; without one, as much as there is."""

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate.per_second if rate else None
        self._free = time.monotonic()
        """When the next record may be taken."""

    @property
    def most(self) -> int:
        """Records of one fetch: about a second's worth."""
        return MOST if self._rate is None else max(1, min(MOST, int(self._rate)))

    def spend(self, records: int, stop: threading.Event) -> Iterator[None]:
        """Wait as long as so many records take, and come up for air now and then."""
        if self._rate is not None:
            self._free = max(self._free, time.monotonic() - 1) + records / self._rate
            while (left := self._free - time.monotonic()) > 0 and not stop.wait(min(left, AIR)):
                yield


def unreachable(what: str, said: object, hint: str) -> SourceError:
    """The error of an origin that does not answer."""
    return SourceError(f"cannot reach {what}: {said}", hint=hint)
