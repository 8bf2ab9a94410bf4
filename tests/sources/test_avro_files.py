"""Avro through the file source: known by its beginning, read in parts, and each record once, ids or not."""

import io
import threading

import pytest

from pulling import Puller
from trackway.sources.file import File

fastavro = pytest.importorskip("fastavro")
SCHEMA = {"type": "record", "name": "Visit", "fields": [
    {"name": "event", "type": "string"}, {"name": "user_id", "type": "string"}, {"name": "n", "type": "int"},
]}  # fmt: skip


def visits(path, count, packing="deflate", **options):
    out = io.BytesIO()
    rows = ({"event": "Visit", "user_id": "ann", "n": n // 2} for n in range(count))
    fastavro.writer(out, SCHEMA, rows, codec=packing, sync_interval=200, **options)
    path.write_bytes(out.getvalue())


@pytest.fixture
def puller(tmp_path):
    return Puller(tmp_path, type="file", paths=[str(tmp_path / "*.avro")], block="1KB")


@pytest.mark.parametrize("packing", ["null", "deflate"])
def test_records_without_an_id_are_stored_once_also_those_that_are_alike(puller, tmp_path, packing):
    visits(tmp_path / "a.avro", 1_000, packing)
    puller.pull()
    puller.pull()
    assert puller.bins() == {"received": 1_000, "stored": 1_000}
    (tmp_path / "a.avro").rename(tmp_path / "b.avro")
    visits(tmp_path / "c.avro", 10)
    puller.pull()
    assert puller.bins()["stored"] == 1_010


def test_reading_that_was_stopped_goes_on_after_what_was_kept(tmp_path):
    visits(tmp_path / "a.avro", 1_000)
    kept, cursors, stop = [], {}, threading.Event()
    source = File(paths=[str(tmp_path / "a.avro")], block="1KB")

    def keep(payloads):
        for payload in payloads:
            kept.append(payload.records)
            cursors.update(payload.cursors)

    for _ in source.read("files", keep, {}, stop):
        stop.set()
    assert 0 < sum(kept) < 1_000
    list(source.read("files", keep, dict(cursors), threading.Event()))
    assert sum(kept) == 1_000


def test_a_file_that_is_cut_off_tells_so_and_gives_what_is_whole(puller, tmp_path):
    visits(tmp_path / "a.avro", 1_000)
    whole = (tmp_path / "a.avro").read_bytes()
    (tmp_path / "a.avro").write_bytes(whole[: len(whole) // 2])
    puller.pull()
    bins = puller.bins()
    assert bins["refused"] == 1
    assert bins["stored"] > 300
    assert puller.rows("select reason from refused") == [{"reason": "truncated"}]


def test_a_block_that_is_damaged_costs_itself(puller, tmp_path):
    visits(tmp_path / "a.avro", 1_000, sync_marker=b"0123456789abcdef")
    data = bytearray((tmp_path / "a.avro").read_bytes())
    place = data.index(b"0123456789abcdef", len(data) // 2) - 6
    data[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.avro").write_bytes(data)
    puller.pull()
    bins = puller.bins()
    assert bins["received"] == 1_000
    assert 0 < bins["refused"] < 200
