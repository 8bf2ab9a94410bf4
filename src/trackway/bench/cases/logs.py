"""Payloads and loops of log managers and pipelines: what shippers send over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from trackway.bench.cases.shop import Act, Names, Row, case, flat, instant, since_1970

# ── Splunk HEC ──────────────────────────────────────────────────────────────────────────────────────

SPLUNK = Names(
    {"source": "properties.source", "event.message": "message", "event.event": "event"},
    {"event.": "", "fields.": ""},
)  # fmt: skip


def _splunk(acts: list[Act]) -> bytes:
    return b"".join(
        orjson.dumps(
            {"time": act.millis / 1000, "host": f"web-{act.number % 9}", "source": "/var/log/shop.log",
             "sourcetype": "_json", "index": "main",
             "event": {"event": act.event, "user_id": act.user, "session_id": act.visitor, **act.properties,
                       "message": f"{act.event} by {act.user}", "severity": "INFO", "ip": act.ip},
             "fields": {"region": "eu-central-1"}}
        )
        for act in acts
    )  # fmt: skip


def _read_splunk(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for given in orjson.loads(b"[" + body.replace(b"}{", b"},{") + b"]"):
        row = flat(given, SPLUNK, {})
        row["anonymous_id"] = row.pop("session_id")
        row["time"] = since_1970(row["time"])
        yield row


# ── OTLP ────────────────────────────────────────────────────────────────────────────────────────────

NAMED = {"event.name": "event", "user.id": "user_id", "session.id": "anonymous_id"}


def _value(value: Any) -> Row:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def _pairs(values: Mapping[str, Any]) -> list[Row]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _otlp(acts: list[Act]) -> bytes:
    records = [
        {"timeUnixNano": str(act.millis * 1_000_000), "severityNumber": 9, "severityText": "INFO",
         "body": {"stringValue": f"{act.event} by {act.user}"},
         "attributes": _pairs({"event.name": act.event, "user.id": act.user, "session.id": act.visitor,
                               **act.properties, "client.address": act.ip}),
         "traceId": act.visitor, "spanId": act.id[:16]}
        for act in acts
    ]  # fmt: skip
    resource = {"attributes": _pairs({"service.name": "shop", "host.name": "web-1"})}
    scope = {"name": "shop.events", "version": "1.0"}
    scopes = [{"scope": scope, "logRecords": records}]
    return orjson.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": scopes}]})


def _plain(value: Row) -> Any:
    ((kind, found),) = value.items()
    return int(found) if kind == "intValue" else found


def _read_otlp(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for resource in orjson.loads(body)["resourceLogs"]:
        around = {pair["key"]: _plain(pair["value"]) for pair in resource["resource"]["attributes"]}
        for scope in resource["scopeLogs"]:
            around |= {f"scope.{key}": value for key, value in scope["scope"].items()}
            for record in scope["logRecords"]:
                row = {
                    **around, "time": since_1970(int(record["timeUnixNano"]) // 1000 / 1_000_000),
                    "severity_number": record["severityNumber"], "severity_text": record["severityText"],
                    "message": record["body"]["stringValue"], "trace_id": record["traceId"],
                    "span_id": record["spanId"],
                }  # fmt: skip
                for pair in record["attributes"]:
                    row[NAMED.get(pair["key"], pair["key"])] = _plain(pair["value"])
                yield row


# ── Elasticsearch ───────────────────────────────────────────────────────────────────────────────────

ELASTIC = Names({"@timestamp": "time", "event.action": "event", "user.id": "user_id", "session.id": "anonymous_id"})


def _elastic(acts: list[Act]) -> bytes:
    lines = []
    for act in acts:
        lines += [
            {"create": {"_index": "shop", "_id": act.id}},
            {
                "@timestamp": act.iso,
                "event": {"action": act.event},
                "user": {"id": act.user},
                "session": {"id": act.visitor},
                **act.properties,
                "url": {"path": act.page["path"]},
                "host": {"name": "web-1"},
                "client": {"address": act.ip},
                "message": f"{act.event} by {act.user}",
            },
        ]
    return b"\n".join(map(orjson.dumps, lines)) + b"\n"


def _read_elastic(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    lines = iter(body.splitlines())
    for line in lines:
        action = orjson.loads(line)["create"]
        row = flat(orjson.loads(next(lines)), ELASTIC, {"_index": action["_index"]})
        row["event_id"] = f"{action['_index']}/{action['_id']}"
        row["time"] = instant(row["time"])
        yield row


# ── Loggly, Sumo Logic ──────────────────────────────────────────────────────────────────────────────

LINE = Names({"timestamp": "time", "session_id": "anonymous_id"})


def _lines(acts: list[Act]) -> bytes:
    return b"\n".join(
        orjson.dumps(
            {"timestamp": act.iso, "event": act.event, "user_id": act.user, "session_id": act.visitor,
             **act.properties, "level": "info", "logger": "shop.events", "message": f"{act.event} by {act.user}",
             "client_ip": act.ip}
        )
        for act in acts
    )  # fmt: skip


def _read_lines(body: bytes, headers: Mapping[str, str]) -> Iterator[Row]:
    around = orjson.loads(headers["around"])
    around = {key: orjson.dumps(value).decode() if isinstance(value, list) else value for key, value in around.items()}
    for line in body.splitlines():
        row = flat(orjson.loads(line), LINE, around.copy())
        row["time"] = instant(row["time"])
        yield row


# ── CloudEvents, webhooks ───────────────────────────────────────────────────────────────────────────

CLOUD = Names(
    {"specversion": None, "datacontenttype": None, "type": "event", "id": "event_id", "source": "properties.source",
     "data.user_id": "user_id", "data.anonymous_id": "anonymous_id"},
    {"data.": ""},
)  # fmt: skip
HOOK = Names({"type": "event", "id": "event_id", "created_at": "time", "data.user_id": "user_id",
              "data.anonymous_id": "anonymous_id"})  # fmt: skip


def _cloud(acts: list[Act]) -> bytes:
    return orjson.dumps([
        {"specversion": "1.0", "type": act.event, "source": "/shop/checkout", "id": act.id, "time": act.iso,
         "datacontenttype": "application/json",
         "data": {"user_id": act.user, "anonymous_id": act.visitor, **act.properties, "page": act.page, "ip": act.ip}}
        for act in acts
    ])  # fmt: skip


def _read_cloud(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body):
        row = flat(event, CLOUD, {})
        row["event_id"] = f"{row['properties.source']}#{row['event_id']}"
        row["time"] = instant(row["time"])
        yield row


def _hook(acts: list[Act]) -> bytes:
    return orjson.dumps([
        {"type": act.event, "id": act.id, "created_at": act.iso, "livemode": True,
         "data": {"user_id": act.user, "anonymous_id": act.visitor, **act.properties, "page": act.page}}
        for act in acts
    ])  # fmt: skip


def _read_hook(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body):
        row = flat(event, HOOK, {})
        row["time"] = instant(row["time"])
        yield row


SENDER = {"sender": "10.0.0.9"}
CASES = (
    case("splunk_hec", _splunk, _read_splunk, {"path": "/services/collector/event"}),
    case("otlp", _otlp, _read_otlp, SENDER, ("event_id",)),
    case("elasticsearch", _elastic, _read_elastic, {"path": "/_bulk"}),
    case("loggly", _lines, _read_lines, {**SENDER, "bulk": "yes", "around": '{"tags":["web","prod"]}'}),
    case("sumo_logic", _lines, _read_lines, {**SENDER, "around": '{"_sourceHost":"web-1","team":"shop"}'}),
    case("cloudevents", _cloud, _read_cloud, {}),
    case("webhook", _hook, _read_hook, {"name": "shop"}),
)
