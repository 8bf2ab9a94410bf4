"""The flow: every record in one bin, across bad input, crashes and repetition."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from houses import NOW, House
from trackway.errors import StorageError, WorkspaceError
from trackway.plan import registry
from trackway.plan.component import Contract
from trackway.plan.config import check

DAY = 86_400_000_000
Make = Callable[..., House]


def test_an_event_reaches_the_lake_with_its_envelope_and_its_properties(house: Make) -> None:
    one = house()
    one.receive(
        {
            "event": "Signed Up",
            "event_id": "e1",
            "user_id": "ann",
            "time": "2026-09-20T10:00:00Z",
            "plan": "pro",
            "seats": 3,
        }
    )
    one.run()
    (event,) = one.events(
        "event_id", "event", "actor", "source", "plan", "seats", "block", "row", "epoch_us(time) as t"
    )
    assert event == {
        "event_id": "e1", "event": "Signed Up", "actor": "ann", "source": "web", "plan": "pro", "seats": 3.0,
        "block": 1, "row": 0, "t": 1_789_898_400_000_000,
    }  # fmt: skip
    assert one.bins() == {"received": 1, "stored": 1}


def test_one_bad_event_never_takes_a_good_one_with_it(house: Make) -> None:
    one = house()
    good = {"event": "A", "user_id": "u", "event_id": "e1"}
    one.receive(
        good,
        b'{"event": "A", "user_id":',
        {"user_id": "u"},
        {"event": "A", "event_id": "e3"},
        {"event": "A", "user_id": "u", "time": "yesterday"},
        {"event": "A", "user_id": "u", "time": "1900-01-01"},
        {"event": "A", "user_id": "u", "time": "3000-01-01"},
        b"[1, 2]",
        {"event": "B", "user_id": "u", "event_id": "e2"},
    )
    one.run()
    assert one.bins() == {"received": 9, "stored": 2, "refused": 7}
    assert [event["event_id"] for event in one.events("event_id")] == ["e1", "e2"]
    refused = one.lake.sql('select "row", reason from refused order by "row"').to_pylist()
    assert [(r["row"], r["reason"]) for r in refused] == [
        (1, "unreadable"), (2, "no_event"), (3, "no_actor"), (4, "no_time"), (5, "time_range"), (6, "time_range"),
        (7, "no_event"),
    ]  # fmt: skip


def test_a_refusal_keeps_the_bytes_as_they_came_and_what_was_read_of_them(house: Make) -> None:
    one = house()
    one.receive(b'{"event": "A",\t"plan": "caf\xc3\xa9"}', b'\xff\x00{"event"')
    one.run()
    rows = one.lake.sql('select raw, parsed, step, source from refused order by "row"').to_pylist()
    assert [row["raw"] for row in rows] == [b'{"event": "A",\t"plan": "caf\xc3\xa9"}', b'\xff\x00{"event"']
    assert rows[0]["parsed"] == '{"event":"A","plan":"café"}'
    assert {row["source"] for row in rows} == {"web"}


def test_the_same_events_again_are_duplicates_and_change_nothing(house: Make) -> None:
    one = house()
    events = [
        {"event": "A", "user_id": f"u{i}", "event_id": f"e{i}", "time": "2026-09-20T10:00:00Z"} for i in range(50)
    ]
    one.receive(*events)
    one.run()
    before = one.events()
    one.receive(*events[10:], *events[:20])
    one.run()
    assert one.events() == before
    assert one.bins() == {"received": 110, "stored": 50, "duplicate": 60}


def test_a_step_that_computes_with_a_number_goes_on_once_the_lake_has_it(house: Make) -> None:
    plan = check({"transforms": {"half": {"type": "set", "values": {"half": "n / 2"}}}}, Path())
    one = house(transforms=plan.transforms)
    for number in (3, 4):
        one.receive({"event": "A", "user_id": "u", "n": number})
        one.run()
    assert [event["half"] for event in one.events("half", order="half")] == [1.5, 2.0]


def test_a_copy_after_the_horizon_is_a_new_event(house: Make) -> None:
    one = house(dedup_horizon="30d")
    event = {"event": "A", "user_id": "u", "event_id": "e1"}
    for days in (0, 29, 31):
        one.now = NOW + days * DAY
        one.receive(event)
        one.run()
    assert one.bins() == {"received": 3, "stored": 2, "duplicate": 1}


def test_of_copies_that_differ_the_first_is_kept_and_the_difference_counted(house: Make) -> None:
    one = house()
    one.receive(
        {"event": "A", "user_id": "u", "event_id": "e1", "n": 1},
        {"event": "A", "user_id": "u", "event_id": "e1", "n": 2},
    )
    one.run()
    one.receive({"event": "A", "user_id": "u", "event_id": "e1", "n": 3})
    one.run()
    assert [event["n"] for event in one.events("n")] == [1.0]
    drift = [count for count in one.account().details if count.bin == "drift"]
    assert [(count.reason, count.records) for count in drift] == [("conflicting", 2)]


def test_equal_records_without_an_id_are_one_event_for_each_copy_of_a_payload(house: Make) -> None:
    one = house()
    line = {"event": "A", "user_id": "u", "time": "2026-09-20T10:00:00Z"}
    one.receive(line, line, {**line, "user_id": "v"})
    one.receive(line, line)
    one.run()
    assert one.bins() == {"received": 5, "stored": 3, "duplicate": 2}
    assert len({event["event_id"] for event in one.events("event_id")}) == 3


def test_a_value_of_another_type_stays_in_more_and_is_counted_as_drift(house: Make) -> None:
    one = house()
    one.receive({"event": "A", "user_id": "u", "event_id": "e1", "amount": 5})
    one.run()
    one.receive(
        {"event": "A", "user_id": "u", "event_id": "e2", "amount": "five"},
        {"event": "A", "user_id": "u", "event_id": "e3", "amount": 7},
    )
    one.run()
    assert one.events("event_id", "amount", "more", order="event_id") == [
        {"event_id": "e1", "amount": 5.0, "more": None},
        {"event_id": "e2", "amount": None, "more": '{"amount":"five"}'},
        {"event_id": "e3", "amount": 7.0, "more": None},
    ]
    assert dict(one.lake.schema().properties) == {"amount": "number"}


def test_property_names_beyond_the_most_stay_in_more(house: Make) -> None:
    one = house(max_columns=100)
    one.receive({"event": "A", "user_id": "u", "event_id": "e1", **{f"p{i:04}": i for i in range(5_000)}})
    one.run()
    assert len(one.lake.schema().properties) == 100
    (event,) = one.events("more")
    columns = one.lake.schema().properties
    (row,) = one.events()
    import json

    more = json.loads(event["more"])
    assert {**more, **{name: row[name] for name in columns}} == {f"p{i:04}": float(i) for i in range(5_000)}


def test_names_that_differ_only_in_case_or_that_the_lake_uses_find_a_place(house: Make) -> None:
    one = house()
    one.receive(
        {
            "event": "A",
            "user_id": "u",
            "event_id": "e1",
            "Plan": "pro",
            "date": "2026-01-01",
            "reason": "late",
            "source": "ad",
        }
    )
    one.receive({"event": "A", "user_id": "u", "event_id": "e2", "plan": "free", "Time": "x"})
    one.run()
    columns = set(one.lake.schema().properties)
    assert {"properties.date", "properties.source"} <= columns
    assert len({name.lower() for name in columns}) == len(columns)
    assert one.bins() == {"received": 2, "stored": 2}


def test_two_sources_bring_columns_of_one_name_and_different_kinds(house: Make) -> None:
    one = house()
    one.receive({"event": "A", "user_id": "u", "event_id": "e1", "size": 5}, source="a")
    one.receive({"event": "A", "user_id": "u", "event_id": "e2", "size": "large"}, source="b")
    one.run()
    rows = one.events("event_id", "size", "more", order="event_id")
    assert rows == [
        {"event_id": "e1", "size": 5.0, "more": None},
        {"event_id": "e2", "size": None, "more": '{"size":"large"}'},
    ]


def test_a_codec_that_fails_costs_the_block_and_not_the_flow(house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = house()
    codec = registry.codec("json")
    decode = type(codec).decode

    def failing(self: Any, blocks: Any, known: Any) -> Any:
        if any(b"poison" in block.body for block in blocks):
            raise RuntimeError("boom")
        return decode(self, blocks, known)

    monkeypatch.setattr(type(codec), "decode", failing)
    one.receive({"event": "A", "user_id": "u", "event_id": "e1"})
    one.receive({"event": "poison", "user_id": "u"}, {"event": "A", "user_id": "u"})
    one.receive({"event": "A", "user_id": "u", "event_id": "e2"})
    one.run()
    assert one.bins() == {"received": 4, "stored": 2, "refused": 2}
    assert "boom" in one.lake.refused()["detail"][0].as_py()


def test_a_codec_that_miscounts_is_corrected(house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = house()
    codec = registry.codec("json")
    decode = type(codec).decode

    def miscounting(self: Any, blocks: Any, known: Any) -> Any:
        table = decode(self, blocks, known)
        return table.take([0, 0, 2])

    monkeypatch.setattr(type(codec), "decode", miscounting)
    one.receive(*({"event": "A", "user_id": "u", "event_id": f"e{i}"} for i in range(4)))
    one.run()
    assert one.bins() == {"received": 4, "stored": 2, "refused": 2}
    assert sorted(one.lake.refused()["row"].to_pylist()) == [1, 3]


def test_only_one_flow_runs_on_a_workspace(house: Make) -> None:
    one = house()
    with one.flow(), pytest.raises(WorkspaceError, match="another process runs the flow"):
        one.flow()
    one.flow().close()


def test_a_journal_that_was_replaced_is_noticed(house: Make) -> None:
    one = house()
    one.receive({"event": "A", "user_id": "u"})
    one.run()
    for path in one.journal.folder.glob("*.sqlite*"):
        path.unlink()
    one.journal.close()
    fresh = House(one.plan.root)
    with pytest.raises(WorkspaceError, match="journal ends at 0"):
        fresh.flow()
    fresh.close()


def test_a_full_disk_is_waited_for_and_loses_nothing(house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = house()
    one.receive({"event": "A", "user_id": "u", "event_id": "e1"}, b"bad")
    commit, tries = one.lake.commit, []

    def full(*arguments: Any) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise StorageError("no space left on device")
        return commit(*arguments)

    monkeypatch.setattr(one.lake, "commit", full)
    with one.flow() as runner:
        for _ in range(2):
            with pytest.raises(StorageError):
                runner.step()
        runner.step()
    assert one.bins() == {"received": 2, "stored": 1, "refused": 1}
    assert one.lake.refused().num_rows == 1


def test_the_loop_stores_what_arrives_until_told_to_stop(house: Make) -> None:
    one, stop = house(), threading.Event()
    with one.flow() as runner:
        loop = threading.Thread(target=runner.run, args=(stop, 0.01))
        loop.start()
        one.receive({"event": "A", "user_id": "u"})
        for _ in range(200):
            if one.bins() == {"received": 1, "stored": 1}:
                break
            stop.wait(0.02)
        stop.set()
        loop.join()
    assert one.bins() == {"received": 1, "stored": 1}


def test_a_backlog_is_taken_in_many_batches_read_ahead(house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackway.flow.runner.BATCH", 5)
    one = house()
    for number in range(30):
        one.receive(*({"event": "A", "user_id": "u", "event_id": f"{number}-{i}", f"p{number}": i} for i in range(4)))
    one.run(8)
    assert one.bins() == {"received": 120, "stored": 120}
    assert len(one.lake.schema().properties) == 30


# ── law 1: conserved, across crashes between any two stages ─────────────────────────────────────────

STAGES = [
    ("lake", "refuse"), ("lake", "add_identities"), ("lake", "commit"), ("dedup", "add"), ("control", "add"),
    ("facts", "add"),
]  # fmt: skip
RECORDS = st.one_of(
    st.builds(
        lambda user, anonymous, n, value: {
            "event": "A", "user_id": user, "anonymous_id": anonymous, "event_id": f"e{n}", "value": value,
            "time": "2026-09-20T10:00:00Z",
        },
        st.sampled_from([None, "u1", "u2"]), st.sampled_from([None, "a1", "a2"]), st.integers(0, 30),
        st.sampled_from([1, "x", True, None, [1], {"k": 2}]),
    ),
    st.sampled_from([b"", b"{", b"null", b"[]", b'"text"', b"\x00\xff", b'{"event":"A"}',
                     b'{"event":"A","user_id":"u","time":"1900-01-01"}']),
)  # fmt: skip


class Crash(Exception):
    """Stands for the end of the process."""


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payloads=st.lists(st.lists(RECORDS, min_size=1, max_size=6), min_size=1, max_size=6),
    crashes=st.lists(st.tuples(st.sampled_from(STAGES), st.booleans()), max_size=4),
    most=st.sampled_from([1, 3, 1000]),
)
def test_every_record_ends_in_one_bin_wherever_the_flow_dies(
    house: Make, payloads: Any, crashes: Any, most: int
) -> None:
    one = house()
    for payload in payloads:
        one.receive(*payload)
    for stage, after in crashes:
        die(one, stage, after=after, most=most)
        one.account()
    one.run(most)
    account = one.account()
    assert account.pending == 0
    assert account.received == sum(map(len, payloads))
    assert account.stored == len(one.events("block"))
    refused = one.lake.refused()
    assert (
        account.refused
        == refused.num_rows
        == len(set(zip(refused["block"].to_pylist(), refused["row"].to_pylist(), strict=True)))
    )
    keys = [(event["source"], event["event_id"]) for event in one.events("source", "event_id")]
    assert len(keys) == len(set(keys))


def die(one: House, stage: tuple[str, str], *, after: bool, most: int) -> None:
    """Run until a stage is reached, and end just before or after it, as a killed process would."""
    runner = one.flow()
    part = {"lake": one.lake, "control": one.control, "dedup": runner._dedup, "facts": runner._facts}[stage[0]]
    real = getattr(part, stage[1])

    def dying(*arguments: Any) -> Any:
        if after:
            real(*arguments)
        raise Crash

    setattr(part, stage[1], dying)
    try:
        while runner.step(most):
            pass
    except Crash:
        pass
    finally:
        if hasattr(type(part), stage[1]):
            delattr(part, stage[1])
        runner._ahead.close()
        runner._shaper.close()
        __import__("os").close(runner._lock)
        runner._lock = -1


# ── law 3: order and repetition do not matter ───────────────────────────────────────────────────────

STABLE = "event_id, time, source, event, actor, user_id, anonymous_id, tie, plan, amount, seats, more->>'seats' as odd"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_permutation_split_repetition_or_overlap_gives_the_same_events(house: Make, data: st.DataObject) -> None:
    events = [
        {
            "event": f"E{i % 3}", "event_id": f"e{i}", "anonymous_id": f"a{i % 5}",
            "user_id": f"u{i % 5}" if i % 4 == 0 else None, "time": f"2026-09-{1 + i % 20:02}T10:00:00Z",
            "plan": ["free", "pro"][i % 2], "amount": i / 4, "seats": [i, "many", i / 2, None, True][i % 5],
            "size": [i, "large", i / 2, None, True][i % 5],
        }
        for i in range(24)
    ]  # fmt: skip
    contracts = {"any": Contract(event="*", mode="evolve", properties={"seats": "integer"})}
    straight = house(contracts=contracts)
    straight.receive(*events)
    straight.run()
    shuffled = house(contracts=contracts)
    order = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=12))))
    while order:
        size = data.draw(st.integers(1, len(order)))
        shuffled.receive(*order[:size])
        order = order[size:]
        if data.draw(st.booleans()):
            shuffled.run(data.draw(st.sampled_from([1, 5, 1000])))
    shuffled.run()
    assert shuffled.lake.schema()["seats"] == "integer"
    assert shuffled.events(STABLE) == straight.events(STABLE)
    assert sizes(shuffled) == sizes(straight) == [_text(event["size"]) for event in by_time(events)]


def test_values_of_another_kind_than_their_column_are_kept_and_counted_as_drift(house: Make) -> None:
    one = house()
    for number, size in enumerate([1, "large", 2.5, True]):
        one.receive({"event": "A", "event_id": f"e{number}", "user_id": "u", "size": size})
        one.run()
    assert one.events("size", "more", order="event_id") == [
        {"size": 1.0, "more": None}, {"size": None, "more": '{"size":"large"}'},
        {"size": 2.5, "more": None}, {"size": None, "more": '{"size":true}'},
    ]  # fmt: skip
    details = one.account().details
    assert [(c.step, c.reason, c.records) for c in details if c.bin == "drift"] == [("size", "type", 2)]


def sizes(one: House) -> list[str | None]:
    """The values of a property that nobody declared, wherever they are."""
    rows = one.events("size", "more")
    return [
        _text(row["size"] if row["size"] is not None else json.loads(row["more"] or "{}").get("size")) for row in rows
    ]


def by_time(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(events, key=lambda event: (event["time"], event["event_id"]))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value).removesuffix(".0")
