"""The events of the benchmark: seeded, skewed as real traffic is, written once as Parquet and read by every engine.

Events come in time order, as they would arrive, in files of a million rows. Actors are 2 % of the events,
with heavy-tailed activity; an actor never has two events at one microsecond, so that no answer depends
on how an engine breaks ties. The same seed and size give the same bytes of every column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = 86_400_000_000
"""Microseconds of a day."""
START = 1_785_542_400_000_000
"""2026-08-01T00:00:00Z in microseconds."""
DAYS = 60
CHUNK = 1_000_000
GUARD = 1_000
"""Microseconds kept free at the end of a chunk, into which events of one actor at one instant are moved apart."""

NAMES = (
    "Page Viewed", "Product Viewed", "Product Searched", "Logged In", "Link Clicked", "Product Added",
    "List Viewed", "Video Played", "Cart Viewed", "Filter Applied", "Checkout Started", "Order Completed",
    "Email Opened", "Review Read", "Signed Up", "Email Clicked", "Coupon Applied", "Video Completed", "Logged Out",
    "Product Removed", "Wishlist Added", "Help Viewed", "Form Started", "Form Submitted", "Profile Updated",
    "Address Added", "Payment Added", "Payment Failed", "Chat Opened", "Chat Closed", "Push Received", "Push Opened",
    "Plan Viewed", "Plan Changed", "Invoice Downloaded", "Demo Requested", "Invite Sent", "Invite Accepted",
    "Order Refunded", "Account Closed",
)  # fmt: skip
"""Forty event names, most frequent first."""
COUNTRIES = (
    "US", "IN", "DE", "GB", "BR", "FR", "JP", "CA", "ES", "IT", "NL", "AU", "MX", "PL", "SE", "KR", "ID",
    "TR", "CH", "BE", "AT", "DK", "NO", "FI", "IE", "PT", "CZ", "RO", "HU", "GR", "IL", "AE", "SA", "ZA",
    "NG", "EG", "KE", "AR", "CL", "CO", "PE", "VN", "TH", "MY", "SG", "PH", "TW", "HK", "NZ", "UA",
)  # fmt: skip
PLANS = ("free", "starter", "pro", "business")
PATHS = ("/", *(f"/{area}/{page}" for page in range(50) for area in ("p", "c", "blog", "docs", "help", "u", "a", "x")))

SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us", "UTC")),
        ("actor", pa.string()),
        ("event", pa.dictionary(pa.int32(), pa.string())),
        ("country", pa.dictionary(pa.int32(), pa.string())),
        ("plan", pa.dictionary(pa.int32(), pa.string())),
        ("path", pa.dictionary(pa.int32(), pa.string())),
        ("amount", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What to generate: so many events, from this seed."""

    events: int
    seed: int = 42

    @property
    def actors(self) -> int:
        """2 % of the events, at least one."""
        return max(1, self.events // 50)

    def chunks(self) -> Iterator[pa.Table]:
        """Tables of about a million rows each, in time order."""
        pieces = max(1, -(-self.events // CHUNK))
        sizes = [self.events // pieces + (piece < self.events % pieces) for piece in range(pieces)]
        people = _People(self)
        span = DAYS * DAY // pieces
        for piece, size in enumerate(sizes):
            yield people.act(np.random.default_rng((self.seed, 1, piece)), START + piece * span, span, size)

    def write(self, folder: Path) -> list[Path]:
        """Parquet files of the chunks in `folder`; the files there already are taken when complete."""
        folder.mkdir(parents=True, exist_ok=True)
        done = folder / f"complete-{self.events}-{self.seed}"
        if not done.exists():
            for index, table in enumerate(self.chunks()):
                pq.write_table(table, folder / f"part-{index:05d}.parquet", compression="snappy")
            done.touch()
        return sorted(folder.glob("part-*.parquet"))


class _People:
    """The actors and what holds for each of them: how active, from where, on which plan."""

    def __init__(self, traffic: Traffic) -> None:
        rng = np.random.default_rng((traffic.seed, 0))
        self.actors = traffic.actors
        weight = rng.lognormal(0.0, 1.3, self.actors)
        self.cumulative = np.cumsum(weight) / weight.sum()
        self.names = pa.array([f"user_{key:016x}" for key in rng.integers(0, 2**63, self.actors)])
        self.country = _skewed(rng, len(COUNTRIES), self.actors, 1.1)
        self.plan = rng.choice(len(PLANS), self.actors, p=[0.70, 0.15, 0.11, 0.04]).astype(np.int32)
        self.upgrade = START + rng.integers(0, 6 * DAYS * DAY, self.actors)

    def act(self, rng: np.random.Generator, start: int, span: int, size: int) -> pa.Table:
        """`size` events of [start, start + span), in time order."""
        time, actor = self._moments(rng, start, span, size)
        plan = self.plan[actor]
        upgraded = (time >= self.upgrade[actor]) & (plan < len(PLANS) - 1)
        travels = rng.random(size) < 0.03
        country = np.where(travels, _skewed(rng, len(COUNTRIES), size, 1.1), self.country[actor])
        columns = [
            pa.array(time, pa.int64()).cast(SCHEMA.field("time").type),
            self.names.take(pa.array(actor)),
            _words(_skewed(rng, len(NAMES), size, 1.0), NAMES),
            _words(country, COUNTRIES),
            _words(plan + upgraded, PLANS),
            _words(_skewed(rng, len(PATHS), size, 1.05), PATHS),
            pa.array(np.round(rng.lognormal(3.0, 1.0, size), 2)),
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)

    def _moments(
        self, rng: np.random.Generator, start: int, span: int, size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Times and actors, no actor twice at one microsecond."""
        actor = np.minimum(np.searchsorted(self.cumulative, rng.random(size)), self.actors - 1)
        key = np.sort(actor * span + rng.integers(0, span - GUARD, size))
        while (same := key[1:] == key[:-1]).any():
            key[1:][same] += 1
            key.sort()
        actor, offset = np.divmod(key, span)
        order = np.argsort(offset, kind="stable")
        return start + offset[order], actor[order]


def _skewed(rng: np.random.Generator, kinds: int, size: int, power: float) -> NDArray[np.int32]:
    """Codes 0 … kinds-1 by Zipf's law with this power."""
    weight = 1.0 / np.arange(1, kinds + 1) ** power
    cumulative = np.cumsum(weight) / weight.sum()
    return np.minimum(np.searchsorted(cumulative, rng.random(size)), kinds - 1).astype(np.int32)


def _words(codes: NDArray[np.int32], words: tuple[str, ...]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words))
