"""Application logs: what Python's logging really writes, stack traces, files cut anywhere."""

import gzip
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.codecs.application_log import ApplicationLog
from trackway.errors import TrackwayError
from trackway.flow.detect import detect
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.model.size import Size
from trackway.sources.file import File

GOLDEN = Path(__file__).parent / "application_log"
FORMATS = (
    "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    "%(asctime)s %(levelname)-8s [%(name)s] (%(threadName)s) %(message)s",
    "%(asctime)s [%(levelname)s] %(name)s: %(message)s",
    "[%(asctime)s] %(levelname)s in %(module)s: %(message)s",
    "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s",
    "%(asctime)s %(levelname)s %(message)s",
    logging.BASIC_FORMAT,
)


def rows(block: Block) -> list[dict]:
    codec = ApplicationLog()
    assert codec.count(block.body, block.headers) == block.records
    table = codec.decode([block], Schema())
    table.validate(full=True)
    return table.to_pylist()


def write(path: Path, format_: str) -> None:
    """Four entries: the third with a stack trace, the last of two lines."""
    log = logging.getLogger("shop.cart")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter(format_))
    log.addHandler(handler)
    log.info("added %d items", 3)
    log.warning("slow: %s", "12 s")
    try:
        int("no money")
    except ValueError:
        log.exception("payment failed")
    log.error("two\n  lines")
    log.removeHandler(handler)
    handler.close()


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("told", [False, True])
def test_what_python_logs_is_read_back(tmp_path, format_, told):
    path = tmp_path / "app.log"
    write(path, format_)
    found = detect(path)
    assert (found.codec, found.form) == ("application_log", "entries")
    headers = {"format": format_} if told else dict(found.headers)
    read = rows(Block(1, "app", 0, "application_log", path.read_bytes(), 4, headers))
    assert [row["reason"] for row in read] == [None] * 4
    assert [row["message"] for row in read] == ["added 3 items", "slow: 12 s", "payment failed", "two"]
    assert [row["level"] for row in read] == ["INFO", "WARNING", "ERROR", "ERROR"]
    assert [row["exception.type"] for row in read] == [None, None, "ValueError", None]
    assert [row["exception.message"] for row in read][2].endswith("'no money'")
    assert read[3]["stack"] == "  lines"
    if "asctime" in format_:
        assert all(abs((row["time"] - datetime.now(UTC)).total_seconds()) < 86_400 for row in read)


@pytest.mark.parametrize("block", ["1B", "50B", "1MB"])
@pytest.mark.parametrize("name", ["python", "spring"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_entry_stays_together_however_the_file_is_cut(tmp_path, block, name, pack):
    path = tmp_path / "app.log"
    path.write_bytes(pack((GOLDEN / f"{name}.in").read_bytes() * 3))
    kept = []

    def keep(payloads):
        kept.extend(payloads)
        return [0] * len(payloads)

    list(File(paths=[str(path)], block=Size(block)).read("app", keep, {}, threading.Event()))
    read = [
        row
        for number, p in enumerate(kept)
        for row in rows(Block(number, "app", 0, p.codec, p.body, p.records, p.headers))
    ]
    whole = rows(Block(1, "app", 0, "application_log", (GOLDEN / f"{name}.in").read_bytes() * 3, 9, kept[0].headers))
    wanted = ("time", "level", "message", "stack", "exception.type", "raw")
    assert [[row.get(key) for key in wanted] for row in read] == [[row.get(key) for key in wanted] for row in whole]


def test_a_time_without_a_zone_is_of_the_zone_told():
    headers = {"format": "%(asctime)s %(message)s", "zone": "Europe/Berlin"}
    body = b"2026-07-01 12:00:00,000 summer\n2026-01-01 12:00:00,000 winter\n"
    assert [row["time"].hour for row in rows(Block(1, "a", 0, "application_log", body, 2, headers))] == [10, 11]


@pytest.mark.parametrize("format_", ["%(levelname)s", "%d %m %Q", "%d %p"])
def test_a_pattern_without_meaning_is_refused(format_):
    with pytest.raises(TrackwayError, match="pattern"):
        ApplicationLog().check({"format": format_})


PIECES = st.sampled_from(
    [b"2026-05-17 10:05:03,123", b" - ", b"INFO", b"a.b", b"\n", b"\r\n", b" ", b"Traceback", b"\xff", b"\t", b"["]
)


@given(st.lists(PIECES, max_size=30).map(b"".join), st.sampled_from(FORMATS))
def test_any_lines_give_as_many_rows_as_counted(body, format_):
    headers = {"format": format_}
    rows(Block(1, "a", 0, "application_log", body, ApplicationLog().count(body, headers), headers))
