"""Explaining an actor over HTTP: by address and by body, and what is told when it cannot be."""

import pytest

import shop

STEPS = "name=Home&step=path = '/'&name=Signed up&step=event = 'Signed Up'"


def test_an_actor_is_explained_by_address_and_by_body(client):
    found = client.get(f"/api/explain?type=funnel&{STEPS}&within=1h&who=bob").json()
    assert (found["ok"], found["actor"], found["type"]) == (True, "bob", "funnel")
    assert found["sentence"].startswith("Reached step 1 of 2, 'Home', at 2026-11-03 10:00")
    assert [one["rules"] for one in found["why"]] == [["within"]]
    assert [(event["event_id"], event["counts"]) for event in found["events"]] == [("e3", True), ("e4", False)]
    assert found["events"][0]["time"] == "2026-11-03T10:00:00Z"
    posted = client.post("/api/explain?who=bob", json=shop.FUNNEL | {"within": "1h"}).json()
    assert {**posted, "stands_on": 0} == {**found, "stands_on": 0}
    saved = client.get("/api/explain?saved=signups&who=bob").json()
    assert saved["sentence"].startswith("Converted")


def test_each_event_can_be_traced_from_there(client):
    found = client.get(f"/api/explain?type=funnel&{STEPS}&who=ann").json()
    for event in found["events"]:
        for name in (event["event_id"], event["record"]):
            assert client.get(f"/api/trace/{name}").json()["ok"]


@pytest.mark.parametrize(
    ("address", "status", "error"),
    [
        ("type=trend", 400, "who: explain whom?"),
        ("type=trend&who=ana", 404, "actor: no event of an actor 'ana'"),
        ("type=trend&who=ann&by=contry", 400, "unknown column 'contry'"),
        ("saved=none&who=ann", 400, "no question named 'none'"),
    ],
)
def test_what_cannot_be_explained_is_said(client, address, status, error):
    answer = client.get(f"/api/explain?{address}")
    assert (answer.status_code, answer.json()["error"]) == (status, error)
