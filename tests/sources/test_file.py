"""The file source: every line once, whatever the file is packed in and however it is rotated."""

import bz2
import gzip
import json
import logging
import os
import random
import shutil
import threading
import time
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackway.errors import ConfigError, TrackwayError
from trackway.flow.spans import read_copies
from trackway.plan import registry
from trackway.plan.config import component
from trackway.sources import file as module
from trackway.sources.file import File


class Kept:
    """A journal in memory: payloads and cursors, as one transaction each."""

    def __init__(self, cursors=None):
        self.payloads = []
        self.cursors = dict(cursors or {})

    def __call__(self, payloads):
        for payload in payloads:
            count = registry.load("codecs", payload.codec)().count(payload.body, payload.headers)
            assert count == payload.records
            self.payloads.append(payload)
            self.cursors.update(payload.cursors)
        return list(range(len(payloads)))

    @property
    def lines(self):
        """Records of the blocks of lines, in order."""
        return [line for p in self.payloads if p.codec != "refused" for line in p.body.split(b"\n") if line]

    @property
    def refused(self):
        """Reason and beginning of what the source refused."""
        return [(p.headers["reason"], p.body[:20]) for p in self.payloads if p.codec == "refused"]

    @property
    def ids(self):
        """Each record and which copy of it in its file it is."""
        found = []
        for p in self.payloads:
            copies = read_copies(p.headers.get("repeats", ""), p.records).tolist()
            found += zip([line for line in p.body.split(b"\n") if line], copies, strict=True)
        return found


def read(*paths, cursors=None, **options):
    kept = Kept(cursors)
    source = File(paths=[str(path) for path in paths], **options)
    progress = list(source.read("files", kept, dict(cursors or {}), threading.Event()))
    kept.progress = progress
    return kept


LINES = [json.dumps({"event": "e", "n": n}).encode() for n in range(50)]
TEXT = b"\n".join(LINES) + b"\n"


def pack_zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


# ── once ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, pack_zstd], ids=["plain", "gz", "bz2", "zst"])
def test_every_packing_is_known_by_its_first_bytes(tmp_path, pack):
    (tmp_path / "events").write_bytes(pack(TEXT))
    kept = read(tmp_path / "events")
    assert kept.lines == LINES
    assert kept.payloads[0].codec == "json"
    assert kept.progress[-1][0] == kept.progress[-1][1] == (tmp_path / "events").stat().st_size


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, pack_zstd], ids=["gz", "bz2", "zst"])
def test_several_members_one_after_another_are_one_file(tmp_path, pack):
    (tmp_path / "events").write_bytes(pack(TEXT[:100]) + pack(TEXT[100:]))
    assert read(tmp_path / "events").lines == LINES


