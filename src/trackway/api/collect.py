"""The collector: takes payloads in over HTTP and answers once they are in the journal, on disk.

The route of a request chooses the codec; its write key chooses the source, else the path (`/in/NAME/...`),
else there is only one. It is one Starlette route with a dictionary inside and plain ASGI behind, since every
event of a company passes here.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from trackway.api.body import Gone, read
from trackway.api.pressure import Pressure
from trackway.errors import ConfigError, PayloadError, StorageError, TrackwayError
from trackway.model.size import Size
from trackway.plan.component import Codec, Payload, Reply, Request
from trackway.plan.config import Plan
from trackway.sources.http import Http, codec
from trackway.store.group_commit import GroupCommit

if TYPE_CHECKING:
    from trackway.app import Workspace

LARGE = 1 << 20
"""Bodies from this size on are counted in a thread, so that others need not wait."""
RETRY_SECONDS = 2
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Door:
    """One codec of one source, as it answers on a path."""

    name: str
    source: Http
    codec_name: str
    codec: Codec
    limit: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    reply: Reply
    headers: Headers


def routes(workspace: Workspace) -> list[BaseRoute]:
    """The collector of a workspace, to stand before all other routes of the app.

    Raises ConfigError for a source without write keys on an address others can reach.
    """
    doors = open_doors(workspace.plan)
    if not doors:
        return []
    for door in {door.codec_name: door for some in doors.values() for door in some}.values():
        warm(door.codec)
    group = GroupCommit(workspace.journal)
    pressure = Pressure(workspace.journal, workspace.lake.position, workspace.plan.project.max_backlog)
    return [Collector(doors, group.keep, pressure)]


def warm(codec: Codec) -> None:
    """Let a codec load what it compiles now, so that the first request need not wait for it."""
    for body in (b"{}", b"[{}]", b"{}\n{}", b'{"batch": [{}]}'):
        with suppress(PayloadError):
            codec.count(body, {})


def open_doors(plan: Plan) -> dict[str, list[Door]]:
    """Path -> who answers there."""
    doors: dict[str, list[Door]] = {}
    host = plan.project.listen.rpartition(":")[0].strip("[]")
    for name, source in plan.sources.items():
        if not isinstance(source, Http):
            continue
        if not source.write_keys and not is_loopback(host):
            hint = 'set write_keys = ["..."], or listen on 127.0.0.1'
            raise ConfigError(f"is open to everybody who can reach {host}", path=f"sources.{name}", hint=hint)
        limit = (source.max_body or Size(plan.project.max_body)).bytes
        made = [Door(name, source, each, codec(each), limit) for each in source.codecs]
        for door in made:
            for route in door.codec.routes:
                doors.setdefault(route, []).append(door)
                doors.setdefault(f"/in/{name}{route}", []).append(door)
        plain = [door for door in made if door.codec_name == "json"] or made[:1]
        doors[f"/in/{name}"] = plain
    return doors


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Collector(BaseRoute):
    """Answers POST and OPTIONS on all its paths."""

    def __init__(
        self, doors: Mapping[str, list[Door]], keep: Callable[[Payload], Awaitable[int]], pressure: Pressure
    ) -> None:
        self._doors = doors
        self._keep = keep
        self._pressure = pressure

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """By the exact path; a slash at its end is forgiven."""
        found = scope["type"] == "http" and (scope["path"].rstrip("/") in self._doors)
        return (Match.FULL if found else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: object) -> object:  # type: ignore[override]
        """Nothing links here."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await self._answer(scope, headers, receive)
        except Gone:
            return
        except StorageError as error:
            answer = busy(error.message)
        except TrackwayError as error:
            more = [(b"www-authenticate", b'Basic realm="write key"')] if error.status == 401 else []
            answer = Answer(Reply(error.status, orjson.dumps(error.as_json())), more)
        reply = answer.reply
        fields = [(b"content-type", reply.content_type.encode()), (b"content-length", b"%d" % len(reply.body))]
        fields += answer.headers + cross_origin(headers)
        if reply.status == 413:
            fields.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": fields})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Answer:
        if scope["method"] == "OPTIONS":
            return Answer(Reply(204, b""), preflight(headers))
        if scope["method"] != "POST":
            raise PayloadError(f"{scope['method']} is not answered here", status=405, hint="send events with POST")
        path = scope["path"].rstrip("/")
        doors = self._doors[path]
        body = await read(receive, headers, max(door.limit for door in doors))
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        door = choose(doors, Request(path, headers, body, query), scope["server"])
        if await self._pressure.high():
            return busy("the flow is behind")
        return Answer(await self._take(door, path, body), [])

    async def _take(self, door: Door, path: str, body: bytes) -> Reply:
        """Into the journal; the reply of the codec once it is there."""
        if len(body) > door.limit:
            raise PayloadError(f"more than {door.limit:,} bytes", status=413, hint="send fewer events at a time")
        kept = {"path": path}
        if len(body) < LARGE:
            records = door.codec.count(body, kept)
        else:
            records = await asyncio.to_thread(door.codec.count, body, kept)
        if records:
            await self._keep(Payload(door.name, door.codec_name, body, records, kept))
            self._pressure.add(records)
        return door.codec.reply(records)


def choose(doors: list[Door], request: Request, server: tuple[str, int | None] | None) -> Door:
    """Whose request it is: by write key, else the one source that is open. Raises PayloadError (401, 404)."""
    keys = [door.codec.key(request) for door in doors]
    for door, key in zip(doors, keys, strict=True):
        for known in door.source.write_keys:
            if key is not None and hmac.compare_digest(key.encode(), known.encode()):
                return door
    unlocked = [door for door in doors if not door.source.write_keys]
    names = sorted({door.name for door in unlocked})
    if len(names) > 1:
        hint = "send to " + " or ".join(f"/in/{name}{request.path}" for name in names)
        raise PayloadError("several sources answer here", status=404, hint=hint)
    if not unlocked:
        wrong = "a write key is needed" if not any(keys) else "the write key is not known"
        raise PayloadError(wrong, status=401, hint="write_keys of the source lists them")
    if server is not None and not is_loopback(server[0]):
        raise PayloadError("without write keys only this machine may send", status=401, hint="set write_keys")
    return unlocked[0]


def busy(why: str) -> Answer:
    """Please keep it and send it again. In plain text with a body: the one reply that every shipper retries."""
    text = f"{why}; nothing of this request was kept, send it again\n"
    return Answer(Reply(503, text.encode(), "text/plain; charset=utf-8"), [(b"retry-after", b"%d" % RETRY_SECONDS)])


def cross_origin(headers: Mapping[str, str]) -> Headers:
    """Lets a page of any origin read the reply; the write key, not the origin, says who may send."""
    origin = headers.get("origin")
    if not origin:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"origin"),
    ]


def preflight(headers: Mapping[str, str]) -> Headers:
    """What a browser asks before it sends anything but a plain form."""
    asked = headers.get("access-control-request-headers", "authorization, content-type, content-encoding")
    return [
        (b"access-control-allow-methods", b"POST, OPTIONS"),
        (b"access-control-allow-headers", asked.encode("latin-1")),
        (b"access-control-max-age", b"86400"),
    ]
