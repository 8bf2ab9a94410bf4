"""The extension contract, on one page: what each kind of component is and must do.

To add a component, add one file to the folder of its kind: a module docstring (summary, then a worked
TOML example), one class, its options as fields with a docstring each, its code. The folder is the registry.
"""

from __future__ import annotations

import base64
import hmac
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator

from trackway.errors import TrackwayError
from trackway.model.condition import Condition
from trackway.model.contracts.compatibility import Keeps
from trackway.model.contracts.promise import Promise, Property
from trackway.model.contracts.version import Version
from trackway.model.event import Block, Reason
from trackway.model.schema import Kind, Schema
from trackway.model.time import Duration
from trackway.plan.lookup import Lookup

if TYPE_CHECKING:
    pass


class Component(BaseModel, ABC):
    """One table of trackway.toml. Fields are its options."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True, populate_by_name=True
    )
    kind: ClassVar[str]
    """The table, and the folder: `sources`, `codecs`, …"""


# ── codecs ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as a codec sees it."""

    path: str
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes
    """After decompression."""
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    parts: Mapping[str, str] = field(default_factory=dict)
    """What the `{name}` of its route stand for."""
    raw: bytes = b""
    """The body as it was sent, which is what signatures are made of."""
    target: str = ""
    """Path and query as they were sent."""
    at: int = 0
    """When it came: microseconds since 1970 UTC by the collector's clock."""
    sender: str = ""
    """The address it came from."""

    def authorization(self, scheme: str) -> str | None:
        """What follows a scheme such as `bearer` in the header; of `basic` the text that is encoded there."""
        given, _, token = self.headers.get("authorization", "").partition(" ")
        if given.lower() != scheme:
            return None
        if scheme != "basic":
            return token.strip()
        try:
            return base64.b64decode(token).decode()
        except ValueError:
            return ""

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses it may have been sent to, the likeliest first: a proxy in front may have ended the TLS."""
        proxied = self.headers.get("x-forwarded-proto", "https").partition(",")[0].strip()
        host = self.headers.get("x-forwarded-host", self.headers.get("host", ""))
        return tuple(f"{scheme}://{host}{self.target}" for scheme in dict.fromkeys((proxied, "https", "http")))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the sender is answered."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a codec takes in of a request, and what the sender is told once that is on disk."""

    body: bytes
    """What is kept: the payload without what it was wrapped in for its way (base64, a form)."""
    records: int
    """As `count` gives for it; of none nothing is kept."""
    headers: Mapping[str, str]
    """What `decode` needs beside the body."""
    reply: Reply | Callable[[int], Reply]
    """Perhaps made of the position in the journal (0 when nothing was kept)."""


def is_one_of(key: str | None, keys: Sequence[str]) -> bool:
    """Whether a key is one of those of a source, compared in a time that does not tell how much of it is right."""
    return key is not None and any(hmac.compare_digest(key.encode(), known.encode()) for known in keys)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much the beginning of a file is what a codec reads."""

    share: float
    """Of the records looked at, those it would read."""
    form: str = "lines"
    """How records follow one another (`flow.records`)."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the codec must be told with every block."""


