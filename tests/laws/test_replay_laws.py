"""The laws of a replay: the same pipeline changes nothing; another one gives what a fresh load with it gives."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from houses import NOW, House
from trackway.flow.compared import Comparison
from trackway.flow.replay import Replay
from trackway.plan.config import check

SECOND = 1_000_000
WAYS = ("made", "stored", "duplicate", "dropped", "refused")
MENDED = [
    {},
    {"transforms": {"name": {"type": "rename", "columns": {"plan": "tier"}}}},
    {"transforms": {"out": {"type": "drop_events", "where": "event = 'B'"}}},
    {"transforms": {"who": {"type": "identify", "user_id": ["mail"]}}},
    {"transforms": {"half": {"type": "set", "values": {"half": "n / 2"}, "where": "event <> 'A'"}}},
    {"transforms": {"lines": {"type": "explode", "column": "cart", "into": "line", "where": "event <> 'C'"}}},
    {"contracts": {"a": {"event": "A", "mode": "refuse", "required": ["plan"]}}},
    {"contracts": {"all": {"event": "*", "mode": "refuse", "properties": {"n": "number"}, "required": ["n"]}}},
]  # fmt: skip
"""Pipelines that a story goes through one after the other."""


def under(root: Path, tables: dict[str, Any]) -> House:
    """A workspace with these transforms and contracts; the same data when it is the same folder."""
    plan = check({"sources": {"web": {"type": "http"}, "app": {"type": "http"}}, **tables}, root)
    return House(root, sources=plan.sources, transforms=plan.transforms, contracts=plan.contracts)


def replay(one: House, *, first: int = 0, last: int = 1 << 62, source: str = "web", dry: bool = False) -> Comparison:
    with Replay(one.plan, one.journal, one.lake, one.control, writes=not dry, clock=lambda: one.now) as made:
        found = made.compare(source, first, last)
        if not dry:
            made.commit()
    return found


def whole(one: House) -> dict[str, Any]:
    """All that a lake holds and a ledger says, but when it was stored, and under which plan refused."""
    names = [name for name in one.lake.schema() if name not in ("stored_at", "actor")]
    shown = ", ".join(f'"{name}"' for name in names)
    events = one.lake.sql(f"select {shown}, actor from events order by block, row").to_pylist()
    refused = one.lake.sql(
        "select source, reason, detail, step, block, row, raw, parsed from refused order by block, row"
    ).to_pylist()
    counts = {
        (source, c.bin, c.step, c.reason): c.records
        for source in ("web", "app") for c in one.account(source).details if c.bin in WAYS
    }  # fmt: skip
    return {
        "events": [{name: value for name, value in event.items() if value is not None} for event in events],
        "refused": refused, "counts": counts,
    }  # fmt: skip


records = st.fixed_dictionaries(
    {"event": st.sampled_from(["A", "B", "C"])},
    optional={
        "event_id": st.sampled_from([f"e{n}" for n in range(6)]), "user_id": st.sampled_from(["ann", "bob"]),
        "anonymous_id": st.sampled_from(["x", "y"]), "plan": st.sampled_from(["free", "pro"]),
        "cart": st.lists(st.fixed_dictionaries({"sku": st.sampled_from("xyz")}), max_size=3),
        "n": st.integers(0, 9), "mail": st.sampled_from(["m1", "m2"]),
        "time": st.sampled_from([f"2026-09-{day}T10:00:00Z" for day in (18, 19, 20)]),
    },
)  # fmt: skip
payloads = st.lists(
    st.tuples(
        st.sampled_from(["web", "web", "app"]), st.lists(records | st.just(b'{"event":'), min_size=1, max_size=5)
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def receive(one: House, story: Any, cut: int) -> None:
    """The payloads, a second apart, stored in batches of so many records."""
    for number, (source, events) in enumerate(story):
        one.now = NOW + number * SECOND
        one.receive(*events, source=source)
        if number % 2:
            one.run(cut)
    one.run(cut)


@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(payloads, st.integers(1, 6), st.integers(0, 5), st.integers(0, 5))
def test_a_replay_through_the_same_pipeline_changes_nothing(story: Any, cut: int, first: int, length: int) -> None:
    with tempfile.TemporaryDirectory() as root, closing(under(Path(root), {})) as one:
        receive(one, story, cut)
        before, version = whole(one), one.lake.version()
        last = NOW + (first + length) * SECOND
        if one.journal.span("web", NOW + first * SECOND, last) is not None:
            found = replay(one, first=NOW + first * SECOND, last=last)
            assert found.nothing, found.as_json()
            assert (one.lake.version(), whole(one)) == (version, before)


@pytest.mark.long
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(payloads, st.integers(1, 6), st.lists(st.sampled_from(range(len(MENDED))), min_size=2, max_size=3))
def test_a_replay_through_a_mended_pipeline_gives_what_a_fresh_load_gives(
    story: Any, cut: int, plans: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as root:
        with closing(under(Path(root) / "one", MENDED[plans[0]])) as one:
            receive(one, story, cut)
        for plan in plans[1:]:
            with closing(under(Path(root) / "one", MENDED[plan])) as one:
                for source in ("web", "app"):
                    if one.journal.span(source, 0, 1 << 62) is not None:
                        told = replay(one, source=source, dry=True)
                        done = replay(one, source=source)
                        assert told.as_json() == done.as_json()
                        assert one.account(source).balanced
                        assert replay(one, source=source, dry=True).nothing
                replayed = whole(one)
        with closing(under(Path(root) / "other", MENDED[plans[-1]])) as other:
            receive(other, story, cut)
            assert replayed == whole(other)
