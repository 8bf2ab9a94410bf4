"""What a codec is measured with: payloads made from a seed, and the loop a competent engineer would write instead.

The loop is plain Python: `orjson` or one compiled regular expression, a dict for each event with the columns that
ours have, times as `datetime`, lists as JSON text; in the end one Arrow table of all dicts. It checks nothing, keeps
no original bytes and refuses nothing, which ours does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

BATCH = 100
"""Events of one request."""
START = datetime(2026, 5, 1, tzinfo=UTC)
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
)
EVENTS = ("Product Viewed", "Product Added", "Order Completed", "Signed Up", "Logged In", "Help Viewed")
Row = dict[str, Any]
Payload = tuple[bytes, Mapping[str, str]]
Loop = Callable[[bytes, Mapping[str, str]], Iterator[Row]]


@dataclass(frozen=True)
class Case:
    """One codec, what it is given, and the loop that does the same."""

    codec: str
    payloads: Callable[[int], Iterator[Payload]]
    """Bodies and headers of so many events, the same in every run."""
    loop: Loop
    """Body and headers to events."""
    apart: frozenset[str] = field(default_factory=frozenset)
    """Columns whose values may differ from ours, such as digests of bytes that the loop does not see."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did in a shop; every payload tells such acts in the words of its protocol."""

    number: int
    id: str
    event: str
    at: datetime
    user: str
    visitor: str
    properties: Row
    page: Row
    ip: str
    agent: str

    @property
    def iso(self) -> str:
        """Its time as SDKs write it."""
        return self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @property
    def millis(self) -> int:
        """Milliseconds since 1970."""
        return round(self.at.timestamp() * 1000)


def acts(count: int) -> Iterator[Act]:
    """So many acts of some thousands of people, a few hundred a second."""
    rng = random.Random("acts")  # noqa: S311 - a simulation, not a secret
    for number in range(count):
        who, product = rng.randrange(5_000), rng.randrange(800)
        millis = int(START.timestamp()) * 1000 + number // 3 * 10 + rng.randrange(900)
        yield Act(
            number, f"{rng.getrandbits(128):032x}", rng.choice(EVENTS),
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis),
            f"user-{who}", f"{who * 7919:032x}",
            {"plan": rng.choice(("free", "pro", "team")), "amount": rng.randrange(100, 20_000) / 100,
             "quantity": rng.randrange(1, 9), "product_id": f"p-{product}", "category": f"c-{product % 20}",
             "currency": "EUR", "returning": rng.random() < 0.4},
            {"url": f"https://shop.example/products/{product}?ref=mail", "path": f"/products/{product}",
             "referrer": rng.choice(("https://www.google.com/", "https://news.example/a"))},
            f"198.51.{rng.randrange(100, 104)}.{who % 250}", AGENTS[who % 3],
        )  # fmt: skip


def in_batches(count: int, body: Callable[[list[Act]], bytes], headers: Mapping[str, str]) -> Iterator[Payload]:
    """Requests of BATCH events."""
    some: list[Act] = []
    for act in acts(count):
        some.append(act)
        if len(some) == BATCH or act.number + 1 == count:
            yield body(some), headers
            some = []


def case(
    codec: str, body: Callable[[list[Act]], bytes], loop: Loop, headers: Mapping[str, str], apart: Sequence[str] = ()
) -> Case:
    """The case of a protocol whose requests hold many events."""
    return Case(codec, partial(in_batches, body=body, headers=headers), loop, frozenset(apart))


class Names(dict[str, str | None]):
    """Dotted path -> column, None for what is left out; paths that are not told are worked out once."""

    def __init__(
        self, told: Mapping[str, str | None], inside: Mapping[str, str] | None = None, without: tuple[str, ...] = ()
    ) -> None:
        super().__init__(told)
        self._inside, self._without = inside or {}, without

    def __missing__(self, path: str) -> str | None:
        fronts = ((prefix, front) for prefix, front in self._inside.items() if path.startswith(prefix))
        column: str | None = next((front + path[len(prefix) :] for prefix, front in fronts), path)
        self[path] = column = None if path.startswith(self._without) and self._without else column
        return column


def flat(record: Row, names: Names, row: Row, front: str = "") -> Row:
    """The columns of an object, objects in it under dotted names; null is nothing."""
    for key, value in record.items():
        if type(value) is dict:
            flat(value, names, row, f"{front}{key}.")
        elif value is not None:
            column = names[front + key]
            if column is not None:
                row[column] = value
    return row


def instant(text: str) -> datetime:
    """The time of ISO 8601."""
    return datetime.fromisoformat(text)


def since_1970(seconds: float) -> datetime:
    """The time of an epoch."""
    return datetime.fromtimestamp(seconds, UTC)
