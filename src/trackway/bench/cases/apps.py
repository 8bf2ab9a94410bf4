"""Payloads and loops of the protocols of apps: product analytics and tag managers."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

import orjson

from trackway.bench.cases.shop import Act, Names, Row, case, flat, instant, since_1970

# ── Segment ─────────────────────────────────────────────────────────────────────────────────────────

SEGMENT = Names(
    {"type": None, "messageId": "event_id", "userId": "user_id", "anonymousId": "anonymous_id", "timestamp": "time",
     "writeKey": None},
    {"properties.": ""},
)  # fmt: skip


def _calls(acts: list[Act]) -> bytes:
    calls = [
        {"type": "track", "event": act.event, "messageId": act.id, "userId": act.user, "anonymousId": act.visitor,
         "timestamp": act.iso, "properties": act.properties,
         "context": {"library": {"name": "analytics-node", "version": "2.1.0"}, "page": act.page, "ip": act.ip,
                     "userAgent": act.agent}}
        for act in acts
    ]  # fmt: skip
    return orjson.dumps({"batch": calls, "sentAt": acts[-1].iso, "writeKey": "key"})


def _read_calls(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    whole = orjson.loads(body)
    sent = instant(whole["sentAt"])
    for call in whole["batch"]:
        row = flat(call, SEGMENT, {"sent_at": sent})
        row["time"] = instant(row["time"])
        yield row


# ── plain JSON ──────────────────────────────────────────────────────────────────────────────────────

PLAIN = Names({})


def _json(acts: list[Act]) -> bytes:
    lines = [
        {"event": act.event, "time": act.iso, "event_id": act.id, "user_id": act.user, "anonymous_id": act.visitor,
         **act.properties, "page": act.page, "ip": act.ip, "user_agent": act.agent}
        for act in acts
    ]  # fmt: skip
    return b"\n".join(map(orjson.dumps, lines))


def _read_json(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for line in body.splitlines():
        row = flat(orjson.loads(line), PLAIN, {})
        row["time"] = instant(row["time"])
        yield row


# ── mParticle ───────────────────────────────────────────────────────────────────────────────────────

MPARTICLE = Names(
    {"event_type": None, "data.event_name": "event", "data.source_message_id": "event_id",
     "data.timestamp_unixtime_ms": "time", "user_identities.customer_id": "user_id", "mpid": "properties.mpid",
     "device_info.ios_idfv": "anonymous_id"},
    {"data.custom_attributes.": "", "data.": "", "user_attributes.": "traits."}, ("api_key", "schema_version"),
)  # fmt: skip
OF_ONE = 10
"""Events of one user in a batch."""


def _mparticle(acts: list[Act]) -> bytes:
    batches = []
    for first in range(0, len(acts), OF_ONE):
        some = acts[first : first + OF_ONE]
        events = [
            {"event_type": "custom_event",
             "data": {"event_name": act.event, "custom_event_type": "transaction", "source_message_id": act.id,
                      "timestamp_unixtime_ms": act.millis, "session_id": act.number,
                      "custom_attributes": act.properties}}
            for act in some
        ]  # fmt: skip
        one = some[0]
        batches.append(
            {"api_key": "key", "environment": "production", "events": events,
             "user_identities": {"customer_id": one.user, "email": f"{one.user}@mail.example"},
             "user_attributes": {"city": "Berlin"}, "ip": one.ip,
             "device_info": {"ios_idfv": one.visitor, "platform": "iOS", "os_version": "17.4"}}
        )  # fmt: skip
    return orjson.dumps(batches)


def _read_mparticle(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for batch in orjson.loads(body):
        events = batch.pop("events")
        around = flat(batch, MPARTICLE, {})
        for event in events:
            row = flat(event, MPARTICLE, around.copy())
            row["time"] = since_1970(row["time"] / 1000)
            yield row


# ── PostHog ─────────────────────────────────────────────────────────────────────────────────────────

POSTHOG = Names(
    {"uuid": "event_id", "timestamp": "time", "distinct_id": "user_id", "properties.distinct_id": None},
    {"properties.$set.": "traits.", "properties.": ""}, ("api_key", "token", "properties.token"),
)  # fmt: skip


def _posthog(acts: list[Act]) -> bytes:
    events = [
        {"uuid": act.id, "event": act.event, "timestamp": act.iso, "distinct_id": act.user,
         "properties": {**act.properties, "distinct_id": act.user, "token": "key", "$current_url": act.page["url"],
                        "$referrer": act.page["referrer"], "$ip": act.ip, "$raw_user_agent": act.agent,
                        "$lib": "posthog-python", "$lib_version": "3.6.0"}}
        for act in acts
    ]  # fmt: skip
    return orjson.dumps({"api_key": "key", "batch": events, "sentAt": acts[-1].iso})


def _read_posthog(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    whole = orjson.loads(body)
    sent = {"sentAt": whole["sentAt"]}
    for event in whole["batch"]:
        row = flat(event, POSTHOG, sent.copy())
        row["time"] = instant(row["time"])
        yield row


# ── Mixpanel ────────────────────────────────────────────────────────────────────────────────────────

MIXPANEL = Names(
    {"properties.$insert_id": "event_id", "properties.time": "time", "properties.distinct_id": "user_id",
     "properties.$device_id": "anonymous_id"},
    {"properties.": ""}, ("properties.token",),
)  # fmt: skip


def _mixpanel(acts: list[Act]) -> bytes:
    return orjson.dumps([
        {"event": act.event,
         "properties": {**act.properties, "token": "key", "$insert_id": act.id, "time": act.millis / 1000,
                        "distinct_id": act.user, "$device_id": act.visitor, "$current_url": act.page["url"],
                        "$referrer": act.page["referrer"], "$browser": "Chrome", "mp_lib": "python", "ip": act.ip}}
        for act in acts
    ])  # fmt: skip


def _read_mixpanel(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body):
        row = flat(event, MIXPANEL, {})
        row["time"] = since_1970(row["time"])
        yield row


# ── Amplitude ───────────────────────────────────────────────────────────────────────────────────────

AMPLITUDE = Names(
    {"insert_id": "event_id", "event_type": "event", "device_id": "anonymous_id", "event_id": "properties.event_id"},
    {"user_properties.$set.": "traits.", "user_properties.": "traits.", "event_properties.": ""}, ("api_key",),
)  # fmt: skip


def _amplitude(acts: list[Act]) -> bytes:
    events = [
        {"insert_id": act.id, "event_type": act.event, "time": act.millis, "user_id": act.user,
         "device_id": act.visitor, "event_properties": act.properties, "user_properties": {"$set": {"city": "Berlin"}},
         "ip": act.ip, "platform": "Web", "library": "amplitude-python/1.1.4", "session_id": act.millis - 5000,
         "page_url": act.page["url"], "user_agent": act.agent}
        for act in acts
    ]  # fmt: skip
    return orjson.dumps({"api_key": "key", "events": events})


def _read_amplitude(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body)["events"]:
        row = flat(event, AMPLITUDE, {})
        row["time"] = since_1970(row["time"] / 1000)
        yield row


# ── Snowplow ────────────────────────────────────────────────────────────────────────────────────────

SNOWPLOW = Names(
    {"e": None, "eid": "event_id", "dtm": "time", "stm": "sent_at", "uid": "user_id", "duid": "anonymous_id",
     "ue_px": None, "aid": "app_id", "p": "platform", "tv": "v_tracker", "url": "page_url", "refr": "page_referrer",
     "ua": "useragent", "ip": "user_ipaddress"},
)  # fmt: skip
CHANGE = "iglu:com.shop/{}/jsonschema/1-0-0"


def _snowplow(acts: list[Act]) -> bytes:
    def described(act: Act) -> str:
        inner = {"schema": CHANGE.format(act.event.lower().replace(" ", "_")), "data": act.properties}
        whole = {"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": inner}
        return base64.urlsafe_b64encode(orjson.dumps(whole)).decode()

    data = [
        {"e": "ue", "eid": act.id, "dtm": str(act.millis), "stm": str(act.millis + 40), "uid": act.user,
         "duid": act.visitor, "aid": "shop", "p": "web", "tv": "py-1.0.2", "url": act.page["url"],
         "refr": act.page["referrer"], "ua": act.agent, "ip": act.ip, "ue_px": described(act)}
        for act in acts
    ]  # fmt: skip
    schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    return orjson.dumps({"schema": schema, "data": data})


def _read_snowplow(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for event in orjson.loads(body)["data"]:
        row = flat(event, SNOWPLOW, {})
        row["time"], row["sent_at"] = since_1970(int(row["time"]) / 1000), since_1970(int(row["sent_at"]) / 1000)
        described = orjson.loads(base64.urlsafe_b64decode(event["ue_px"]))["data"]
        row["event"] = described["schema"].split("/")[1]
        yield flat(described["data"], PLAIN, row)


# ── GA4 ─────────────────────────────────────────────────────────────────────────────────────────────

GA4 = Names({"name": "event", "timestamp_micros": "time", "client_id": "anonymous_id"}, {"params.": ""})


def _ga4(acts: list[Act]) -> bytes:
    events = [
        {"name": act.event.lower().replace(" ", "_"), "timestamp_micros": act.millis * 1000,
         "params": {**act.properties, "page_location": act.page["url"], "session_id": act.number}}
        for act in acts
    ]  # fmt: skip
    return orjson.dumps({"client_id": acts[0].visitor, "user_id": acts[0].user, "events": events})


def _read_ga4(body: bytes, headers: Mapping[str, str]) -> Iterator[Row]:
    whole = orjson.loads(body)
    around = {"anonymous_id": whole["client_id"], "user_id": whole["user_id"], **headers}
    for event in whole["events"]:
        row = flat(event, GA4, around.copy())
        row["time"] = since_1970(row["time"] / 1_000_000)
        yield row


CASES = (
    case("segment", _calls, _read_calls, {"path": "/v1/batch"}),
    case("json", _json, _read_json, {"lines": "yes"}),
    case("mparticle", _mparticle, _read_mparticle, {"path": "/v2/bulkevents"}),
    case("posthog", _posthog, _read_posthog, {"path": "/batch"}),
    case("mixpanel", _mixpanel, _read_mixpanel, {"path": "/import"}),
    case("amplitude", _amplitude, _read_amplitude, {"path": "/2/httpapi"}),
    case("snowplow", _snowplow, _read_snowplow, {"path": "/com.snowplowanalytics.snowplow/tp2"}),
    case("ga4", _ga4, _read_ga4, {"measurement_id": "G-1"}, ("event_id",)),
)
