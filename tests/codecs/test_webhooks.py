"""Webhooks: signed as their senders sign, sent again until accepted, each event once."""

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hubspot.utils.signature import Signature
from sendgrid.helpers.eventwebhook import EventWebhook
from standardwebhooks.webhooks import Webhook as Standard

from collecting import FAULTS, deliver, send, serving, stored

NOW = int(time.time())
"""Of the running test, since signatures are only good for minutes."""
BODY = json.dumps([{"type": "bought", "id": f"b{number}", "user_id": "ann", "number": number} for number in range(9)])


@pytest.fixture(autouse=True)
def now(monkeypatch):
    monkeypatch.setitem(globals(), "NOW", int(time.time()))


def digest(secret, text, algorithm="sha256"):
    return hmac.digest(secret.encode(), text.encode(), algorithm)


def numbers(served):
    return sorted(row["number"] for row in stored(served, "number"))


# ── anybody ─────────────────────────────────────────────────────────────────────────────────────────


def standard(secret, text, stated):
    sign = Standard(base64.b64encode(secret.encode()).decode()).sign
    signed = sign("msg-1", datetime.fromtimestamp(int(stated), tz=UTC), text)
    return {"webhook-id": "msg-1", "webhook-timestamp": stated, "webhook-signature": f"v1,bad {signed}"}


SIGNED = {
    "github": lambda key, text, _: {"X-Hub-Signature-256": "sha256=" + digest(key, text).hex()},
    "older": lambda key, text, _: {"X-Hub-Signature": "sha1=" + digest(key, text, "sha1").hex()},
    "shopify": lambda key, text, _: {"X-Shopify-Hmac-Sha256": base64.b64encode(digest(key, text)).decode()},
    "plain": lambda key, text, _: {"X-Signature": digest(key, text).hex().upper()},
    "stripe": lambda key, text, at: {"Stripe-Signature": f"t={at},v0=x,v1={digest(key, f'{at}.{text}').hex()}"},
    "slack": lambda key, text, at: {
        "X-Slack-Signature": "v0=" + digest(key, f"v0:{at}:{text}").hex(), "X-Slack-Request-Timestamp": at,
    },
    "standard": standard,
}  # fmt: skip
TIMED = {"stripe", "slack", "standard"}


@pytest.mark.parametrize("way", SIGNED)
def test_a_signed_webhook_is_taken_once_and_a_forged_one_never(tmp_path, way):
    key = "whsec_" + base64.b64encode(b"wk").decode() if way == "standard" else "wk"
    with serving(tmp_path, "webhook", keys=("other", key), faults=FAULTS) as served:
        sign = SIGNED[way]
        for _ in range(2):
            deliver(served, "/webhook/shop", BODY.encode(), sign("wk", BODY, str(NOW)))
        for forged in (sign("no", BODY, str(NOW)), sign("wk", BODY + " ", str(NOW)), {}):
            assert send(served, "/webhook/shop", BODY.encode(), forged)[0] == 401
        recorded = send(served, "/webhook/shop", BODY.encode(), sign("wk", BODY, str(NOW - 400)))[0]
        assert recorded == (401 if way in TIMED else 200)
        assert numbers(served) == list(range(9))


@pytest.mark.parametrize(
    ("address", "headers"), [("/webhook?key=wk", {}), ("/webhook", {"Authorization": "Bearer wk"})]
)
def test_an_unsigned_webhook_shows_the_key(tmp_path, address, headers):
    with serving(tmp_path, "webhook") as served:
        assert send(served, address, BODY.encode(), headers)[0] == 200
        assert send(served, address, b"event=left&user_id=bob&number=9", headers)[0] == 200
        assert send(served, address, b'{"event": "a", "user_id": "c", "number": 10}\n{"x": 1}\n', headers)[0] == 200
        rows = stored(served, "event", "user_id", "number")
        assert {row["event"] for row in rows} == {"bought", "left", "a", "webhook"}
        assert len(rows) == 12
        assert send(served, address, b"{", headers)[0] == 400


def test_the_delivery_of_a_sender_is_the_id(tmp_path):
    with serving(tmp_path, "webhook", keys=()) as served:
        headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1"}
        for body in (b'{"sender": {"login": "ann"}}', b'[{"sender": {"login": "bob"}}, {"n": 1}]'):
            assert send(served, "/webhook/github", body, headers)[0] == 200
        assert stored(served, "event", "event_id", "actor", order="event_id") == [
            {"event": "push", "event_id": "d-1", "actor": "ann"},
            {"event": "push", "event_id": "d-1-0", "actor": "bob"},
            {"event": "push", "event_id": "d-1-1", "actor": "github"},
        ]


