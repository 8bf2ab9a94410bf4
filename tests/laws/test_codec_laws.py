"""What holds for every codec: golden pairs, counting and decoding agree, and no bytes make it raise.

A codec takes part by a folder of its name in tests/codecs: `NAME.in` is a payload, `NAME.out.json` what is
read in it (without empty columns), `NAME.headers.json` the headers of its block when it needs some.
"""

import json
import random
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trackway.errors import PayloadError
from trackway.flow.decoding import checked
from trackway.model.event import DECODED, Block, Reason
from trackway.model.schema import ARROW, ENVELOPE, Schema
from trackway.plan import registry

CODECS = Path(__file__).parents[1] / "codecs"
PAYLOADS = sorted(CODECS.glob("*/*.in"))
NAMES = sorted({path.parent.name for path in PAYLOADS})
KINDS = set(ARROW.values())


def codec(name):
    return registry.load("codecs", name)()


def headers(path: Path) -> dict[str, str]:
    beside = path.with_suffix(".headers.json")
    return json.loads(beside.read_text()) if beside.exists() else {}


def block(name: str, body: bytes, records: int, kept: dict[str, str], seq: int = 1) -> Block:
    return Block(seq, "web", 0, name, body, records, kept)


def rows(table: pa.Table) -> list[dict[str, object]]:
    """Rows as a person would write them."""
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()
         if value is not None and name not in ("block", "row", "raw")}
        for row in table.to_pylist()
    ]  # fmt: skip


def check(name: str, body: bytes, kept: dict[str, str]) -> pa.Table | None:
    """Count, decode, and everything that must hold then; None for a payload that is not taken in."""
    try:
        records = codec(name).count(body, kept)
    except PayloadError:
        return None
    table = codec(name).decode([block(name, body, records, kept)], Schema())
    table.validate(full=True)
    assert table.column_names[:5] == DECODED.names
    assert checked(table).num_rows == records
    assert table["row"].to_pylist() == list(range(records))
    assert set(table["block"].to_pylist()) <= {1}
    assert set(table["reason"].to_pylist()) - {None} <= set(Reason)
    for field in table.schema:
        assert field.name, "a column without a name"
        assert field.name in DECODED.names or field.type in KINDS
        assert field.name not in ENVELOPE or field.type == ARROW[ENVELOPE[field.name]]
    for raw in table["raw"].to_pylist():
        assert raw in body
    return table


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_payload_is_read_as_its_golden_pair_says(path):
    table = check(path.parent.name, path.read_bytes(), headers(path))
    assert table is not None
    assert rows(table) == json.loads(path.with_suffix(".out.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_many_blocks_at_once_are_read_as_one_by_one(name):
    paths = [path for path in PAYLOADS if path.parent.name == name] * 3
    random.Random(4).shuffle(paths)
    made = codec(name)
    blocks = [
        block(name, path.read_bytes(), made.count(path.read_bytes(), headers(path)), headers(path), seq=10 + 3 * number)
        for number, path in enumerate(paths)
    ]
    known = Schema({"plan": "string", "n": "string"})
    together = made.decode(blocks, known)
    alone = [made.decode([one], known) for one in blocks]
    assert rows(together) == [row for table in alone for row in rows(table)]
    for name_ in ("block", "row", "raw"):
        assert together[name_].to_pylist() == [value for table in alone for value in table[name_].to_pylist()]


@pytest.mark.parametrize("name", NAMES)
def test_no_blocks_are_no_rows(name):
    assert codec(name).decode([], Schema()).num_rows == 0


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=40), dice=st.randoms(use_true_random=False))
@example(body=b"", dice=random.Random(1))
@example(body=b"[" * 2000, dice=random.Random(1))
@example(body=b'{"batch": [{"a": 1}', dice=random.Random(1))
@example(body=b"\x00" * 20, dice=random.Random(1))
def test_no_bytes_make_it_raise(name, body, dice):
    path = dice.choice([path for path in PAYLOADS if path.parent.name == name])
    golden = path.read_bytes()
    check(name, body, headers(path))
    place = dice.randrange(len(golden) + 1)
    check(name, golden[:place] + body[:3] + golden[place + dice.randrange(4) :], headers(path))
    check(name, golden[:place], headers(path))
