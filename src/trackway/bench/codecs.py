"""`trackway bench codecs`: events a second of every codec, against a plain Python loop on the same payloads.

Ours is `count`, as the collector does, and `flow.decoding.decode`, as the flow does: from the bytes of a request or
of a file to typed columns, with refusals and original bytes. The loop (`bench.cases`) ends with the same columns as
an Arrow table. Both run in one process, in turn, on the same cores; the best of the rounds counts, and before any
round the events of both are compared. The streaming limit is what summing the bytes costs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from trackway.bench import machine
from trackway.bench.cases import apps, logs, mails, servers, texts
from trackway.bench.cases.shop import Case, Payload, Row
from trackway.bench.report import Document, as_text
from trackway.errors import QuestionError, suggest
from trackway.flow.decoding import FRAME, decode
from trackway.model.event import Block
from trackway.model.parallel import in_parallel
from trackway.plan import registry

CASES = (*apps.CASES, *logs.CASES, *mails.CASES, *servers.CASES, *texts.CASES)
EVENTS = 100_000
ROUNDS = 5
RECEIVED = 1_795_000_000_000_000
"""When the payloads came: microseconds since 1970."""


def run(
    only: Sequence[str] = (), events: int = EVENTS, *, json: bool = False, write: Path | None = None,
    rounds: int = ROUNDS,
) -> int:  # fmt: skip
    """Measure and print; exit code 1 when the loop and a codec disagree. Raises QuestionError for no such codec."""
    measured = measure(only, events, rounds=rounds)
    text = orjson.dumps(measured, option=orjson.OPT_INDENT_2).decode() + "\n" if json else as_text(measured)
    sys.stdout.write(text)
    if write is not None:
        Document(write).replace("codecs", measured)
    return 0 if all(result["equal"] for result in measured["results"]) else 1


def measure(only: Sequence[str] = (), events: int = EVENTS, *, rounds: int = ROUNDS) -> dict[str, Any]:
    """The JSON object of a run: a result for each case, or for those of some codecs."""
    known = sorted({case.codec for case in CASES})
    for name in only:
        if name not in known:
            raise QuestionError(f"no codec '{name}' to measure", hint=suggest(name, known))
    threads = machine.cores()
    bandwidth = machine.bandwidth(threads)
    results = [_result(case, events, bandwidth, rounds) for case in CASES if not only or case.codec in only]
    return {
        "ok": True,
        "section": "codecs",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.facts() | {"memory_bytes_per_second": round(bandwidth)},
        "events": events,
        "rounds": rounds,
        "results": results,
    }


def _result(case: Case, events: int, bandwidth: float, rounds: int) -> dict[str, Any]:
    payloads = list(case.payloads(events))
    size = sum(len(body) for body, _ in payloads)
    apart = difference(ours(case.codec, payloads), theirs(case, payloads), case.apart)
    spent: dict[str, list[float]] = {"ours": [], "loop": []}
    for _ in range(rounds):
        begun = time.perf_counter()
        ours(case.codec, payloads)
        between = time.perf_counter()
        theirs(case, payloads)
        spent["loop"].append(time.perf_counter() - between)
        spent["ours"].append(between - begun)
    best, loop = min(spent["ours"]), min(spent["loop"])
    return {
        "codec": case.codec,
        "equal": not apart,
        "difference": apart,
        "bytes": size,
        "events_per_second": events / best,
        "bytes_per_second": size / best,
        "loop_events_per_second": events / loop,
        "times_loop": loop / best,
        "times_streaming": best / (size / bandwidth),
    }


def ours(name: str, payloads: Sequence[Payload]) -> pa.Table:
    """The events of payloads as the flow gets them. Raises ValueError when one is refused."""
    reader = registry.codec(name)
    threads = machine.cores()
    shares = [payloads[place::threads] for place in range(threads)]
    counts = in_parallel(lambda share: [reader.count(*payload) for payload in share], shares)
    blocks = [
        Block(number, "bench", RECEIVED, name, body, counts[number % threads][number // threads], headers)
        for number, (body, headers) in enumerate(payloads)
    ]
    (decoded,) = decode(blocks, {})
    if len(decoded.refused):
        raise ValueError(f"{name} refused: {decoded.refused['detail'][0]}")
    return decoded.events


def theirs(case: Case, payloads: Sequence[Payload]) -> pa.Table:
    """The same events by the plain loop."""
    rows: list[Row] = []
    for body, headers in payloads:
        rows.extend(case.loop(body, headers))
    return pa.Table.from_struct_array(pa.array(rows))


def difference(mine: pa.Table, other: pa.Table, apart: frozenset[str] = frozenset()) -> str:
    """In which column two tables of events differ, and how; nothing when they are equal, numbers by value."""
    mine = mine.select([name for name in mine.column_names if name not in FRAME])
    mine = mine.select([name for name in mine.column_names if mine[name].null_count < len(mine)])
    if len(mine) != len(other):
        return f"{len(mine)} events and {len(other)}"
    alone = set(mine.column_names) ^ set(other.column_names)
    if alone - apart:
        return f"columns of one side: {sorted(alone - apart)}"
    for name in sorted(set(mine.column_names) - apart):
        pair = mine[name], other[name]
        if pair[0].type != pair[1].type:
            pair = mine[name], other[name].cast(mine[name].type)
        if pair[0].combine_chunks() != pair[1].combine_chunks():
            unlike = np.flatnonzero([one != two for one, two in zip(*(side.to_pylist() for side in pair), strict=True)])
            if len(unlike):
                row = int(unlike[0])
                return f"{name} of event {row}: {pair[0][row]} and {pair[1][row]}"
    return ""