class Codec(Component):
    """Payload to events; pure, and never raising on any bytes once a block was taken in.

    A request goes through `fits`, `greet`, `shows` and `take`, in this order; whatever refuses it on the way is
    said by `complain`.
    """

    kind: ClassVar[str] = "codecs"
    routes: ClassVar[tuple[str, ...]] = ()
    """HTTP routes this codec answers (see `plan.route`), POST when not said; empty for a codec of files only."""

    def fits(self, request: Request) -> bool:
        """Whether a request on a route that others share is of this protocol; by what it holds, not by its headers."""
        return True

    def greet(self, request: Request) -> Reply | None:
        """The answer to a request that brings no events: a handshake, a question for health; None for any other."""
        return None

    def key(self, request: Request) -> str | None:
        """The write key a request carries, None when it carries none."""
        return None

    def shows(self, request: Request, keys: Sequence[str]) -> bool:
        """Whether a request carries one of the write keys of a source, or is signed with one."""
        return is_one_of(self.key(request), keys)

    def take(self, request: Request) -> Taken:
        """What is kept of a request, and the reply. Raises PayloadError when it cannot be taken in at all."""
        kept = {"path": request.path}
        records = self.count(request.body, kept)
        return Taken(request.body, records, kept, self.reply(records))

    @abstractmethod
    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """How many records a payload holds; every one of them must come out of `decode`.

        Raises PayloadError for a payload that cannot be taken in at all.
        """

    @abstractmethod
    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """The records of blocks of one source, as a table: the columns of `model.event.DECODED` first, then
        what is known of `event_id time event user_id anonymous_id`, then one column per property under its
        dotted name (kinds of `model.schema`). `known` are the columns of the lake: a guide for types.
        """

    general: ClassVar[int] = 0
    """How much may be of its format by chance: a format of a higher number is looked for only when none of a lower
    one has half of the records."""

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """How much a file that begins with these lines is of this format; None for what no file is made of."""
        return None

    def in_line(self, record: bytes) -> bool:
        """Whether a message is one record that may share a payload with others: a line among lines, told `lines`."""
        return False

    def join(self, records: Sequence[bytes], schema: str) -> bytes:
        """Such records as one payload; `schema` is that of the registry they came with, if any."""
        return b"\n".join(records)

    sample: ClassVar[int] = 64 * 1024
    """How many bytes of a file it wants to see to learn from, when it is the codec that a source names."""

    def learn(self, lines: Sequence[bytes], headers: Mapping[str, str]) -> Mapping[str, str]:
        """What it must be told with every block of a file that begins with these lines, beside what it is told."""
        return {}

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises ValueError when what a source is to tell with every block, such as `format`, has no meaning."""

    def reply(self, records: int) -> Reply:
        """The answer to a payload that is on disk."""
        return Reply(200, b'{"success": true}')

    def complain(self, request: Request, error: TrackwayError) -> Reply | None:
        """An error in the words of the protocol, such that its clients retry what they should (`error.status` 503
        is please wait) and give up on the rest; None for the usual one.
        """
        return None


# ── sources ─────────────────────────────────────────────────────────────────────────────────────────


class Keep(Protocol):
    """Puts payloads into the journal; returns only when they are durable."""

    def __call__(self, payloads: Sequence[Payload]) -> list[int]:
        """The journal positions of the payloads, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Payload:
    """What a source hands to the journal."""

    source: str
    codec: str
    body: bytes
    records: int
    headers: Mapping[str, str] = field(default_factory=dict)
    cursors: Mapping[str, str] = field(default_factory=dict)
    """Where the source is after this payload (key -> position, such as a file and an offset); kept in the
    same transaction as the payload and given back at the next start."""


class Progress(NamedTuple):
    """How far the reading of a source is."""

    done: int
    """Bytes read."""
    total: int | None = None
    """Bytes there are in all, when known."""
    lag: int | None = None
    """Records that wait where they come from, when known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried of a source, and that worked."""

    step: str
    """`connect`, `list`, `look` …"""
    text: str
    """What was found, in a sentence."""
    payload: Payload | None = None
    """What was seen, to be read by its codec; it was not taken."""


class Source(Component):
    """Where payloads come from. Those that pull, and those that listen on an address of their own, implement `read`;
    what listens on the address of the project is served by the doors."""

    kind: ClassVar[str] = "sources"
    pulls: ClassVar[bool] = True
    """Whether it is read, rather than sent to."""
    precision: Duration | None = None
    """How exactly the times of its events are stated, such as `1s` for whole seconds: the event happened at its time or
    less than this after it. Exact when left out. Questions tell what depends on it (`robust` of a funnel)."""

    listens: ClassVar[bool] = False
    """Whether `read` waits for senders: it then runs beside the collector, which stays when the flow is away."""

    def read(self, name: str, keep: Keep, cursors: Mapping[str, str], stop: threading.Event) -> Iterator[Progress]:
        """Read until the end (or until `stop`), keeping payloads, and tell now and then how far it is.

        Raises TrackwayError for what may be better later; it is then called again, with the cursors as they are then.
        """
        return iter(())

    def prove(self, name: str) -> Iterator[Finding]:
        """Try the configuration against the live system, step by step, taking nothing. Raises TrackwayError, which
        says what is wrong and how to mend it.
        """
        yield Finding("listen", "nothing to connect to: whoever sends comes to the address of the project")


