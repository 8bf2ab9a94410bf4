"""What a lookup knows, written into events: as it was, once it is loaded, and counted where it knows nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from houses import House
from trackway.errors import ConfigError
from trackway.flow.loading import Loading
from trackway.flow.replay import Replay
from trackway.plan.config import check
from trackway.plan.lookup import Lookup

DUMPS = {
    "accounts-2026-05-01.csv": "Account ID,Plan,Seats\nx,free,3\ny,pro,5\n",
    "accounts-2026-06-01.csv": "Account ID,Plan,Seats\nx,pro,4\n",
}
EVENTS = [
    {"event": "A", "user_id": "ann", "account_id": "x", "time": "2026-04-20T10:00:00Z"},
    {"event": "B", "user_id": "ann", "account_id": "x", "time": "2026-06-20T10:00:00Z", "accounts_plan": "sent"},
    {"event": "C", "user_id": "bob", "account_id": "y", "time": "2026-05-20T10:00:00Z"},
    {"event": "D", "user_id": "bob", "account_id": "y", "time": "2026-06-20T10:00:00Z", "accounts_plan": "sent"},
    {"event": "E", "user_id": "cid", "account_id": "z", "time": "2026-06-20T10:00:00Z"},
    {"event": "F", "user_id": "cid", "time": "2026-06-20T10:00:00Z"},
]


def house(root: Path, **options: object) -> House:
    tables = {"sources": {"web": {"type": "http"}}, "lookups": {"accounts": {"key": "account_id"}},
              "transforms": {"account": {"type": "lookup", "lookup": "accounts", **options}}}  # fmt: skip
    plan = check(tables, root)
    return House(root, sources=plan.sources, transforms=plan.transforms, naming=plan.naming)


def load(one: House, *names: str) -> None:
    for name in names:
        path = one.plan.root / name
        path.write_text(DUMPS[name])
        Loading(one.lake, "accounts", Lookup(key="account_id"), path, None, "UTC").commit()


def stored(one: House, *events: dict) -> dict[str, tuple]:
    one.receive(*events)
    one.run()
    return {row["event"]: (row["accounts_plan"], row["accounts_seats"]) for row in one.events()}


@pytest.fixture
def run(tmp_path):
    opened = []

    def open_(**options: object) -> House:
        opened.append(house(tmp_path, **options))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def test_events_get_the_row_as_it_was_and_keep_what_they_say_where_there_is_none(run):
    one = run()
    load(one, *DUMPS)
    assert stored(one, *EVENTS) == {
        "A": ("free", 3), "B": ("pro", 4), "C": ("pro", 5), "D": ("sent", None), "E": (None, None), "F": (None, None),
    }  # fmt: skip
    assert {(c.step, c.reason): c.records for c in one.account().details if c.bin == "drift"} == {
        ("account_id", "unknown to accounts"): 2
    }


def test_the_latest_row_is_found_whenever_the_event_happened(run):
    one = run(as_of="latest", columns=["plan", "seats"])
    load(one, *DUMPS)
    assert stored(one, EVENTS[0]) == {"A": ("pro", 4)}


def test_what_is_loaded_while_the_flow_runs_is_seen_and_a_replay_mends_the_events_before(run, monkeypatch):
    monkeypatch.setattr("trackway.transforms.lookup.LOOK", 0.0)
    one = run(columns=["plan", "seats"])
    with one.flow() as runner:
        one.receive(EVENTS[0])
        runner.step()
        load(one, "accounts-2026-05-01.csv")
        one.receive({**EVENTS[0], "event": "later"})
        runner.step()
    assert [row["accounts_plan"] for row in one.events(order="block")] == [None, "free"]
    with Replay(one.plan, one.journal, one.lake, one.control, writes=True, clock=lambda: one.now) as replay:
        found = replay.compare("web", 0, 1 << 62)
        replay.commit()
    assert dict(found.properties) == {"accounts_plan": 1, "accounts_seats": 1}
    assert [row["accounts_plan"] for row in one.events(order="block")] == ["free", "free"]


def test_a_lookup_that_is_not_there_is_an_error_with_a_hint(tmp_path):
    tables = {"lookups": {"accounts": {"key": "id"}}, "transforms": {"a": {"type": "lookup", "lookup": "acounts"}}}
    with pytest.raises(ConfigError, match="no lookup 'acounts'") as told:
        check(tables, tmp_path)
    assert (told.value.path, told.value.hint) == ("transforms.a.lookup", "did you mean 'accounts'?")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"key": []}, "at least 1 item"), ({"key": ["a", "a"]}, "twice"),
        ({"key": "a", "on": {"b": "c"}}, "not in the key"), ({"key": "known"}, "whether there is a row"),
        ({"key": "a", "source": "crm", "valid_from": "t"}, "leave valid_from"),
        ({"key": "a", "source": "crm"}, "unknown source 'crm'"),
    ],
)  # fmt: skip
def test_a_lookup_that_cannot_be_is_an_error_of_the_file(tmp_path, table, said):
    with pytest.raises(ConfigError, match=said):
        check({"lookups": {"accounts": json.loads(json.dumps(table))}}, tmp_path)
