"""Stories as data: who did what, when; and how a story becomes a lake.

    people(ann=[("form_submitted", "0m"), ("demo_requested", "2h", {"plan": "pro"})])

Times count from Monday 2026-01-05, midnight UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from trackway.model.schema import ARROW, ENVELOPE
from trackway.model.time import Duration, instant
from trackway.store.identity import FACTS
from trackway.store.lake import Lake

MONDAY = instant("2026-01-05")
Event = dict[str, Any]


def people(**journeys: Sequence[tuple[Any, ...]]) -> list[Event]:
    """The events of named actors, each `(event, after)` or `(event, after, properties)`."""
    return [
        event(actor, step[0], MONDAY + Duration(step[1]).micros, step[2] if len(step) > 2 else {}, f"{actor}-{place}")
        for actor, steps in journeys.items()
        for place, step in enumerate(steps)
    ]


def event(actor: str, name: str, time: int, properties: dict[str, Any], event_id: str) -> Event:
    """One event; ties are ordered by the hash of its id, as in the flow."""
    digest = hashlib.md5(f"web\0{event_id}".encode()).digest()
    tie = int.from_bytes(digest[8:], "little") >> 1
    return {"actor": actor, "event": name, "time": time, "event_id": event_id, "tie": tie, **properties}


def table(events: Sequence[Event], block: int = 1) -> pa.Table:
    """The rows of the lake for some events; property columns get the type of their first value."""
    names = list(dict.fromkeys(name for item in events for name in item))
    stamp = pa.timestamp("us", "UTC")
    known: dict[str, list[Any]] = {name: [item.get(name) for item in events] for name in names}
    known["source"] = ["web"] * len(events)
    known["user_id"] = known["actor"]
    known["received_at"] = known["stored_at"] = known["time"]
    known["block"], known["row"] = [block] * len(events), list(range(len(events)))
    columns = {
        name: pa.array(known.get(name, [None] * len(events)), pa.int64()).cast(stamp)
        if kind == "time"
        else pa.array(known.get(name, [None] * len(events)), ARROW[kind])
        for name, kind in ENVELOPE.items()
    }
    columns |= {name: _typed(values) for name, values in known.items() if name not in ENVELOPE}
    return pa.table(columns)


def _typed(values: list[Any]) -> pa.Array:
    if all(value is None for value in values):
        return pa.nulls(len(values))
    if any(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array(values)


def store(lake: Lake, *commits: Sequence[Event]) -> Lake:
    """Commit events, one commit after the other."""
    for events in commits:
        block = lake.position() + 1
        lake.commit(table(events, block), block, {})
    return lake


def identify(lake: Lake, facts: Iterable[tuple[str, str, str]]) -> None:
    """State that an id belongs to an owner since a time, `(id, owner, after)`, as part of the last commit."""
    rows = [
        {"id": id_, "owner": owner, "alias": False, "time": MONDAY + Duration(after).micros, "source": "web",
         "event_id": f"fact-{place}", "block": lake.position(), "row": place}
        for place, (id_, owner, after) in enumerate(facts)
    ]  # fmt: skip
    columns = {
        field.name: pa.array([row[field.name] for row in rows], pa.int64()).cast(field.type)
        if pa.types.is_timestamp(field.type)
        else pa.array([row[field.name] for row in rows], field.type)
        for field in FACTS
    }
    lake.add_identities(pa.table(columns))