# ── transforms ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Verdict:
    """Rows for which `when` (DuckDB text) is true leave the flow here: `dropped` or `refused`."""

    when: str
    bin: str
    reason: str = ""
    detail: str = "''"
    """DuckDB text of a sentence for people."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What one transform does to a relation; the runner fuses all of them into one query.

    Expressions are DuckDB text over the columns as they were before the step.
    """

    set: Mapping[str, tuple[str, Kind]] = field(default_factory=dict)
    """Column -> (expression, kind): new or replaced columns."""
    drop: Sequence[str] = ()
    verdicts: Sequence[Verdict] = ()
    functions: Mapping[str, Callable[[pa.Array], pa.Array]] = field(default_factory=dict)
    """Functions over the distinct values of one text column, callable in expressions by name: text to text."""


@dataclass(frozen=True, slots=True)
class Reshaped:
    """What a reshaping made of some events."""

    events: pa.Table
    """Those that go on, with the columns they have now."""
    rows: NDArray[np.int64] | None = None
    """Which of the given events each one was, ascending; the first of several keeps the id. None when every event given
    is still one."""
    refused: Mapping[int, tuple[Reason, str]] = field(default_factory=dict)
    """Why the given event of a row goes no further."""
    drift: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(column, what) -> values that are not as expected; they move no event."""


class Reshape(ABC):
    """What one query cannot say, as a function of events: it runs between the query of the steps before it and that of
    the steps behind it.
    """

    makes: ClassVar[bool] = False
    """Whether one event may become several; it then has its id before."""

    @abstractmethod
    def __call__(self, events: pa.Table) -> Reshaped:
        """What becomes of some events, each by itself: how they are cut into batches makes no difference. A column that
        it needs and `events` lacks counts as null. Never raises for what is in them.
        """

    def writes(self, name: str) -> bool:
        """Whether a column may be its work, and is thus nothing that codecs should expect."""
        return False

    def close(self) -> None:
        """Let go of what it holds."""
        return


@dataclass(frozen=True, slots=True)
class Place:
    """The workspace that a transform is in."""

    root: Path
    """The folder of trackway.toml."""
    data: Path
    """The folder of journal and lake."""
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)


class Transform(Component):
    """From relation to relation; marks what it drops or refuses instead of removing it."""

    kind: ClassVar[str] = "transforms"
    sources: list[str] | None = None
    """Sources whose events it touches; all when left out."""
    where: Condition | None = None
    """Only events for which this is true; all when left out."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """What is done to events with these columns; columns it needs and `schema` lacks count as null. Nothing for
        one that only reshapes.
        """
        return Rewrite()

    def settle(self, place: Place) -> Self:
        """The same in its workspace: with paths from its root, and columns as contracts tell them.

        Raises ConfigError, whose `path` is the option at fault, for what cannot be there.
        """
        return self

    def ready(self) -> None:
        """Raises ConfigError when something that it needs at work, such as a file, is missing or of no use."""
        return

    def reshape(self) -> Reshape | None:
        """What is done to the events themselves behind `rewrite`; None where `rewrite` says it all."""
        return None


# ── contracts ───────────────────────────────────────────────────────────────────────────────────────


class Contract(Component):
    """What an event promises: which properties, of which kind."""

    kind: ClassVar[str] = "contracts"
    event: str
    """The event it holds for; `*` for all."""
    mode: Literal["evolve", "freeze", "drop_value", "refuse"] = "evolve"
    """`evolve`: new properties become columns. `freeze`: they stay in `more`. `drop_value`: a value that breaks
    the contract is taken out. `refuse`: the event is refused."""
    properties: dict[str, Property] = {}
    """Property -> kind: `string number integer boolean time json`, or a table that says more."""
    required: list[str] = []
    """Properties without which the event breaks the contract."""
    content: Literal["open", "closed"] = "open"
    """Whether an event may carry more than what is declared; where content is `closed`, the rest breaks the contract. A
    sender's `context.` is its own and always allowed."""
    version: str = ""
    """The version to publish it as, such as `1.2.0`; the next one that its changes ask for when left out."""
    compatibility: Keeps = "full"
    """Which breaks of what was promised ask for a major version: those of history and senders (`backward`), those of
    readers (`forward`), of both, or of nobody."""
    description: str = ""
    """For whoever sends or reads it."""

    @field_validator("version")
    @classmethod
    def _is_a_version(cls, value: str) -> str:
        if value:
            Version.read(value)
        return value

    @property
    def promise(self) -> Promise:
        """What it promises, whatever is done about it here. Raises ConfigError (`Promise.of`)."""
        return Promise.of(
            self.event, self.properties, self.required, closed=self.content == "closed", description=self.description
        )
