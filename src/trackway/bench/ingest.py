"""`trackway bench ingest`: from HTTP to askable, end to end, in a real workspace that serves on loopback.

A load client posts batches of a hundred events: first at a steady rate, then as fast as they are acknowledged.
Meanwhile somebody keeps asking how many marker events there are: a marker is fresh when the first answer
contains it. In the end everything that was acknowledged must have been stored, exactly once, and the ledger
must balance.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import orjson

from trackway.bench import machine
from trackway.bench.child import end, free_port, ledger, serve
from trackway.bench.folder import folder
from trackway.bench.report import Document, as_text
from trackway.bench.sender import MARKER, Sent, send

KEY = "bench"
STEADY = 60_000
"""Events a second of the steady part."""
APART = 100_000_000
"""Between the first batch numbers of two parts."""
POLL = 0.25
"""Seconds between two askings."""
PATIENCE = 300.0
"""Seconds to wait until everything is askable."""
BUSY = 503
MARKED = f"event = '{MARKER}'"

FILE = """[project]
name = "bench"
listen = "127.0.0.1:{port}"

[sources.web]
type = "http"
codecs = ["segment"]
write_keys = ["{key}"]
"""


class Watcher(threading.Thread):
    """Asks for the number of markers again and again, and notes when it first saw each that is new."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[float] = []
        self.asked: list[float] = []
        self._url = url
        self._ended = threading.Event()

    def run(self) -> None:
        """Until stopped."""
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
            before = count(client, MARKED)
            while not self._ended.wait(POLL):
                begun = time.time()
                found = count(client, MARKED) - before
                now = time.time()
                self.asked.append(now - begun)
                self.seen.extend([now] * (found - len(self.seen)))

    def stop(self) -> None:
        """End, after the asking under way."""
        self._ended.set()
        self.join()


def run(seconds: float = 30.0, *, json: bool = False, keep: Path | None = None, write: Path | None = None) -> int:
    """Measure and print; exit code 1 when an acknowledged event is missing or doubled."""
    with folder(keep) as place:
        measured = measure(seconds, place)
    if json:
        sys.stdout.write(orjson.dumps(measured, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(as_text(measured))
    if write is not None:
        Document(write).replace("ingest", measured)
    return 0 if measured["exact"] else 1


def measure(seconds: float, folder: Path) -> dict[str, Any]:
    """The JSON object of a run of twice so many seconds; what an earlier run left in the folder is removed."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "trackway.toml").write_text(FILE.format(port=port, key=KEY), encoding="utf-8")
    server = serve(folder, folder / "run.log")
    try:
        _wait_for(url, folder / "run.log")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            steady = _part(pool, url, seconds, STEADY, 0)
            flood = _part(pool, url, seconds, None, steady["acknowledged"])
        account = ledger(folder)["web"]
    finally:
        end(server)
    acknowledged = steady["acknowledged"] + flood["acknowledged"]
    bins = sum(account[name] for name in ("stored", "duplicate", "dropped", "refused", "pending"))
    return {
        "ok": True,
        "section": "ingest",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.facts(),
        "seconds": seconds,
        "acknowledged": acknowledged,
        "steady": steady,
        "flood": flood,
        "ledger": account,
        "exact": (
            acknowledged == steady["askable"] + flood["askable"] == account["stored"] == account["received"] == bins
            and all(part["markers_seen"] == part["markers"] for part in (steady, flood))
        ),
    }


def _part(pool: ProcessPoolExecutor, url: str, seconds: float, rate: int | None, before: int) -> dict[str, Any]:
    """Send for so many seconds, at most so many events a second, onto the events before; what was seen."""
    watcher = Watcher(url)
    watcher.start()
    port = int(url.rpartition(":")[2])
    sent: Sent = pool.submit(send, port, KEY, seconds, rate or float("inf"), 0 if rate else APART).result()
    found = _wait_until_askable(url, before + sent.acknowledged) - before
    whole = time.time()
    time.sleep(2 * POLL)
    watcher.stop()
    return {"offered_per_second": rate} | _figures(sent, watcher, found, whole)


def count(client: httpx.Client, where: str = "") -> int:
    """How many events there are, by asking the API as any page does; 0 while it is too busy to say."""
    question = {"type": "trend", "measure": "events", "every": "1d"} | ({"where": where} if where else {})
    reply = client.post("/api/ask", json=question)
    if reply.status_code == BUSY:
        return 0
    reply.raise_for_status()
    return round(sum(float(row["value"]) for row in reply.json()["rows"]))


def _wait_for(url: str, log: Path) -> None:
    """Until the server answers a question."""
    until = time.time() + PATIENCE
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while time.time() < until:
            try:
                count(client)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
    raise RuntimeError(f"the workspace did not come up: {log.read_text(encoding='utf-8')[-2000:]}")


def _wait_until_askable(url: str, wanted: int) -> int:
    """Events found when all were there, or when patience ended."""
    until = time.time() + PATIENCE
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while (found := count(client)) < wanted and time.time() < until:
            time.sleep(POLL / 2)
        return found


def _figures(sent: Sent, watcher: Watcher, askable: int, whole: float) -> dict[str, Any]:
    fresh = sorted(seen - acknowledged for seen, acknowledged in zip(watcher.seen, sent.markers, strict=False))
    answers = sorted(sent.answer_seconds)
    return {
        "acknowledged": sent.acknowledged,
        "askable": askable,
        "acknowledged_per_second": sent.acknowledged / (sent.ended - sent.began),
        "askable_per_second": askable / (whole - sent.began),
        "put_off": sent.put_off,
        "answer_p50_seconds": _quantile(answers, 0.50),
        "answer_p99_seconds": _quantile(answers, 0.99),
        "markers": len(sent.markers),
        "markers_seen": len(watcher.seen),
        "fresh_p50_seconds": _quantile(fresh, 0.50),
        "fresh_p95_seconds": _quantile(fresh, 0.95),
        "fresh_worst_seconds": fresh[-1] if fresh else None,
        "ask_p50_seconds": _quantile(sorted(watcher.asked), 0.50),
    }


def _quantile(ascending: Sequence[float], share: float) -> float | None:
    """The value that so large a share does not exceed; None of nothing."""
    if not ascending:
        return None
    return ascending[min(len(ascending) - 1, round(share * (len(ascending) - 1)))]
