"""Identity: the owner of the earliest fact holds, owners are followed, and order changes nothing."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.store.identity import FACTS, resolve

Said = tuple[str, str, int, bool]


def facts(*said: Said) -> pa.Table:
    """(id, owner, time, alias) as facts."""
    rows = [
        {
            "id": id_,
            "owner": owner,
            "time": time,
            "alias": alias,
            "source": "web",
            "event_id": "e",
            "block": 1,
            "row": 0,
        }
        for id_, owner, time, alias in said
    ]
    return pa.Table.from_pylist(rows, schema=FACTS)


def actors(*said: Said) -> dict[str, str]:
    table = resolve(facts(*said))
    return dict(zip(table["id"].to_pylist(), table["actor"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], {}),
        ([("phone", "ann", 1, False)], {"phone": "ann"}),
        ([("phone", "bob", 2, False), ("phone", "ann", 1, False)], {"phone": "ann"}),
        ([("phone", "bob", 1, False), ("phone", "ann", 1, False)], {"phone": "ann"}),
        ([("phone", "ann", 1, False), ("ann", "c7", 2, True)], {"phone": "c7", "ann": "c7"}),
        ([("phone", "ann", 1, False), ("ann", "bob", 2, False)], {"phone": "ann"}),
        ([("ann", "ann", 1, False)], {}),
        ([("a", "b", 1, True), ("b", "c", 2, True), ("c", "a", 3, True)], {"a": "c", "b": "c"}),
        ([("a", "b", 2, True), ("b", "a", 1, True)], {"b": "a"}),
    ],
)
def test_who_an_id_is(said: list[Said], expected: dict[str, str]) -> None:
    assert actors(*said) == expected


def test_a_chain_of_a_thousand_aliases_ends_at_its_end() -> None:
    found = actors(*((f"i{n}", f"i{n + 1}", n, True) for n in range(1_000)))
    assert set(found.values()) == {"i1000"}


IDS = st.sampled_from([f"x{n}" for n in range(7)])


@given(st.lists(st.tuples(IDS, IDS, st.integers(0, 5), st.booleans()), max_size=14), st.randoms())
def test_order_and_repetition_of_facts_change_nothing(said: list[Said], random: st.randoms) -> None:
    again = said + said[: len(said) // 2]
    random.shuffle(again)
    found = actors(*said)
    assert actors(*again) == found
    assert all(actor not in found for actor in found.values()), "an actor is its own actor"