@pytest.mark.parametrize("pack", [gzip.compress, pack_zstd], ids=["gz", "zst"])
def test_of_a_packed_file_that_is_cut_off_all_that_came_before_goes_through(tmp_path, pack):
    noise = random.Random(1)
    lines = [json.dumps({"event": "e", "n": noise.random()}).encode() for _ in range(50_000)]
    packed = pack(b"\n".join(lines) + b"\n")
    (tmp_path / "events").write_bytes(packed[: len(packed) // 2])
    kept = read(tmp_path / "events")
    assert len(kept.lines) > 15_000
    assert kept.lines == lines[: len(kept.lines)]
    [(reason, raw)] = kept.refused
    assert reason == "truncated"
    assert lines[len(kept.lines)].startswith(raw[:20])


def test_of_a_damaged_gzip_all_before_the_damage_goes_through(tmp_path):
    packed = bytearray(gzip.compress(TEXT * 2000))
    packed[-6] ^= 1
    (tmp_path / "events").write_bytes(packed)
    kept = read(tmp_path / "events")
    assert kept.lines == LINES * 2000
    assert [reason for reason, _ in kept.refused] == ["truncated"]


@pytest.mark.parametrize(
    ("text", "codec", "records"),
    [
        (b'{"event": "a"}\n{broken\n{"event": "b"}\n', "json", 3),
        (b'[{"event": "a"},\n {"event": "b"}]', "json", 2),
        (b'{\n "event": "a"\n}\n', "json", 1),
        (b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1\n', "access_log", 1),
        (b"event,time\na,2015-05-17\nb,2015-05-18\n", "csv", 2),
        (b"event;user_id\na;1\n", "csv", 1),
        (b"event\tuser_id\na\t1\n", "csv", 1),
        (b"", None, 0),
        (b"\n  \n", None, 0),
    ],
)
def test_the_format_is_found(tmp_path, text, codec, records):
    (tmp_path / "file").write_bytes(text)
    kept = read(tmp_path / "file")
    assert {payload.codec for payload in kept.payloads} == ({codec} if codec else set())
    assert sum(payload.records for payload in kept.payloads) == records


def test_a_file_nobody_knows_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "poem.txt").write_text("O rose, thou art sick\nThe invisible worm\n")
    with pytest.raises(TrackwayError, match=r"cannot tell the format of .*poem.txt") as raised:
        read(tmp_path / "poem.txt")
    assert "codec =" in raised.value.hint


def test_a_codec_that_is_named_is_not_guessed(tmp_path):
    (tmp_path / "poem.txt").write_text("O rose, thou art sick\n")
    assert read(tmp_path / "poem.txt", codec="access_log").payloads[0].codec == "access_log"


def test_parquet_is_read_in_slices(tmp_path):
    table = pa.table({"event": ["e"] * 120_000, "n": list(range(60_000)) * 2})
    pq.write_table(table, tmp_path / "events")
    kept = read(tmp_path / "events")
    assert [payload.records for payload in kept.payloads] == [50_000, 50_000, 20_000]
    copies = [read_copies(p.headers.get("repeats", ""), p.records).sum() for p in kept.payloads]
    assert sum(copies) == 60_000


def test_a_parquet_file_that_is_cut_off_is_one_refusal(tmp_path):
    pq.write_table(pa.table({"event": ["e"]}), tmp_path / "events")
    whole = (tmp_path / "events").read_bytes()
    (tmp_path / "events").write_bytes(whole[:-10])
    assert [reason for reason, _ in read(tmp_path / "events").refused] == ["truncated"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_unicode_of_every_kind_is_read(tmp_path, encoding):
    text = '{"event": "Käufe"}\n{"event": "π"}\n'
    (tmp_path / "events").write_bytes(text.encode(encoding))
    assert [json.loads(line)["event"] for line in read(tmp_path / "events").lines] == ["Käufe", "π"]


def test_another_encoding_can_be_told(tmp_path):
    (tmp_path / "events").write_bytes('{"event": "Käufe"}\n'.encode("latin-1"))
    assert json.loads(read(tmp_path / "events", encoding="latin-1").lines[0]) == {"event": "Käufe"}


def test_windows_lines_blank_lines_and_a_missing_last_newline(tmp_path):
    (tmp_path / "events").write_bytes(b'{"event": "a"}\r\n\r\n   \n{"event": "b"}')
    assert read(tmp_path / "events").lines == [b'{"event": "a"}', b'{"event": "b"}']


def test_a_huge_line_is_refused_with_its_first_bytes_in_bounded_memory(tmp_path):
    with (tmp_path / "events").open("wb") as out:
        out.write(LINES[0] + b"\n" + b'{"event": "big", "x": "')
        for _ in range(50):
            out.write(b"x" * 1_000_000)
        out.write(b'"}\n' + LINES[1] + b"\n")
    read(tmp_path / "events", block="1MB")
    tracemalloc.start()
    kept = read(tmp_path / "events", block="1MB")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept.lines == LINES[:2]
    assert kept.refused == [("too_large", b'{"event": "big", "x"')]
    [refusal] = [p for p in kept.payloads if p.codec == "refused"]
    assert refusal.headers["detail"] == "longer than 1,000,000 bytes"
    assert len(refusal.body) == 65_536
    assert peak < 20_000_000


def test_one_broken_element_of_a_json_array_costs_itself(tmp_path):
    text = b'[{"event":"a"},\n{"event":"b},\n{"event":,},\n{"event":"c","x":[1,{"y":"],["}]},\n 7, {"event":"d"}\n]\n'
    (tmp_path / "events").write_bytes(text)
    kept = read(tmp_path / "events")
    assert kept.lines == [
        b'{"event":"a"}',
        b'{"event":,}',
        b'{"event":"c","x":[1,{"y":"],["}]}',
        b"7",
        b'{"event":"d"}',
    ]
    assert kept.refused == [("unreadable", b'{"event":"b}')]


def test_paths_that_cannot_be_read_are_clear_errors(tmp_path):
    with pytest.raises(TrackwayError, match=r"no file .*missing"):
        read(tmp_path / "missing")
    with pytest.raises(TrackwayError, match="is a directory"):
        read(tmp_path)
    if os.geteuid():
        (tmp_path / "secret").write_bytes(TEXT)
        (tmp_path / "secret").chmod(0)
        with pytest.raises(TrackwayError, match=r"cannot read .*secret"):
            read(tmp_path / "secret")


def test_a_pattern_reads_the_oldest_file_first(tmp_path):
    for age, name in enumerate(["b.log", "a.log", "c.log"]):
        (tmp_path / name).write_bytes(LINES[age] + b"\n")
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    assert read(tmp_path / "*.log").lines == LINES[:3]


def test_a_file_with_a_bracket_in_its_name_is_no_pattern(tmp_path):
    (tmp_path / "a[1].log").write_bytes(TEXT)
    assert read(tmp_path / "a[1].log").lines == LINES


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"codec": "jsn"}, "unknown codec 'jsn'"), ({"encoding": "latin-99"}, "unknown encoding"),
        ({"max_line": "big"}, "expected a size"), ({"columns": {"user": "x"}}, "unknown column 'user'"),
    ],
)  # fmt: skip
def test_wrong_options_are_told(options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        component("sources", {"type": "file", **options}, "files")


# ── laws ────────────────────────────────────────────────────────────────────────────────────────────

RECORD = st.sampled_from([b'{"event":"a"}', b'{"event":"b"}', b"broken", b"", b"  ", b'{"event":"' + b"z" * 60 + b'"}'])


@settings(max_examples=60, deadline=None)
@given(st.lists(RECORD, max_size=30), st.integers(1, 200), st.integers(0, 400))
def test_blocks_and_restarts_change_nothing(tmp_path_factory, records, block, cut):
    path = tmp_path_factory.mktemp("law") / "events"
    text = b"\n".join(records)
    path.write_bytes(text)
    whole = read(path, codec="json", max_line="50B")

    path.write_bytes(text[: text.rfind(b"\n", 0, cut) + 1])
    first = read(path, codec="json", max_line="50B", block=f"{block}B")
    path.write_bytes(text)
    second = read(path, codec="json", max_line="50B", block=f"{block}B", cursors=first.cursors)
    assert [line for kept in (first, second) for line in kept.lines] == whole.lines
    assert first.refused + second.refused == whole.refused
    assert sorted(first.ids + second.ids) == sorted(whole.ids)


def test_identical_records_are_numbered_across_blocks_and_restarts(tmp_path):
    (tmp_path / "events").write_bytes(b'{"event":"a"}\n' * 5)
    first = read(tmp_path / "events", block="20B")
    (tmp_path / "events").write_bytes(b'{"event":"a"}\n' * 8)
    second = read(tmp_path / "events", block="30B", cursors=first.cursors)
    assert [k for _, k in first.ids + second.ids] == list(range(8))


def test_a_file_that_was_read_is_not_read_again(tmp_path):
    (tmp_path / "events").write_bytes(TEXT)
    first = read(tmp_path / "events")
    assert read(tmp_path / "events", cursors=first.cursors).payloads == []


def test_another_file_in_the_same_place_is_read_from_its_beginning(tmp_path):
    (tmp_path / "events").write_bytes(TEXT)
    first = read(tmp_path / "events")
    with (tmp_path / "events").open("r+b") as out:
        out.write(b'{"event": "E"')
    os.utime(tmp_path / "events", (1, 1))
    assert len(read(tmp_path / "events", cursors=first.cursors).lines) == 50


# ── follow ──────────────────────────────────────────────────────────────────────────────────────────


class Follower:
    """A source following files in a thread of its own, over one journal."""

    def __init__(self, pattern: Path, kept: Kept):
        self.source = File(paths=[str(pattern)], follow=True)
        self.kept = kept

    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self):
        for _ in self.source.read("files", self.kept, dict(self.kept.cursors), self.stop):
            pass

    def waits_for(self, lines):
        deadline = time.monotonic() + 10
        while len(self.kept.lines) < len(lines) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(3 * module.POLL)
        assert self.kept.lines == lines

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


