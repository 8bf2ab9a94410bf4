"""Topics of Apache Kafka, and of what speaks its protocol: Confluent Cloud, Redpanda, Azure Event Hubs.

    [sources.orders]
    type = "kafka"
    brokers = ["kafka-1:9092", "kafka-2:9092"]
    topics = ["orders", "^clicks-"]

    [sources.hub]
    type = "kafka"
    preset = "event_hubs"
    connection_string = { env = "EVENT_HUBS_CONNECTION" }
    topics = ["clicks"]

    [sources.payments]
    type = "kafka"
    brokers = ["pkc-1.eu-west-1.aws.confluent.cloud:9092"]
    user = "KEY"
    password = { env = "KAFKA_SECRET" }
    topics = ["payments"]
    codec = "avro"
    registry = "https://psrc-1.eu-west-1.aws.confluent.cloud"
    registry_user = "KEY"
    registry_password = { env = "REGISTRY_SECRET" }

Every message is stored exactly once: its offset is kept in the transaction that keeps the message, and reading goes on
from there. The group is told afterwards, so that other tools see how far we are, and is never asked, unless `start`
says so; all partitions are read by the one process that runs the flow, new ones from their beginning. Of a transaction
that was aborted nothing is read. An event that has no time happened when its message was written; one that has no id is
known by its topic, partition and offset. A message without a value is refused as `no_event`.

`preset = "event_hubs"` sets what Azure asks for: the broker of the connection string, SASL over TLS with it as the
password, and connections that are renewed before Azure ends them (3 minutes).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trackway.errors import SourceError, optional, suggest
from trackway.flow.messages import Message
from trackway.flow.pulling import Fetched, Puller, unreachable
from trackway.flow.schemas import PREFIX, Registry, numbered
from trackway.model.secret import Secret
from trackway.model.time import MICROS, instant
from trackway.plan.component import Finding, Payload

if TYPE_CHECKING:
    from confluent_kafka import Consumer

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a broker has to answer."""
LOOK = 30.0
"""Seconds between two looks for new topics and partitions."""
OWN = ("bootstrap.servers", "group.id", "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset",
       "enable.partition.eof", "isolation.level", "sasl.password", "ssl.key.password")  # fmt: skip
"""Properties that are ours to set."""
EVENT_HUBS = {"metadata.max.age.ms": "180000", "connections.max.idle.ms": "180000", "socket.timeout.ms": "60000",
              "socket.keepalive.enable": "true"}  # fmt: skip
STARTS = ("earliest", "latest", "group")
Partition = tuple[str, int]


