"""The collector: takes payloads in over HTTP and answers once they are in the journal, on disk.

The route of a request chooses the codec; its write key chooses the source, else the path (`/in/NAME/...`),
else there is only one. It is one Starlette route with a dictionary inside and plain ASGI behind, since every
event of a company passes here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from trackway.api.body import Gone, read, unpack
from trackway.api.doors import Door, Doors, Place, choose, open_doors
from trackway.api.pressure import Pressure
from trackway.errors import PayloadError, TrackwayError
from trackway.plan.component import Codec, Payload, Reply, Request
from trackway.store.group_commit import GroupCommit

if TYPE_CHECKING:
    from trackway.app import Workspace

LARGE = 1 << 20
"""Bodies from this size on are counted in a thread, so that others need not wait."""
RETRY_SECONDS = 2
Fields = list[tuple[bytes, bytes]]


def routes(workspace: Workspace) -> list[BaseRoute]:
    """The collector of a workspace, to stand before all other routes of the app.

    Raises ConfigError for a source without write keys on an address others can reach.
    """
    doors = open_doors(workspace.plan)
    every = {door.codec_name: door.codec for door in doors}
    if not every:
        return []
    for one in every.values():
        warm(one)
    group = GroupCommit(workspace.journal)
    pressure = Pressure(workspace.journal, workspace.lake.position, workspace.plan.project.max_backlog)
    return [Collector(doors, group.keep, pressure)]


def warm(codec: Codec) -> None:
    """Let a codec load what it compiles now, so that the first request need not wait for it."""
    for body in (b"{}", b"[{}]", b"{}\n{}", b'{"batch": [{}]}'):
        with suppress(PayloadError):
            codec.take(Request(codec.routes[0], {}, body))


class Collector(BaseRoute):
    """Answers on all paths of its doors."""

    def __init__(self, doors: Doors, keep: Callable[[Payload], Awaitable[int]], pressure: Pressure) -> None:
        self._doors = doors
        self._keep = keep
        self._pressure = pressure

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """By the path; a slash at its end is forgiven. A person who opens `/` wants the page, a shipper greets."""
        place = self._doors.find(scope["path"].rstrip("/")) if scope["type"] == "http" else None
        if place is None or (scope["path"] == "/" and b"text/html" in dict(scope["headers"]).get(b"accept", b"")):
            return Match.NONE, {}
        return Match.FULL, {"place": place}

    def url_path_for(self, name: str, /, **path_params: object) -> object:  # type: ignore[override]
        """Nothing links here."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            reply = await self._answer(scope, headers, receive)
        except Gone:
            return
        fields = [(b"content-type", reply.content_type.encode())] if reply.content_type else []
        fields.append((b"content-length", b"%d" % len(reply.body)))
        fields += [(name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
        fields += cross_origin(headers)
        if reply.status == 413:
            fields.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Reply:
        """The reply, also when there is something wrong."""
        place: Place = scope["place"]
        doors = place.doors.get(scope["method"]) or place.everyone
        raw = body = b""
        request = None
        try:
            limit = max([door.limit for door in doors])
            raw = await read(receive, headers, limit)
            body = unpack(raw, headers.get("content-encoding", ""), limit)
            request = received(scope, headers, raw, body)
            if len(doors) > 1:
                doors = [door for door in doors if door.codec.fits(request)] or doors
            for door in doors:
                greeting = door.codec.greet(request)
                if greeting is not None:
                    return greeting
            if scope["method"] not in place.doors:
                return unanswered(request, place)
            doors = [choose(doors, request, scope["server"])]
            if await self._pressure.high():
                raise PayloadError("the flow is behind", status=503)
            return await self._take(doors[0], request)
        except TrackwayError as error:
            request = request or received(scope, headers, raw, body)
            return said(doors[0].codec.complain(request, error), error)

    async def _take(self, door: Door, request: Request) -> Reply:
        """Into the journal; the reply of the codec once it is there."""
        if len(request.body) > door.limit:
            raise PayloadError(f"more than {door.limit:,} bytes", status=413, hint="send fewer events at a time")
        if len(request.body) < LARGE:
            taken = door.codec.take(request)
        else:
            taken = await asyncio.to_thread(door.codec.take, request)
        position = 0
        if taken.records:
            kept = Payload(door.name, door.codec_name, taken.body, taken.records, taken.headers)
            position = await self._keep(kept)
            self._pressure.add(taken.records)
        return taken.reply if isinstance(taken.reply, Reply) else taken.reply(position)


def received(scope: Scope, headers: Mapping[str, str], raw: bytes, body: bytes) -> Request:
    """A request as codecs see it."""
    asked = scope["query_string"].decode("latin-1")
    path: str = scope["path"]
    target = scope.get("raw_path", b"").decode("latin-1").partition("?")[0] + (f"?{asked}" if asked else "")
    query = dict(parse_qsl(asked)) if asked else {}
    now = time.time_ns() // 1_000
    sender = (scope.get("client") or ("",))[0]
    return Request(
        path.rstrip("/"), headers, body, query, scope["method"], scope["place"].parts, raw, target, now, sender
    )


def unanswered(request: Request, place: Place) -> Reply:
    """To a method without a door: what a browser asks before it sends, or that others are answered here."""
    methods = ", ".join(sorted({*place.doors, "OPTIONS"}))
    if request.method == "OPTIONS":
        return Reply(204, b"", "", {"allow": methods, **preflight(request.headers, methods)})
    hint = "send events with " + " or ".join(sorted(place.doors))
    error = PayloadError(f"{request.method} is not answered here", status=405, hint=hint)
    return Reply(405, orjson.dumps(error.as_json()), headers={"allow": methods})


def said(reply: Reply | None, error: TrackwayError) -> Reply:
    """An error as it is sent. Where the codec has no words of its own, `please keep it and send it again` is plain
    text with a body: the one reply that every shipper retries.
    """
    more: dict[str, str] = {}
    if error.status == 503:
        more["retry-after"] = str(RETRY_SECONDS)
        text = f"{error.message}; nothing of this request was kept, send it again\n"
        usual = Reply(503, text.encode(), "text/plain; charset=utf-8")
    else:
        usual = Reply(error.status, orjson.dumps(error.as_json()))
    if error.status == 401:
        more["www-authenticate"] = 'Basic realm="write key"'
    reply = reply or usual
    return replace(reply, headers={**more, **reply.headers})


def cross_origin(headers: Mapping[str, str]) -> Fields:
    """Lets a page of any origin read the reply; the write key, not the origin, says who may send."""
    origin = headers.get("origin")
    if not origin:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"origin"),
    ]


def preflight(headers: Mapping[str, str], methods: str) -> dict[str, str]:
    """What a browser asks before it sends anything but a plain form."""
    asked = headers.get("access-control-request-headers", "authorization, content-type, content-encoding")
    return {
        "access-control-allow-methods": methods,
        "access-control-allow-headers": asked,
        "access-control-max-age": "86400",
    }