@pytest.fixture
def follow(monkeypatch):
    monkeypatch.setattr(module, "POLL", 0.02)
    monkeypatch.setattr(module, "SETTLED", 0.0)
    return Follower


def append(path, *lines):
    with path.open("ab") as out:
        out.write(b"".join(line + b"\n" for line in lines))


def test_new_lines_are_read_as_they_come_and_a_partial_one_waits(tmp_path, follow):
    log = tmp_path / "app.log"
    with follow(log, Kept()) as reader:
        append(log, *LINES[:3])
        reader.waits_for(LINES[:3])
        with log.open("ab") as out:
            out.write(LINES[3][:7])
        reader.waits_for(LINES[:3])
        with log.open("ab") as out:
            out.write(LINES[3][7:] + b"\n")
        reader.waits_for(LINES[:4])


def test_a_restart_neither_loses_nor_doubles_a_line(tmp_path, follow):
    log, kept = tmp_path / "app.log", Kept()
    for start in range(0, 50, 10):
        append(log, *LINES[start : start + 5])
        with follow(log, kept) as reader:
            reader.waits_for(LINES[: start + 5])
            append(log, *LINES[start + 5 : start + 10])
            reader.waits_for(LINES[: start + 10])


def test_rotation_by_renaming(tmp_path, follow):
    log = tmp_path / "app.log"
    append(log, *LINES[:3])
    with follow(tmp_path / "app.log*", Kept()) as reader:
        reader.waits_for(LINES[:3])
        with log.open("ab") as late:
            log.rename(tmp_path / "app.log.1")
            late.write(LINES[3] + b"\n")
        append(log, *LINES[4:6])
        reader.waits_for(sorted_as_read(reader, LINES[:6]))


