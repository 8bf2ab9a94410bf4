"""The access log codec against a plain regular expression, and against the real log."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trackway.codecs.access_log import AccessLog
from trackway.model.event import Block
from trackway.model.schema import Schema

QUOTED = rb'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(
    rb"([^ ]+) ([^ ]+) ((?:(?! \[).)+) \[([^\]]+)\] " + QUOTED + rb" (\d{3}|-) (\d{1,18}|-)"
    rb"(?: " + QUOTED + rb" " + QUOTED + rb"(?: (.*))?| (?!\")(.*))?",
    re.DOTALL,
)  # fmt: skip
REQUEST = re.compile(rb"([A-Za-z_][A-Za-z_-]*) (.+?)(?: (HTTP/[^ ]+))?", re.DOTALL)
TIME = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) (?:Z|([+-])(\d\d)(?::?(\d\d))?)?", re.ASCII)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
LETTERS = {"b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v"}


def oracle(line: bytes) -> dict | str:
    """What one line says, or the reason why it says nothing: slow, and plain to see."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return "encoding"
    match = LINE.fullmatch(line)
    if not match:
        return "unreadable"
    ip, ident, user, time, request, status, size, referrer, agent, rest, tail = match.groups()
    moment = instant(time.decode())
    if moment is None:
        return "no_time"
    asked = REQUEST.fullmatch(request)
    method, target, protocol = asked.groups() if asked else (None, None, None)
    path, mark, query = target.partition(b"?") if target else (None, b"", None)
    more = {"ident": ident, "request": None if asked else unescaped(request), "rest": rest or tail}
    more = {name: value.decode() for name, value in more.items() if value not in (None, b"", b"-")}
    found = {
        "ip": ip, "user": unescaped(user), "method": method, "path": unescaped(path),
        "query": unescaped(query) if mark else None, "protocol": protocol,
        "referrer": unescaped(referrer), "user_agent": unescaped(agent),
    }  # fmt: skip
    texts = {name: None if not raw_or_null(value) else value.decode() for name, value in found.items()}
    who = f"{texts['ip'] or '-'} {texts['user_agent'] or '-'}".encode()
    return {
        **texts, "time": moment, "event": "request", "more": more or None,
        "status": None if status == b"-" else int(status), "bytes": None if size == b"-" else int(size),
        "anonymous_id": hashlib.md5(who).hexdigest()[:16],
    }  # fmt: skip


def raw_or_null(value: bytes | None) -> bool:
    return value not in (None, b"", b"-")


def unescaped(text: bytes | None) -> bytes | None:
    def plain(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return bytes([int(match[1], 16)])
        return LETTERS.get(match[2].decode(), match[2])

    if text is None:
        return None
    done = re.sub(rb'\\(?:x([0-9a-fA-F]{2})|(["\\/bfnrtv]))', plain, text)
    try:
        done.decode()
    except UnicodeDecodeError:
        return text
    return done


def instant(text: str) -> datetime | None:
    match = TIME.fullmatch(text)
    if not match or match[2] not in MONTHS:
        return None
    day, year, hour, minute, second = (int(match[i]) for i in (1, 3, 4, 5, 6))
    if second > 60 or int(match[8] or 0) > 23 or int(match[9] or 0) > 59:
        return None
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0)) * (-1 if match[7] == "-" else 1)
    try:
        start = datetime(year, MONTHS.index(match[2]) + 1, day, hour, minute, tzinfo=timezone(offset))
        return (start + timedelta(seconds=second)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def decode(body: bytes) -> list[dict | str]:
    codec = AccessLog()
    table = codec.decode([Block(1, "web", 0, "access_log", body, codec.count(body, {}))], Schema())
    table.validate(full=True)
    rows = []
    for row in table.to_pylist():
        values = {name: row[name] for name in row if name not in ("block", "row", "raw", "reason", "detail")}
        values["more"] = json.loads(row["more"]) if row["more"] else None
        rows.append(row["reason"] or values)
    return rows


def line(**parts: str) -> bytes:
    """A line of a log, good but for the parts given."""
    known = {
        "ip": "1.2.3.4", "ident": "-", "user": "-", "time": "17/May/2015:10:05:03 +0000",
        "request": "GET /a?b=c HTTP/1.1", "status": "200", "bytes": "12", "tail": ' "http://ref/" "curl/8"',
    } | parts  # fmt: skip
    text = '{ip} {ident} {user} [{time}] "{request}" {status} {bytes}{tail}'.format(**known)
    return text.encode("utf-8", "surrogateescape")


def test_a_combined_line_becomes_a_request():
    assert decode(line(user="ann")) == [{
        "time": datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC), "event": "request", "ip": "1.2.3.4", "user": "ann",
        "method": "GET", "path": "/a", "query": "b=c", "protocol": "HTTP/1.1", "status": 200, "bytes": 12,
        "referrer": "http://ref/", "user_agent": "curl/8", "more": None,
        "anonymous_id": hashlib.md5(b"1.2.3.4 curl/8").hexdigest()[:16],
    }]  # fmt: skip


