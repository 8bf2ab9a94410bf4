# ruff: noqa: E501, ISC004 - a format and a request are one line each
"""What Debian's nginx and Apache write in one format after another is read as what was asked of them."""

from datetime import UTC, datetime, timedelta

import pytest

from servers import apache, nginx, send
from trackway.codecs.access_log import AccessLog
from trackway.errors import TrackwayError
from trackway.flow.detect import detect
from trackway.model.event import Block
from trackway.model.schema import Schema

REQUESTS = (
    b'GET /index.html?a=b%20c&d="e" HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: say "hi" \\o/\r\n'
    b"Referer: http://ref.example/\xc3\xa4?x=[y]\r\nX-Request-Id: r-1\r\nCookie: sid=abc; b=c\r\nConnection: close\r\n\r\n",
    b"HEAD /index.html HTTP/1.0\r\n\r\n",
    b"GET /missing HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: -\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
)
COLUMNS = ("ip", "method", "path", "query", "protocol", "status", "referrer", "user_agent")
SAID = [
    (
        "127.0.0.1",
        "GET",
        "/index.html",
        'a=b%20c&d="e"',
        "HTTP/1.1",
        200,
        "http://ref.example/ä?x=[y]",
        'say "hi" \\o/',
    ),
    ("127.0.0.1", "HEAD", "/index.html", None, "HTTP/1.0", 200, None, None),
    ("127.0.0.1", "GET", "/missing", None, "HTTP/1.1", 404, None, None),
    ("127.0.0.1", None, None, None, None, 400, None, None),
]
NGINX = {
    "combined_like": """'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                        '"$http_referer" "$http_user_agent" "$http_x_forwarded_for"'""",
    "tabs": """'$msec\t$remote_addr\t$request_method\t$request_uri\t$server_protocol\t$status\t"$http_referer"\t"$http_user_agent"'""",
    "named": """'host=$host ip=$remote_addr at=$time_iso8601 method=$request_method uri="$uri$is_args$args" proto=$server_protocol '
                'status=$status took=$request_time ref="$http_referer" ua="$http_user_agent" id=$http_x_request_id sid=$cookie_sid'""",
    "as_json": """escape=json '{"t":"$time_iso8601","ip":"$remote_addr","request":"$request","status":$status,'
                  '"ref":"$http_referer","ua":"$http_user_agent","up":"$upstream_response_time"}'""",
}
APACHE = {
    "common_like": r'%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-agent}i\"',
    "vhost": r"%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"",
    "parts": r"%{%Y-%m-%d}t %{%H:%M:%S}t.%{usec_frac}t %{%z}t|%a|%m|%U%q|%H|%>s|%{Referer}i|%{User-agent}i|%D|%{X-Request-Id}i",
    "bare": r"%{msec}t %a %X %P %r %>s %B %{ms}T \"%{Referer}i\" \"%!200,404{X-Request-Id}i\" \"%{User-Agent}i\" %{sid}C",
    "proxied": r"%{X-Forwarded-For}i %h %t \"%m %U %H\" \"%q\" %s %b \"%{Referer}i\" \"%{User-Agent}i\" %%",
}  # fmt: skip


def decode(body: bytes, format_: str) -> list[dict]:
    codec = AccessLog()
    headers = {"format": format_} if format_ else {}
    table = codec.decode([Block(1, "web", 0, "access_log", body, codec.count(body, headers), headers)], Schema())
    table.validate(full=True)
    return table.to_pylist()


def check(rows: list[dict], *, junk: bool = True) -> None:
    assert [row["reason"] for row in rows] == [None] * len(rows)
    said = SAID if junk else SAID[:3]
    assert [tuple(row.get(name) for name in COLUMNS) for row in rows][: len(said)] == said
    now = datetime.now(UTC)
    assert all(now - timedelta(minutes=1) < row["time"] <= now for row in rows)


def test_formats_of_nginx(tmp_path):
    with nginx(tmp_path, NGINX) as port:
        send(port, *REQUESTS)
    rows = {name: decode((tmp_path / f"{name}.log").read_bytes(), text) for name, text in NGINX.items()}
    check(rows["combined_like"])
    assert rows["as_json"].pop()["reason"] == "encoding", "escape=json leaves bytes that are no UTF-8 as they are"
    for name in ("tabs", "named", "as_json"):
        check(rows[name], junk=False)
    assert [row["request_headers.x_request_id"] for row in rows["named"]][:2] == ["r-1", None]
    assert rows["named"][0]["cookies.sid"] == "abc"
    assert rows["named"][0]["duration"] >= 0
    assert rows["named"][0]["host"] == "shop.example"


def test_formats_of_apache(tmp_path):
    with apache(tmp_path, APACHE) as port:
        send(port, *REQUESTS)
    rows = {name: decode((tmp_path / f"{name}.log").read_bytes(), text) for name, text in APACHE.items()}
    for name in ("common_like", "vhost"):
        check(rows[name])
    for name in ("parts", "bare", "proxied"):
        check(rows[name], junk=False)
    assert rows["vhost"][0]["host"] == "shop.example"
    assert rows["parts"][0]["request_headers.x_request_id"] == "r-1"
    assert 0 < rows["parts"][0]["duration"] < 10
    assert rows["bare"][0]["bytes"] == 5
    assert rows["bare"][0]["cookies.sid"] == "abc"


def test_the_usual_formats_are_recognised(tmp_path):
    usual = {name: text for name, text in APACHE.items() if name in ("common_like", "vhost")}
    with apache(tmp_path, usual) as port:
        send(port, *REQUESTS)
    for name in usual:
        found = detect(tmp_path / f"{name}.log")
        assert found.codec == "access_log"
        check(decode((tmp_path / f"{name}.log").read_bytes(), found.headers["format"]))


@pytest.mark.parametrize(
    ("format_", "said"),
    [
        ("%h%u", "nothing stands between"), ("$remote_addr$status", "nothing stands between"),
        ("%h %J", "unknown '%J'"), ("%h %{%!}t", "unknown '%!'"), ("just text", "names no field"),
    ],
)  # fmt: skip
def test_a_format_that_cannot_be_compiled_says_why(format_, said):
    with pytest.raises(TrackwayError, match=said):
        AccessLog().check({"format": format_})
