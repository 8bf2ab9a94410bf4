"""The simulated company: the same in every run, shaped like a company, and faulty in the ways the field is."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from trackway.worlds.leads import leads, timeline

UNTIL = datetime(2026, 3, 2, 12, tzinfo=UTC)
SMALL = {"days": 14, "visitors": 6_000, "seed": 5, "until": UNTIL}


@pytest.fixture(scope="module")
def calls():
    return list(leads(**SMALL))


def names(calls):
    return Counter(call.get("event") or call["type"] for call in calls)


def test_the_same_seed_and_end_give_the_same_company(calls):
    assert list(leads(**SMALL)) == calls
    assert next(leads(**SMALL | {"seed": 6})) != calls[0]


@pytest.mark.long
def test_thirty_days_are_some_hundred_thousand_calls():
    assert 90_000 < sum(1 for _ in leads(until=UNTIL)) < 220_000


def test_calls_reach_the_collector_in_order_and_within_the_days_asked_for():
    arrivals = [at for at, _ in timeline(**SMALL)]
    assert all(earlier <= later for earlier, later in pairwise(arrivals))
    assert (UNTIL - timedelta(days=14)).timestamp() <= arrivals[0]
    assert arrivals[-1] < UNTIL.timestamp()


def test_every_call_is_one_that_a_segment_library_sends(calls):
    assert {call["type"] for call in calls} == {"track", "page", "identify", "alias"}
    assert all(call["messageId"] and call["timestamp"] for call in calls)
    page = next(call for call in calls if call["type"] == "page")
    assert page["context"]["page"]["url"].startswith("https://www.leads.example/")
    assert page["context"]["userAgent"].startswith("Mozilla/5.0")


def test_the_whole_way_of_a_lead_is_there(calls):
    seen = names(calls)
    for event in ("Form Viewed", "Form Submitted", "Lead Scored", "CRM Synced", "Journey Enrolled", "Email Sent",
                  "Email Opened", "Email Clicked", "Signed Up", "Logged In", "Feature Used", "Ping"):  # fmt: skip
        assert seen[event] > 0, event
    assert seen["Form Submitted"] < seen["Form Viewed"]
    assert seen["Email Clicked"] < seen["Email Opened"] < seen["Email Sent"]


def test_visitors_are_anonymous_until_they_identify_and_some_use_two_devices(calls):
    devices: dict[str, set[str]] = {}
    for call in calls:
        if call["type"] == "identify" and "userId" in call:
            devices.setdefault(call["userId"], set()).add(call["anonymousId"])
    owners = {device: user for user, ids in devices.items() for device in ids}
    unknown = [call for call in calls if call.get("anonymousId") in owners and "userId" not in call]
    assert len(unknown) > len(owners), "what they did before they signed up"
    assert sum(1 for ids in devices.values() if len(ids) == 2) >= 2


def test_days_and_weekends_differ_and_so_do_channels():
    calls = list(leads(days=14, visitors=8_000, seed=2, until=UNTIL))
    pages = [call for call in calls if call["type"] == "page"]
    week = Counter(datetime.fromisoformat(call["timestamp"]).weekday() for call in pages)
    assert week[6] < week[2]
    came = Counter(call["context"].get("campaign", {}).get("name") for call in pages if "campaign" in call["context"])
    signed = Counter(
        call["context"]["campaign"]["name"]
        for call in calls
        if call.get("event") == "Signed Up" and "campaign" in call["context"]
    )
    assert signed["partners"] / came["partners"] > 2 * signed["stories"] / came["stories"]


def test_a_few_calls_come_late_twice_or_broken():
    sent = list(timeline(**SMALL))
    copies = Counter(call["messageId"] for _, call in sent)
    late = [at for at, call in sent if at - seconds(call["timestamp"], at) > 3_000]
    broken = [call for _, call in sent if call["type"] == "track" and "event" not in call]
    assert 0.001 < sum(1 for count in copies.values() if count > 1) / len(sent) < 0.01
    assert 0.0005 < len(late) / len(sent) < 0.01
    assert broken
    assert any(call["timestamp"].startswith("2099") for _, call in sent)
    assert any("userId" not in call and "anonymousId" not in call for _, call in sent if call["type"] == "track")


def seconds(timestamp: str, otherwise: float) -> float:
    """The second a timestamp names; `otherwise` for one nobody can read."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return otherwise
