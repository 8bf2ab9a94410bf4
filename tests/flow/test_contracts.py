"""Contracts and transforms in the flow: what each mode does, and that a step that fails costs nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from houses import House
from trackway.plan.component import Contract, Transform
from trackway.plan.config import component

Make = Callable[..., House]

SIGNUP = {"event": "Signed Up", "user_id": "u", "event_id": "e1"}


def contract(mode: str, **options: Any) -> dict[str, Contract]:
    return {"signup": Contract(event="Signed Up", mode=mode, **options)}


def steps(**tables: dict[str, Any]) -> dict[str, Transform]:
    made = {name: component("transforms", table, name) for name, table in tables.items()}
    return {name: one for name, one in made.items() if isinstance(one, Transform)}


def drift(one: House) -> dict[tuple[str, str], int]:
    return {(c.step, c.reason): c.records for c in one.account().details if c.bin == "drift"}


def test_evolve_makes_columns_of_the_declared_kind_and_counts_what_breaks_it(house: Make) -> None:
    one = house(contracts=contract("evolve", properties={"seats": "integer", "since": "time"}, required=["plan"]))
    one.receive(
        {**SIGNUP, "seats": 3, "since": "2026-01-01T00:00:00Z"},
        {**SIGNUP, "event_id": "e2", "plan": "pro", "seats": 2.5},
    )
    one.run()
    assert one.lake.schema().properties == {"seats": "integer", "since": "time", "plan": "string"}
    assert one.events("seats", "more", order="event_id") == [
        {"seats": 3, "more": None},
        {"seats": None, "more": '{"seats":2.5}'},
    ]
    assert drift(one)["plan", "contract"] == 1
    assert drift(one)["seats", "contract"] == 1


def test_freeze_keeps_undeclared_properties_in_more_for_its_event_alone(house: Make) -> None:
    one = house(contracts=contract("freeze", properties={"plan": "string"}))
    one.receive(
        {**SIGNUP, "plan": "pro", "mood": "good"}, {"event": "Other", "user_id": "u", "event_id": "e2", "tone": "x"}
    )
    one.run()
    rows = one.events("plan", "more", order="event_id")
    assert rows == [{"plan": "pro", "more": '{"mood":"good"}'}, {"plan": None, "more": None}]
    assert drift(one)["mood", "undeclared"] == 1


def test_drop_value_takes_a_wrong_value_out_and_keeps_the_event(house: Make) -> None:
    one = house(contracts=contract("drop_value", properties={"seats": "integer"}))
    one.receive({**SIGNUP, "seats": "many", "plan": "pro"})
    one.receive({**SIGNUP, "event_id": "e2", "seats": 4})
    one.run(1)
    assert one.events("plan", "more", order="event_id") == [{"plan": "pro", "more": None}, {"plan": None, "more": None}]
    assert one.bins() == {"received": 2, "stored": 2}
    assert drift(one)["seats", "contract"] == 1


def test_refuse_refuses_the_event_and_says_which_property(house: Make) -> None:
    one = house(contracts=contract("refuse", properties={"seats": "integer"}, required=["plan"]))
    one.receive(
        {**SIGNUP, "plan": "pro", "seats": 3}, {**SIGNUP, "event_id": "e2"},
        {**SIGNUP, "event_id": "e3", "plan": "pro", "seats": "3"}, {"event": "Other", "user_id": "u", "event_id": "e4"},
    )  # fmt: skip
    one.run()
    assert one.bins() == {"received": 4, "stored": 2, "refused": 2}
    rows = one.lake.sql('select reason, detail, step from refused order by "row"').to_pylist()
    assert [(row["reason"], row["detail"], row["step"]) for row in rows] == [
        ("contract", "'plan' is required and missing", "contracts.signup"),
        ("contract", "'seats' is not of kind integer", "contracts.signup"),
    ]


def test_closed_content_refuses_what_nobody_declared_also_when_it_does_not_fit_its_column(house: Make) -> None:
    one = house(contracts=contract("refuse", properties={"plan": "string"}, content="closed"))
    one.receive({"event": "Other", "user_id": "u", "event_id": "e0", "mood": 1})
    one.run()
    for number, more in enumerate([{"plan": "pro"}, {"mood": 2}, {"mood": "good"}, {"context": {"page": "/"}}]):
        one.receive({**SIGNUP, "event_id": f"e{number + 1}", **more})
    one.run(1)
    assert one.bins() == {"received": 5, "stored": 3, "refused": 2}
    rows = one.lake.sql("select distinct reason, detail from refused").to_pylist()
    assert rows == [{"reason": "contract", "detail": "'mood' is not declared"}]


def test_closed_content_takes_out_or_counts_what_nobody_declared(house: Make) -> None:
    one = house(contracts=contract("drop_value", properties={"plan": "string"}, content="closed"))
    one.receive({**SIGNUP, "plan": "pro", "mood": "good"})
    one.run()
    assert one.events("plan", "more") == [{"plan": "pro", "more": None}]
    assert one.lake.sql("select * from events where mood is not null").num_rows == 0
    assert drift(one)["mood", "contract"] == 1


def test_a_value_that_is_none_of_those_listed_breaks_the_contract(house: Make) -> None:
    plan = {"kind": "string", "values": ["free", "pro"]}
    one = house(contracts=contract("refuse", properties={"plan": plan}))
    one.receive({**SIGNUP, "plan": "pro"}, {**SIGNUP, "event_id": "e2", "plan": "gold"}, {**SIGNUP, "event_id": "e3"})
    one.run()
    assert one.bins() == {"received": 3, "stored": 2, "refused": 1}
    assert one.lake.sql("select detail from refused").to_pylist() == [{"detail": "'plan' is none of free, pro"}]


def test_transforms_run_in_order_for_their_sources_and_conditions_and_count_what_they_drop(house: Make) -> None:
    one = house(
        transforms=steps(
            bots={"type": "drop_events", "where": "agent like '%bot%'"},
            paid={"type": "set", "values": {"paid": "plan <> 'free'"}, "where": "plan is not null"},
        )
    )
    one.receive(
        {**SIGNUP, "plan": "pro", "agent": "x"}, {**SIGNUP, "event_id": "e2", "plan": "free", "agent": "a bot"},
        {**SIGNUP, "event_id": "e3", "agent": "y"},
    )  # fmt: skip
    one.run()
    assert one.bins() == {"received": 3, "stored": 2, "dropped": 1}
    assert one.events("paid", order="event_id") == [{"paid": True}, {"paid": None}]
    assert [(c.step, c.records) for c in one.account().details if c.bin == "dropped"] == [("bots", 1)]


@pytest.mark.parametrize("plan", ["pro", 5, True, None, [1], "x" * 70_000])
def test_a_condition_that_does_not_suit_a_value_is_false_and_the_event_stays(house: Make, plan: Any) -> None:
    one = house(transforms=steps(bots={"type": "drop_events", "where": "plan = 'free'"}))
    one.receive({**SIGNUP, "plan": plan})
    one.run()
    assert one.bins() == {"received": 1, "stored": 1}


def test_what_the_codec_expects_is_not_what_a_transform_makes_of_it(house: Make) -> None:
    one = house(transforms=steps(price={"type": "cast", "columns": {"price": "number"}}))
    for number, price in enumerate(["12.5", "13.5", "free"]):
        one.receive({**SIGNUP, "event_id": f"e{number}", "price": price})
        one.run()
    rows = one.events("price", "more", order="event_id")
    assert [row["price"] for row in rows] == [12.5, 13.5, None]
    assert "free" in json.dumps(rows[2])
