"""Elasticsearch and OpenSearch: every document exactly once, through what expires, throttles, breaks and comes late.

No server can be had here: `elastic.Elastic` stands in, and the official clients of both are driven against it too.
"""

from __future__ import annotations

import threading
import time
import warnings
from datetime import UTC, datetime, timedelta

import pytest

from brokers import until
from desks import Said, busy, cut, served
from elastic import Elastic
from pulling import Puller, exactly_once_through_kills, fetch, records, sessions
from trackway.errors import ConfigError, SourceError
from trackway.flow.pulling import WAIT
from trackway.model.secret import Secret
from trackway.plan.config import component

START = datetime(2026, 5, 17, 10, tzinfo=UTC)


def stamp(seconds: float) -> str:
    return f"{START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%f}Z"


def fill(desk, documents, index="logs-1", begin=0):
    for n in range(begin, begin + documents):
        desk.put(index, f"d{n}", **{"@timestamp": stamp(n // 7), "n": n, "user": {"id": f"u{n % 9}"}})


class Logs(Puller):
    def configure(self, **given):
        super().configure(**given)
        with (self.root / "trackway.toml").open("a") as file:
            file.write('[sources.orders.columns]\nuser_id = "user.id"\n')


FLAVOURS = [
    {"version": "9.1.0"}, {"version": "7.10.2"},
    {"version": "3.3.0", "opensearch": True}, {"version": "2.19.0", "opensearch": True},
]  # fmt: skip


@pytest.fixture(params=FLAVOURS, ids=lambda one: f"{'opensearch-' if one.get('opensearch') else ''}{one['version']}")
def any_desk(request):
    with served(Elastic(key="k3y", **request.param)) as desk:
        yield desk


@pytest.fixture
def desk():
    with served(Elastic(key="k3y")) as desk:
        yield desk


def options(desk, **others):
    return {
        "type": "elasticsearch", "address": desk.address, "indices": ["logs-*"], "api_key": "$ES_KEY",
        "follow": False, "every": "100ms", "overlap": "30s", **others,
    }  # fmt: skip


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.setenv("ES_KEY", "k3y")
    return lambda desk, **others: Logs(tmp_path, **options(desk, **others))


@pytest.fixture
def reader():
    with sessions(options, api_key=Secret("k3y")) as opening:
        yield opening


def test_documents_of_a_pattern_are_events_with_their_fields_once(any_desk, logs, monkeypatch):
    monkeypatch.setattr("trackway.sources.elasticsearch.MOST", 400)
    fill(any_desk, 2500)
    fill(any_desk, 300, "logs-2", 3000)
    fill(any_desk, 10, "other", 9000)
    any_desk.put("logs-2", "typed", event="Signed Up", **{"@timestamp": stamp(5.123456), "user.id": "flat"})
    pulled = logs(any_desk)
    pulled.pull()
    assert pulled.bins() == {"received": 2801, "stored": 2801}
    assert pulled.rows("select event, user_id, n, epoch_us(time) as t from events where event_id = 'logs-1/d10'") == [
        {"event": "orders", "user_id": "u1", "n": 10.0, "t": 1_779_012_001_000_000}
    ]
    assert pulled.rows("select user_id, epoch_us(time) as t from events where event = 'Signed Up'") == [
        {"user_id": "flat", "t": 1_779_012_005_123_456}
    ]
    assert not any_desk.contexts
    pulled.pull()
    again = pulled.bins().pop("duplicate")
    assert pulled.bins() == {"received": 2801 + again, "stored": 2801, "duplicate": again}
    assert 0 < again <= 7 * 31


def test_reading_goes_on_in_the_midst_of_a_point_in_time(desk, reader):
    fill(desk, 1000)
    first = fetch(reader(desk), fetches=3)
    rest = fetch(reader(desk, first[-1].cursors))
    assert records(first) + records(rest) == 1000
    assert sum(one.path == "/logs-*/_pit" for one in desk.asked) == 1


@pytest.mark.parametrize("how", ["expired", "the cluster is another"])
def test_a_point_in_time_that_is_gone_is_opened_again_where_reading_was(desk, how, reader):
    fill(desk, 1000)
    first = fetch(reader(desk), fetches=3)
    desk.skipped += 301 if how == "expired" else 0
    if how != "expired":
        desk.faults.append(busy("/_search", 400, {"error": {"type": "illegal_argument_exception"}}))
    rest = fetch(reader(desk, first[-1].cursors))
    assert 1000 <= records(first) + records(rest) <= 1000 + 7 * 31
    ids = {line for payload in [*first, *rest] for line in payload.body.splitlines()}
    assert len(ids) == 1000


def test_within_a_session_nothing_is_fetched_twice_for_the_sake_of_the_late(desk, reader):
    fill(desk, 700)
    session = reader(desk)
    assert records(fetch(session)) == 700
    desk.put("logs-1", "late", **{"@timestamp": stamp(80), "n": -1})
    desk.put("logs-1", "too late", **{"@timestamp": stamp(60), "n": -2})
    time.sleep(0.15)
    (late,) = fetch(session)
    assert b'"n":-1' in late.body
    assert records([late]) == 1


def test_a_document_with_a_wrong_clock_hides_nothing(desk, logs):
    desk.put("logs-1", "future", **{"@timestamp": "2100-01-01T00:00:00Z", "user.id": "u"})
    now = datetime.now(UTC)
    pulled = logs(desk)
    pulled.pull()
    desk.put("logs-1", "now", **{"@timestamp": f"{now:%Y-%m-%dT%H:%M:%S}Z", "user.id": "u", "n": 1})
    pulled.pull()
    assert pulled.bins()["received"] == 3
    assert pulled.rows("select n from events where event_id = 'logs-1/now'") == [{"n": 1.0}]


def test_a_change_is_an_event_where_that_is_asked_for(desk, logs):
    pulled = logs(desk, changes=True)
    for status in ("open", "open", "shut"):
        desk.put("logs-1", "ticket", **{"@timestamp": stamp(0), "status": status, "user.id": 7})
        pulled.pull()
    assert pulled.bins() == {"received": 3, "stored": 2, "duplicate": 1}


@pytest.mark.parametrize("fault", [
    busy("/_search", 429, {"error": "es_rejected_execution_exception"}), busy("/_search", 503), cut("/_search"),
    busy("/_search", 429, Retry_After="1"), cut("/_pit", 3), cut("/", 10),
    lambda asked, said: said._replace(body=said.text.replace(b'"failed": 0', b'"failed": 1'))
    if asked.path == "/_search" else None,
])  # fmt: skip
def test_what_is_busy_or_breaks_is_asked_again_and_nothing_is_lost_or_doubled(desk, fault, reader):
    fill(desk, 500)
    desk.faults.append(fault)
    assert records(fetch(reader(desk))) == 500
    assert not desk.faults


def test_a_server_that_says_when_to_come_again_is_left_alone_until_then(desk, reader):
    fill(desk, 10)
    desk.faults.append(busy("/_search", 429, Retry_After="1"))
    session = reader(desk)
    session.fetch(10, WAIT)
    since = time.monotonic()
    asked = len(desk.asked)
    while len(desk.asked) == asked:
        session.fetch(10, 0.02)
    assert time.monotonic() - since > 0.9


def test_a_scroll_that_breaks_is_begun_again_where_reading_was(reader):
    with served(Elastic("7.10.2", key="k3y")) as desk:
        fill(desk, 1000)
        session = reader(desk)
        payloads = fetch(session, fetches=2)
        desk.expire()
        desk.faults.append(cut("/_search/scroll"))
        payloads += fetch(session)
        assert records(payloads) == 1000
        assert sum("scroll" in one.query for one in desk.asked) == 3


def test_what_cannot_be_read_is_refused_and_the_rest_goes_through(desk, logs):
    fill(desk, 200)
    desk.raw("logs-1", "half", '{"@timestamp": "2026-05-17T10:00:03Z", "name": "\\ud83d"}', stamp(3))
    desk.raw("logs-1", "big", '{"@timestamp": "2026-05-17T10:00:03Z", "big": 1e999, "user.id": "u"}', stamp(3))
    deep = '{"a":' * 300 + "1" + "}" * 300
    desk.raw("logs-1", "deep", f'{{"@timestamp": "2026-05-17T10:00:03Z", "in": {deep}}}', stamp(3))
    desk.put("logs-1", "bare", **{"@timestamp": stamp(4), "_stored": False})
    pulled = logs(desk)
    pulled.pull()
    assert pulled.bins() == {"received": 204, "stored": 201, "refused": 3}
    rows = pulled.rows("select detail from refused order by detail")
    assert "whose source is not stored" in rows[0]["detail"]
    assert all("no text" in row["detail"] for row in rows[1:])


def test_a_document_too_large_to_hold_is_refused_and_the_rest_goes_through(desk, monkeypatch, reader):
    monkeypatch.setattr("trackway.flow.calling.LARGEST", 20_000)
    monkeypatch.setattr("trackway.flow.calling.Caller.ask.__kwdefaults__", {"most": 20_000})
    fill(desk, 300)
    desk.put("logs-1", "giant", **{"@timestamp": stamp(9), "text": "x" * 30_000})
    payloads = fetch(reader(desk))
    assert records(payloads) == 301
    assert [payload.headers["detail"] for payload in payloads if payload.codec == "refused"] == [
        "a document whose source is not stored, or larger than 64 MB"
    ]


def test_the_text_of_a_field_is_read_by_a_codec(desk, logs):
    line = '203.0.113.9 - ann [17/May/2026:10:05:03 +0000] "GET /p HTTP/1.1" 200 5 "-" "-"'
    desk.put("logs-1", "a", **{"@timestamp": stamp(0), "message": line})
    desk.put("logs-1", "b", **{"@timestamp": stamp(0), "text": line})
    pulled = logs(desk, codec="access_log", field="message")
    pulled.pull()
    assert pulled.bins() == {"received": 2, "stored": 1, "refused": 1}
    assert pulled.rows("select path, event_id like 'o%' as placed from events") == [{"path": "/p", "placed": True}]


def test_a_query_and_a_beginning_choose_what_is_read(desk, reader):
    fill(desk, 100)
    assert records(fetch(reader(desk, query="n:33"))) == 1
    assert records(fetch(reader(desk, start=stamp(10)))) == 30


def test_a_trial_shows_one_document_and_takes_nothing(desk, logs):
    fill(desk, 20)
    desk.put("logs-1", "timeless", n=1)
    pulled = logs(desk)
    connected, listed, looked = pulled.proofs()
    assert connected["text"] == f"Elasticsearch 9.1.0 at {desk.address}, read by points in time"
    assert listed["text"] == "logs-*: 20 documents with @timestamp; 1 have no @timestamp and are not read"
    assert looked["columns"]["user_id"] == "u0"
    assert pulled.asked(lambda workspace: workspace.ledger()[0].received) == 0


@pytest.mark.parametrize(
    ("others", "said", "hint"),
    [
        ({"indices": ["lgos-1"]}, "no index lgos-1", "did you mean 'logs-1'"),
        ({"time": "@timestmap"}, "no date '@timestmap'", "did you mean '@timestamp'"),
        ({"api_key": Secret("wrong")}, "does not let us in: 401", "`api_key`"),
        ({"address": "http://127.0.0.1:1"}, "cannot reach", "address"),
    ],
)
def test_a_trial_tells_what_is_wrong_and_how_to_mend_it(desk, others, said, hint):
    fill(desk, 2)
    given = {**options(desk), "api_key": Secret("k3y"), **others}
    with pytest.raises(SourceError, match=said) as raised:
        list(component("sources", given, "sources.o").prove("orders"))
    assert hint in raised.value.hint
    assert "k3y" not in str(raised.value)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"api_key": "k3y"}, "env"), ({"address": "https://me:pass@es:9200"}, "env"), ({"address": "es:9200"}, "https"),
        ({"codec": "access_log"}, "field"), ({"start": "yesterdya"}, "start"), ({"columns": {"time": "x"}}, "column"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_is_refused(desk, others, said):
    with pytest.raises(ConfigError, match=said):
        component("sources", {**options(desk), "api_key": Secret("s"), **others}, "sources.o")


def test_a_redirect_is_not_followed_with_the_key(desk, reader):
    desk.faults.append(lambda asked, said: Said(302, b"", {"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(SourceError, match="elsewhere: 302 http"):
        reader(desk).fetch(10, WAIT)


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_expiry_and_resets(tmp_path, monkeypatch):
    monkeypatch.setenv("ES_KEY", "k3y")
    with served(Elastic(key="k3y")) as desk:
        puller = Logs(tmp_path, **options(desk, follow=True, rate="500/s"))

        def produce(n):
            at = datetime.now(UTC) - timedelta(seconds=n % 5)
            desk.put("logs-1", f"d{n}", **{"@timestamp": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z", "n": n, "user.id": f"u{n % 9}"})
            time.sleep(0.002)

        def disturb():
            desk.expire()
            desk.faults.extend([cut("/_search"), busy("/_search", 429, Retry_After="1"), cut("/_pit", 3)])

        exactly_once_through_kills(puller, produce, total=3_000, kills=6, disturb=disturb, resent=True)


def test_the_health_of_a_server_that_refuses_is_shown(desk, logs):
    from trackway.app import Workspace

    fill(desk, 5)
    pulled = logs(desk, follow=True)
    desk.key = "another"
    workspace, stop = Workspace.open(pulled.root), threading.Event()
    reading = threading.Thread(target=workspace.intakes()["orders"].run, args=(stop,))
    reading.start()
    try:
        until("the fault to show", lambda: pulled.health()["state"] == "failing")
        assert "does not let us in" in pulled.health()["said"]
        desk.key = "k3y"
        until("the documents", lambda: workspace.ledger()[0].received == 5)
    finally:
        stop.set()
        reading.join(10)
        workspace.close()


# ── the desk is what the official clients expect ────────────────────────────────────────────────────


def test_the_client_of_elasticsearch_pages_and_scrolls_through_the_same_desk(desk):
    elasticsearch = pytest.importorskip("elasticsearch")
    pytest.importorskip("elasticsearch.helpers")
    fill(desk, 250)
    with elasticsearch.Elasticsearch(desk.address, api_key="k3y") as client:
        assert client.info()["version"]["number"] == "9.1.0"
        assert client.count(index="logs-*")["count"] == 250
        assert "date" in client.field_caps(index="logs-*", fields="*")["fields"]["@timestamp"]
        assert len(list(elasticsearch.helpers.scan(client, index="logs-*", size=100))) == 250
        point, after, seen = client.open_point_in_time(index="logs-*", keep_alive="1m")["id"], None, []
        while True:
            page = client.search(
                pit={"id": point, "keep_alive": "1m"}, sort=[{"@timestamp": "asc"}], size=100, search_after=after,
                query={"exists": {"field": "@timestamp"}},
            )  # fmt: skip
            point = page["pit_id"]
            if not page["hits"]["hits"]:
                break
            seen += [hit["_id"] for hit in page["hits"]["hits"]]
            after = page["hits"]["hits"][-1]["sort"]
        assert len(set(seen)) == len(seen) == 250
        assert client.close_point_in_time(id=point)["succeeded"]
        with pytest.raises(elasticsearch.NotFoundError, match="search_context_missing"):
            client.search(pit={"id": point})
        with pytest.raises(elasticsearch.BadRequestError):
            client.search(index="logs-*", pit={"id": point})


def test_the_client_of_opensearch_pages_and_scrolls_through_the_same_desk():
    opensearchpy = pytest.importorskip("opensearchpy")
    with served(Elastic("3.3.0", opensearch=True)) as desk, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        fill(desk, 120)
        client = opensearchpy.OpenSearch(desk.address)
        assert client.info()["version"]["distribution"] == "opensearch"
        assert len(list(opensearchpy.helpers.scan(client, index="logs-*", size=50))) == 120
        point = client.create_pit(index="logs-*", params={"keep_alive": "1m"})["pit_id"]
        body = {
            "pit": {"id": point, "keep_alive": "1m"},
            "sort": [{"@timestamp": "asc"}, {"_shard_doc": "asc"}],
            "size": 70,
        }
        first = client.search(body=body)["hits"]["hits"]
        rest = client.search(body={**body, "search_after": first[-1]["sort"]})["hits"]["hits"]
        assert len({hit["_id"] for hit in [*first, *rest]}) == 120
        client.delete_pit(body={"pit_id": [point]})
        with pytest.raises(opensearchpy.exceptions.NotFoundError):
            client.search(body=body)
        client.close()
