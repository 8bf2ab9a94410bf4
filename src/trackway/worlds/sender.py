"""Puts calls on the wire as the official Segment library for servers does: batches of a hundred, over HTTP.

A collector that is full says so with 429 or 503 and a Retry-After; the sender waits and sends the same
bytes again, so nothing is lost, and what arrived twice carries the same `messageId`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import count, islice

import httpx
import orjson

from trackway.worlds.calls import Call, stamp
from trackway.worlds.leads import timeline

BATCH = 100
TRIES = 10
BUSY = (429, 502, 503, 504)
"""Answers after which the same payload is sent again."""


def send(calls: Iterable[Call], url: str, key: str = "") -> Iterator[int]:
    """Post calls to the collector at `url`, in order; yields how many have been acknowledged so far.

    Raises httpx.HTTPError when the collector refuses a batch or stays away.
    """
    done = 0
    with httpx.Client(base_url=url, auth=(key, ""), timeout=30, trust_env=False) as client:
        remaining = iter(calls)
        while batch := list(islice(remaining, BATCH)):
            post(client, batch)
            done += len(batch)
            yield done


def post(client: httpx.Client, batch: Iterable[Call]) -> None:
    """Post one batch until it is acknowledged; gives up after ten tries."""
    body = orjson.dumps({"batch": list(batch), "sentAt": stamp(time.time())})
    for attempt in count(1):
        try:
            reply = client.post("/v1/batch", content=body, headers={"Content-Type": "application/json"})
        except httpx.TransportError:
            if attempt == TRIES:
                raise
            time.sleep(0.2 * attempt)
            continue
        if reply.status_code not in BUSY or attempt == TRIES:
            reply.raise_for_status()
            return
        time.sleep(min(float(reply.headers.get("Retry-After", 1)), 30))


def trickle(url: str, key: str, rate: float, stop: threading.Event, seed: int | None = None) -> int:
    """Live traffic: about `rate` calls a second with the time of now, until `stop`; returns how many were sent.

    Visitors of a simulated day arrive one after the other, faster or slower than they would; a call that
    came late in that day comes late here too. A collector that is away for a while is waited for.
    """
    sent = 0
    rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    with httpx.Client(base_url=url, auth=(key, ""), timeout=10, trust_env=False) as client:
        for at, call in _endless(time.time_ns() if seed is None else seed):
            if stop.wait(rng.expovariate(rate)):
                break
            try:
                post(client, [_now(at, call)])
                sent += 1
            except httpx.HTTPError:
                stop.wait(5)
    return sent


def _endless(seed: int) -> Iterator[tuple[float, Call]]:
    for number in count():
        yield from timeline(2, 1_000, seed + number, until=datetime(2026, 1, 7, tzinfo=UTC))


def _now(at: float, call: Call) -> Call:
    """The call as if it had reached the collector now; a time that is late or wrong stays so."""
    try:
        made = datetime.fromisoformat(call["timestamp"]).timestamp()
    except ValueError:
        return call
    return call | {"timestamp": stamp(time.time() - at + made)}
