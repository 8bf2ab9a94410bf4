"""Data streams of Amazon Kinesis.

    [sources.clicks]
    type = "kinesis"
    stream = "clicks"
    region = "eu-west-1"

Every record is stored exactly once: its sequence number is kept, by shard, in the transaction that keeps the record,
and reading goes on after it. No table of leases is needed, and nothing is written to AWS. When a stream is resharded
the children of a shard are read once all of the shard was, so that the records of one key keep their order. Records
that the Kinesis Producer Library packed together are taken apart.

A shard answers five times a second to all who read it: one that is read to its end is asked once a second, one that is
behind up to four times, and after `ProvisionedThroughputExceeded` ever less often. An event that has no time happened
when its record arrived; one that has no id is known by its shard and sequence number. (What the Producer Library sends
again because a shard was split meanwhile has another number: give such events an `event_id`.)

The policy needs `kinesis:ListShards`, `GetShardIterator`, `GetRecords` and, to be tried, `DescribeStreamSummary`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, field_validator

from trackway.errors import SourceError, suggest
from trackway.flow.aggregated import unpacked
from trackway.flow.aws import SLOW, Account, code
from trackway.flow.messages import Message
from trackway.flow.pulling import Fetched, Puller
from trackway.model.time import MICROS, instant
from trackway.plan.component import Finding

log = logging.getLogger(__name__)

LOOK = 30.0
"""Seconds between two looks for new shards; another one comes at once when a shard has ended."""
TOGETHER = 8
"""Shards that are asked at once."""
BUSY, IDLE = 0.25, 1.0
"""Seconds between two questions to a shard that is behind, and to one that is not."""
FIRST, LONGEST = 0.5, 10.0
"""Seconds that a shard is left alone after it asked for it, at first and at last."""
STARTS = ("earliest", "latest")
MILLIS = MICROS // 1000
BEGINNING, END = "earliest", "end"
"""Positions that are no sequence number; another is `@` and milliseconds since 1970."""


class Kinesis(Account, Puller):
    """Reads a stream."""

    stream: str = Field(min_length=1)
    """Its name, or its ARN when it belongs to another account."""
    start: str = "earliest"
    """Where a stream that was never read begins: `earliest`, `latest`, or a time."""

    @field_validator("start")
    @classmethod
    def _when(cls, start: str) -> str:
        if start not in STARTS:
            try:
                instant(start)
            except ValueError as error:
                raise ValueError(f"expected {', '.join(STARTS)} or a time, got '{start}'") from error
        return start

    @property
    def address(self) -> dict[str, str]:
        """How requests name the stream."""
        return {"StreamARN" if self.stream.startswith("arn:") else "StreamName": self.stream}

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader of all shards, at the cursors."""
        return Reader(self, name, cursors)

    def examine(self) -> Iterator[Finding]:
        """The stream, and its shards."""
        link = Link(self)
        try:
            with link.words():
                about = link.client.describe_stream_summary(**self.address)["StreamDescriptionSummary"]
            kept = f"{about['RetentionPeriodHours']} hours are kept"
            yield Finding("connect", f"stream {about['StreamName']}: {about['StreamStatus'].lower()}, {kept}")
            shards = link.shards()
            ended = sum(_ended(shard) for shard in shards)
            yield Finding("list", f"{len(shards) - ended} open shards, {ended} that were split or merged")
        finally:
            link.close()


