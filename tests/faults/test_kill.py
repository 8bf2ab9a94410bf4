"""Kill -9 of the collector and of the flow at random instants, while a client sends and retries."""

import http.client
import itertools
import json
import os
import random
import threading
import time

import pytest

from roles import Role, free_port, wait_for
from trackway.app import Workspace

KILLS = 50
BATCH = 20

CONFIG = """
[project]
listen = "127.0.0.1:{port}"

[sources.web]
type = "http"
codecs = ["json"]
"""


class Client(threading.Thread):
    """Sends batches one after the other; a batch without a 200 is sent again until it has one."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port, self.enough = port, threading.Event()
        self.acknowledged: set[str] = set()
        self.posts = self.retries = 0

    def run(self) -> None:
        for number in itertools.count():
            ids = [f"e{number}-{i}" for i in range(BATCH)]
            events = [
                {"event": "Ping", "event_id": i, "user_id": f"u{number % 50}", "time": "2026-11-01T10:00:00Z"}
                for i in ids
            ]
            body = json.dumps(events).encode()
            while not self.post(body):
                self.retries += 1
                time.sleep(0.02)
            self.acknowledged.update(ids)
            if self.enough.is_set():
                return

    def post(self, body: bytes) -> bool:
        self.posts += 1
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@pytest.mark.long
def test_every_acknowledged_event_is_stored_exactly_once_through_fifty_kills(tmp_path):
    port = free_port()
    (tmp_path / "trackway.toml").write_text(CONFIG.format(port=port))
    dice = random.Random(int(os.environ.get("TRACKWAY_SEED", "11")))
    roles = [Role(tmp_path, "collector"), Role(tmp_path, "flow")]
    client = Client(port)
    client.start()
    try:
        wait_for("the first acknowledgement", lambda: len(client.acknowledged) > 0)
        for _ in range(KILLS):
            before = len(client.acknowledged)
            time.sleep(dice.uniform(0.0, 0.6))
            victim = dice.choice(roles)
            victim.kill()
            victim.start()
            wait_for("acknowledgements to go on", lambda before=before: len(client.acknowledged) > before)
        client.enough.set()
        client.join(60)
        workspace = Workspace.open(tmp_path)
        wait_for("the flow to catch up", lambda: workspace.lake.position() >= workspace.journal.last())
    finally:
        client.enough.set()
        for role in roles:
            role.stop()
    rows = workspace.sql("select event_id, count(*) as copies from events group by all", most_rows=10_000_000)
    stored = dict(zip(rows["event_id"].to_pylist(), rows["copies"].to_pylist(), strict=True))
    account = next(a.as_json() for a in workspace.ledger() if a.source == "web")
    workspace.close()
    assert client.retries > 0, "no kill hit a request; the test proves nothing"
    assert set(stored.values()) == {1}
    assert client.acknowledged - set(stored) == set()
    bins = ("stored", "duplicate", "dropped", "refused", "pending")
    assert account["received"] == sum(account[name] for name in bins)
    assert (account["stored"], account["pending"], account["refused"]) == (len(stored), 0, 0)
