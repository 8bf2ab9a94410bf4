"""python: a function of the user's, in a process of its own."""

import os
import socket
import subprocess
import sys
import time

import pytest

from trackway.errors import ConfigError
from trackway.flow import guest
from trackway.plan.component import Place
from trackway.plan.config import component

CODE = """
import os, socket, time
import pyarrow as pa
import pyarrow.compute as pc

def double(events):
    if pc.any(pc.equal(events["word"], "raise")).as_py():
        raise ValueError("a word I do not know")
    if pc.any(pc.equal(events["word"], "hang")).as_py():
        time.sleep(60)
    if pc.any(pc.equal(events["word"], "spin")).as_py():
        while True: pass
    if pc.any(pc.equal(events["word"], "eat")).as_py():
        bytearray(1 << 30)
    if pc.any(pc.equal(events["word"], "die")).as_py():
        os._exit(7)
    if pc.any(pc.equal(events["word"], "flood")).as_py():
        os.write(3, (1 << 62).to_bytes(8, "big"))  # where answers go: their length first
        time.sleep(60)
    print("said to nobody")
    return {"twice": pc.multiply(events["n"], 2), "from": pa.array([os.environ.get("SECRET", "-")] * len(events))}

def short(events):
    return events.slice(1)

def connect(events):
    try:
        socket.create_connection(("127.0.0.1", int(events["n"][0].as_py())), 1).close()
        return {"twice": events["n"]}
    except OSError:
        return {"twice": pa.nulls(len(events), pa.float64())}
"""


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Options of a transform with the functions above."""
    monkeypatch.setenv("SECRET", "hunter2")
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    return {
        "type": "python", "file": str(tmp_path / "mine.py"), "function": "double", "columns": ["n", "word"],
        "gives": {"twice": "number", "from": "string"}, "time": "20s", "memory": "256MB",
    }  # fmt: skip


def test_a_function_gives_columns_and_sees_none_of_our_secrets(run, options):
    done = run(options, [{"n": float(n), "word": "a"} for n in range(3)])
    assert [(event["twice"], event["from"]) for event in done.stay] == [(0.0, "-"), (2.0, "-"), (4.0, "-")]


def test_only_the_events_at_fault_are_refused_when_it_raises(run, options):
    done = run(
        options, [{"n": float(n), "word": "raise" if n in (2, 5) else "eat" if n == 6 else "a"} for n in range(8)]
    )
    assert [event["n"] for event in done.stay] == [0, 1, 3, 4, 7]
    refused = done.left("refused")
    assert [(event["n"], event["reason"]) for event in refused] == [(2, "function"), (5, "function"), (6, "function")]
    assert refused[0]["why"] == "double ValueError: a word I do not know"
    assert "MemoryError" in refused[2]["why"]


@pytest.mark.parametrize(
    ("word", "limit", "why"),
    [("hang", "1s", "took more than 1 s and was killed"), ("die", "20s", "exit code 7"),
     ("flood", "20s", "gave more than 256,000,000 bytes")],
)  # fmt: skip
def test_a_function_that_hangs_or_dies_costs_its_batch_and_no_more(run, options, word, limit, why):
    begun = time.monotonic()
    done = run({**options, "time": limit}, [{"n": 1.0, "word": "a"}, {"n": 2.0, "word": word}])
    assert time.monotonic() - begun < 50
    assert done.stay == []
    assert [why in event["why"] for event in done.left("refused")] == [True, True]


def test_the_next_batch_has_a_new_process(options):
    import pyarrow as pa

    reshape = component("transforms", options, "t").reshape()
    try:
        pids = []
        for word, refused in (("a", 0), ("die", 1), ("a", 0)):
            done = reshape(pa.table({"n": [1.0], "word": [word]}))
            assert len(done.refused) == refused
            pids.append(reshape._function._process and reshape._function._process.pid)
        assert pids[0] != pids[2]
    finally:
        reshape.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[2], 0)


def test_what_is_not_as_promised_is_refused(run, options):
    done = run({**options, "function": "short"}, [{"n": 1.0, "word": "a"}])
    assert [event["why"] for event in done.left("refused")] == ["short gave 0 rows for 1 events"]
    done = run({**options, "gives": {"twice": "time"}}, [{"n": 1.0, "word": "a"}])
    assert "gave another kind than it should" in done.left("refused")[0]["why"]


def test_it_reaches_the_network_only_when_it_may(run, options):
    options = {**options, "function": "connect", "columns": ["n"], "gives": {"twice": "number"}}
    alone = "import runpy, sys; sys.exit(not runpy.run_path(sys.argv[1])['alone']())"
    kept_in = subprocess.run([sys.executable, "-I", "-c", alone, guest.__file__], check=False).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = float(server.getsockname()[1])
        assert run({**options, "network": True}, [{"n": port}]).stay == [{"n": port, "twice": port}]
        assert run(options, [{"n": port}]).stay == [{"n": port} if kept_in else {"n": port, "twice": port}]


def test_a_file_that_is_missing_or_lacks_the_function_is_an_error(options, tmp_path):
    component("transforms", options, "t").ready()
    with pytest.raises(ConfigError, match="no 'triple' in"):
        component("transforms", {**options, "function": "triple"}, "t").ready()
    with pytest.raises(ConfigError, match="cannot read") as told:
        component("transforms", {**options, "file": "nowhere.py"}, "t").settle(Place(tmp_path, tmp_path)).ready()
    assert told.value.path == "file"
