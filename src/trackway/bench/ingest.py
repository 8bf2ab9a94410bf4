"""`trackway bench ingest`: from HTTP to askable, end to end, in a real workspace that serves on loopback.

A load client posts batches of a hundred events for some seconds. Meanwhile somebody keeps asking how many
marker events there are: a marker is fresh when the first answer contains it. In the end everything that was
acknowledged must have been stored, exactly once, and the ledger must balance.
"""

from __future__ import annotations

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
from trackway.bench.child import end, free_port, serve, trackway
from trackway.bench.folder import folder
from trackway.bench.report import Document, as_text
from trackway.bench.sender import MARKER, Sent, send

KEY = "bench"
POLL = 0.25
"""Seconds between two askings."""
PATIENCE = 300.0
"""Seconds to wait until everything is askable."""
BUSY = 503

FILE = """[project]
name = "bench"
listen = "127.0.0.1:{port}"

[sources.web]
type = "http"
codecs = ["segment"]
write_keys = ["{key}"]
"""


class Watcher(threading.Thread):
    """Asks for the number of markers again and again, and notes when it first saw each."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[float] = []
        self.asked: list[float] = []
        self._url = url
        self._stop = threading.Event()

    def run(self) -> None:
        """Until stopped."""
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
            while not self._stop.wait(POLL):
                begun = time.time()
                found = count(client, f"event = '{MARKER}'")
                now = time.time()
                self.asked.append(now - begun)
                self.seen.extend([now] * (found - len(self.seen)))

    def stop(self) -> None:
        """End, after the asking under way."""
        self._stop.set()
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
    """The JSON object of a run in an empty folder."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "trackway.toml").write_text(FILE.format(port=port, key=KEY), encoding="utf-8")
    server = serve(folder, folder / "run.log")
    try:
        _wait_for(url, folder / "run.log")
        watcher = Watcher(url)
        watcher.start()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            sent = pool.submit(send, port, KEY, seconds).result()
        askable = _wait_until_askable(url, sent)
        time.sleep(2 * POLL)
        watcher.stop()
        account = orjson.loads(trackway(folder, "ledger", "--json"))
    finally:
        end(server)
    return {"seconds": seconds, **askable, **_figures(sent, watcher, account, askable["askable"])}


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


def _wait_until_askable(url: str, sent: Sent) -> dict[str, Any]:
    """Events found, and how many a second from the first byte sent, when all were there or patience ended."""
    until = time.time() + PATIENCE
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        while (found := count(client)) < sent.acknowledged and time.time() < until:
            time.sleep(POLL / 2)
        return {"askable": found, "askable_per_second": found / (time.time() - sent.began)}


def _figures(sent: Sent, watcher: Watcher, accounts: Sequence[dict[str, Any]], askable: int) -> dict[str, Any]:
    fresh = sorted(seen - acknowledged for seen, acknowledged in zip(watcher.seen, sent.markers, strict=False))
    account = next(account for account in accounts if account["source"] == "web")
    bins = sum(account[name] for name in ("stored", "duplicate", "dropped", "refused", "pending"))
    return {
        "ok": True,
        "section": "ingest",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.facts(),
        "acknowledged": sent.acknowledged,
        "acknowledged_per_second": sent.acknowledged / (sent.ended - sent.began),
        "put_off": sent.put_off,
        "answer_p50_seconds": _quantile(sorted(sent.answer_seconds), 0.50),
        "answer_p99_seconds": _quantile(sorted(sent.answer_seconds), 0.99),
        "markers": len(sent.markers),
        "markers_seen": len(watcher.seen),
        "fresh_p50_seconds": _quantile(fresh, 0.50),
        "fresh_p95_seconds": _quantile(fresh, 0.95),
        "fresh_worst_seconds": fresh[-1] if fresh else None,
        "ask_p50_seconds": _quantile(sorted(watcher.asked), 0.50),
        "ledger": account,
        "exact": (
            askable == sent.acknowledged == account["stored"] == account["received"] == bins
            and len(watcher.seen) == len(sent.markers)
        ),
    }


def _quantile(ascending: Sequence[float], share: float) -> float | None:
    """The value that so large a share does not exceed; None of nothing."""
    if not ascending:
        return None
    return ascending[min(len(ascending) - 1, round(share * (len(ascending) - 1)))]
