"""A workspace with a few known events, for the doors: seven stored, one repeated, one refused.

ann   sees / on 2 November, signs up five minutes later, logs in on the 10th     DE, pro
bob   sees / on 3 November, signs up two hours later                             FR, free
cid   sees / on 3 November                                                       DE
dan   sees /pricing on 4 November                                                DE
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from trackway.api.collect import routes
from trackway.app import Workspace
from trackway.plan.component import Payload
from trackway.web.server import create_app

CONFIG = """
[project]
name = "Shop & Co"

[sources.web]
type   = "http"
codecs = ["json"]

[sources.files]
type = "file"

[queries.signups]
type   = "funnel"
within = "1d"
steps  = [{ name = "Home", when = "path = '/'" }, { name = "Signed up", when = "event = 'Signed Up'" }]

[queries.visitors]
type    = "trend"
measure = "actors"
"""

SEEN = "Page Viewed"
EVENTS: list[dict[str, object]] = [
    {"event": SEEN, "event_id": "e1", "user_id": "ann", "time": "2026-11-02T10:00:00Z", "path": "/", "country": "DE"},
    {"event": "Signed Up", "event_id": "e2", "user_id": "ann", "time": "2026-11-02T10:05:00Z", "plan": "pro"},
    {"event": SEEN, "event_id": "e3", "user_id": "bob", "time": "2026-11-03T10:00:00Z", "path": "/", "country": "FR"},
    {"event": "Signed Up", "event_id": "e4", "user_id": "bob", "time": "2026-11-03T12:00:00Z", "plan": "free"},
    {"event": SEEN, "event_id": "e5", "user_id": "cid", "time": "2026-11-03T11:00:00Z", "path": "/", "country": "DE"},
    {"event": SEEN, "event_id": "e6", "user_id": "dan", "time": "2026-11-04T11:00:00Z", "path": "/pricing",
     "country": "DE"},
    {"event": "Logged In", "event_id": "e7", "user_id": "ann", "time": "2026-11-10T09:00:00Z"},
    {"event": "Logged In", "event_id": "e7", "user_id": "ann", "time": "2026-11-10T09:00:00Z"},
    {"event": "Lost <b>", "event_id": "e8"},
]  # fmt: skip

FUNNEL = {
    "type": "funnel", "within": "1d",
    "steps": [{"name": "Home", "when": "path = '/'"}, {"name": "Signed up", "when": "event = 'Signed Up'"}],
}  # fmt: skip
RETENTION = {
    "type": "retention",
    "start": "event = 'Signed Up'",
    "return": "event = 'Logged In'",
    "every": "7d",
    "periods": 2,
}


def write_config(root: Path, text: str = CONFIG) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "trackway.toml").write_text(text, encoding="utf-8")
    return root


def fill(root: Path, events: list[dict[str, object]] = EVENTS) -> Path:
    """Write the workspace and take the events all the way into the lake."""
    workspace = Workspace.open(write_config(root))
    try:
        body = json.dumps(events).encode()
        workspace.journal.append([Payload("web", "json", body, len(events))])
        with workspace.flow() as runner:
            while runner.step() is not None:
                pass
    finally:
        workspace.close()
    return root


@contextmanager
def served(root: Path, *, asks: bool = True) -> Iterator[httpx.Client]:
    """A client of the collector, API and pages of a workspace, behind a real server in a thread."""
    workspace = Workspace.open(root)
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(workspace, routes(workspace), asks=asks)
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", ws="none", log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, trust_env=False, timeout=120) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        workspace.close()
