"""The sentence of the architecture, walked by one event: if this breaks, the architecture broke.

It arrives over HTTP, is kept, read, shaped, checked, given its actor, stored, sorted, asked, and counted.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from shop import served, write_config
from trackway.app import Workspace

ROOT = Path(__file__).resolve().parents[1]
VERBS = ("arrived", "kept", "read", "shaped", "checked", "given", "stored", "sorted", "counted")
FILE = """
[sources.web]
type = "http"
codecs = ["segment"]

[transforms.plan]
type = "set"
values = { plan = "lower(plan)" }

[contracts.sign_ups]
event = "Signed Up"
mode = "refuse"
required = ["plan"]

[queries.sign_ups]
type = "trend"
where = "event = 'Signed Up' and plan = 'pro'"
every = "1d"
"""
CALL = {
    "type": "track", "messageId": "m-1", "timestamp": "2026-03-02T09:00:00.000Z", "anonymousId": "a1",
    "userId": "ann", "event": "Signed Up", "properties": {"plan": "PRO"},
}  # fmt: skip


def test_one_event_walks_the_whole_sentence(tmp_path):
    with served(write_config(tmp_path, FILE)) as client:
        assert client.post("/v1/track", json=CALL).status_code == 200
        assert counted(client) == {"received": 1, "pending": 1}
        flow(tmp_path)
        lines = client.get("/api/trace/m-1").json()["lines"]
        answer = client.get("/api/ask", params={"saved": "sign_ups"}).json()
        assert counted(client) == {"received": 1, "stored": 1}

    assert list(dict.fromkeys(line["verb"] for line in lines)) == list(VERBS)
    assert [row["value"] for row in answer["rows"]] == [1]
    assert answer["stands_on"]["events"] == 1
    said = {verb: " ".join(line["text"] for line in lines if line["verb"] == verb) for verb in VERBS}
    assert "source web" in said["arrived"]
    assert '"messageId":"m-1"' in said["kept"].replace(" ", "")
    assert "codec segment" in said["read"]
    assert "PRO → pro" in said["shaped"]
    assert "contracts.sign_ups" in said["checked"]
    assert "ann" in said["given"]
    assert "lake version" in said["stored"]
    assert "2026-03-02T09:00:00" in said["sorted"]
    assert "stored" in said["counted"]


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_the_sentence_stands_in_the_documentation_with_all_its_verbs_in_order(page):
    quote = re.search(r"(?:^> .*\n)+", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert quote
    verbs = ["arrives", "kept", "read", "shaped", "checked", "given", "stored", "sorted", "asked", "counted"]
    places = [quote[0].index(f"**{verb}**") for verb in verbs]
    assert all(earlier < later for earlier, later in pairwise(places))


def flow(root: Path) -> None:
    """Take what is pending to the lake, beside the server."""
    workspace = Workspace.open(root)
    with workspace.flow() as runner:
        while runner.step() is not None:
            continue
    workspace.close()


def counted(client: httpx.Client) -> dict[str, int]:
    """The bins of the only source that hold something."""
    account = client.get("/api/ledger").json()["sources"][0]
    bins = ("received", "stored", "duplicate", "dropped", "refused", "pending")
    return {name: account[name] for name in bins if account[name]}
