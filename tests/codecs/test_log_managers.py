"""Sumo Logic and Loggly: lines with what their addresses and headers say of them."""

import gzip
import json
import logging
import zlib
from concurrent.futures import wait

import pyarrow as pa
import pytest
from loggly import handlers

from collecting import FAULTS, deliver, send, serving, stored

SUMO = {"X-Sumo-Host": "web-1", "X-Sumo-Category": "prod/web", "X-Sumo-Fields": "team=shop, tier = 1"}
LINES = b"".join(
    b'{"timestamp": "2026-11-20T10:00:00Z", "number": %d, "text": "\xc3\xb6"}\n' % number for number in range(9)
)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (LINES, {}),
        (gzip.compress(LINES), {"Content-Encoding": "gzip"}),
        (zlib.compress(LINES), {"Content-Encoding": "deflate"}),
        (pa.compress(LINES, "zstd", asbytes=True), {"Content-Encoding": "zstd"}),
    ],
)
def test_lines_come_to_sumo_in_any_packing_and_once_when_they_have_times(tmp_path, body, encoding):
    with serving(tmp_path, "sumo_logic", faults=FAULTS) as served:
        for _ in range(2):
            assert deliver(served, "/receiver/v1/http/wk?a=b", body, SUMO | encoding) == 200
        rows = stored(served, "event", "anonymous_id", "number", "text", "_sourceCategory", "team", "tier")
        assert sorted(row.pop("number") for row in rows) == list(range(9))
        assert {tuple(row.values()) for row in rows} == {("log", "web-1", "ö", "prod/web", "shop", "1")}


def test_a_wrong_code_and_too_much_are_said_by_sumo(tmp_path):
    with serving(tmp_path, "sumo_logic", faults=["ok", "busy"]) as served:
        assert send(served, "/receiver/v1/http/no", b"x")[0] == 401
        assert send(served, "/receiver/v1/http/wk", b"x")[0] == 503
        assert send(served, "/receiver/v1/http/wk", b"x", {"X-Forwarded-For": "10.1.2.3"})[0] == 200
        assert stored(served, "message", "actor") == [{"message": "x", "actor": "10.1.2.3"}]


def test_a_handler_of_python_logs_to_loggly(tmp_path, monkeypatch):
    sent, post = [], handlers.session.post
    monkeypatch.setattr(handlers.session, "post", lambda *given, **named: sent.append(post(*given, **named)))
    with serving(tmp_path, "loggly") as served:
        handler = handlers.HTTPSHandler(f"{served.url}/inputs/wk/tag/python,shop")
        handler.setFormatter(logging.Formatter('{"level": "%(levelname)s", "event": "bought", "number": %(message)s}'))
        for number in range(20):
            handler.emit(logging.makeLogRecord({"msg": str(number), "levelname": "INFO"}))
        assert len(wait(sent, timeout=20).not_done) == 0
        handlers.session.close()
        rows = stored(served, "event", "number", "level", "tags", "actor")
        assert sorted(row.pop("number") for row in rows) == list(range(20))
        assert {tuple(row.values()) for row in rows} == {("bought", "INFO", '["python","shop"]', "127.0.0.1")}


def test_one_event_keeps_its_lines_and_many_come_in_bulk(tmp_path):
    with serving(tmp_path, "loggly", faults=FAULTS) as served:
        assert deliver(served, "/bulk/wk/tag/a/", LINES, {"X-LOGGLY-TAG": "b , c"}) == 200
        assert deliver(served, "/inputs/wk", b"Traceback\n  line 1\nError\n") == 200
        assert json.loads(send(served, "/inputs/wk", b'{"host": "web-7"}')[2]) == {"response": "ok"}
        assert send(served, "/inputs/wk", b" \n")[0] == 200
        rows = stored(served, "message", "tags", "actor", order="message, actor")
        assert rows[0] == {"message": "Traceback\n  line 1\nError", "tags": None, "actor": "127.0.0.1"}
        assert [row["tags"] for row in rows].count('["a","b","c"]') == 9
        assert [row["actor"] for row in rows].count("web-7") == 1
        assert send(served, "/inputs/no", b"x")[0] == 403
