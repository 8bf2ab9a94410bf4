"""Large batches are read in parts on several cores: what comes out is what reading them at once gives."""

import orjson
import pytest

from trackway.flow import decoding
from trackway.flow.decoding import decode
from trackway.model.event import Block
from trackway.plan import registry


def read(bodies, part, monkeypatch):
    """The events of NDJSON bodies, read in parts of so many bytes."""
    monkeypatch.setattr(decoding, "PART", part)
    blocks = [
        Block(seq, "web", 0, "json", body, registry.codec("json").count(body, {"lines": "yes"}), {"lines": "yes"})
        for seq, body in enumerate(bodies)
    ]
    (decoded,) = decode(blocks, {})
    return decoded


def lines(*events):
    return b"\n".join(map(orjson.dumps, events))


CASES = {
    "alike": [lines({"event": "a", "n": number, "plan": "pro"}) for number in range(20)],
    "a column of two types": [lines({"event": "a", "n": 1.5}), lines({"event": "a", "n": "x"}), lines({"event": "b"})],
    "names that differ in case": [lines({"event": "a", "Plan": "x"}), lines({"event": "a", "plan": "y"})],
    "columns of one part only": [
        lines({"event": "a", "x": True}),
        lines({"event": "b", "y": [1]}),
        lines({"z": {"q": 1}}),
    ],
    "refusals": [b"nonsense", lines({"event": "a"}), b'{"event": "\xff"}', lines({"event": "b", "time": "never"})],
}


@pytest.mark.parametrize("name", CASES)
def test_parts_are_read_as_the_whole(name, monkeypatch):
    whole = read(CASES[name], 1 << 30, monkeypatch)
    parts = read(CASES[name], 1, monkeypatch)
    assert parts.events.select(whole.events.column_names).to_pylist() == whole.events.to_pylist()
    assert set(parts.events.column_names) == set(whole.events.column_names)
    assert parts.refused.to_pylist() == whole.refused.to_pylist()


def test_more_columns_than_a_batch_may_have_are_counted_over_all_parts(monkeypatch):
    bodies = [lines({"event": "a", **{f"c{number}": 1 for number in range(some, some + 1500)}}) for some in (0, 1500)]
    whole, parts = read(bodies, 1 << 30, monkeypatch), read(bodies, 1, monkeypatch)
    assert "more" in whole.events.column_names
    assert parts.events.to_pylist() == whole.events.to_pylist()
