"""Streams of NATS JetStream.

    [sources.clicks]
    type = "nats"
    servers = ["nats://nats-1:4222"]
    stream = "CLICKS"
    subjects = ["clicks.eu.>"]
    credentials = "/etc/trackway/nats.creds"

Messages are read after the sequence number that the journal has, by a consumer made for the occasion, so each is stored
exactly once. A work queue, which forgets what was acknowledged, is acknowledged once messages are on disk; what it
brings again is known by its number and not taken twice. An event that has no time happened when the stream took its
message; one that has no id is known by the stream and its number there.

A stream that keeps messages only while somebody is interested (`interest`) cannot be read again from where it stopped,
and is refused: let another stream, kept by limits, mirror it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, Self, TypeVar

from pydantic import Field, model_validator

from trackway.errors import SourceError, optional, suggest
from trackway.flow.messages import Message
from trackway.flow.pulling import Fetched, Puller, unreachable
from trackway.model.secret import Secret
from trackway.plan.component import Finding

PATIENCE = 10.0
"""Seconds that the server has to answer."""
MOST = 2_000
"""Messages of one fetch."""
IDLE = 60.0
"""Seconds after which the server forgets a consumer nobody uses."""

T = TypeVar("T")


class Nats(Puller):
    """Reads one stream."""

    servers: list[str] = Field(default=["nats://127.0.0.1:4222"], min_length=1)
    """Addresses, of which one must answer; `tls://…` for an encrypted connection."""
    stream: str = Field(min_length=1)
    """Its name."""
    subjects: list[str] = Field(default=[])
    """Only messages of these subjects, such as `clicks.>`; all when left out."""
    start: str = "earliest"
    """Where a stream that was never read begins: `earliest`, `latest`, or a sequence number."""
    user: str = ""
    """Who we are; with `password`."""
    password: Secret | None = None
    """Of the user."""
    token: Secret | None = None
    """Instead of a user."""
    credentials: str = ""
    """Instead of a user: a `.creds` file."""
    ca: str = ""
    """File with the certificates to trust; those of the system when left out."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        if self.start not in ("earliest", "latest") and not self.start.isdigit():
            raise ValueError(f"start is earliest, latest or a sequence number, not '{self.start}'")
        return self

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A consumer at the cursor."""
        return Reader(self, name, cursors)

    def examine(self) -> Iterator[Finding]:
        """The server, and the stream with its messages."""
        link = Link(self)
        try:
            yield Finding("connect", f"NATS {link.version} at {', '.join(self.servers)}")
            told = link.stream()
            kept = f"{told.state.messages:,} messages, kept by {told.config.retention}"
            yield Finding("list", f"stream {self.stream} of {', '.join(told.config.subjects or [])}: {kept}")
        finally:
            link.close()

    def look(self, name: str) -> Fetched:
        """One message by its number, since a consumer of a work queue would keep others away."""
        link = Link(self)
        try:
            return Fetched(self.packed(name, link.oldest(), {}), 0)
        finally:
            link.close()


class Link:
    """A connection, its errors in words, and the loop it lives in."""

    def __init__(self, source: Nats) -> None:
        """Raises SourceError when nobody answers or we are not let in."""
        with optional("sources.nats", "nats"):
            import nats
            import nats.errors
            import nats.js.errors
        self._nats = nats
        self._source = source
        self._heard: dict[str, None] = {}
        """What the connection complained of, each once."""
        self._loop = asyncio.new_event_loop()
        try:
            self.client = self.ask(self._connected())
            self.streams = self.client.jetstream(timeout=PATIENCE)
        except BaseException:
            self._loop.close()
            raise

    async def _connected(self) -> Any:
        source = self._source
        given: dict[str, Any] = {}
        if source.password is not None:
            given |= {"user": source.user, "password": str(source.password)}
        if source.token is not None:
            given["token"] = str(source.token)
        if source.credentials:
            given["user_credentials"] = source.credentials
        if source.ca:
            given["tls"] = ssl.create_default_context(cafile=source.ca)
        client = self._nats.NATS()
        try:
            await client.connect(
                source.servers, name="trackway", allow_reconnect=False, connect_timeout=round(PATIENCE),
                max_reconnect_attempts=1, error_cb=self._failed, **given,
            )  # fmt: skip
        except BaseException:
            await client.close()
            raise
        return client

    async def _failed(self, error: Exception) -> None:
        """What the connection complains of is raised by whoever waits for it."""
        self._heard[str(error) or type(error).__name__] = None

    @property
    def version(self) -> str:
        """Of the server."""
        told = self.client.connected_server_version
        return f"{told.major}.{told.minor}.{told.patch}"

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """What the server answers. Raises SourceError."""
        errors = self._nats.errors
        try:
            return self._loop.run_until_complete(question)
        except (self._nats.js.errors.NotFoundError, errors.TimeoutError):
            raise
        except (errors.AuthorizationError, errors.SlowConsumerError) as error:
            raise SourceError(f"NATS does not let us in: {error}", hint="check user, token or credentials") from error
        except self._nats.js.errors.APIError as error:
            raise SourceError(
                f"JetStream refuses: {error.description}", hint="check `stream` and `subjects`"
            ) from error
        except (errors.Error, OSError) as error:
            said = "; ".join(dict.fromkeys((*self._heard, str(error) or type(error).__name__)))
            if "authorization" in said.lower() or "authentication" in said.lower():
                raise SourceError(
                    f"NATS does not let us in: {said}", hint="check user, token or credentials"
                ) from error
            raise unreachable(", ".join(self._source.servers), said, "check `servers`; is it running?") from error

    def stream(self) -> Any:
        """What the server knows of the stream. Raises SourceError for one there is not, or that forgets."""
        try:
            told = self.ask(self.streams.stream_info(self._source.stream))
        except self._nats.js.errors.NotFoundError as error:
            names = [one.config.name for one in self.ask(self.streams.streams_info())]
            raise SourceError(
                f"there is no stream '{self._source.stream}'", path="stream", hint=suggest(self._source.stream, names)
            ) from error
        except self._nats.errors.TimeoutError as error:
            raise SourceError("the server has no JetStream", hint="start it with -js") from error
        if told.config.retention == "interest":
            raise SourceError(
                f"the stream {self._source.stream} forgets what nobody waits for",
                hint="let another stream with the retention `limits` mirror it, and read that",
            )
        return told

    def oldest(self) -> list[Message]:
        """The oldest message that is meant."""
        told = self.stream()
        wanted = self._source.subjects[0] if self._source.subjects else ">"
        try:
            found = self.ask(
                self.streams.get_msg(self._source.stream, seq=max(1, told.state.first_seq), subject=wanted, next=True)
            )
        except self._nats.js.errors.NotFoundError:
            return []
        return [Message(self._source.stream, found.seq or 0, found.data or b"")]

    def close(self) -> None:
        """Ends the connection and the loop."""
        try:
            self._loop.run_until_complete(self.client.close())
        finally:
            self._loop.close()


class Reader(Link):
    """A consumer at some message."""

    def __init__(self, source: Nats, name: str, cursors: Mapping[str, str]) -> None:
        super().__init__(source)
        self._name = name
        self._fetched: list[Any] = []
        try:
            told = self.stream()
            self._queue = told.config.retention == "workqueue"
            self._last = self._begin(told, cursors)
            self._consumer = self.ask(self._consuming())
            self._lag = int(self.ask(self._consumer.consumer_info()).num_pending or 0)
        except (self._nats.errors.TimeoutError, self._nats.js.errors.NotFoundError) as error:
            self.close()
            raise unreachable(", ".join(source.servers), "no answer", "is JetStream enabled?") from error
        except BaseException:
            self.close()
            raise

    def _begin(self, told: Any, cursors: Mapping[str, str]) -> int:
        """The number before the first message that is to be read."""
        if self._source.stream in cursors:
            last = int(cursors[self._source.stream])
            return last if last <= told.state.last_seq else 0
        if self._source.start == "latest":
            return int(told.state.last_seq)
        return 0 if self._source.start == "earliest" else int(self._source.start) - 1

    async def _consuming(self) -> Any:
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.ALL if self._queue else DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=None if self._queue else self._last + 1,
            ack_policy=AckPolicy.EXPLICIT if self._queue else AckPolicy.NONE, inactive_threshold=IDLE,
            filter_subjects=self._source.subjects or None, max_ack_pending=20 * MOST if self._queue else None,
        )  # fmt: skip
        stream = self._source.stream
        if not self._queue:
            made = await self.streams.add_consumer(stream, config)
            return await self.streams.pull_subscribe_bind(made.name, stream)
        config.name = config.durable_name = f"trackway-{self._name}"
        try:
            await self.streams.delete_consumer(stream, config.durable_name)
        except self._nats.js.errors.NotFoundError:
            self._heard.clear()
        await self.streams.add_consumer(stream, config)
        return await self.streams.pull_subscribe_bind(config.durable_name, stream)

    def fetch(self, most: int, seconds: float) -> Fetched:
        """Messages in the order of the stream."""
        try:
            self._fetched = self.ask(self._consumer.fetch(min(most, MOST), timeout=seconds))
        except self._nats.errors.TimeoutError:
            self._fetched = []
        except self._nats.js.errors.NotFoundError as error:
            raise SourceError("the consumer is gone", hint="it is made anew") from error
        messages: list[Message] = []
        for one in self._fetched:
            told = one.metadata
            if told.sequence.stream > self._last:
                self._last = told.sequence.stream
                stamp = int(told.timestamp.timestamp() * 1000)
                messages.append(Message(self._source.stream, told.sequence.stream, one.data, stamp))
        if self._fetched:
            self._lag = int(self._fetched[-1].metadata.num_pending)
        elif not self.client.is_connected:
            raise unreachable(", ".join(self._source.servers), "; ".join(self._heard) or "gone", "is it running?")
        else:
            self._lag = 0
        payloads = self._source.packed(self._name, messages, {self._source.stream: str(self._last)})
        if self._fetched and not payloads:
            self.kept()
        return Fetched(payloads, self._lag)

    def kept(self) -> None:
        """A work queue may forget the messages."""
        if self._queue and self._fetched:
            self.ask(self._acknowledge())

    async def _acknowledge(self) -> None:
        for one in self._fetched:
            await one.ack()
        await self.client.flush(timeout=round(PATIENCE))
