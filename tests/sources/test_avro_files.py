"""Avro files as fastavro writes them: every packing, any size of block, cut off and damaged, read once and again."""

import datetime as dt
import io
import threading

import pytest

from houses import House
from trackway.plan.config import check
from trackway.sources.file import File

fastavro = pytest.importorskip("fastavro")
ORDER = {
    "type": "record", "name": "Order", "fields": [
        {"name": "event", "type": "string"}, {"name": "user_id", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "total", "type": "double"},
        {"name": "ship", "type": {"type": "record", "name": "Address", "fields": [{"name": "city", "type": "string"}]}},
    ],
}  # fmt: skip
AT = dt.datetime(2026, 5, 17, 10, 5, 3, tzinfo=dt.UTC)


def written(records, codec="null", block=1_000):
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(ORDER), records, codec=codec, sync_interval=block)
    return out.getvalue()


def orders(count):
    return [
        {"event": "Order", "user_id": f"u{n % 7}", "time": AT, "total": float(n), "ship": {"city": "Köln"}}
        for n in range(count)
    ]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "house")
    yield made
    made.close()


def load(house, path, **options):
    table = {"type": "file", "paths": [str(path)], **options}
    source = check({"sources": {"files": table}}, house.plan.root).sources["files"]
    for _ in source.read("files", house.journal.append, house.journal.cursors("files"), threading.Event()):
        pass
    house.run()


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
@pytest.mark.parametrize("block", ["8MB", "500B"])
def test_every_packing_is_read_in_pieces_of_any_size(house, tmp_path, codec, block):
    (tmp_path / "orders.avro").write_bytes(written(orders(100), codec))
    load(house, tmp_path / "orders.avro", block=block)
    assert house.bins("files") == {"received": 100, "stored": 100}
    rows = house.events("time", "total", '"ship.city"', "actor", order="total")
    assert [row["total"] for row in rows] == [float(n) for n in range(100)]
    assert {(row["time"], row["ship.city"]) for row in rows} == {(AT, "Köln")}
    assert {row["actor"] for row in rows} == {f"u{n}" for n in range(7)}


def test_records_that_are_equal_are_as_many_events_and_no_more_when_read_again(house, tmp_path):
    (tmp_path / "a.avro").write_bytes(written(orders(3) * 5, "deflate"))
    load(house, tmp_path / "a.avro")
    (tmp_path / "b.avro").write_bytes((tmp_path / "a.avro").read_bytes())
    load(house, tmp_path / "*.avro")
    assert house.bins("files")["stored"] == 15


def test_a_restart_goes_on_where_it_was(house, tmp_path):
    (tmp_path / "a.avro").write_bytes(written(orders(200)))
    source, stop = File(paths=[str(tmp_path / "a.avro")], block="500B"), threading.Event()
    for _ in source.read("files", house.journal.append, {}, stop):
        stop.set()
    part = sum(total.records for total in house.journal.received().values())
    assert 0 < part < 200
    load(house, tmp_path / "a.avro", block="500B")
    assert house.bins("files") == {"received": 200, "stored": 200}


@pytest.mark.parametrize("cut", [5, 60, 1_000, 3_000])
def test_what_is_cut_off_is_refused_and_all_before_it_goes_through(house, tmp_path, cut):
    whole = written(orders(200))
    (tmp_path / "a.avro").write_bytes(whole[: len(whole) - cut] if cut > 100 else whole[:cut])
    load(house, tmp_path / "a.avro")
    bins = house.bins("files")
    assert bins["refused"] == 1
    assert bins.get("stored", 0) == bins["received"] - 1
    assert (bins.get("stored", 0) > 50) == (cut > 100)


def test_a_damaged_block_costs_itself(house, tmp_path):
    whole = bytearray(written(orders(200), "deflate"))
    place = len(whole) // 2
    whole[place : place + 8] = b"\xff" * 8
    (tmp_path / "a.avro").write_bytes(bytes(whole))
    load(house, tmp_path / "a.avro")
    bins = house.bins("files")
    assert bins["refused"] >= 1
    assert bins["stored"] > 50
