"""A web server's access log, made up: the sample for whoever has none at hand.

Readers with habits, crawlers without, broken links, a bad hour with server errors, and one line cut off
in the middle, in Apache's combined format. The same lines for the same seed.

>>> line = next(access_log(10, seed=3)).decode()
>>> line.count('"')
6
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from trackway.worlds.people import DEVICES

START = datetime(2015, 5, 17, tzinfo=UTC).timestamp()
DAYS = 4
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PAGES = ("/", "/blog/", "/blog/clean-events", "/blog/utm-guide", "/docs/", "/docs/quickstart", "/pricing", "/about")
ASSETS = ("/style.css", "/logo.png", "/favicon.ico")
OUTAGE = (START + 2 * 86_400 + 14 * 3_600, START + 2 * 86_400 + 15 * 3_600)
"""The hour in which the server had a bad time."""


@dataclass(slots=True)
class _Reader:
    ip: str
    agent: str
    referrer: str


def access_log(lines: int = 10_000, seed: int = 1) -> Iterator[bytes]:
    """`lines` requests over four days, in order of time, each ended by a newline; one of them is cut off."""
    rng = random.Random(f"log of {seed}")  # noqa: S311 - a simulation, not a secret
    readers = [_reader(rng) for _ in range(max(5, lines // 12))]
    moments = sorted(START + DAYS * 86_400 * rng.random() for _ in range(lines))
    for number, at in enumerate(moments):
        line = _line(rng, readers[int(len(readers) * rng.random() ** 2)], at)
        yield (line[: len(line) // 2] if number == lines * 2 // 3 else line).encode() + b"\n"


def _reader(rng: random.Random) -> _Reader:
    ip = f"198.51.{rng.randrange(100, 104)}.{rng.randrange(1, 255)}"
    if rng.random() < 0.2:
        return _Reader(ip, CRAWLER, "-")
    referrer = rng.choice(("-", "-", "https://www.google.com/", "https://news.example/"))
    return _Reader(ip, rng.choice(DEVICES).agent, referrer)


def _line(rng: random.Random, reader: _Reader, at: float) -> str:
    method, path, status = _request(rng, at)
    size = "-" if status == 304 else str(int(rng.lognormvariate(8.5, 1.2)))
    moment = datetime.fromtimestamp(at, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{reader.ip} - - [{moment}] "{method} {path} HTTP/1.1" {status} {size} "{reader.referrer}" "{reader.agent}"'


def _request(rng: random.Random, at: float) -> tuple[str, str, int]:
    """Method, path and status of one request."""
    if OUTAGE[0] <= at < OUTAGE[1] and rng.random() < 0.4:
        return "GET", rng.choice(PAGES), 503
    chance = rng.random()
    if chance < 0.03:
        return "GET", f"/old/{rng.randrange(90)}.html", 404
    if chance < 0.034:
        return "GET", "/search?q=events", 500
    if chance < 0.05:
        return "POST", "/contact", 302
    if chance < 0.3:
        return "GET", rng.choice(ASSETS), 304 if rng.random() < 0.3 else 200
    query = f"?page={rng.randrange(2, 9)}" if rng.random() < 0.1 else ""
    return "GET", rng.choice(PAGES) + query, 200
