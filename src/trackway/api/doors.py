"""The doors of the collector: which codec of which source answers on a path, and whose a request is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from trackway.errors import ConfigError, PayloadError
from trackway.model.size import Size
from trackway.plan import registry
from trackway.plan.component import Codec, Request
from trackway.plan.config import Plan
from trackway.plan.route import Route
from trackway.sources.http import Http


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
class Place:
    """Who answers on a path, by method."""

    doors: Mapping[str, list[Door]]
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def everyone(self) -> list[Door]:
        """Every door once, whatever the method."""
        return list({id(door): door for some in self.doors.values() for door in some}.values())


class Doors:
    """Who answers where."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, list[Door]]] = {}
        self._patterns: dict[Route, dict[str, list[Door]]] = {}

    def add(self, route: Route, door: Door) -> None:
        """One more door on a route."""
        places = self._exact.setdefault(route.path, {}) if route.exact else self._patterns.setdefault(route, {})
        for method in route.methods:
            places.setdefault(method, []).append(door)

    def find(self, path: str) -> Place | None:
        """Who answers on a path, without a slash at its end; None when nobody does."""
        exact = self._exact.get(path)
        if exact is not None:
            return Place(exact)
        for route, doors in self._patterns.items():
            parts = route.match(path)
            if parts is not None:
                return Place(doors, parts)
        return None

    def __iter__(self) -> Iterator[Door]:
        """Every door once."""
        places = (*self._exact.values(), *self._patterns.values())
        return iter({id(door): door for place in places for some in place.values() for door in some}.values())


def open_doors(plan: Plan) -> Doors:
    """The doors of all sources."""
    doors = Doors()
    host = plan.project.listen.rpartition(":")[0].strip("[]")
    for name, source in plan.sources.items():
        if not isinstance(source, Http):
            continue
        if not source.write_keys and not is_loopback(host):
            hint = 'set write_keys = ["..."], or listen on 127.0.0.1'
            raise ConfigError(f"is open to everybody who can reach {host}", path=f"sources.{name}", hint=hint)
        limit = (source.max_body or Size(plan.project.max_body)).bytes
        made = [Door(name, source, each, registry.codec(each), limit) for each in source.codecs]
        for door in made:
            for route in map(Route.read, door.codec.routes):
                doors.add(route, door)
                doors.add(route.under(f"/in/{name}"), door)
        for door in [door for door in made if door.codec_name == "json"] or made[:1]:
            doors.add(Route.read(f"/in/{name}"), door)
    return doors


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def choose(doors: list[Door], request: Request, server: tuple[str, int | None] | None) -> Door:
    """Whose request it is: by write key, else the one source that is open. Raises PayloadError (401, 404)."""
    for door in doors:
        if door.source.write_keys and door.codec.shows(request, door.source.write_keys):
            return door
    unlocked = [door for door in doors if not door.source.write_keys]
    names = sorted({door.name for door in unlocked})
    if len(names) > 1:
        hint = "send to " + " or ".join(f"/in/{name}{request.path}" for name in names)
        raise PayloadError("several sources answer here", status=404, hint=hint)
    if not unlocked:
        shown = any(door.codec.key(request) for door in doors)
        wrong = "the write key is not known" if shown else "a write key is needed"
        raise PayloadError(wrong, status=401, hint="write_keys of the source lists them")
    if server is not None and not is_loopback(server[0]):
        raise PayloadError("without write keys only this machine may send", status=401, hint="set write_keys")
    return unlocked[0]