def test_rotation_by_copying_and_truncating(tmp_path, follow):
    log = tmp_path / "app.log"
    append(log, *LINES[:3])
    with follow(tmp_path / "app.log*", Kept()) as reader:
        reader.waits_for(LINES[:3])
        append(log, LINES[3])
        shutil.copy(log, tmp_path / "app.log.1")
        os.truncate(log, 0)
        append(log, *LINES[4:6])
        reader.waits_for(sorted_as_read(reader, LINES[:6]))


def sorted_as_read(reader, lines):
    """The lines in the order they were read in, once all are there."""
    deadline = time.monotonic() + 10
    while len(reader.kept.lines) < len(lines) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(reader.kept.lines) == sorted(lines)
    return list(reader.kept.lines)


def test_a_packed_rotation_of_a_file_that_was_read_is_known_and_only_its_rest_is_read(tmp_path, follow):
    log, kept = tmp_path / "app.log", Kept()
    append(log, *LINES[:20])
    with follow(tmp_path / "app.log*", kept) as reader:
        reader.waits_for(LINES[:20])
    append(log, *LINES[20:25])
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    append(log, *LINES[25:30])
    with follow(tmp_path / "app.log*", kept) as reader:
        reader.waits_for(sorted_as_read(reader, LINES[:30]))


def test_a_file_that_begins_like_one_that_was_read_but_goes_on_otherwise_is_read_whole(tmp_path, follow):
    kept = Kept()
    header = b"event,plan," + b"x" * 5000
    row = b"a,b," + b"y" * 10
    append(tmp_path / "day1.csv", header, row, b"c,d,e")
    with follow(tmp_path / "*.csv", kept) as reader:
        reader.waits_for([row, b"c,d,e"])
        append(tmp_path / "day2.csv", header, row, b"f,g,h")
        reader.waits_for([row, b"c,d,e", row, b"f,g,h"])


def test_a_file_that_cannot_be_read_does_not_stop_the_others(tmp_path, follow, caplog):
    (tmp_path / "a.log").write_text("O rose, thou art sick\nThe invisible worm\n")
    append(tmp_path / "b.log", *LINES[:2])
    with caplog.at_level(logging.ERROR), follow(tmp_path / "*.log", Kept()) as reader:
        reader.waits_for(LINES[:2])
    assert [record.message.count("a.log") > 0 for record in caplog.records] == [True]