class Link:
    """A connection, its errors in words."""

    def __init__(self, source: Kinesis) -> None:
        """Raises SourceError when no client can be made."""
        self._source = source
        self.client = source.client("kinesis")

    @contextmanager
    def words(self) -> Iterator[None]:
        """Raises SourceError for what boto3 raises."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            if code(error) == "ResourceNotFoundException":
                raise self._missing() from error
            raise self._source.explained(error) from error
        except BotoCoreError as error:
            raise self._source.explained(error) from error

    def _missing(self) -> SourceError:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            there = self.client.list_streams(Limit=1_000)["StreamNames"]
        except (BotoCoreError, ClientError):
            there = []
        hint = suggest(self._source.stream, there) if there else "check stream and region"
        return SourceError(f"there is no stream '{self._source.stream}'", path="stream", hint=hint)

    def shards(self) -> list[dict[str, Any]]:
        """All shards that still hold records, as AWS describes them. Raises SourceError."""
        found: list[dict[str, Any]] = []
        asked: dict[str, str] = self._source.address
        with self.words():
            while True:
                answer = self.client.list_shards(**asked)
                found += answer["Shards"]
                if not answer.get("NextToken"):
                    return found
                asked = {"NextToken": answer["NextToken"]}

    def close(self) -> None:
        """Ends the connections."""
        self.client.close()


@dataclass
class Shard:
    """One shard that is being read."""

    id: str
    parents: tuple[str, ...]
    at: str
    """After which sequence number it goes on, or another position."""
    iterator: str = ""
    due: float = 0.0
    """When it may be asked again, by the monotonic clock."""
    patience: float = 0.0
    """Seconds that it was left alone last, since it asked for it."""
    behind: int = 1
    """Records that are thought to wait in it; one as long as it was not asked."""


class Reader(Link):
    """A connection at some records."""

    def __init__(self, source: Kinesis, name: str, cursors: Mapping[str, str]) -> None:
        super().__init__(source)
        self._name = name
        self._stream = source.stream.rpartition("/")[2]
        self._shards: dict[str, Shard] = {}
        self._told = dict(cursors)
        """What the journal has."""
        self._fetched: dict[str, str] = {}
        self._began = time.time_ns() // 1_000_000
        self._looked = 0.0
        self._records = source.client("kinesis", attempts=1, numbers=True)
        self._pool = ThreadPoolExecutor(TOGETHER, "kinesis")
        try:
            self._look(first=not cursors)
        except BaseException:
            self.close()
            raise

    def fetch(self, most: int, seconds: float) -> Fetched:
        """Records of the shards whose turn it is, each in its order."""
        if time.monotonic() - self._looked > LOOK:
            self._look(first=False)
        due = self._due(seconds)
        each = max(1, most // max(1, len(due)))
        with self.words():
            answers = list(self._pool.map(lambda shard: self._ask(shard, each), due))
        messages = [message for answer in answers for message in answer]
        if any(shard.at == END for shard in due):
            self._look(first=False)
        moved = {shard.id: shard.at for shard in self._shards.values() if self._told.get(shard.id) != shard.at}
        self._fetched = moved if messages else {}
        return Fetched(self._source.packed(self._name, messages, moved), self._lag())

    def kept(self) -> None:
        """Kinesis need not know."""
        self._told |= self._fetched

    def close(self) -> None:
        """Ends the connections."""
        self._pool.shutdown()
        self._records.close()
        super().close()

    def _lag(self) -> int:
        return sum(shard.behind for shard in self._shards.values() if shard.at != END)

    def _due(self, seconds: float) -> list[Shard]:
        """Shards that may be asked now, the longest waiting first; waits for one, at most so long."""
        ready = [shard for shard in self._shards.values() if shard.at != END and not self._waits(shard)]
        ready.sort(key=lambda shard: shard.due)
        wait = ready[0].due - time.monotonic() if ready else seconds
        if wait > 0:
            time.sleep(min(wait, seconds))
        now = time.monotonic()
        return [shard for shard in ready if shard.due <= now][:TOGETHER]

    def _waits(self, shard: Shard) -> bool:
        """Whether something of a parent is still to be read."""
        return any(one in self._shards and self._shards[one].at != END for one in shard.parents)

    def _ask(self, shard: Shard, most: int) -> list[Message]:
        """What comes next in one shard. Raises what boto3 raises, but for what the shard gets over."""
        from botocore.exceptions import ClientError

        try:
            shard.iterator = shard.iterator or self._iterator(shard)
            arn = self._source.address if "StreamARN" in self._source.address else {}
            answer = self._records.get_records(ShardIterator=shard.iterator, Limit=most, **arn)
        except ClientError as error:
            if code(error) == "ExpiredIteratorException":
                shard.iterator = ""
            elif code(error) in SLOW:
                shard.patience = min(LONGEST, max(FIRST, 2 * shard.patience))
                shard.due = time.monotonic() + shard.patience * random.uniform(0.5, 1)  # noqa: S311 - only a spread
            else:
                raise
            return []
        return self._taken(shard, answer, most)

    def _taken(self, shard: Shard, answer: Mapping[str, Any], most: int) -> list[Message]:
        """The messages of an answer; the shard goes on after them."""
        found: Sequence[Mapping[str, Any]] = answer["Records"]
        stamps = [round(one["ApproximateArrivalTimestamp"] * 1000) for one in found]
        shard.iterator, shard.patience = answer.get("NextShardIterator") or "", 0.0
        if found:
            shard.at = found[-1]["SequenceNumber"]
        late = answer.get("MillisBehindLatest", 0)
        shard.behind = 0
        if late or len(found) >= most:
            span = max(1, stamps[-1] - stamps[0]) if stamps else 1
            shard.behind = max(1, min(len(found) * late // span, 10**12))
        shard.due = time.monotonic() + (BUSY if shard.behind else IDLE)
        if not shard.iterator:
            shard.at = END
        stream = f"{self._stream}/{shard.id}"
        return [m for one, stamp in zip(found, stamps, strict=True) for m in _messages(stream, one, stamp)]

    def _iterator(self, shard: Shard) -> str:
        """Where AWS is to go on. A number it does not know is of a stream that was deleted and made anew."""
        from botocore.exceptions import ClientError

        try:
            return self._pointed(shard.id, shard.at)
        except ClientError as error:
            if code(error) != "InvalidArgumentException" or not shard.at.isdigit():
                raise
            self._anew(shard, str(error))
            return self._pointed(shard.id, shard.at)

    def _anew(self, shard: Shard, said: str) -> None:
        log.warning(
            "source %s: %s is read from its beginning, the stream was made anew: %s", self._name, shard.id, said
        )
        shard.at, shard.iterator = BEGINNING, ""

    def _pointed(self, shard: str, at: str) -> str:
        where: dict[str, Any] = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": at}
        if at == BEGINNING:
            where = {"ShardIteratorType": "TRIM_HORIZON"}
        elif at.startswith("@"):
            moment = datetime.fromtimestamp(int(at[1:]) / 1000, UTC)
            where = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": moment}
        asked = {**self._source.address, "ShardId": shard, **where}
        return str(self._records.get_shard_iterator(**asked)["ShardIterator"])

    def _look(self, *, first: bool) -> None:
        """Take up what shards there are. Only those of a stream that was never read may begin later."""
        there = self.shards()
        start = self._start() if first else BEGINNING
        for told in there:
            name = told["ShardId"]
            if name not in self._shards:
                parents = (told.get("ParentShardId", ""), told.get("AdjacentParentShardId", ""))
                self._shards[name] = shard = Shard(name, parents, self._told.get(name, start))
                if shard.at == END and not _ended(told):
                    self._anew(shard, "a shard that had ended is open")
        for name in self._shards.keys() - {told["ShardId"] for told in there}:
            gone = self._shards.pop(name)
            if gone.at != END:
                log.warning("source %s: %s is gone before it was read to its end", self._name, name)
        self._looked = time.monotonic()

    def _start(self) -> str:
        """Where a stream begins that was never read."""
        if self._source.start == BEGINNING:
            return BEGINNING
        return f"@{self._began if self._source.start == 'latest' else instant(self._source.start) // MILLIS}"


def _messages(stream: str, record: Mapping[str, Any], stamp: int) -> Iterator[Message]:
    """The messages in a record: itself, or those it holds."""
    place, body = record["SequenceNumber"], record["Data"]
    try:
        inside = unpacked(body)
    except ValueError as error:
        yield Message(stream, place, body, stamp, wrong=str(error))
        return
    if inside is None:
        yield Message(stream, place, body, stamp)
        return
    for number, one in enumerate(inside):
        yield Message(stream, f"{place}-{number}", one, stamp)


def _ended(shard: Mapping[str, Any]) -> bool:
    return "EndingSequenceNumber" in shard["SequenceNumberRange"]
