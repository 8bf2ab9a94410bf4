"""correct_clock, drop_bots and locate_ip."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from applying import Runner, prepared
from trackway.errors import ConfigError
from trackway.plan.component import Place
from trackway.plan.config import component

NOON = datetime(2026, 9, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@settings(max_examples=60, deadline=None)
@given(
    payloads=st.lists(
        st.tuples(
            st.integers(-9_000, 9_000), st.integers(0, 60), st.lists(st.integers(0, 500), min_size=1, max_size=4)
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_a_clock_is_put_right_and_the_order_in_a_payload_stays(payloads):
    run = Runner()
    events, expected = [], []
    for error, way, ages in payloads:
        for age in ages:
            events.append({"sent_at": at(-error), "received_at": at(way), "time": at(-error - age)})
            found = error + way
            expected.append(at(way - age) if abs(found) > 300 else at(-error - age))
    done = run({"type": "correct_clock", "into": "skew"}, events).stay
    assert [event["time"] for event in done] == expected
    assert [event["skew"] for event in done] == [error + way for error, way, ages in payloads for _ in ages]
    run.connection.close()


def test_a_clock_that_is_about_right_is_left_alone_and_so_is_an_event_without_sent_at(run):
    events = [{"time": NOON, "sent_at": NOON, "received_at": at(299)}, {"time": NOON, "received_at": at(9_999)}]
    done = run({"type": "correct_clock"}, events).stay
    assert [event["time"] for event in done] == [NOON, NOON]


def test_a_clock_may_be_compared_with_another_column(run):
    event = {"time": NOON, "sent": "2026-09-20T12:00:00Z", "gateway": "2026-09-20T13:00:00Z", "received_at": at(99_999)}
    options = {"type": "correct_clock", "sent_at": "sent", "received_at": "gateway", "tolerance": "1m"}
    assert run(options, [event]).stay[0]["time"] == at(3_600)


BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_bots_are_dropped_by_name_and_by_network(run):
    options = {"type": "drop_bots", "also": ["acme-*er"], "networks": ["198.51.100.0/24", "2001:db8::/32"]}
    done = run(options, [
        {"user_agent": BROWSER, "ip": "203.0.113.7"}, {"user_agent": "curl/8.5.0", "ip": None},
        {"user_agent": "The Acme-Checker", "ip": None}, {"user_agent": BROWSER, "ip": "198.51.100.9"},
        {"user_agent": None, "ip": "2001:db8::1"}, {"user_agent": None, "ip": "no address"},
    ])  # fmt: skip
    assert [event.get("ip") for event in done.stay] == ["203.0.113.7", "no address"]
    assert len(done.left("dropped")) == 4


def test_who_has_no_user_agent_may_count_as_a_bot(run):
    done = run({"type": "drop_bots", "nameless": True}, [{"user_agent": " "}, {"user_agent": BROWSER}])
    assert done.stay == [{"user_agent": BROWSER}]
    with pytest.raises(ConfigError, match="expected a network such as"):
        component("transforms", {"type": "drop_bots", "networks": ["198.51.100.1/24"]}, "t")


def test_an_address_is_located_by_the_file(run, tmp_path):
    options = {
        "type": "locate_ip", "database": str(prepared(tmp_path) / "GeoLite2-City.mmdb"),
        "parts": ["country", "region", "city", "latitude", "time_zone"],
    }  # fmt: skip
    done = run(options, [{"ip": one} for one in ("203.0.113.77", "2001:db8::5", "198.51.100.1", "nobody", None)])
    assert [{name: value for name, value in event.items() if name != "ip"} for event in done.stay] == [
        {"geo.country": "NL", "geo.region": "UT", "geo.city": "Utrecht", "geo.latitude": 52.25,
         "geo.time_zone": "Europe/Amsterdam"},
        {"geo.country": "IS"}, {}, {}, {},
    ]  # fmt: skip
    assert done.kinds["geo.latitude"] == "number"


def test_a_database_that_is_missing_or_broken_is_an_error_of_the_file(tmp_path):
    (tmp_path / "broken.mmdb").write_bytes(b"no database")
    for name in ("nowhere.mmdb", "broken.mmdb"):
        made = component("transforms", {"type": "locate_ip", "database": name}, "t").settle(Place(tmp_path, tmp_path))
        with pytest.raises(ConfigError, match="cannot read") as told:
            made.ready()
        assert told.value.path == "database"
