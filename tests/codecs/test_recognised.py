"""Every format is recognised by itself: from whole files, from a few lines, and with odd lines among them."""

from pathlib import Path

import pytest

from servers import haproxy, send
from trackway.codecs.haproxy import Haproxy
from trackway.flow.detect import detect, detect_text
from trackway.model.event import Block
from trackway.model.schema import Schema

HERE = Path(__file__).parent
LINES = ("access_log", "application_log", "access_json", "elb", "s3_access", "haproxy", "logfmt", "syslog")
TOLD = {"told", "frames", "odd", "named", "nginx_upstream"}
GOLDEN = [path for name in LINES for path in sorted((HERE / name).glob("*.in")) if path.stem not in TOLD]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_is_of_the_format_of_most_of_its_lines(path):
    assert detect(path).codec == path.parent.name


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_one_line_is_enough_and_one_odd_line_is_not_too_many(path):
    first = next(line for line in path.read_bytes().splitlines(keepends=True) if len(line) > 30)
    found = detect_text(first)
    assert found is not None
    assert found.codec == path.parent.name
    odd = detect_text(b"\x1b[0mWelcome!\n" + first + first)
    assert odd is not None
    assert odd.codec == path.parent.name


def test_haproxy_writes_what_is_read(tmp_path):
    format_ = "%ci:%cp [%T] %ft %b/%s %Ta %ST %B %{+Q}r %{+Q}[capture.req.hdr(0)] %HM %{+Q}HP %HQ"
    asked = b'GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nUser-Agent: say "hi"\r\nConnection: close\r\n\r\n'
    with haproxy(tmp_path, {"usual": "", "told": format_}) as (ports, log):
        for port in ports:
            send(port, asked, b"junk\r\n\r\n")
    lines = log()
    for name, told in (("usual", {}), ("told", {"format": format_})):
        body = b"".join(line + b"\n" for line in lines if f" {name} ".encode() in line)
        codec = Haproxy()
        rows = codec.decode([Block(1, "p", 0, "haproxy", body, codec.count(body, told), told)], Schema()).to_pylist()
        assert {row["reason"] for row in rows} == {None}
        assert {(row["ip"], row["frontend"]) for row in rows} == {("127.0.0.1", name)}
        assert 400 in {row["status"] for row in rows}
        [good] = [row for row in rows if row["status"] == 503]
        assert [good[column] for column in ("method", "path", "query")] == ["GET", "/a%20b", "c=d"]
    assert good["capture_req_hdr_0"] == 'say "hi"'
