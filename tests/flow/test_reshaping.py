"""One event that becomes several, through the whole flow: ids, ledger, retries, trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from houses import House
from trackway.flow.trace import trace
from trackway.plan.component import Transform
from trackway.plan.config import component

Make = Callable[..., House]
ORDER = {
    "event": "Order Completed", "event_id": "o1", "user_id": "ann", "time": "2026-09-20T10:00:00Z",
    "products": [{"sku": "tea", "price": 3}, {"sku": "milk", "price": 0}, {"sku": "sugar", "price": 1}],
}  # fmt: skip
BROWSE = {"event": "Browsed", "event_id": "b1", "user_id": "ann", "time": "2026-09-20T09:00:00Z", "products": [1, 2]}


def transform(**options: Any) -> Transform:
    made = component("transforms", options, "t")
    assert isinstance(made, Transform)
    return made


@pytest.fixture
def exploded(house: Make) -> House:
    """Orders by item; an item that costs nothing is dropped."""
    return house(
        transforms={
            "items": transform(
                type="explode", column="products", into="product", place="nr", where="event = 'Order Completed'"
            ),
            "free": transform(type="drop_events", where='"product.price" = 0'),
        }
    )


def test_what_was_made_is_counted_and_a_retry_makes_nothing_new(exploded: House) -> None:
    exploded.receive(ORDER, BROWSE)
    exploded.run()
    assert exploded.bins() == {"received": 2, "made": 2, "stored": 3, "dropped": 1}
    exploded.receive(ORDER)
    exploded.run()
    assert exploded.bins() == {"received": 3, "made": 4, "stored": 3, "duplicate": 2, "dropped": 2}
    assert [row["event_id"] for row in exploded.events("event_id")] == ["b1", "o1", "o1#2"]
    assert [(row["product.sku"], row["nr"], row["products"]) for row in exploded.events()] == [
        (None, None, "[1,2]"), ("tea", 1.0, None), ("sugar", 3.0, None),
    ]  # fmt: skip


@pytest.mark.parametrize("most", [1, 2, None])
def test_it_does_not_matter_how_events_are_batched(exploded: House, most: int | None) -> None:
    for number in range(5):
        exploded.receive({**ORDER, "event_id": f"o{number}"}, {**BROWSE, "event_id": f"b{number}"})
    exploded.run(most)
    assert exploded.bins() == {"received": 10, "made": 10, "stored": 15, "dropped": 5}


def test_events_without_an_id_get_the_same_ids_again(exploded: House) -> None:
    line = {key: value for key, value in ORDER.items() if key != "event_id"}
    exploded.receive(line)
    exploded.receive(line)
    exploded.run()
    assert exploded.bins() == {"received": 2, "made": 4, "stored": 2, "duplicate": 2, "dropped": 2}


def test_a_trace_follows_the_part_it_was_asked_for(exploded: House) -> None:
    exploded.receive(ORDER)
    exploded.run()
    told = trace("o1#2", exploded.journal, exploded.lake, exploded.plan)
    (line,) = [line for line in told if line.values.get("step") == "items"]
    assert "product.sku nothing → sugar" in line.text
    assert "event_id o1 → o1#2" in line.text
    assert told[-1].values["bin"] == "stored"


def test_what_reshapes_stands_between_two_queries(house: Make) -> None:
    one = house(
        transforms={
            "before": transform(type="set", values={"payload": "concat('{\"a\": ', n, '}')"}),
            "open": transform(type="flatten", columns=["payload"]),
            "after": transform(type="set", values={"twice": '"payload.a" * 2'}),
        }
    )
    one.receive(*({"event": "A", "user_id": "u", "event_id": f"e{n}", "n": n} for n in range(3)))
    one.run()
    assert [row["twice"] for row in one.events(order="event_id")] == [0.0, 2.0, 4.0]
    assert one.bins() == {"received": 3, "stored": 3}
