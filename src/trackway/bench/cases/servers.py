"""Lines and loops of the access logs of web servers, proxies and balancers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

import orjson

from trackway.bench.cases.shop import Act, Case, Loop, Payload, Row, acts, instant

BLOCK = 8 << 20
"""Bytes of a payload of lines, as the source of files cuts them."""
CLF = "%d/%b/%Y:%H:%M:%S %z"
QUOTED = r'"([^"]*)"'
ACCESS = re.compile(rf"(\S+) \S+ (\S+) \[([^\]]+)\] {QUOTED} (\d+) (\d+|-) {QUOTED} {QUOTED}")
ALB = re.compile(
    rf"(\S+) (\S+) (\S+) (\S+):(\d+) (\S+) (\S+) (\S+) (\S+) (\d+) (\d+) (\d+) (\d+) {QUOTED} {QUOTED} (\S+) (\S+) "
    rf"(\S+) {QUOTED} {QUOTED} {QUOTED} (\S+) (\S+) {QUOTED} {QUOTED} {QUOTED} {QUOTED} {QUOTED} {QUOTED} {QUOTED} "
    r"(\S+)"
)
S3 = re.compile(
    rf"(\S+) (\S+) \[([^\]]+)\] (\S+) (\S+) (\S+) (\S+) (\S+) {QUOTED} (\d+) (\S+) (\d+|-) (\d+|-) (\d+|-) (\d+|-) "
    rf"{QUOTED} {QUOTED} (\S+)"
)
HAPROXY = re.compile(
    r"\S+ +\d+ \S+ \S+ \S+: ([^:]+):(\d+) \[([^\]]+)\] (\S+) ([^/]+)/(\S+) (-?\d+)/(-?\d+)/(-?\d+)/(-?\d+)/(\d+) "
    rf"(\d+) (\d+) (\S+) (\S+) (\S+) (\d+)/(\d+)/(\d+)/(\d+)/(\d+) (\d+)/(\d+) {QUOTED}"
)


def visitor(ip: str, agent: str) -> str:
    """Who it was, as far as address and user agent tell."""
    return hashlib.md5(f"{ip or '-'} {agent or '-'}".encode(), usedforsecurity=False).hexdigest()[:16]


def put(row: Row, **values: object) -> Row:
    """The row with the values that are any."""
    row.update((name, value) for name, value in values.items() if value not in (None, "-", ""))
    return row


def asked(request: str) -> Row:
    """What a request line tells."""
    method, target, protocol = request.split(" ")
    path, _, query = target.partition("?")
    return put({"method": method, "path": path, "protocol": protocol}, query=query)


def whole(text: str) -> int | None:
    """A number, or none."""
    return None if text == "-" else int(text)


def moment(text: str) -> datetime:
    """The time of an access log."""
    return datetime.strptime(text, CLF)  # noqa: DTZ007 - it tells its zone


def in_blocks(count: int, line: Callable[[Act], str], headers: Mapping[str, str]) -> Iterator[Payload]:
    """So many lines, a few megabytes at a time."""
    lines: list[bytes] = []
    size = 0
    for act in acts(count):
        lines.append(line(act).encode())
        size += len(lines[-1]) + 1
        if size > BLOCK or act.number + 1 == count:
            yield b"\n".join([*lines, b""]), headers
            lines, size = [], 0


def lined(codec: str, line: Callable[[Act], str], loop: Loop, **headers: str) -> Case:
    """The case of a format of lines."""
    return Case(codec, partial(in_blocks, line=line, headers=headers), loop)


def _status(act: Act) -> int:
    return 200 if act.number % 11 else 404


def _size(act: Act) -> int:
    return int(act.properties["amount"] * 100)


def _target(act: Act) -> str:
    return f"{act.page['path']}?ref=mail&plan={act.properties['plan']}"


# ── Apache, nginx ───────────────────────────────────────────────────────────────────────────────────


def _access(act: Act) -> str:
    request = f"GET {_target(act)} HTTP/1.1"
    tail = f'"{request}" {_status(act)} {_size(act)} "{act.page["referrer"]}" "{act.agent}"'
    return f"{act.ip} - - [{act.at.strftime(CLF)}] {tail}"


def _read_access(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for match in map(ACCESS.match, body.decode().splitlines()):
        assert match is not None  # noqa: S101 - every line was made for it
        ip, user, when, request, status, size, referrer, agent = match.groups()
        row = {"event": "request", "time": moment(when), "ip": ip, "status": int(status),
               "anonymous_id": visitor(ip, agent), **asked(request)}  # fmt: skip
        yield put(row, user=user, bytes=whole(size), referrer=referrer, user_agent=agent)


def _access_json(act: Act) -> str:
    return orjson.dumps(
        {"time_local": act.at.strftime(CLF), "remote_addr": act.ip, "request": f"GET {_target(act)} HTTP/1.1",
         "status": str(_status(act)), "body_bytes_sent": str(_size(act)),
         "request_time": f"{act.number % 900 / 1000:.3f}",
         "http_referrer": act.page["referrer"], "http_user_agent": act.agent, "http_host": "shop.example"}
    ).decode()  # fmt: skip


def _read_access_json(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for line in map(orjson.loads, body.splitlines()):
        ip, agent = line["remote_addr"], line["http_user_agent"]
        yield {
            "event": "request", "time": moment(line["time_local"]), "ip": ip,
            "status": int(line["status"]), "bytes": int(line["body_bytes_sent"]),
            "duration": float(line["request_time"]), "referrer": line["http_referrer"], "user_agent": agent,
            "host": line["http_host"], "anonymous_id": visitor(ip, agent), **asked(line["request"]),
        }  # fmt: skip


# ── IIS ─────────────────────────────────────────────────────────────────────────────────────────────

IIS = ("date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) "
       "sc-status sc-substatus sc-win32-status time-taken")  # fmt: skip


def _iis(act: Act) -> str:
    path, _, query = _target(act).partition("?")
    agent = act.agent.replace(" ", "+")
    return (
        f"{act.at:%Y-%m-%d %H:%M:%S} 172.22.255.255 GET {path} {query} 443 - {act.ip} {agent} {act.page['referrer']} "
        f"{_status(act)} 0 0 {act.number % 900}"
    )


def _read_iis(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for line in body.decode().splitlines():
        (date, time, server, method, path, query, port, user, ip, agent, referrer, status, sub, win32,
         taken) = line.split(" ")  # fmt: skip
        agent = agent.replace("+", " ")
        row = {"event": "request", "time": instant(f"{date}T{time}+00:00"), "server_ip": server, "method": method,
               "path": path, "port": int(port), "ip": ip, "status": int(status), "sc_substatus": int(sub),
               "sc_win32_status": int(win32), "duration": int(taken) / 1000,
               "anonymous_id": visitor(ip, agent)}  # fmt: skip
        yield put(row, query=query, user=user, user_agent=agent, referrer=referrer)


# ── AWS ─────────────────────────────────────────────────────────────────────────────────────────────


def _alb(act: Act) -> str:
    group = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop/73e2d6bc24d8a067"
    request = f"GET https://shop.example:443{_target(act)} HTTP/2.0"
    return (
        f"h2 {act.at:%Y-%m-%dT%H:%M:%S.%fZ} app/shop/50dc6c495c0c9188 {act.ip}:2817 10.0.0.1:80"
        f' 0.000 0.0{act.number % 90:02d} 0.001 {_status(act)} {_status(act)} 34 {_size(act)} "{request}" "{act.agent}"'
        f" ECDHE-RSA-AES128-GCM-SHA256"
        f' TLSv1.2 {group} "Root=1-{act.id[:24]}" "shop.example" "arn:aws:acm:1" 0'
        f' {act.at:%Y-%m-%dT%H:%M:%S.%fZ} "forward" "-" "-" "10.0.0.1:80" "{_status(act)}" "-" "-" TID_{act.id[:16]}'
    )


def _read_alb(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for match in map(ALB.match, body.decode().splitlines()):
        assert match is not None  # noqa: S101 - every line was made for it
        (kind, when, elb, ip, port, target, first, second, third, status, code, got, sent, request, agent, cipher,
         protocol, group, trace, domain, certificate, rule, created, actions, redirect, error, targets, codes,
         classification, reason, connection) = match.groups()  # fmt: skip
        method, url, version = request.split(" ")
        place, _, query = url.partition("?")
        _, _, host, path = place.split("/", 3)
        row = {"event": "request", "time": instant(when), "type": kind, "elb": elb, "ip": ip, "remote_port": int(port),
               "request_processing_time": float(first), "target_processing_time": float(second),
               "response_processing_time": float(third), "status": int(status), "target_status_code": int(code),
               "bytes_received": int(got), "bytes": int(sent), "method": method, "path": f"/{path}",
               "protocol": version, "host": host.partition(":")[0], "anonymous_id": visitor(ip, agent)}  # fmt: skip
        yield put(
            row, target=target, query=query, user_agent=agent, ssl_cipher=cipher, ssl_protocol=protocol,
            target_group_arn=group, trace_id=trace, domain_name=domain, chosen_cert_arn=certificate,
            matched_rule_priority=rule, request_creation_time=created, actions_executed=actions, redirect_url=redirect,
            error_reason=error, target_list=targets, target_status_code_list=codes, classification=classification,
            classification_reason=reason, conn_trace_id=connection,
        )  # fmt: skip


def _s3(act: Act) -> str:
    return (
        f"{'79a59df9' * 8} shop-images [{act.at.strftime(CLF)}] {act.ip} - {act.id[:16].upper()} REST.GET.OBJECT"
        f' {act.page["path"][1:]}.jpg "GET {_target(act)} HTTP/1.1" {_status(act)} - {_size(act)} {_size(act)} 41 28'
        f' "{act.page["referrer"]}" "{act.agent}" -'
    )


def _read_s3(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for match in map(S3.match, body.decode().splitlines()):
        assert match is not None  # noqa: S101 - every line was made for it
        (owner, bucket, when, ip, user, number, operation, key, request, status, error, sent, size, taken, turned,
         referrer, agent, version) = match.groups()  # fmt: skip
        row = {"event": "request", "time": moment(when), "bucket_owner": owner, "bucket": bucket,
               "ip": ip, "request_id": number, "operation": operation, "status": int(status),
               "duration": int(taken) / 1000, "turn_around_time": int(turned) / 1000,
               "anonymous_id": visitor(ip, agent), **asked(request)}  # fmt: skip
        yield put(
            row, user=user, key=key, error_code=error, bytes=whole(sent), object_size=whole(size), referrer=referrer,
            user_agent=agent, version_id=version,
        )  # fmt: skip


# ── HAProxy ─────────────────────────────────────────────────────────────────────────────────────────


def _haproxy(act: Act) -> str:
    return (
        f"{act.at:%b %e %H:%M:%S} edge haproxy[14389]: {act.ip}:33317"
        f" [{act.at:%d/%b/%Y:%H:%M:%S}.{act.millis % 1000:03d}] http-in static/srv{act.number % 4}"
        f" 10/0/{act.number % 50}/69/109 {_status(act)} {_size(act)} - - ----"
        f' 1/1/1/1/0 0/0 "GET {_target(act)} HTTP/1.1"'
    )


def _read_haproxy(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    counts = ("active_connections", "frontend_connections", "backend_connections", "server_connections", "retries",
              "server_queue", "backend_queue")  # fmt: skip
    timers = ("request_time", "queue_time", "connect_time", "response_time", "duration")
    for match in map(HAPROXY.match, body.decode().splitlines()):
        assert match is not None  # noqa: S101 - every line was made for it
        ip, port, when, front, back, server, *rest, request = match.groups()
        time = datetime.strptime(when, "%d/%b/%Y:%H:%M:%S.%f").replace(tzinfo=UTC)
        row = {"event": "request", "time": time, "ip": ip, "remote_port": int(port), "frontend": front,
               "backend": back, "server": server, "status": int(rest[5]),
               "bytes": int(rest[6]), "termination_state": rest[9], "anonymous_id": visitor(ip, "-"),
               **{name: int(text) / 1000 for name, text in zip(timers, rest[:5], strict=True)},
               **{name: int(text) for name, text in zip(counts, rest[10:], strict=True)}, **asked(request)}  # fmt: skip
        yield put(row, request_cookie=rest[7], response_cookie=rest[8])


CASES = (
    lined("access_log", _access, _read_access),
    lined("access_json", _access_json, _read_access_json),
    lined("w3c", _iis, _read_iis, heading=f"#Fields: {IIS}"),
    lined("elb", _alb, _read_alb),
    lined("s3_access", _s3, _read_s3),
    lined("haproxy", _haproxy, _read_haproxy),
)
