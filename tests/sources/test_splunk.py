"""Splunk: every event exactly once, however late it was indexed, and however its answers break.

No server can be had here: `splunking.Splunk` stands in, and Splunk's own library is driven against it too.
"""

from __future__ import annotations

import json
import time

import pytest

from desks import Said, busy, cut, served
from pulling import Puller, exactly_once_through_kills, fetch, records, sessions
from splunking import Splunk
from trackway.errors import ConfigError, SourceError
from trackway.flow.exporting import Slices
from trackway.model.secret import Secret
from trackway.model.time import Duration
from trackway.plan.config import component

NOW = time.time()
HOUR = 3600


@pytest.fixture
def desk():
    with served(Splunk()) as desk:
        yield desk


def options(desk, **others):
    return {
        "type": "splunk", "address": desk.address, "token": "$SPLUNK", "search": "index=web", "start": "6h",
        "follow": False, "every": "100ms", "overlap": "30s", **others,
    }  # fmt: skip


@pytest.fixture
def events(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLUNK", "t0k3n")
    return lambda desk, **others: Puller(tmp_path, **options(desk, **others))


@pytest.fixture
def reader():
    with sessions(options, token=Secret("t0k3n")) as opening:
        yield opening


def fill(desk, events, begin=0):
    for n in range(begin, begin + events):
        desk.put(json.dumps({"user_id": f"u{n % 9}", "n": n}), time=NOW - 5 * HOUR + n * 10)


@pytest.mark.parametrize("version", ["9.4.0", "8.2.0"])
def test_events_of_a_search_are_stored_once_with_their_fields(version, events):
    with served(Splunk(version)) as desk:
        fill(desk, 900)
        desk.put("plain text", time=NOW - 100, user_id="ann", status="200")
        pulled = events(desk, event="Checked Out")
        pulled.pull()
        pulled.pull()
        assert pulled.bins() == {"received": 901, "stored": 901}
        [row] = pulled.rows("select event, user_id, event_id, host, epoch_ms(time) as t from events where n = 7")
        assert row == {
            "event": "Checked Out", "user_id": "u7", "event_id": "web~1~0F00/1:7", "host": "w1",
            "t": round(NOW * 1000 - 5 * HOUR * 1000 + 70_000),
        } | {"t": row["t"]}  # fmt: skip
        assert abs(row["t"] - (NOW - 5 * HOUR + 70) * 1000) <= 1
        assert pulled.rows("select message, status, user_id from events where message is not null") == [
            {"message": "plain text", "status": "200", "user_id": "ann"}
        ]


def test_an_event_indexed_late_is_found_however_old_it_is(desk, reader):
    fill(desk, 50)
    session = reader(desk)
    assert records(fetch(session)) == 50
    desk.put('{"n": -1}', time=NOW - 400 * 24 * HOUR, indexed=time.time())
    time.sleep(0.12)
    assert records(fetch(session)) == 1


def test_a_session_goes_on_after_the_last_slice_that_was_kept(desk, reader):
    fill(desk, 900)
    first = fetch(reader(desk))
    fill(desk, 1, 10_000)
    desk.put('{"n": "new"}', time=time.time())
    desk.asked.clear()
    (new,) = fetch(reader(desk, {"until": next(p.cursors["until"] for p in reversed(first) if p.cursors)}))[-1:]
    assert b'"new"' in new.body
    assert all(int(one.form["index_earliest"]) > NOW - 2 * HOUR for one in desk.asked)


def test_what_came_while_nobody_read_is_read_however_long_ago_it_was_that_reading_began(desk, reader):
    for hours in (9, 5, 3):
        desk.put("{}", time=NOW - hours * HOUR)
    begun = {"begin": str(round((NOW - 8 * HOUR) * 1000)), "until": str(round((NOW - 6 * HOUR) * 1000))}
    assert records(fetch(reader(desk, begun, start="1h"))) == 2
    assert records(fetch(reader(desk, {**begun, "until": begun["begin"]}, overlap="5h"))) == 2


def without_its_end(asked, said):
    if asked.path.endswith("/export") and len(said.text) > 9000:
        return said._replace(body=said.text[: said.text.rindex(b'{"preview"')])
    return None


def with_an_error_inside(asked, said):
    if asked.path.endswith("/export") and len(said.text) > 9000:
        return Said(200, said.text[:5000].rpartition(b"\n")[0] + b'\n{"messages":[{"type":"FATAL","text":"x"}]}\n')
    return None


@pytest.mark.parametrize("fault", [
    busy("/export", 503), busy("/export", 429, Retry_After="0"), cut("/export", 9000), without_its_end,
    with_an_error_inside,
])  # fmt: skip
def test_a_slice_that_breaks_or_is_not_whole_is_read_again(desk, reader, fault):
    fill(desk, 900)
    desk.faults.append(fault)
    assert records(fetch(reader(desk))) == 900
    assert not desk.faults


def test_what_cannot_be_read_is_refused_and_the_rest_goes_through(desk, events):
    fill(desk, 100)
    desk.put('{"user_id": "x", "name": "\ud83d"}', time=NOW - 50)
    desk.put("\ud83d", time=NOW - 50, user_id="x")
    pulled = events(desk)
    pulled.pull()
    assert pulled.bins() == {"received": 102, "stored": 100, "refused": 2}


def test_the_text_is_read_by_a_codec(desk, events):
    desk.put('203.0.113.9 - - [17/May/2026:10:05:03 +0000] "GET /p HTTP/1.1" 200 5 "-" "-"', time=NOW - 9)
    pulled = events(desk, codec="access_log", field="_raw")
    pulled.pull()
    assert pulled.rows("select path from events") == [{"path": "/p"}]


def test_a_trial_shows_one_event_and_tells_what_is_wrong(desk, events):
    fill(desk, 3)
    connected, listed, looked = events(desk).proofs()
    assert connected["text"] == f"Splunk 9.4.0 at {desk.address}"
    assert listed["text"] == "it can search for index=web"
    assert looked["columns"]["user_id"] in ("u0", "u1", "u2")
    for others, said in (
        ({"token": Secret("x")}, "does not let us in"),
        ({"search": "index=[web"}, "cannot read the search"),
    ):
        with pytest.raises(SourceError, match=said):
            list(
                component("sources", {**options(desk), "token": Secret("t0k3n"), **others}, "sources.o").prove("orders")
            )
    for others in {"search": "search index=web"}, {"start": "long ago"}, {"token": "plain"}:
        with pytest.raises(ConfigError):
            component("sources", {**options(desk), "token": Secret("s"), **others}, "sources.o")


def test_slices_cover_all_time_without_a_gap_and_go_back_by_the_overlap():
    now = 1_000_000.0
    slices = Slices(0, Duration("60s"), clock=lambda: now)
    at = 0
    while True:
        begin, until = slices.following()
        assert begin == at
        at = until
        if slices.done(until, 100_000 if begin % 3 else 0, 20_000):
            break
    assert until >= now * 1000
    now += 10
    assert slices.following()[0] == until - 60_000


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_resets(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLUNK", "t0k3n")
    with served(Splunk()) as desk:
        puller = Puller(tmp_path, **options(desk, follow=True, start="1h"))

        def produce(n):
            desk.put(json.dumps({"user_id": f"u{n % 9}", "n": n}), time=time.time() - n % 50, indexed=time.time())
            time.sleep(0.002)

        def disturb():
            desk.faults.extend([cut("/export", 3000), busy("/export", 503, Retry_After="1")])

        exactly_once_through_kills(puller, produce, total=3_000, kills=6, disturb=disturb, resent=True)


# ── the desk is what the official client expects ────────────────────────────────────────────────────


def test_the_library_of_splunk_exports_from_the_same_desk(desk):
    client, results = pytest.importorskip("splunklib.client"), pytest.importorskip("splunklib.results")
    fill(desk, 120)
    service = client.connect(
        host="127.0.0.1", port=desk.port, scheme="http", splunkToken="t0k3n", owner=None, app=None
    )  # fmt: skip
    stream = service.jobs.export("search index=web", output_mode="json", preview="false")
    found = list(results.JSONResultsReader(stream))
    assert len(found) == 120
    assert {"_raw", "_cd", "_bkt", "_time"} <= set(found[0])
    with pytest.raises(client.HTTPError, match="Unknown search command"):
        service.jobs.export("index=web", output_mode="json")