class Kafka(Puller):
    """Reads topics."""

    preset: Literal["", "event_hubs"] = ""
    """`event_hubs` for the settings of Azure Event Hubs."""
    brokers: list[str] = Field(default=[])
    """Addresses, such as `kafka-1:9092`, of which one must answer."""
    topics: list[str] = Field(min_length=1)
    """Names, or patterns that begin with `^`."""
    start: str = "earliest"
    """Where a partition that was never read begins: `earliest`, `latest`, a time, or `group` (what it knows)."""
    group: str = ""
    """The consumer group that is told how far we are; `trackway-` and the name of the source when left out."""
    user: str = ""
    """For SASL; then the connection is encrypted."""
    password: Secret | None = None
    """For SASL."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How the password is shown."""
    connection_string: Secret | None = None
    """Of Event Hubs: `Endpoint=sb://NAME.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…`."""
    tls: bool | None = None
    """Whether the connection is encrypted; left out: when there is a user."""
    ca: str = ""
    """File with the certificates to trust; those of the system when left out."""
    certificate: str = ""
    """File with our certificate, for brokers that ask for one; with `key`."""
    key: str = ""
    """File with its private key."""
    key_password: Secret | None = None
    """Of the private key."""
    registry: str = ""
    """Address of a schema registry, for messages in Confluent's wire format."""
    registry_user: str = ""
    """For the registry."""
    registry_password: Secret | None = None
    """For the registry."""
    schema_file: str = ""
    """For messages that are bare records of Avro, without a registry: file with the schema they were written with."""
    settings: dict[str, str] = Field(default_factory=dict)
    """Further properties of librdkafka, by their names there."""

    @field_validator("topics")
    @classmethod
    def _patterns(cls, topics: list[str]) -> list[str]:
        for topic in topics:
            try:
                re.compile(topic)
            except re.error as error:
                raise ValueError(f"'{topic}' is no pattern: {error}") from error
        return topics

    @field_validator("start")
    @classmethod
    def _when(cls, start: str) -> str:
        if start not in STARTS:
            try:
                instant(start)
            except ValueError as error:
                raise ValueError(f"expected {', '.join(STARTS)} or a time, got '{start}'") from error
        return start

    @field_validator("settings")
    @classmethod
    def _others(cls, settings: dict[str, str]) -> dict[str, str]:
        for name in settings:
            if name in OWN:
                raise ValueError(f"'{name}' is not for `settings`: it is set here, or has an option of its own")
        return settings

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.preset == "event_hubs":
            if self.connection_string is None:
                raise ValueError(
                    'event_hubs needs connection_string = { env = "NAME" }, as the portal of Azure shows it'
                )
        elif not self.brokers:
            raise ValueError('brokers are needed, such as ["127.0.0.1:9092"]')
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        if bool(self.schema_file and self.registry) or (
            self.codec == "avro" and not (self.schema_file or self.registry)
        ):
            raise ValueError("messages in Avro need a registry or a schema_file")
        return self

    def properties(self, name: str) -> dict[str, Any]:
        """The configuration of librdkafka."""
        made: dict[str, Any] = {
            "bootstrap.servers": ",".join(self.brokers),
            "group.id": self.group or f"trackway-{name}",
            "client.id": "trackway",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 65_536,
            "reconnect.backoff.max.ms": 5_000,
        }
        user, password = self.user, self.password
        if self.preset == "event_hubs" and self.connection_string is not None:
            made |= EVENT_HUBS
            made["bootstrap.servers"] = f"{_endpoint(self.connection_string)}:9093"
            user, password = "$ConnectionString", self.connection_string
        encrypted = bool(user) if self.tls is None else self.tls
        made["security.protocol"] = ("SASL_" if user else "") + ("SSL" if encrypted else "PLAINTEXT")
        if password is not None:
            made |= {"sasl.mechanism": self.mechanism, "sasl.username": user, "sasl.password": str(password)}
        files = {"ssl.ca.location": self.ca, "ssl.certificate.location": self.certificate,
                 "ssl.key.location": self.key, "ssl.key.password": str(self.key_password or "")}  # fmt: skip
        return made | {option: value for option, value in files.items() if value} | self.settings

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A consumer of all partitions, at the cursors."""
        return Reader(self, name, cursors)

    def examine(self) -> Iterator[Finding]:
        """Brokers, topics with their partitions and messages, and the registry."""
        link = Link(self, "test")
        try:
            yield Finding("connect", f"{link.brokers} as {self.user or self.preset or 'anybody'}")
            for topic, partitions in sorted(link.topics().items()):
                sizes = [link.bounds((topic, number)) for number in partitions]
                held = sum(high - low for low, high in sizes)
                yield Finding("list", f"topic {topic}: {len(partitions)} partitions, {held:,} messages")
        finally:
            link.close()
        if self.registry:
            registry = self.schemas()
            try:
                yield Finding("registry", f"{len(registry.subjects())} subjects")
            finally:
                registry.close()

    def schemas(self) -> Registry:
        """The registry."""
        return Registry(self.registry, self.registry_user, str(self.registry_password or ""))

    def told_schema(self) -> str:
        """The schema of bare records; empty when none is told. Raises SourceError."""
        try:
            return Path(self.schema_file).read_text(encoding="utf-8") if self.schema_file else ""
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"cannot read the schema {self.schema_file}: {error}", path="schema_file") from error


def _endpoint(connection: str) -> str:
    """The host of a connection string. Raises SourceError when it has none."""
    found = re.search(r"(?:^|;)\s*Endpoint=sb://([^/;:]+)", connection)
    if found is None:
        raise SourceError(
            "the connection string names no Endpoint", path="connection_string",
            hint="it begins with Endpoint=sb://NAME.servicebus.windows.net/, as the portal of Azure shows it",
        )  # fmt: skip
    return found[1]


class Link:
    """A connection to the brokers, its errors in words."""

    def __init__(self, source: Kafka, name: str) -> None:
        """Raises SourceError when nobody answers or we are not let in."""
        with optional("sources.kafka", "kafka"):
            import confluent_kafka
        self._kafka = confluent_kafka
        self._source = source
        self._faults: list[Any] = []
        self._complained = False
        properties = source.properties(name)
        self._where = properties["bootstrap.servers"]
        told = {
            "error_cb": self._faults.append,
            "on_commit": self._committed,
            "logger": logging.getLogger("librdkafka"),
        }
        try:
            self.consumer: Consumer = confluent_kafka.Consumer(properties | told)
        except confluent_kafka.KafkaException as error:
            raise SourceError(
                f"librdkafka refuses the settings: {error.args[0].str()}", hint="check the options"
            ) from error
        try:
            self._metadata = self._listed()
        except BaseException:
            self.close()
            raise

    @property
    def brokers(self) -> str:
        """How many there are, and who we asked."""
        number = len(self._metadata.brokers)
        return f"{number} {'broker' if number == 1 else 'brokers'} at {self._where}"

    def _listed(self) -> Any:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return self.consumer.list_topics(timeout=min(2.0, PATIENCE))
            except self._kafka.KafkaException as error:
                self.consumer.poll(0)
                self.raise_faults()
                if time.monotonic() >= until or error.args[0].code() != self._kafka.KafkaError._TRANSPORT:
                    raise self.explained(error.args[0]) from error

    def topics(self) -> dict[str, list[int]]:
        """The topics that are meant, and their partitions. Raises SourceError for a name there is not."""
        self._metadata = self._listed()
        there = {name: topic for name, topic in self._metadata.topics.items() if topic.error is None}
        found: dict[str, list[int]] = {}
        for wanted in self._source.topics:
            names = [n for n in there if re.match(wanted, n)] if wanted.startswith("^") else [wanted]
            for name in names:
                if name not in there:
                    ours = [n for n in there if not n.startswith("__")]
                    raise SourceError(f"there is no topic '{name}'", path="topics", hint=suggest(name, ours))
                found[name] = sorted(there[name].partitions)
        return found

    def bounds(self, at: Partition) -> tuple[int, int]:
        """The first offset there is, and the one after the last."""
        try:
            low, high = self.consumer.get_watermark_offsets(self._kafka.TopicPartition(*at), timeout=PATIENCE)
        except self._kafka.KafkaException as error:
            raise self.explained(error.args[0]) from error
        return int(low), int(high)

    def raise_faults(self) -> None:
        """Raises SourceError for what librdkafka complained of and does not get over by itself soon."""
        faults, self._faults[:] = list(self._faults), []
        codes = self._kafka.KafkaError
        grave = (codes._AUTHENTICATION, codes._SSL, codes._RESOLVE, codes._ALL_BROKERS_DOWN)
        for code in grave:
            for fault in faults:
                if fault.code() == code:
                    raise self.explained(fault)

    def explained(self, fault: Any) -> SourceError:
        """An error of librdkafka with what to do about it."""
        codes = self._kafka.KafkaError
        said = fault.str()
        if fault.code() in (codes._AUTHENTICATION, codes.SASL_AUTHENTICATION_FAILED):
            return SourceError(f"the brokers do not let us in: {said}", hint="check user, password and mechanism")
        if fault.code() in (codes.TOPIC_AUTHORIZATION_FAILED, codes.GROUP_AUTHORIZATION_FAILED):
            return SourceError(f"not allowed: {said}", hint="the user must be allowed to READ and DESCRIBE the topics")
        if fault.code() == codes._SSL:
            return SourceError(
                f"no encrypted connection to {self._where}: {said}", hint="check `tls`, `ca` and the port"
            )
        if fault.code() == codes._RESOLVE:
            return unreachable(self._where, said, "check the names in `brokers`")
        hint = "check `brokers`; does the port want an encrypted connection (`tls`, `user`), or a plain one?"
        return unreachable(self._where, said, hint)

    def _committed(self, error: Any, _partitions: Any) -> None:
        """The group is told as a courtesy: what it answers changes nothing for us."""
        if error is not None and not self._complained:
            self._complained = True
            log.warning("the group cannot be told how far we are: %s", error.str())

    def close(self) -> None:
        """Ends the connection."""
        self.consumer.close()


class Reader(Link):
    """A consumer at some offsets."""

    def __init__(self, source: Kafka, name: str, cursors: Mapping[str, str]) -> None:
        super().__init__(source, name)
        self._name = name
        self._next: dict[Partition, int] = {}
        """Where each partition goes on."""
        self._high: dict[Partition, int] = {}
        self._told = {_partition(key): int(value) for key, value in cursors.items()}
        """What the journal has."""
        self._moved: dict[Partition, int] = {}
        self._schemas = source.schemas() if source.registry else None
        self._schema = source.told_schema()
        self._looked = 0.0
        self._astray = False
        """Whether a partition must be fetched from elsewhere than the consumer thinks."""
        try:
            self._look(self._told, first=not cursors)
        except BaseException:
            self.close()
            raise

    def fetch(self, most: int, seconds: float) -> Fetched:
        """Messages of all partitions, each in its order."""
        if time.monotonic() - self._looked > LOOK:
            self._look(self._next, first=False)
        by_partition: dict[Partition, list[Message]] = {}
        for one in self.consumer.consume(most, seconds):
            at: Partition = (one.topic(), one.partition())
            if one.error() is None:
                by_partition.setdefault(at, []).append(self._message(one))
                self._next[at] = one.offset() + 1
            else:
                self._odd(one, at)
        if self._astray:
            self._assign()
        self.raise_faults()
        messages = [message for some in by_partition.values() for message in some]
        self._moved = {at: offset for at, offset in self._next.items() if self._told.get(at) != offset}
        cursors = {_cursor(at): str(offset) for at, offset in self._moved.items()}
        payloads: list[Payload] = self._source.packed(self._name, messages, cursors)
        return Fetched(payloads, self._lag())

    def kept(self) -> None:
        """Tell the group."""
        self._told |= self._moved
        offsets = [self._kafka.TopicPartition(*at, offset) for at, offset in self._moved.items()]
        if offsets:
            self.consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        """Ends the connections."""
        super().close()
        schemas = getattr(self, "_schemas", None)
        if schemas is not None:
            schemas.close()

    def _message(self, one: Any) -> Message:
        kind, stamp = one.timestamp()
        body = one.value() or b""
        made = Message(f"{one.topic()}/{one.partition()}", one.offset(), body, stamp if kind else 0)
        return made._replace(schema=self._schema) if self._schemas is None else self._unwrapped(made)

    def _unwrapped(self, message: Message) -> Message:
        """A message without the number of its schema in front, with the schema beside it."""
        number = numbered(message.body)
        avro = self._source.codec == "avro"
        if number is None or self._schemas is None:
            return message._replace(wrong="not in the wire format of a schema registry") if avro else message
        schema = self._schemas.get(number)
        if not schema.kind:
            return message._replace(wrong=f"the registry has no schema {number}")
        if schema.kind != ("AVRO" if avro else "JSON"):
            return message._replace(
                wrong=f"its schema {number} is of type {schema.kind}, the codec is {self._source.codec}"
            )
        return message._replace(body=message.body[PREFIX:], schema=schema.text if avro else "")

    def _odd(self, one: Any, at: Partition) -> None:
        """What is no message: the end of a partition, or an error."""
        codes = self._kafka.KafkaError
        if one.error().code() == codes._PARTITION_EOF:
            self._next[at] = self._high[at] = one.offset()
        elif one.error().code() in (codes._AUTO_OFFSET_RESET, codes.OFFSET_OUT_OF_RANGE):
            low, high = self.bounds(at)
            was = self._next.get(at, low)
            said = f"{low - was:,} messages were deleted before they were read" if was < low else "it was made anew"
            log.warning("source %s: %s goes on at %d instead of %d: %s", self._name, _cursor(at), low, was, said)
            self._next[at], self._high[at] = low, high
            self._astray = True
        elif not one.error().retriable():
            raise self.explained(one.error())

    def _lag(self) -> int:
        for at in self._next:
            _, high = self.consumer.get_watermark_offsets(self._kafka.TopicPartition(*at), cached=True)
            self._high[at] = max(self._high.get(at, 0), high)
        return sum(max(0, self._high[at] - offset) for at, offset in self._next.items())

    def _look(self, known: Mapping[Partition, int], *, first: bool) -> None:
        """Take up what partitions there are, those that are new from where they begin."""
        there = [(topic, number) for topic, numbers in self.topics().items() for number in numbers]
        gone = self._high.keys() - set(there)
        for at in gone:
            del self._high[at], self._next[at]
        new = [at for at in there if at not in self._high]
        bounds = {at: self.bounds(at) for at in new}
        starts = self._starts([at for at in new if at not in known], bounds, first=first)
        for at in new:
            self._next[at], self._high[at] = known.get(at, starts.get(at, 0)), bounds[at][1]
        if new or gone:
            self._assign()
        self._looked = time.monotonic()

    def _assign(self) -> None:
        """Fetch from where each partition goes on; only between two batches, or messages would come twice."""
        self.consumer.assign([self._kafka.TopicPartition(*at, offset) for at, offset in self._next.items()])
        self._astray = False

    def _starts(
        self, new: list[Partition], bounds: Mapping[Partition, tuple[int, int]], *, first: bool
    ) -> dict[Partition, int]:
        """Where partitions begin that were never read. Only those that were there at first may begin later."""
        lows = {at: bounds[at][0] for at in new}
        start = self._source.start
        if not new or not first or start == "earliest":
            return lows
        if start == "latest":
            return {at: bounds[at][1] for at in new}
        asked = [self._kafka.TopicPartition(*at) for at in new]
        try:
            if start == "group":
                found = self.consumer.committed(asked, timeout=PATIENCE)
            else:
                for one in asked:
                    one.offset = instant(start) // (MICROS // 1000)
                found = self.consumer.offsets_for_times(asked, timeout=PATIENCE)
        except self._kafka.KafkaException as error:
            raise self.explained(error.args[0]) from error
        told = {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}
        after = lows if start == "group" else {at: bounds[at][1] for at in new}
        return after | told


def _cursor(at: Partition) -> str:
    return f"{at[0]}/{at[1]}"


def _partition(key: str) -> Partition:
    topic, _, number = key.rpartition("/")
    return topic, int(number)
