"""The journal keeps what it acknowledged, in one order, through crashes, rollover and several processes."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from trackway.errors import StorageError
from trackway.plan.component import Payload
from trackway.store.day_file import Received
from trackway.store.group_commit import GroupCommit
from trackway.store.journal import Journal

DAY = 86_400_000_000
NOON = 1_763_812_800_000_000


def web(body: bytes = b"{}", records: int = 1, **cursors: str) -> Payload:
    return Payload("web", "json", body, records, {"path": "/v1/events"}, cursors)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


START = """
import sys
from pathlib import Path
from trackway.plan.component import Payload
from trackway.store.journal import Journal
journal = Journal(Path(sys.argv[1]))
"""


@pytest.fixture
def appender():
    """Starts other processes with the same journal open as `journal`; ends them after the test."""
    with ExitStack() as stack:

        def start(folder: Path, code: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", START + code, str(folder)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            return process

        yield start


def test_a_payload_comes_back_as_it_was_given(tmp_path):
    journal = Journal(tmp_path / "journal", Clock())
    assert journal.append([web(b'{"a":1}'), Payload("log", "access_log", b"", 0)]) == [1, 2]
    first, second = journal.read(0)
    assert (first.seq, first.source, first.codec, first.body, first.records) == (1, "web", "json", b'{"a":1}', 1)
    assert (first.received_at, first.headers) == (NOON, {"path": "/v1/events"})
    assert (second.body, second.records) == (b"", 0)
    assert journal.get(2) == second
    assert journal.get(3) is None
    journal.close()


def test_an_empty_journal_answers_everything(tmp_path):
    journal = Journal(tmp_path)
    assert (journal.last(), journal.read(0), journal.backlog(0), journal.received(), journal.cursors("web")) == (
        0, [], {}, {}, {},
    )  # fmt: skip
    assert journal.append([]) == []
    assert journal.prune(10, NOON) == 0
    journal.close()


def test_reading_stops_at_the_limits_but_gives_at_least_one(tmp_path):
    journal = Journal(tmp_path)
    journal.append([web(b"x" * 100, 10) for _ in range(5)])
    assert [block.seq for block in journal.read(0, most_records=25)] == [1, 2]
    assert [block.seq for block in journal.read(2, most_bytes=10)] == [3]
    assert [block.seq for block in journal.read(4)] == [5]
    assert journal.read(5) == []
    journal.close()


def test_backlog_counts_the_records_after_a_position_per_source(tmp_path):
    journal = Journal(tmp_path)
    journal.append([web(records=10), Payload("log", "json", b"", 7), web(records=5)])
    assert journal.backlog(0) == {"web": 15, "log": 7}
    assert journal.backlog(1) == {"web": 5, "log": 7}
    assert journal.backlog(2) == {"web": 5}
    assert journal.backlog(3) == {}
    journal.close()


def test_a_new_day_is_a_new_file_and_nothing_else_shows_it(tmp_path):
    clock = Clock()
    journal = Journal(tmp_path, clock)
    for day in range(3):
        clock.now = NOON + day * DAY
        journal.append([web(b"1234", 10, a=str(day)), web(b"", 1)])
    assert sorted(path.name[:26] for path in tmp_path.glob("*.sqlite")) == [
        "000000000000001.2025-11-22", "000000000000003.2025-11-23", "000000000000005.2025-11-24",
    ]  # fmt: skip
    seen: list[int] = []
    while blocks := journal.read(seen[-1] if seen else 0):
        seen += [block.seq for block in blocks]
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [sum(journal.backlog(after).values()) for after in range(7)] == [33, 23, 22, 12, 11, 1, 0]
    assert journal.received() == {"web": Received(payloads=6, records=33, bytes=12)}
    assert journal.cursors("web") == {"a": "2"}
    journal.close()


def test_a_clock_that_steps_back_never_reopens_an_older_file(tmp_path):
    clock = Clock()
    journal = Journal(tmp_path, clock)
    journal.append([web()])
    clock.now += DAY
    journal.append([web()])
    clock.now -= 3 * DAY
    assert journal.append([web()]) == [3]
    assert len(list(tmp_path.glob("*.sqlite"))) == 2
    journal.close()


def test_pruning_keeps_totals_cursors_and_whatever_is_unread_or_young(tmp_path):
    clock = Clock()
    journal = Journal(tmp_path, clock)
    for day in range(4):
        clock.now = NOON + day * DAY
        journal.append([web(b"", 10, file=str(day))])
    assert journal.prune(upto_seq=1, before_micros=NOON + 10 * DAY) == 1
    assert journal.prune(upto_seq=4, before_micros=NOON + 2 * DAY) == 1
    assert [block.seq for block in journal.read(0)] == [3]
    assert journal.prune(upto_seq=4, before_micros=NOON + 10 * DAY) == 1
    assert journal.get(1) is None
    assert journal.received()["web"].records == 40
    assert journal.cursors("web") == {"file": "3"}
    assert journal.backlog(0) == {"web": 10}
    assert sorted(path.suffix for path in tmp_path.iterdir() if "2025-11-24" in path.name) == []
    assert journal.append([web()]) == [5]
    journal.close()


def test_two_processes_append_in_one_order_without_gaps_or_doubles(tmp_path, appender):
    code = "for n in range(200): journal.append([Payload(sys.argv[0], 'json', b'', 1)] * (n % 3 + 1))"
    others = [appender(tmp_path, code) for _ in range(2)]
    journal = Journal(tmp_path)
    seen: list[int] = []
    while any(other.poll() is None for other in others) or journal.last() > len(seen):
        seen += [block.seq for block in journal.read(seen[-1] if seen else 0)]
    assert [other.wait() for other in others] == [0, 0]
    assert seen == list(range(1, len(seen) + 1))
    assert journal.received()["-c"].payloads == len(seen) == 2 * 399
    journal.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path, appender):
    code = "while True: print(journal.append([Payload('web', 'json', b'x' * 3000, 1)] * 3)[-1], flush=True)"
    acknowledged = 0
    rng = random.Random(5)
    for _ in range(5):
        other = appender(tmp_path, code)
        lines = [int(other.stdout.readline()) for _ in range(rng.randrange(1, 40))]
        os.kill(other.pid, signal.SIGKILL)
        acknowledged = max([*lines, *map(int, other.stdout.read().split())])
        other.wait()
        journal = Journal(tmp_path)
        assert journal.last() >= acknowledged
        blocks = journal.read(0)
        assert [block.seq for block in blocks] == list(range(1, journal.last() + 1))
        assert journal.received()["web"].records == len(blocks)
        assert len(blocks) % 3 == 0
        journal.close()


def test_a_full_disk_is_said_and_costs_nothing_that_was_kept(tmp_path, appender):
    code = """
