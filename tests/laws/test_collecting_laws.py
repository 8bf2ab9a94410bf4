"""What holds for every codec of a route: no request makes it raise, and what it takes in it can count and read."""

import base64
import json
import random
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trackway.errors import PayloadError
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.plan import registry
from trackway.plan.component import Reply, Request
from trackway.plan.route import HOLE, Route

CODECS = Path(__file__).parents[1] / "codecs"
NAMES = [name for name in registry.names("codecs") if registry.load("codecs", name).routes]
HEADERS = ("authorization", "content-type", "accept", "user-agent", "x-hub-signature-256", "x-hubspot-signature",
           "x-hubspot-signature-v3", "x-hubspot-request-timestamp", "stripe-signature", "webhook-signature",
           "webhook-timestamp", "x-slack-signature", "x-slack-request-timestamp", "x-mandrill-signature",
           "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp", "ce-id", "ce-type",
           "x-splunk-request-channel", "x-sumo-fields", "x-loggly-tag", "x-github-event", "origin")  # fmt: skip
QUERIES = ("data", "verbose", "key", "token", "access_token", "api_secret", "channel", "host", "filter_path", "aid")
ODD = [
    *(
        "",
        "Basic eDp5",
        "Basic \xe9",
        "Basic ====",
        "ApiKey %%",
        "Splunk x",
        "Bearer ",
        "v1,x v1,",
        "t=,v1=",
        "sha256=",
    ),
    *("a=b,=,c", "1790000000", "-1", "9" * 30, "\xff\xfe", "e30=", "{}", "[]", '{"event":', "%7B"),
]


def golden(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CODECS / name).glob("*.in"))]


def request(name: str, dice: random.Random, body: bytes) -> Request:
    """A request on one of its routes, with odd headers and an odd address."""
    route = Route.read(dice.choice(registry.load("codecs", name).routes))
    parts = {hole: dice.choice(["x", "a,b", "_doc", "\xe9"]) for hole, _ in HOLE.findall(route.path)}
    headers = {header: dice.choice(ODD) for header in HEADERS if dice.random() < 0.3}
    query = {key: dice.choice([*ODD, body.decode("latin-1"), base64.b64encode(body).decode()])
             for key in QUERIES if dice.random() < 0.3}  # fmt: skip
    wrapped = dice.choice([body, base64.b64encode(body), b"data=" + quote(body).encode(), b"payload=" + body])
    path = HOLE.sub(lambda hole: parts[hole[1]], route.path)
    method = dice.choice(sorted(route.methods | {"OPTIONS"}))
    return Request(path, headers, wrapped, query, method, parts, wrapped, path, 1_790_000_000_000_000, "127.0.0.1")


def go(name: str, asked: Request) -> None:
    """All that the collector does with a request, and what the flow does with what was taken."""
    codec = registry.load("codecs", name)()
    assert codec.fits(asked) in (True, False)
    greeting = codec.greet(asked)
    assert greeting is None or 200 <= greeting.status < 500
    assert codec.shows(asked, ["no such key"]) is False
    key = codec.key(asked)
    assert key is None or isinstance(key, str)
    for status in (400, 401, 404, 413, 503):
        reply = codec.complain(asked, PayloadError("why", status=status))
        assert reply is None or 400 <= reply.status < 600
    try:
        taken = codec.take(asked)
    except PayloadError:
        return
    reply = taken.reply if isinstance(taken.reply, Reply) else taken.reply(7)
    assert isinstance(reply.body, bytes)
    assert all(isinstance(text, str) for pair in taken.headers.items() for text in pair)
    assert json.loads(json.dumps(dict(taken.headers))) == taken.headers
    if taken.records:
        assert codec.count(taken.body, taken.headers) == taken.records
        block = Block(1, "web", 1_790_000_000_000_000, name, taken.body, taken.records, taken.headers)
        table = codec.decode([block], Schema())
        assert table["row"].to_pylist() == list(range(taken.records))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(piece=st.binary(max_size=30), dice=st.randoms(use_true_random=False))
@example(piece=b"", dice=random.Random(1))
@example(piece=b"\x00\xff{", dice=random.Random(2))
def test_no_request_makes_it_raise(name, piece, dice):
    body = dice.choice(golden(name))
    place = dice.randrange(len(body) + 1)
    for some in (piece, body, body[:place], body[:place] + piece[:3] + body[place + dice.randrange(4) :]):
        go(name, request(name, dice, some))


DEEP = b'{"a":' * 3_000 + b"1" + b"}" * 3_000
ODDITIES = [b"[" * 5_000, b"[" * 5_000 + b"]" * 5_000, DEEP, b'{"batch":[' + DEEP + b"]}",
            b'{"events":[' + DEEP + b"]}",
            b'{"data":[' + DEEP + b"]}", b'{"resourceLogs":[' + DEEP + b"]}", b'{"create":{}}\n' + DEEP,
            b'{"a":1,"a":2,"events":[{}],"events":3}', b'{"\\ud800":"\\ud800"}', b"\xef\xbb\xbf[]", b"\n" * 1_000,
            b'{"events":[{"id":1e999,"time":1e400}]}', b'[{"time":-1e30,"timestamp":99999999999999999999}]',
            b"\x0a\x7f" * 2_000, b"\x0a\x00" * 5_000]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_oddity_makes_it_raise(name):
    dice = random.Random(3)
    for body in ODDITIES:
        for _ in range(6):
            go(name, request(name, dice, body))
