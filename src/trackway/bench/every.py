"""`trackway bench every`: every type of question, at several sizes: how far from the limit of memory, and how linear.

Beside each time stands what the cores need to read the same bytes once. The first answer is the one from a sample
that a page shows at once. The sizes are a tenth, three tenths and the whole.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from trackway.bench import machine
from trackway.bench.events import Traffic
from trackway.bench.folder import folder
from trackway.bench.kinds import KINDS
from trackway.bench.report import Document, as_text
from trackway.bench.worker import OURS, Say, Worker, load

PARTS = (0.1, 0.3, 1.0)
ROUNDS = 3


def run(events: int, *, json: bool = False, keep: Path | None = None, write: Path | None = None) -> int:
    """Measure and print; `keep` is a folder for events and workspaces, `write` a document. Returns 0."""
    say: Say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731, T201
    with folder(keep) as place:
        measured = measure([max(1, round(events * part)) for part in PARTS], place, say=say)
    text = orjson.dumps(measured, option=orjson.OPT_INDENT_2).decode() + "\n" if json else as_text(measured)
    sys.stdout.write(text)
    if write is not None:
        Document(write).replace("every", measured)
    return 0


def measure(
    sizes: Sequence[int], place: Path, *, rounds: int = ROUNDS, say: Say = lambda _text: None
) -> dict[str, Any]:
    """The JSON object of a run: one result for each question, with its times at every size."""
    threads = machine.cores()
    bandwidth = machine.bandwidth(threads)
    found = [_size(size, place / f"{size}-events", threads, rounds, say) for size in sizes]
    return {
        "ok": True,
        "section": "every",
        "sizes": list(sizes),
        "rounds": rounds,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.facts() | {"memory_bytes_per_second": round(bandwidth)},
        "peak_bytes": [one["peak"] for one in found],
        "results": [_result(name, [one["questions"][name] for one in found], sizes, bandwidth) for name in KINDS],
    }


def _size(size: int, place: Path, threads: int, rounds: int, say: Say) -> dict[str, Any]:
    """Every question at one size, in a fresh process: seconds of the best round, of the first answer, bytes."""
    files = Traffic(size).write(place / "events")
    load(OURS, files, place / OURS, threads, say)
    worker = Worker(OURS, place / OURS, threads)
    try:
        worker.call("open")
        questions = {}
        for name in KINDS:
            say(f"asking {name} of {size:,} events")
            worker.call("ask", name, "ask", False)
            first = min(worker.call("soonest", name) for _ in range(2))
            best = min(worker.call("ask", name, "ask", False).seconds for _ in range(rounds))
            questions[name] = {"seconds": best, "first": first, **worker.call("figures", name)}
        return {"questions": questions, "peak": worker.call("resident")["peak"]}
    finally:
        worker.stop()


def _result(name: str, found: Sequence[dict[str, Any]], sizes: Sequence[int], bandwidth: float) -> dict[str, Any]:
    whole = found[-1]
    limit = whole["bytes"] / bandwidth
    return {
        "question": name,
        "seconds": whole["seconds"],
        "first_answer_seconds": whole["first"],
        "nanoseconds_per_event": whole["seconds"] / sizes[-1] * 1e9,
        "memory_limit_seconds": limit,
        "times_limit": whole["seconds"] / limit,
        "seconds_by_size": [one["seconds"] for one in found],
        **fitted(sizes, [one["seconds"] for one in found]),
    }


def fitted(sizes: Sequence[int], seconds: Sequence[float]) -> dict[str, float]:
    """The straight line through the times, by least squares of relative errors, and the largest such error.

    >>> fitted([10, 20, 40], [1.5, 2.5, 4.5])
    {'fixed_seconds': 0.5, 'seconds_per_million': 100000.0, 'worst_fit': 0.0}
    """
    weight = 1 / np.array(seconds)
    design = np.stack([np.ones(len(sizes)), np.array(sizes, float)], axis=1)
    (fixed, each), *_ = np.linalg.lstsq(design * weight[:, None], np.array(seconds) * weight, rcond=None)
    errors = np.abs((design @ [fixed, each]) * weight - 1)
    return {
        "fixed_seconds": round(float(fixed), 6),
        "seconds_per_million": round(float(each) * 1e6, 6),
        "worst_fit": round(float(errors.max()), 6),
    }
