"""Payloads and loops of webhooks of mail services and of a CRM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from trackway.bench.cases.shop import Act, Case, Names, Payload, Row, acts, case, flat, instant, since_1970

BRAZE = Names(
    {"id": "event_id", "event_type": "event", "user.external_user_id": "user_id", "user.device_id": "anonymous_id"},
    {"properties.": ""},
)  # fmt: skip
SENDGRID = Names({"sg_event_id": "event_id", "timestamp": "time"})
MANDRILL = Names({"_id": "event_id", "ts": "time", "msg.metadata.user_id": "user_id"})
HUBSPOT = Names({"occurredAt": "time", "subscriptionType": "event", "eventId": "event_id", "objectId": "object_id",
                 "subscriptionId": "subscription_id"})  # fmt: skip
MAILCHIMP = Names({"type": "event", "fired_at": "time", "data.email": "user_id"},
                  {"data.merges.": "traits.", "data.": ""})  # fmt: skip


def _braze(some: list[Act]) -> bytes:
    events = [
        {"event_type": "users.messages.email.Open", "id": act.id, "time": act.millis // 1000,
         "user": {"external_user_id": act.user, "device_id": act.visitor, "timezone": "Europe/Berlin"},
         "properties": {"campaign_id": act.properties["product_id"], "message_variation_id": act.properties["category"],
                        "device_os": "iOS", "email_address": f"{act.user}@mail.example", "user_agent": act.agent,
                        "is_amp": act.properties["returning"]}}
        for act in some
    ]  # fmt: skip
    return orjson.dumps({"events": events})


def _read_braze(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body)["events"]:
        row = flat(event, BRAZE, {})
        row["time"] = since_1970(row["time"])
        yield row


def _sendgrid(some: list[Act]) -> bytes:
    return orjson.dumps([
        {"email": f"{act.user}@mail.example", "timestamp": act.millis // 1000, "event": "click",
         "smtp-id": f"<{act.visitor}@ismtpd>", "category": ["shop", act.properties["category"]], "sg_event_id": act.id,
         "sg_message_id": act.visitor, "useragent": act.agent, "ip": act.ip, "url": act.page["url"],
         "user_id": act.user}
        for act in some
    ])  # fmt: skip


def _read_sendgrid(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body):
        row = flat(event, SENDGRID, {})
        row["category"] = orjson.dumps(row["category"]).decode()
        row["time"] = since_1970(row["time"])
        yield row


def _mandrill(some: list[Act]) -> bytes:
    return orjson.dumps([
        {"event": "click", "_id": act.id, "ts": act.millis // 1000, "ip": act.ip, "user_agent": act.agent,
         "url": act.page["url"],
         "msg": {"subject": "Your order", "email": f"{act.user}@mail.example", "sender": "shop@mail.example",
                 "tags": ["order", act.properties["category"]], "state": "sent",
                 "metadata": {"user_id": act.user, "plan": act.properties["plan"]}}}
        for act in some
    ])  # fmt: skip


def _read_mandrill(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body):
        row = flat(event, MANDRILL, {})
        row["msg.tags"] = orjson.dumps(row["msg.tags"]).decode()
        row["event_id"] = f"{row['event_id']}-{row['event']}-{row['time'] * 1_000_000}"
        row["time"] = since_1970(row["time"])
        yield row


def _hubspot(some: list[Act]) -> bytes:
    return orjson.dumps([
        {"eventId": act.number, "subscriptionId": 25, "portalId": 62515, "appId": 1160452, "occurredAt": act.millis,
         "subscriptionType": "contact.propertyChange", "attemptNumber": 0, "objectId": int(act.user[5:]),
         "changeSource": "CRM", "propertyName": "lifecyclestage", "propertyValue": act.properties["plan"]}
        for act in some
    ])  # fmt: skip


def _read_hubspot(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body):
        row = flat(event, HUBSPOT, {})
        number, subscription, time = row["object_id"], row["subscription_id"], row["time"]
        row["event_id"] = f"{row['event_id']}-{subscription}-{number}-{time * 1000}"
        row["user_id"] = row["object_id"] = str(number)
        row["subscription_id"] = str(subscription)
        row["time"] = since_1970(time / 1000)
        yield row


def _mailchimp(count: int) -> Iterator[Payload]:
    for act in acts(count):
        said = {
            "type": "profile", "fired_at": act.iso[:19].replace("T", " "),
            "data": {"id": act.id[:10], "list_id": "a6b5da1054", "email": f"{act.user}@mail.example",
                     "email_type": "html",
                     "merges": {"FNAME": act.user, "PLAN": act.properties["plan"]}, "ip_opt": act.ip},
        }  # fmt: skip
        yield orjson.dumps(said), {}


def _read_mailchimp(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    row = flat(orjson.loads(body), MAILCHIMP, {})
    row["time"] = instant(row["time"] + "+00:00")
    yield row


CASES = (
    case("braze", _braze, _read_braze, {}),
    case("sendgrid", _sendgrid, _read_sendgrid, {}),
    case("mandrill", _mandrill, _read_mandrill, {}),
    case("hubspot", _hubspot, _read_hubspot, {}),
    Case("mailchimp", _mailchimp, _read_mailchimp),
)
