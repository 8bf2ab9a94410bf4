"""Looking at a file nobody knows: what is told of it, from a bounded sample, by command, API and page."""

from __future__ import annotations

import gzip
import json
import random
import tomllib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trackway.api.onboarding.inspection import inspect, inspect_bytes
from trackway.errors import TrackwayError
from trackway.plan.config import check

STAGES = ("subscriber", "lead", "customer")


def crm(rows: int, *, broken: bool = False) -> str:
    """A dump of contacts; the row of a contact changes some times."""
    chance = random.Random(7)
    lines = ["Contact ID,Full Name,E-Mail,Phone,Lifecycle Stage,Modified At,Card"]
    for row in range(rows):
        who = chance.randrange(max(2, rows // 5))
        card = "4111 1111 1111 1111" if row == 3 else ""
        when = f"2025-11-{1 + row * 27 // rows:02} {row % 24:02}:{row % 60:02}:00"
        lines.append(f"c-{who},Ann Smith,ann{who}@shop.example,+49 30 1234567,{chance.choice(STAGES)},{when},{card}")
    return "\n".join([*lines, *(['"a stray', "quote"] if broken else []), ""])


def line(second: int, path: str = "/a") -> str:
    clock = f"{17 + second // 86_400:02}/May/2015:{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f'203.0.113.{second % 50} - - [{clock} +0000] "GET {path} HTTP/1.1" 200 12 "-" "Mozilla/5.0 {second % 7}"\n'


@pytest.fixture
def contacts(tmp_path):
    (tmp_path / "CRM contacts.csv").write_text(crm(300))
    return tmp_path / "CRM contacts.csv"


def roles(found):
    return {role: best["column"] for role, best in found["roles"].items()}


def private(found):
    return {(one["column"], part["sort"]): part["records"] for one in found["columns"] for part in one["personal"]}


def test_a_dump_of_a_crm_is_understood(contacts):
    found = inspect(contacts)
    assert (found["codec"], found["confidence"], found["records"], found["whole"]) == ("csv", 1.0, 300, True)
    assert roles(found) == {"time": "Modified At", "event": "Lifecycle Stage", "actor": "Contact ID"}
    assert private(found) == {
        ("Full Name", "name"): 300, ("E-Mail", "email"): 300, ("Phone", "phone"): 300, ("Card", "card"): 1,
    }  # fmt: skip


def test_nothing_personal_is_shown(contacts):
    said = json.dumps(inspect(contacts), default=str)
    for secret in ("ann0@shop.example", "Ann Smith", "1234567", "4111 1111"):
        assert secret not in said


def test_what_is_suggested_can_run_and_does_what_it_says(contacts, trackway):
    workspace = contacts.parent / "shop"
    trackway("init", workspace)
    before = (workspace / "trackway.toml").read_text()
    code, out, _ = trackway("-C", workspace, "inspect", contacts, "--apply", "--yes")
    assert code == 0
    after = (workspace / "trackway.toml").read_text()
    assert after.startswith(before.rstrip("\n"))
    assert out.splitlines()[-1].startswith("Added. Next: trackway load")
    code, out, _ = trackway("-C", workspace, "load", contacts, "--source", "crm_contacts", "--json")
    assert json.loads(out)["refused"] == 0
    statement = "select count(*) as n, count(distinct user_id) as who, count(distinct event) as what from events"
    _, out, _ = trackway("-C", workspace, "sql", statement, "--json")
    assert json.loads(out)["rows"] == [{"n": 300, "who": 60, "what": 3}]
    assert "Card" not in json.loads(trackway("-C", workspace, "sql", "describe events", "--json")[1] or "{}").get(
        "rows", []
    )
    code, _, err = trackway("-C", workspace, "inspect", contacts, "--apply", "--yes")
    assert code == 2
    assert "cannot be added" in err


def test_applying_asks_first(contacts, trackway):
    workspace = contacts.parent / "shop"
    trackway("init", workspace)
    before = (workspace / "trackway.toml").read_text()
    _, out, _ = trackway("-C", workspace, "inspect", contacts, "--apply", stdin="n\n")
    assert "Add these 2 tables to trackway.toml?" in out
    assert (workspace / "trackway.toml").read_text() == before
    trackway("-C", workspace, "inspect", contacts, "--apply", stdin="y\n")
    assert "[sources.crm_contacts]" in (workspace / "trackway.toml").read_text()


def test_of_a_large_file_head_middle_and_tail_are_read(tmp_path):
    path = tmp_path / "access.log"
    with path.open("w") as file:
        file.writelines(line(second, f"/{'abc'[second // 40_000]}") for second in range(120_000))
    found = inspect(path)
    assert list(found["parts"]) == ["head", "middle", "tail"]
    assert not found["whole"]
    assert abs(found["records"] - 120_000) < 2_000
    assert found["sampled"] < 15_000
    paths = next(one for one in found["columns"] if one["column"] == "path")
    assert {one["value"] for one in paths["top"]} == {"/a", "/b", "/c"}
    assert (found["refused"], found["times"]["gaps"], found["times"]["whole_seconds"]) == (0, [], True)
    text = path.read_bytes()
    pieces = text[:500_000] + text[5_000_000:5_250_000] + text[-250_000:]
    sent = inspect_bytes(pieces, "access.log", len(text), (500_000, 750_000))
    assert (sent["codec"], sent["refused"], list(sent["parts"])) == ("access_log", 0, ["head", "middle", "tail"])
    assert abs(sent["records"] - 120_000) < 2_000


def test_a_large_csv_has_its_columns_in_every_piece(tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_text(crm(40_000))
    found = inspect(path)
    assert (list(found["parts"]), found["refused"]) == (["head", "middle", "tail"], 0)
    assert roles(found)["actor"] == "Contact ID"
    assert str(found["times"]["to"]).startswith("2025-11-27")


def test_times_ahead_are_told(tmp_path):
    (tmp_path / "x.csv").write_text("user_id,time\n" + "ann,2099-01-01 00:00:00\n" * 3 + "ann,2025-01-01 00:00:00\n")
    found = inspect(tmp_path / "x.csv")
    assert found["times"]["ahead"] == 3
    assert any("3 of the sampled records" in one and "refused" in one for one in found["advice"])


def test_a_pause_is_told(tmp_path):
    lines = [line(second) for second in range(300)] + [line(50_000 + second) for second in range(300)]
    (tmp_path / "access.log").write_text("".join(lines))
    found = inspect(tmp_path / "access.log")
    assert [gap["seconds"] for gap in found["times"]["gaps"]] == [49_701.0]
    assert any(one.startswith("Nothing was logged for 14 hours from 2015-05-17 00:04") for one in found["advice"])


FILES = {
    "events.ndjson": b'{"event": "A", "user_id": "u", "time": "2026-01-01T00:00:00.5Z", "n": 1}\n' * 30 + b"{broken\n",
    "array.json": b'[{"event": "A", "user_id": "u"}, {"event": "B", "user_id": "v"}]',
    "access.log.gz": gzip.compress("".join(map(line, range(50))).encode()),
    "app.log": b"2026-01-01 00:00:00,123 INFO shop.orders - placed\nTraceback (most recent call last):\n  x\n" * 9,
    "utf16.csv": "id,time,name\n1,2026-01-01,größe\n2,2026-01-02,b\n".encode("utf-16"),
    "w3c.log": b"#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status\n"
               b"2026-01-01 00:00:00 192.0.2.1 GET /a 200\n",
    "dots.csv": b"id,price in $,a.b\n1,2,3\n2,,4\n",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_whatever_is_told_holds_and_what_is_suggested_loads(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    found = inspect(tmp_path / name)
    assert found["sampled"] == found["records"]
    assert 0 <= found["confidence"] <= 1
    check(tomllib.loads(found["toml"]), tmp_path)
    json.dumps(found, default=str)


def test_parquet_says_how_many_rows_it_has(tmp_path):
    table = pa.table(
        {"who": pa.array(["ann", "bob"] * 200), "created_at": pa.array([1_767_225_600_000] * 400, pa.timestamp("ms"))}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    found = inspect(tmp_path / "x.parquet")
    assert (found["codec"], found["records"], roles(found)["time"]) == ("parquet", 400, "created_at")


def test_a_file_that_unpacks_to_very_much_is_read_no_further_than_any_other(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"id,time\n" + b"1,2025-01-01\n" * 5_000_000, 1))
    found = inspect(path)
    assert (found["records"], found["whole"], found["refused"]) == (None, False, 0)
    assert found["sampled"] < 100_000


def test_what_is_no_log_at_all_is_an_error(tmp_path):
    (tmp_path / "noise").write_bytes(random.Random(1).randbytes(100_000))
    with pytest.raises(TrackwayError):
        inspect(tmp_path / "noise")


# ── the API and the page ────────────────────────────────────────────────────────────────────────────


def test_the_api_looks_at_what_is_sent(client):
    found = client.post("/api/inspect?name=crm.csv", content=crm(50)).json()
    assert (found["ok"], found["file"], found["codec"], found["records"]) == (True, "crm.csv", "csv", 50)
    assert tomllib.loads(found["toml"])["sources"]["crm"]["paths"] == ["crm.csv"]


@pytest.mark.parametrize(
    ("address", "content", "status"),
    [
        ("/api/inspect", b"", 400), ("/api/inspect?cuts=9,3&size=10", b"abc,def\n1,2\n", 400),
        ("/api/inspect?cuts=3&size=1", b"abc,def\n1,2\n", 400), ("/api/inspect", b"x" * 4_000_001, 413),
        ("/api/inspect?name=a.gz&cuts=10&size=99999", gzip.compress(b"a,b\n1,2\n" * 90), 400),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_one_error_shape(client, address, content, status):
    reply = client.post(address, content=content)
    assert (reply.status_code, reply.json()["ok"]) == (status, False)


def test_the_page_shows_what_was_pasted(client):
    assert "What is in this file?" in client.get("/inspect").text
    page = client.post("/inspect", data={"text": crm(50)}).text
    assert "[sources.sample]" in page
    assert "telephone numbers in 50" in page
    assert "ann1@shop.example" not in page
    assert "cannot tell the format of sample" in client.post("/inspect", data={"text": "?"}).text


def test_a_page_is_not_fooled_by_what_is_in_the_file(client):
    page = client.post("/inspect", data={"text": "id,<b>x</b>\n1,<script>alert(1)</script>\n2,b\n"}).text
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