import resource, signal
from trackway.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal.append([Payload("web", "json", b"first", 1)])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, most))
try:
    journal.append([Payload("web", "json", __import__("os").urandom(1_000_000), 1)])
except StorageError as error:
    print(error.as_json()["status"], error.hint[:10])
print(len(journal.read(0)))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
print(journal.append([Payload("web", "json", b"third", 1)]))
"""
    other = appender(tmp_path, code)
    assert other.communicate()[0].decode().split("\n")[:3] == ["503 free space", "1", "[2]"]


@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_damaged_file_is_named_in_the_error(tmp_path, damage):
    journal = Journal(tmp_path)
    journal.append([web(os.urandom(50_000)) for _ in range(20)])
    journal.close()
    (path,) = tmp_path.glob("*.sqlite")
    raw = path.read_bytes()
    path.write_bytes(raw[:100_000] if damage == "cut" else b"noise" * 2000 + raw[10_000:])
    journal = Journal(tmp_path)
    with pytest.raises(StorageError) as error:
        journal.read(0)
    assert str(path) in str(error.value)
    assert "damaged" in str(error.value) or "cannot be used" in str(error.value)
    journal.close()


def test_a_reader_is_woken_at_once_and_gives_up_in_time(tmp_path):
    journal = Journal(tmp_path)
    assert journal.wait(0, 0.05) is False
    threading.Timer(0.1, journal.append, ([web()],)).start()
    start = time.monotonic()
    assert journal.wait(0, 10) is True
    assert time.monotonic() - start < 5
    journal.close()


def test_group_commit_keeps_every_payload_once_and_says_where(tmp_path):
    journal = Journal(tmp_path)
    group = GroupCommit(journal)

    async def send() -> list[int]:
        return await asyncio.gather(*(group.keep(web(str(n).encode())) for n in range(500)))

    seqs = asyncio.run(send())
    assert sorted(seqs) == list(range(1, 501))
    assert [journal.get(seq).body for seq in seqs[:20]] == [str(n).encode() for n in range(20)]
    group.close()
    with pytest.raises(StorageError):
        asyncio.run(group.keep(web()))
    journal.close()


def test_group_commit_tells_every_waiting_request_of_a_failure(tmp_path):
    journal = Journal(tmp_path)
    group = GroupCommit(journal)
    journal.close()

    async def send() -> list[object]:
        return await asyncio.gather(*(group.keep(web()) for _ in range(5)), return_exceptions=True)

    assert all(isinstance(result, StorageError) for result in asyncio.run(send()))
    group.close()
