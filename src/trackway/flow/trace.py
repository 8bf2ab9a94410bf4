"""The way of one event, told verb by verb with its real values: the sentence of the architecture.

    arrived → kept → read → shaped → checked → given its actor → stored → sorted → counted

What is told is looked up or done again: the raw bytes come from the journal, the codec and every step are
run on this one record, the rest is read from the lake. Events that were refused, dropped or repeated are
told as far as they came; `BLOCK:ROW` names a record by its place in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from trackway.flow.decoding import decode
from trackway.flow.fuse import LEFT, RAW
from trackway.flow.shape import Shaper
from trackway.model.event import Block
from trackway.model.time import instant, iso
from trackway.plan.config import Plan
from trackway.store.journal import Journal
from trackway.store.lake import Lake

PLACE = re.compile(r"(\d+):(\d+)")
SHOWN = 2_000
"""Characters of raw bytes that are shown."""

Sorted = Callable[[Mapping[str, Any]], "Line | None"]
"""Tells where a stored event lies in the columns, if the caller knows."""


@dataclass(frozen=True, slots=True)
class Line:
    """One verb of the sentence."""

    verb: str
    text: str
    values: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {"verb": self.verb, "text": self.text, "values": self.values}


def trace(event_id: str, journal: Journal, lake: Lake, plan: Plan, where_sorted: Sorted | None = None) -> list[Line]:
    """The lines of an event, by its id or as BLOCK:ROW; empty when nothing is known of it."""
    stored = _stored(lake, event_id)
    place = (stored["block"], stored["row"]) if stored else _place(lake, event_id)
    if place is None:
        return []
    block = journal.get(place[0])
    if place[0] > journal.last() or (block is not None and place[1] >= block.records):
        return []
    lines = list(_arrived(block, place, stored, plan))
    shaper = Shaper(plan, threads=1)
    try:
        found, told = (
            _shaped(shaper, block, place[1], lake, stored["event_id"] if stored else event_id) if block else ({}, [])
        )
    finally:
        shaper.close()
    lines += told
    if stored is None and found.get("event_id"):
        stored = _stored(lake, found["event_id"])
        if stored is not None and (stored["block"], stored["row"]) != place:
            lines.append(_repeated(stored))
            return lines
    if stored is not None:
        return [*lines, *_kept_for_good(stored, lake, where_sorted)]
    lines += _refused(lake, place, told)
    if place[0] > lake.position():
        lines.append(Line("counted", "as pending: the flow has not come to it yet", {"bin": "pending"}))
    return lines


# ── finding it ──────────────────────────────────────────────────────────────────────────────────────


def _stored(lake: Lake, event_id: str) -> dict[str, Any] | None:
    """The event as the lake has it, with `file` and the actor as resolved now."""
    if lake.version() < 0:
        return None
    place = PLACE.fullmatch(event_id)
    found = lake.find("block = ? and row = ?", [int(place[1]), int(place[2])]) if place else []
    return next(iter(found or lake.find("event_id = ?", [event_id])), None)


def _place(lake: Lake, event_id: str) -> tuple[int, int] | None:
    """Where a record lies that is not stored: as said, or as a refusal remembers it."""
    if place := PLACE.fullmatch(event_id):
        return int(place[1]), int(place[2])
    refused = lake.refused()
    if refused.num_rows == 0:
        return None
    named = refused.filter(pc.fill_null(pc.match_substring(refused["parsed"], event_id), False)).to_pylist()
    for row in named:
        if f'"event_id":"{event_id}"' in row["parsed"]:
            return row["block"], row["row"]
    return None


# ── telling it ──────────────────────────────────────────────────────────────────────────────────────


def _arrived(
    block: Block | None, place: tuple[int, int], stored: Mapping[str, Any] | None, plan: Plan
) -> Iterator[Line]:
    where = {"block": place[0], "row": place[1]}
    if block is None:
        source = stored["source"] if stored else "?"
        at = f" at {_text(stored['received_at'])}" if stored else ""
        yield Line("arrived", f"at source {source}{at} in block {place[0]}, row {place[1]}", where)
        kept = f"its raw block is not in the journal (kept for {plan.project.journal_retention} once stored)"
        yield Line("kept", kept, {})
        return
    at = iso(block.received_at)
    yield Line(
        "arrived", f"at source {block.source} at {at} in block {block.seq}, row {place[1]}",
        {**where, "source": block.source, "received_at": at, "headers": dict(block.headers)},
    )  # fmt: skip


def _shaped(shaper: Shaper, block: Block, row: int, lake: Lake, event_id: str) -> tuple[dict[str, Any], list[Line]]:
    """The record as shaping leaves it, and the lines up to there."""
    schema = lake.schema()
    decoded = next(iter(decode([block], {block.source: shaper.steps.known(block.source, schema)})))
    rows = decoded.events["row"].to_pylist()
    if row not in rows:
        bad = decoded.refused.filter(pc.equal(decoded.refused["row"], row)).to_pylist()
        raw = bad[0]["raw"] if bad else None
        why = f"by codec {block.codec}: refused as {bad[0]['reason']}: {bad[0]['detail']}" if bad else "not there"
        return {}, [_kept(raw), Line("read", why, {"codec": block.codec})]
    at = rows.index(row)
    states = list(shaper.prefixes(decoded, at, schema, event_id))
    values = _present(states[0][1])
    for own in ("block", "row", "source", "received_at"):
        values.pop(own, None)
    raw = decoded.events[RAW][at].as_py()
    lines = [_kept(raw), Line("read", f"by codec {block.codec}: {_listed(values)}", {"codec": block.codec, **values})]
    return states[-1][1], [*lines, *_steps(states)]


def _steps(states: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[Line]:
    """What every step changed, and where the event left if it did."""
    before = states[0][1]
    for name, after in states[1:]:
        changed = {key: value for key, value in after.items() if key != LEFT and before.get(key) != value}
        gone = [key for key in before if key not in after and before[key] is not None]
        verb = "checked" if name == "check" or name.startswith("contracts.") else "shaped"
        if LEFT in after:
            way = after[LEFT]
            why = " ".join(part for part in (way["reason"], way["detail"]) if part)
            yield Line(verb, f"by {name}: {way['bin']}{f' ({why})' if why else ''}", {"step": name, **way})
            yield Line("counted", f"as {way['bin']} by {way['step']}", {"bin": way["bin"]})
            return
        if changed or gone:
            texts = [f"{key} {_text(before.get(key))} → {_text(value)}" for key, value in changed.items()]
            texts += [f"{key} removed" for key in gone]
            yield Line(verb, f"by {name}: {', '.join(texts)}", {"step": name, **_present(changed)})
        elif verb == "checked":
            yield Line(verb, f"by {name}: kept", {"step": name})
        before = after


def _kept_for_good(stored: Mapping[str, Any], lake: Lake, where_sorted: Sorted | None) -> Iterator[Line]:
    actor, raw = stored["actor"], stored["user_id"] or stored["anonymous_id"]
    facts = lake.identities()
    used = (
        facts.filter(pc.equal(facts["id"], raw))
        .sort_by([("time", "ascending"), ("owner", "ascending")])
        .to_pylist()[:1]
    )
    by = f", since {used[0]['owner']} was seen with it at {_text(used[0]['time'])}" if used and actor != raw else ""
    yield Line(
        "given", f"its actor {actor} from {raw}{by}", {"actor": actor, "id": raw, "facts": [_present(f) for f in used]}
    )
    commit = lake.commit_of(stored["block"])
    version = commit.version if commit else None
    at = "" if version is None else f" in lake version {version}"
    for replay in lake.replays.every():
        if replay.source == stored["source"] and replay.at == instant(stored["stored_at"]):
            version, at = replay.version, f" by the replay of lake version {replay.version}"
    file = stored["file"].removeprefix(str(lake.folder)).lstrip("/")
    yield Line(
        "stored", f"at {_text(stored['stored_at'])}{at}, file {file}",
        {"version": version, "file": stored["file"], "stored_at": _text(stored["stored_at"])},
    )  # fmt: skip
    if where_sorted is not None and (line := where_sorted(stored)) is not None:
        yield line
    else:
        keys = {"actor": actor, "time": _text(stored["time"]), "tie": stored["tie"]}
        yield Line("sorted", f"by actor {actor} and time {keys['time']}", keys)
    yield Line("counted", f"as stored for source {stored['source']}", {"bin": "stored", "source": stored["source"]})


def _repeated(stored: Mapping[str, Any]) -> Line:
    first = f"{stored['block']}:{stored['row']}"
    return Line("counted", f"as duplicate of the event received as {first}", {"bin": "duplicate", "first": first})


def _refused(lake: Lake, place: tuple[int, int], told: Sequence[Line]) -> Iterator[Line]:
    table = lake.refused()
    here = table.filter(pc.and_(pc.equal(table["block"], place[0]), pc.equal(table["row"], place[1]))).to_pylist()
    for row in here:
        if not told:
            yield _kept(row["raw"])
            yield Line("refused", f"by {row['step']} as {row['reason']}: {row['detail']}", {"parsed": row["parsed"]})
        if not any(line.verb == "counted" for line in told):
            yield Line("counted", f"as refused ({row['reason']})", {"bin": "refused", "reason": row["reason"]})


def _kept(raw: bytes | None) -> Line:
    text = (raw or b"").decode("utf-8", "backslashreplace")
    return Line("kept", text[:SHOWN] + ("…" if len(text) > SHOWN else ""), {"bytes": len(raw or b"")})


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value if isinstance(value, int | float | bool) else _text(value)
        for key, value in values.items()
        if value is not None
    }


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else str(value)