def test_a_common_line_has_no_referrer_and_no_user_agent():
    [event] = decode(line(tail="", bytes="-", status="-"))
    assert [event[name] for name in ("referrer", "user_agent", "bytes", "status")] == [None] * 4
    assert event["anonymous_id"] == hashlib.md5(b"1.2.3.4 -").hexdigest()[:16]


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"say \x22hi\x22", 'say "hi"'), (r"say \"hi\"", 'say "hi"'), (r"back\\slash", "back\\slash"),
        (r"\xD0\xBF", "п"), (r"\xe4\xe5", r"\xe4\xe5"), (r"tab\tend", "tab\tend"), (r"\q", r"\q"), ("п", "п"),
    ],
)  # fmt: skip
def test_escapes_of_both_servers_are_undone(escaped, plain):
    [event] = decode(line(tail=f' "-" "{escaped}"'))
    assert event["user_agent"] == plain
    assert event["anonymous_id"] == hashlib.md5(f"1.2.3.4 {plain}".encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("-", (None, None, None, None, None)),
        ("", (None, None, None, None, None)),
        (r"\x16\x03\x01", (None, None, None, None, {"request": "\x16\x03\x01"})),
        ("quit", (None, None, None, None, {"request": "quit"})),
        ("GET /", ("GET", "/", None, None, None)),
        ("GET /a b HTTP/1.0", ("GET", "/a b", None, "HTTP/1.0", None)),
        ("GET /?", ("GET", "/", None, None, None)),
        ("VERSION-CONTROL /x?a?b HTTP/2", ("VERSION-CONTROL", "/x", "a?b", "HTTP/2", None)),
        ("CONNECT example.com:443 HTTP/1.1", ("CONNECT", "example.com:443", None, "HTTP/1.1", None)),
    ],
)
def test_requests_of_every_shape_are_events(request_, expected):
    [event] = decode(line(request=request_))
    assert tuple(event[name] for name in ("method", "path", "query", "protocol", "more")) == expected


def test_what_has_no_column_is_kept_in_more():
    [event] = decode(line(ident="id", tail=' "-" "curl" "10.0.0.1" 0.005'))
    assert event["more"] == {"ident": "id", "rest": '"10.0.0.1" 0.005'}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"hello", "unreadable"), (line(tail=' "-" "cut off'), "unreadable"), (line(status="20"), "unreadable"),
        (line(bytes="1x"), "unreadable"), (line(time="32/May/2015:10:05:03 +0000"), "no_time"),
        (line(time="29/Feb/2015:10:05:03 +0000"), "no_time"), (line(time="yesterday"), "no_time"),
        (line(tail=' "-" "\udcff"'), "encoding"), (b"\0" * 300, "unreadable"), (line(tail=' "-"'), "unreadable"),
    ],
)  # fmt: skip
def test_one_bad_line_is_refused_and_its_neighbours_are_not(bad, reason):
    good = line()
    assert decode(good + b"\n" + bad + b"\r\n\n" + good) == [oracle(good), reason, oracle(good)]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("01/Jan/1900:00:00:00 +0000", datetime(1900, 1, 1, tzinfo=UTC)),
        ("31/Dec/2999:23:59:60 +0000", datetime(3000, 1, 1, tzinfo=UTC)),
        ("29/Feb/2016:01:30:00 +0530", datetime(2016, 2, 28, 20, 0, tzinfo=UTC)),
        ("31/Dec/2015:23:00:00 -0200", datetime(2016, 1, 1, 1, 0, tzinfo=UTC)),
    ],
)
def test_times_of_every_zone(time, expected):
    assert decode(line(time=time))[0]["time"] == expected


def test_a_line_with_nul_bytes_keeps_them():
    assert decode(line(tail=' "-" "a\0b"'))[0]["user_agent"] == "a\0b"


PIECES = st.sampled_from(
    ["1.2.3.4", "-", " ", '"', "[", "]", "\\", "\\x22", "\\x", '\\"', "17/May/2015:10:05:03 +0000", "GET /a?b HTTP/1.1",
     "200", "0", " [", "] ", '" ', ' "', "ä", "\udcff", "\t", "\0", "HTTP/", "?", "x"]
)  # fmt: skip
MUTATED = st.builds(
    lambda at, length, piece: line()[:at] + piece.encode("utf-8", "surrogateescape") + line()[at + length :],
    st.integers(0, len(line())), st.integers(0, 30), st.lists(PIECES, max_size=3).map("".join),
)  # fmt: skip
JUNK = st.lists(PIECES, max_size=25).map(lambda parts: "".join(parts).encode("utf-8", "surrogateescape"))
VALID = st.builds(
    line,
    user=st.sampled_from(["-", "ann", "John Smith", "a [b", '""']),
    time=st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(9990, 1, 1)).map(
        lambda t: f"{t.day:02d}/{MONTHS[t.month - 1]}/{t.year:04d}:{t:%H:%M:%S} +0130"
    ),
    request=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=20).map(
        "GET /".__add__
    ),
    tail=st.sampled_from(["", ' "-" "-"', ' "a" "b" c', ' "a\\"b" "\\x41\\xff"', " rest", ' "a" ""', " "]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(MUTATED | JUNK | VALID, min_size=1, max_size=6))
@example([b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 12 "'])
@example([b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "\\'])
@example([b'1 2 3 [4] "" 200 -'])
@example([b'1.2.3.4 - - [] "GET / HTTP/1.1" 200 12'])
def test_the_compiled_pass_says_what_the_regular_expression_says(lines):
    body = b"\n".join(lines)
    kept = [item.removesuffix(b"\r") for item in body.split(b"\n") if item.strip()]
    assert decode(body) == [oracle(item) for item in kept]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_as_many_rows_as_counted(body):
    assert len(decode(body)) == AccessLog().count(body, {})


def test_the_real_log_has_one_line_that_is_refused(web_log):
    body = web_log.read_bytes()
    rows = decode(body)
    assert [row for row in rows if isinstance(row, str)] == ["unreadable"]
    assert rows == [oracle(item) for item in body.splitlines()]
