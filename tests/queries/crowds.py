"""Worlds of many random actors as views in memory, without a lake: what samples are tested on."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa

from people import MONDAY
from trackway.model.schema import ENVELOPE, Schema
from trackway.model.time import MICROS
from trackway.store.columns.arrange import arrange
from trackway.store.columns.dictionary import Dictionary
from trackway.store.columns.run import Batch, sort
from trackway.store.columns.shards import Columns
from trackway.store.columns.view import View
from trackway.store.columns.words import Words

DAY = 86_400 * MICROS
EVENTS = ("A", "B", "C", "D")
COUNTRIES = ("de", "fr", "it", "li", "mc")
STEPS = ["event = 'A'", "event = 'B'", "event = 'C'"]
ONE_OF_EACH = {
    "funnel": {"type": "funnel", "steps": STEPS, "within": "7d"},
    "funnel by country": {"type": "funnel", "steps": STEPS, "within": "7d", "by": ["country"], "top": 3},
    "funnel over time": {"type": "funnel", "steps": STEPS[:2], "within": "2d", "every": "7d"},
    "funnel in any order": {"type": "funnel", "steps": STEPS, "within": "7d", "order": "any", "count": "entries"},
    "events": {"type": "trend", "every": "7d", "by": ["country"], "top": 2},
    "measures": {
        "type": "trend", "every": "7d", "formula": "a / b",
        "measures": [{"name": "a", "measure": "actors", "where": "event = 'C'"}, {"name": "b", "measure": "events"}],
    },
    "per actor": {"type": "trend", "every": "7d", "measure": "distinct(event) per actor", "by": ["country"], "top": 2},
    "retention": {"type": "retention", "start": "event = 'A'", "return": "event = 'C'", "every": "7d", "periods": 4},
    "lifecycle": {"type": "lifecycle", "every": "7d", "by": ["country"], "top": 2},
    "stickiness": {"type": "stickiness", "every": "1d", "window": "7d"},
    "distribution": {"type": "distribution", "where": "event = 'B'", "zeros": True, "by": ["country"], "top": 2},
    "active days": {"type": "distribution", "measure": "active_days", "most": 5},
    "experiment": {
        "type": "experiment", "exposure": "event = 'A'", "variant": "country", "control": "de",
        "metrics": [{"name": "c", "when": "event = 'C'"}],
    },
    "drivers": {"type": "drivers", "steps": STEPS[:2], "within": "7d", "properties": ["country"]},
    "paths": {"type": "paths", "start": "event = 'A'", "steps": 3},
    "patterns": {"type": "patterns", "pattern": "'A' .. 'C' within 7d", "by": ["country"], "top": 2},
}  # fmt: skip
"""A question of every type, and of some types several."""
SHARES = (0.6, 0.25, 0.14, 0.008, 0.002)
"""How many of all actors are of each country; the last are few."""


class Crowd:
    """Stands for the columns of a workspace; has one view, and no lake."""

    lake = None

    def __init__(self, view: View) -> None:
        self._view = view

    def view(self, _version: int | None = None) -> View:
        return self._view

    def by(self, view: View, _key: object) -> View:
        return view


def crowd(
    seed: int, *, actors: int = 8_000, mean: float = 6.0, days: int = 28, heavy: float = 1.0, bot: int = 0
) -> Columns:
    """Actors of whom some do far more than others, over some days; who does more also converts more.

    `heavy` is the shape of the gamma distribution of how active actors are: the smaller, the more unlike. The first
    actor has `bot` events more.
    """
    rng = np.random.default_rng(seed)
    active = rng.gamma(heavy, 1 / heavy, actors)
    counts = 1 + rng.poisson(mean * active)
    counts[0] += bot
    actor = np.repeat(np.arange(1, actors + 1, dtype=np.uint32), counts)
    rows = len(actor)
    birth = rng.integers(0, days * DAY, actors)
    time = MONDAY + np.minimum(birth[actor - 1] + rng.exponential(4 * DAY, rows).astype(np.int64), (days + 7) * DAY)
    keen = rng.random(actors)[actor - 1]
    draw = rng.random(rows)
    event = 1 + (draw > 0.5).astype(np.uint32) + (draw > 0.8 - 0.1 * keen) + (draw > 0.995)
    country = rng.choice(len(COUNTRIES), actors, p=SHARES)[actor - 1] + 1
    words = Words()
    names = pa.array([f"{seed}-{number}" for number in range(actors)])
    words.columns = {
        "actor": Dictionary("string", [names]), "event": Dictionary("string", [pa.array(EVENTS)]),
        "country": Dictionary("string", [pa.array(COUNTRIES)]),
    }  # fmt: skip
    codes = {"event": event.astype(np.uint32), "country": country.astype(np.uint32)}
    run = sort(Batch(time, rng.integers(0, 1 << 62, rows), actor, codes), words.places())
    schema = Schema({**ENVELOPE, "country": "string"})
    return cast("Columns", Crowd(arrange(0, schema, (run,), words, frozenset(), None)))


def cells(rows: list[dict[str, Any]], names: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by what they are about."""
    return {tuple(row.get(name) for name in names): row for row in rows}
