"""`trackway bench transforms`: what each step costs an event, against a plain Python loop over dicts.

A step's cost is what shaping a batch takes with it more than without it: transforms are fused into one query, so a step
has no time of its own. The loop does the same to dicts that are decoded already, one function call an event.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from ua_parser import parse as parse_agent

from trackway.bench import machine
from trackway.bench.cases.shop import Row, acts
from trackway.bench.report import Document, as_text
from trackway.errors import QuestionError, suggest
from trackway.flow.decoding import decode
from trackway.flow.shape import Shaper
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.plan import registry
from trackway.plan.config import Plan, check

EVENTS = 60_000
ROUNDS = 5
RECEIVED = 1_795_000_000_000_000
"""When the events came: microseconds since 1970."""
STATED = "%d.%m.%Y %H:%M:%S"
PRODUCT = r"^/products/(?P<product>\d+)"
PRODUCT_PATTERN = re.compile(PRODUCT)
ITEMS = '[{"sku": "tea", "price": 3.5}, {"sku": "milk", "price": 1.25}]'
DETAILS = '{"size": {"width": 3, "height": 4}, "colour": "red", "weight": 2.5}'
PACKED = [base64.b64encode(gzip.compress(f"state {number}".encode())).decode() for number in range(1_000)]
BOTS = re.compile(r"bot|crawl|spider|curl/", re.IGNORECASE)
Step = Callable[[Row], None]


def _cast(row: Row) -> None:
    row["quantity"], row["amount"] = str(row["quantity"]), str(row["amount"])


def _digest(*values: str) -> str:
    return hashlib.md5("\0".join(values).encode(), usedforsecurity=False).hexdigest()


def _correct_clock(row: Row) -> None:
    sent, received = datetime.fromisoformat(row["sent"]), datetime.fromisoformat(row["got"])
    if abs((received - sent).total_seconds()) > 300:
        row["time"] = datetime.fromisoformat(row["time"]) + (received - sent)


def _decompress(row: Row) -> None:
    row["packed"] = gzip.decompress(base64.b64decode(row["packed"])).decode()


def _dedupe(row: Row) -> None:
    row["event_id"] = _digest(row["event"], row["product_id"])


def _drop_columns(row: Row) -> None:
    for name in [name for name in row if name.startswith("page.")]:
        del row[name]


def _drop_events(row: Row) -> None:
    row["dropped"] = row["event"] == "Help Viewed"


def _drop_bots(row: Row) -> None:
    row["dropped"] = bool(BOTS.search(row["user_agent"]))


def _explode(row: Row) -> None:
    row["made"] = [
        {**row, "event_id": f"{row['event_id']}#{place}", "item.sku": item["sku"], "item.price": item["price"]}
        for place, item in enumerate(orjson.loads(row["items"]))
    ]


def _flatten(row: Row) -> None:
    for name, value in orjson.loads(row.pop("details")).items():
        inner = value if isinstance(value, dict) else {"": value}
        for key, found in inner.items():
            row[f"details.{name}.{key}".rstrip(".")] = found


def _expand_url(row: Row) -> None:
    parts = urlsplit(row["page.url"])
    row["host"], row["path"] = parts.hostname, parts.path
    row["ref"] = dict(parse_qsl(parts.query)).get("ref")


@cache
def _agent(text: str) -> tuple[str | None, str | None]:
    found = parse_agent(text)
    return found.user_agent and found.user_agent.family, found.os and found.os.family


def _expand_user_agent(row: Row) -> None:
    row["browser"], row["os"] = _agent(row["user_agent"])


def _extract(row: Row) -> None:
    match = PRODUCT_PATTERN.match(row["page.path"])
    if match:
        row["product"] = match["product"]


def _identify(row: Row) -> None:
    row["anonymous_id"] = row["anonymous_id"] or _digest(row["ip"], row["user_agent"])


def _rename(row: Row) -> None:
    row["path"] = row.pop("page.path")


def _shorten(row: Row) -> None:
    row["user_agent"] = row["user_agent"][:20]


def _set(row: Row) -> None:
    row["plan"] = (row["plan"] or "free").lower()


def _time(row: Row) -> None:
    row["time"] = datetime.strptime(row["at"], STATED).replace(tzinfo=UTC)


STEPS: Mapping[str, tuple[dict[str, Any], Step]] = {
    "cast": ({"columns": {"quantity": "string", "amount": "string"}}, _cast),
    "correct_clock": ({"sent_at": "sent", "received_at": "got"}, _correct_clock),
    "decompress": ({"columns": ["packed"]}, _decompress),
    "dedupe": ({"by": ["event", "product_id"]}, _dedupe),
    "drop_columns": ({"columns": ["page.*"]}, _drop_columns),
    "drop_events": ({"where": "event = 'Help Viewed'"}, _drop_events),
    "drop_bots": ({}, _drop_bots),
    "expand_url": ({"column": "page.url", "parts": ["host", "path"], "parameters": ["ref"]}, _expand_url),
    "expand_user_agent": ({"column": "user_agent"}, _expand_user_agent),
    "explode": ({"column": "items", "into": "item"}, _explode),
    "extract": ({"column": "page.path", "pattern": PRODUCT}, _extract),
    "flatten": ({"columns": ["details"]}, _flatten),
    "identify": ({"anonymous_id": ["anonymous_id"], "hash": ["ip", "user_agent"]}, _identify),
    "rename": ({"columns": {"page.path": "path"}}, _rename),
    "shorten": ({"columns": ["user_agent"], "first": 20}, _shorten),
    "set": ({"values": {"plan": "lower(coalesce(plan, 'free'))"}}, _set),
    "time": ({"column": "at", "formats": [STATED]}, _time),
}
"""Type of transform -> its options, and what the loop does."""


def run(
    only: Sequence[str] = (), events: int = EVENTS, *, json: bool = False, write: Path | None = None,
    rounds: int = ROUNDS,
) -> int:  # fmt: skip
    """Measure and print. Raises QuestionError for a transform that is not measured."""
    for name in only:
        if name not in STEPS:
            raise QuestionError(f"no transform '{name}' to measure", hint=suggest(name, STEPS))
    measured = measure(only or tuple(STEPS), events, rounds=rounds)
    text = orjson.dumps(measured, option=orjson.OPT_INDENT_2).decode() + "\n" if json else as_text(measured)
    sys.stdout.write(text)
    if write is not None:
        Document(write).replace("transforms", measured)
    return 0


def measure(names: Sequence[str], events: int, *, rounds: int = ROUNDS) -> dict[str, Any]:
    """The JSON object of a run: nanoseconds an event of each step."""
    block, rows = _events(events)
    without, results = float("inf"), []
    for name in names:
        spent, base = float("inf"), float("inf")
        options, step = STEPS[name]
        for _ in range(rounds):
            base = min(base, _shaped(block, {}))
            spent = min(spent, _shaped(block, {name: {"type": name, **options}}))
        without = min(without, base)
        loop = min(_looped(rows, step) for _ in range(rounds))
        cost = max(spent - base, 0.0) / events
        results.append({
            "transform": name, "seconds_per_event": cost, "loop_seconds_per_event": loop / events,
            "times_loop": loop / events / cost if cost else None,
        })  # fmt: skip
    return {
        "ok": True, "section": "transforms", "date": datetime.now(UTC).date().isoformat(), "machine": machine.facts(),
        "events": events, "rounds": rounds, "shape_seconds_per_event": without / events, "results": results,
    }  # fmt: skip


def _events(count: int) -> tuple[Block, list[Row]]:
    """Events as a block of lines, and as dicts."""
    rows = [
        {"event": act.event, "time": act.iso, "event_id": act.id, "user_id": act.user, "anonymous_id": act.visitor,
         **act.properties, **{f"page.{name}": value for name, value in act.page.items()}, "ip": act.ip,
         "user_agent": act.agent, "at": act.at.strftime(STATED), "sent": act.iso,
         "got": act.at.isoformat(), "items": ITEMS, "details": DETAILS, "packed": PACKED[place % len(PACKED)]}
        for place, act in enumerate(acts(count))
    ]  # fmt: skip
    body = b"\n".join(map(orjson.dumps, rows))
    return Block(
        1, "bench", RECEIVED, "json", body, registry.codec("json").count(body, {"lines": "yes"}), {"lines": "yes"}
    ), rows


def _shaped(block: Block, transforms: Mapping[str, Any]) -> float:
    """Seconds that shaping the events takes, the second time, when everything is compiled."""
    shaper = Shaper(_plan(transforms))
    try:
        (decoded,) = decode([block], {})
        shaper.shape(decoded, Schema())
        begun = time.perf_counter()
        shaper.shape(decoded, Schema())
        return time.perf_counter() - begun
    finally:
        shaper.close()


def _plan(transforms: Mapping[str, Any]) -> Plan:
    source = {"type": "http", "codecs": ["json"], "write_keys": ["bench"]}
    return check({"project": {"name": "bench"}, "sources": {"bench": source}, "transforms": dict(transforms)}, Path())


def _looped(rows: Sequence[Row], step: Step) -> float:
    mine = [row.copy() for row in rows]
    begun = time.perf_counter()
    for row in mine:
        step(row)
    return time.perf_counter() - begun