# ── those with a protocol of their own ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_hubspot_signs_as_its_library_does(tmp_path, version):
    path = "/webhooks/hubspot?portal=7"
    with serving(tmp_path, "hubspot", faults=FAULTS) as served:
        for number in range(5):
            change = {"eventId": 7, "subscriptionId": 1, "occurredAt": NOW * 1000 + number, "objectId": 5,
                      "subscriptionType": "contact.propertyChange", "number": number}  # fmt: skip
            for attempt in range(2):
                body = json.dumps([change | {"attemptNumber": attempt}])
                deliver(served, path, body.encode(), hubspot("wk", body, served.url + path, version, NOW))
            assert send(served, path, body.encode(), hubspot("no", body, served.url + path, version, NOW))[0] == 401
        if version == "v3":
            old = hubspot("wk", body, served.url + path, version, NOW - 400)
            assert send(served, path, body.encode(), old)[0] == 401
        assert send(served, path, body.encode())[0] == 401
        assert numbers(served) == list(range(5))
        assert {row["actor"] for row in stored(served, "actor")} == {"5"}


def hubspot(secret, body, address, version, now):
    signature = Signature.get_signature(secret, body, version, address, "POST", str(now * 1000))
    if version == "v3":
        return {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": str(now * 1000)}
    return {"X-HubSpot-Signature": signature, "X-HubSpot-Signature-Version": version}


def test_sendgrid_signs_with_a_key_that_its_library_accepts(tmp_path):
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = base64.b64encode(public).decode()
    event = {"email": "ann@shop.example", "timestamp": NOW, "event": "open"}
    events = [event | {"sg_event_id": f"s{number}", "number": number} for number in range(9)]
    body = json.dumps(events) + "\r\n"
    signature = base64.b64encode(private.sign(f"{NOW}{body}".encode(), ec.ECDSA(SHA256()))).decode()
    assert EventWebhook(key).verify_signature(body, signature, str(NOW))
    name = "X-Twilio-Email-Event-Webhook-"
    with serving(tmp_path, "sendgrid", keys=("not a key", key), faults=FAULTS) as served:
        for _ in range(2):
            deliver(
                served,
                "/webhooks/sendgrid",
                body.encode(),
                {name + "Signature": signature, name + "Timestamp": str(NOW)},
            )
        for forged in ({name + "Timestamp": "1"}, {name + "Signature": "AAAA"}, {name + "Signature": signature}):
            assert send(served, "/webhooks/sendgrid", body.encode(), forged)[0] == 401
        assert numbers(served) == list(range(9))


def test_mandrill_signs_the_form_and_looks_first(tmp_path):
    path = "/webhooks/mandrill"
    with serving(tmp_path, "mandrill", faults=("ok", *FAULTS)) as served:
        assert send(served, path, method="HEAD")[0] == send(served, path, method="GET")[0] == 200
        assert send(served, path, b"mandrill_events=%5B%5D", {"X-Mandrill-Signature": "of a test key"})[0] == 200
        event = {"event": "open", "ts": NOW, "msg": {"email": "ann@shop.example"}}
        events = [event | {"_id": f"m{number}", "number": number} for number in range(9)]
        text = json.dumps(events)
        body = urlencode({"mandrill_events": text}).encode()
        for secret, status in (("wk", 200), ("no", 401)):
            signature = base64.b64encode(digest(secret, f"{served.url}{path}mandrill_events{text}", "sha1")).decode()
            if status == 200:
                deliver(served, path, body, {"X-Mandrill-Signature": signature})
            assert send(served, path, body, {"X-Mandrill-Signature": signature})[0] == status
        assert numbers(served) == list(range(9))


def test_mailchimp_posts_a_form_to_an_address_with_the_key(tmp_path):
    with serving(tmp_path, "mailchimp", faults=FAULTS) as served:
        assert send(served, "/webhooks/mailchimp?key=wk", method="GET")[0] == 200
        fired = datetime.fromtimestamp(NOW, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
        for number in range(5):
            form = {"type": "subscribe", "fired_at": fired, "data[email]": f"{number}@shop.example",
                    "data[merges][FNAME]": "Ann Köln", "data[number]": number}  # fmt: skip
            for _ in range(2):
                deliver(served, "/webhooks/mailchimp?key=wk", urlencode(form).encode())
        rows = stored(served, "event", "user_id", "traits.FNAME", "number", order="user_id")
        assert [row["number"] for row in rows] == list("01234")
        assert rows[0] == {"event": "subscribe", "user_id": "0@shop.example", "traits.FNAME": "Ann Köln", "number": "0"}
        assert send(served, "/webhooks/mailchimp?key=no", b"type=a")[0] == 401
        assert send(served, "/webhooks/mailchimp?key=wk", b"")[0] == 400


def test_braze_sends_again_until_it_is_accepted(tmp_path):
    with serving(tmp_path, "braze", faults=FAULTS) as served:
        token = {"Authorization": "Bearer wk"}
        event = {"event_type": "users.messages.email.Open", "time": NOW, "user": {"external_user_id": "ann"}}
        events = [event | {"id": f"b{number}", "properties": {"number": number}} for number in range(9)]
        body = json.dumps({"events": events}).encode()
        for _ in range(2):
            deliver(served, "/webhooks/braze", body, token)
        assert numbers(served) == list(range(9))
        assert send(served, "/webhooks/braze", body)[0] == 401
        assert send(served, "/webhooks/braze", b"{}", token)[0] == 400


def test_the_digest_of_hubspot_is_plain_for_its_older_versions():
    text = "wkPOSThttps://a/b{}"
    assert Signature.get_signature("wk", "{}", "v2", "https://a/b") == hashlib.sha256(text.encode()).hexdigest()
