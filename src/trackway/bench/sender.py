"""A load client that costs little: bodies made beforehand, connections kept open, one loop over all of them.

Every batch is a template in which two texts of fixed length are replaced, so that each event has an id and
a time of its own. A batch that is answered with 429 or 503 is sent again, as a real client would.
"""

from __future__ import annotations

import asyncio
import random
import time
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from trackway.bench.events import NAMES, PATHS, PLANS

BATCH = 100
CONNECTIONS = 32
TEMPLATES = 40
NUMBER = b"#########"
MOMENT = b"2000-01-01T00:00:00.000Z"
MARKER = "Bench Marker"
MARK_EVERY = 0.5
"""Seconds between two batches whose first event is a marker."""
BUSY = (429, 503)


@dataclass(slots=True)
class Sent:
    """What the client saw."""

    acknowledged: int = 0
    """Events in batches that were answered 200."""
    began: float = 0.0
    ended: float = 0.0
    """Clock (`time.time`) of the first byte sent and of the last acknowledgement."""
    put_off: int = 0
    """Answers 429 or 503."""
    markers: list[float] = field(default_factory=list)
    """Clock of the acknowledgement of each marker, in the order sent."""
    answer_seconds: list[float] = field(default_factory=list)
    """From sending a batch to its acknowledgement."""


def templates(seed: int = 1) -> list[bytes]:
    """Bodies of `/v1/batch` with a hundred tracks each, about 380 bytes an event."""
    rng = random.Random(seed)  # noqa: S311 - traffic, not a secret
    weights = [1 / rank for rank in range(1, len(NAMES) + 1)]
    return [
        orjson.dumps({"batch": [_track(rng, index, weights) for index in range(BATCH)], "sentAt": MOMENT.decode()})
        for _ in range(TEMPLATES)
    ]


def _track(rng: random.Random, index: int, weights: list[float]) -> dict[str, object]:
    return {
        "type": "track",
        "messageId": f"bench-{NUMBER.decode()}-{index:02d}",
        "event": rng.choices(NAMES, weights)[0],
        "userId": f"user_{int(rng.paretovariate(0.8)) % 50_000:06d}",
        "timestamp": MOMENT.decode(),
        "properties": {
            "plan": rng.choice(PLANS),
            "path": rng.choice(PATHS),
            "amount": round(rng.lognormvariate(3, 1), 2),
            "items": rng.randrange(9),
        },
        "context": {"library": {"name": "bench", "version": "1"}, "locale": "en-US"},
    }


def send(port: int, key: str, seconds: float, rate: float = float("inf"), first: int = 0) -> Sent:
    """Post batches to the collector on a loopback port for so long; ends when the last one is acknowledged.

    `rate` is the most events a second; `first` the number of the first batch, since no two may have the same.
    Raises RuntimeError for any answer but success and "later".
    """
    return asyncio.run(_Sender(port, key, rate, first).run(seconds))


class _Sender:
    def __init__(self, port: int, key: str, rate: float, first: int) -> None:
        self._port = port
        self._pause = BATCH / rate
        self._turn = 0.0
        self._number = first
        self._bodies = templates()
        self._marked = [_with_marker(body) for body in self._bodies]
        self._next_mark = 0.0
        self._sent = Sent()
        token = b64encode(f"{key}:".encode())
        self._head = (
            b"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Authorization: Basic " + token + b"\r\nContent-Length: "
        )

    async def run(self, seconds: float) -> Sent:
        """All connections at once, each with one batch on its way."""
        self._sent.began = self._turn = time.time()
        until = self._sent.began + seconds
        await asyncio.gather(*(self._connection(until) for _ in range(CONNECTIONS)))
        self._sent.markers.sort()
        return self._sent

    async def _connection(self, until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while await self._my_turn() < until:
                payload, marked = self._batch()
                await self._deliver(reader, writer, payload, marked)
        finally:
            writer.close()

    async def _my_turn(self) -> float:
        """Wait as the rate asks for; the clock afterwards. More than a second behind is not made up for."""
        now = time.time()
        self._turn = max(self._turn + self._pause, now - 1)
        if self._turn > now:
            await asyncio.sleep(self._turn - now)
        return time.time()

    async def _deliver(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, payload: bytes, marked: bool
    ) -> None:
        """Post one batch until it is acknowledged."""
        while True:
            begun = time.time()
            writer.write(payload)
            status, wait = await _answer(reader)
            if status not in BUSY:
                break
            self._sent.put_off += 1
            await asyncio.sleep(wait)
        if status != 200:
            raise RuntimeError(f"the collector answered {status}")
        self._sent.ended = time.time()
        self._sent.acknowledged += BATCH
        self._sent.answer_seconds.append(self._sent.ended - begun)
        if marked:
            self._sent.markers.append(self._sent.ended)

    def _batch(self) -> tuple[bytes, bool]:
        """The next request, and whether its first event is a marker."""
        now = time.time()
        marked = now >= self._next_mark
        if marked:
            self._next_mark = now + MARK_EVERY
        self._number += 1
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[:23].encode() + b"Z"
        bodies = self._marked if marked else self._bodies
        body = bodies[self._number % TEMPLATES].replace(NUMBER, b"%09d" % self._number).replace(MOMENT, moment)
        return self._head + b"%d\r\n\r\n" % len(body) + body, marked


async def _answer(reader: asyncio.StreamReader) -> tuple[int, float]:
    """Status of the answer, and the seconds it asks to wait."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    fields = dict(line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    await reader.readexactly(int(fields.get(b"content-length", b"0")))
    return int(head.split(b" ", 2)[1]), float(fields.get(b"retry-after", b"1"))


def _with_marker(body: bytes) -> bytes:
    """The same batch, its first event named MARKER."""
    batch = orjson.loads(body)
    batch["batch"][0]["event"] = MARKER
    return orjson.dumps(batch)
