"""Schema registries: what the number in front of a message stands for.

The wire format of Confluent is a zero byte, four bytes with the number of a schema, and the record; the registry gives
the schema of a number, which never changes, so it is asked once. Paths and members are those of the registry's API:
`GET /schemas/ids/{id}` and `GET /subjects/{subject}/versions/{version}` for what a schema refers to.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from trackway.errors import SourceError

PREFIX = 5
"""Bytes before the record."""
PATIENCE = 10.0
DEEPEST = 20
"""Schemas that refer to schemas that refer to …"""


@dataclass(frozen=True, slots=True)
class Registered:
    """The schema of a number."""

    kind: str
    """`AVRO`, `JSON` or `PROTOBUF`; empty when there is none of this number."""
    text: str
    """For Avro one JSON text, with all it refers to in front."""


def numbered(body: bytes) -> int | None:
    """The number of the schema of a message; None when it is not in the wire format."""
    if len(body) < PREFIX or body[0]:
        return None
    return int(struct.unpack_from(">I", body, 1)[0])


class Registry:
    """A registry, and what it said."""

    def __init__(self, url: str, user: str = "", password: str = "") -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(auth=(user, password) if user else None, timeout=PATIENCE)
        self._known: dict[int, Registered] = {}

    def get(self, number: int) -> Registered:
        """The schema of a number. Raises SourceError when the registry cannot be asked."""
        if number not in self._known:
            told = self._ask(f"/schemas/ids/{number}")
            self._known[number] = Registered("", "") if told is None else self._read(told)
        return self._known[number]

    def subjects(self) -> list[str]:
        """The names there are. Raises SourceError."""
        found = self._ask("/subjects")
        return [str(name) for name in found] if isinstance(found, list) else []

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _read(self, told: Any) -> Registered:
        kind = str(told.get("schemaType") or "AVRO")
        if kind != "AVRO":
            return Registered(kind, str(told.get("schema", "")))
        defined: dict[str, Any] = {}
        for part in self._referred(told, set(), 0):
            defined[_full(part, "")] = part
        whole = _inlined(orjson.loads(told["schema"]), defined, "")
        return Registered(kind, orjson.dumps(whole).decode())

    def _referred(self, told: Any, seen: set[tuple[str, int]], depth: int) -> list[Any]:
        """What a schema refers to."""
        parts: list[Any] = []
        for reference in told.get("references") or []:
            at = (str(reference["subject"]), int(reference["version"]))
            if at in seen or depth > DEEPEST:
                continue
            seen.add(at)
            other = self._ask(f"/subjects/{at[0]}/versions/{at[1]}")
            if other is None:
                raise SourceError(f"the schema registry has no version {at[1]} of {at[0]}, which a schema refers to")
            parts += [*self._referred(other, seen, depth + 1), orjson.loads(other["schema"])]
        return parts

    def _ask(self, path: str) -> Any:
        """The answer to a question; None for what is not there."""
        try:
            answer = self._http.get(self._url + path, headers={"Accept": "application/vnd.schemaregistry.v1+json"})
        except httpx.HTTPError as error:
            raise SourceError(
                f"cannot reach the schema registry {self._url}: {error}", hint="check `registry`; is it running?"
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise SourceError(
                f"the schema registry refuses us ({answer.status_code})",
                hint="check `registry_user` and `registry_password`",
            )
        if answer.is_error:
            raise SourceError(f"the schema registry answers {answer.status_code}: {answer.text[:200]}")
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise SourceError(
                f"{self._url}{path} does not answer like a schema registry", hint="check `registry`"
            ) from error


def _full(schema: Any, within: str) -> str:
    """The name of a named schema with its namespace."""
    name = str(schema.get("name", "")) if isinstance(schema, dict) else ""
    space = str(schema.get("namespace", within)) if isinstance(schema, dict) else ""
    return name if "." in name or not space else f"{space}.{name}"


def _inlined(schema: Any, defined: dict[str, Any], within: str) -> Any:
    """A schema with what it refers to in the place where it is first named, as Avro wants it in one text."""
    if isinstance(schema, str):
        full = schema if schema in defined or not within else f"{within}.{schema}"
        if full not in defined:
            return schema
        found = defined.pop(full)
        if isinstance(found, dict):
            found = {"namespace": "", **found}
        return _inlined(found, defined, within)
    if isinstance(schema, list):
        return [_inlined(one, defined, within) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("record", "error", "enum", "fixed"):
        within = _full(schema, within).rpartition(".")[0]
    made = dict(schema)
    for member in ("type", "items", "values"):
        if member in made:
            made[member] = _inlined(made[member], defined, within)
    if isinstance(made.get("fields"), list):
        made["fields"] = [{**field, "type": _inlined(field["type"], defined, within)} for field in made["fields"]]
    return made
