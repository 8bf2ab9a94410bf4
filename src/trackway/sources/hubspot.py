"""Objects of HubSpot, each change of an object as one event.

    [sources.contacts]
    type = "hubspot"
    token = { env = "HUBSPOT_TOKEN" }
    object = "contacts"
    event = "Contact Changed"
    columns = { user_id = "email" }

All objects are listed first, page after page, and where that is, is kept with what was read. From the time at which the
list was begun on, changes are searched for by the time of the last change (`lastmodifieddate` of contacts,
`hs_lastmodifieddate` of all else), slice by slice. A search gives 10,000 results at most and shifts when an object
changes meanwhile, so that each page is asked for anew from the last time that was seen, and objects of one and the same
time by their ids: nothing is counted off. Each look goes back by `overlap`, which is how long HubSpot may take until a
change is found. An object as it was at one time is known by its id and that time, so that it is stored once; changes
between two looks are seen as one. Objects that are deleted are not seen any more.

Without `fields` all properties are read, which asks for the pages a second time; those without a value are left out.
Numbers and checkboxes are of their kind, times and all else text. Who did it is the object itself (`id`), unless
`columns` names a `user_id` or `anonymous_id`.

The token is that of a private app with the scope to read the objects, such as `crm.objects.contacts.read`. At most five
searches a second are made. When HubSpot says that a limit is reached, it is left alone for as long as that limit needs.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Self

import orjson
from pydantic import Field, field_validator, model_validator

from trackway.errors import SourceError, suggest
from trackway.flow.calling import LARGEST, Answer, Busy, Caller, Refused
from trackway.flow.exporting import Place, SlicedExport, SlicedVisit, beginning, moment
from trackway.flow.messages import Message
from trackway.flow.pulling import Fetched
from trackway.model.secret import Secret
from trackway.model.time import Duration
from trackway.plan.component import Finding

PAGE = 100
EVERY = 0.2
"""Seconds from one search to the next: five are allowed in one."""
LIMITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 300.0}
"""Seconds to wait by the limit that was reached."""
LONGEST = 366 * 86_400_000
CONTACTS = ("contacts", "contact", "0-1")
NAME = re.compile(r"\w[\w-]*")


class HubSpot(SlicedExport):
    """Reads objects of a type as they change."""

    address: str = "https://api.hubapi.com"
    """Where it is; `https://api-eu1.hubapi.com` and the like work too."""
    token: Secret
    """The access token of a private app."""
    object: str
    """The type in the API, such as `contacts`, `deals`, `tickets` or `2-123456`."""
    fields: list[str] = Field(default_factory=list)
    """The names of properties that are read, such as `lifecyclestage`; all when left out."""
    start: str = "earliest"
    """Where to begin if nothing was read yet: `earliest` lists everything first; a date or time, or how long before
    now, begins with the changes since then."""
    every: Duration = Duration("1m")
    """Time between two looks while nothing is new."""

    @field_validator("start")
    @classmethod
    def _known_start(cls, value: str) -> str:
        if value != "earliest":
            beginning(value)
        return value

    @model_validator(mode="after")
    def _meant(self) -> Self:
        for name in (self.object, *self.fields):
            if not NAME.fullmatch(name):
                raise ValueError(f"'{name}' is no name, such as contacts or lifecyclestage")
        return self

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader at the cursor."""
        return Reader(self, name, self.caller(), cursors)

    def examine(self) -> Iterator[Finding]:
        """The account, the objects, and how many there are."""
        with closing(self.caller()) as caller:
            types = self.described(caller)
            yield Finding("connect", f"HubSpot at {self.address}")
            told = caller.ask("POST", f"{self.path}/search", json={"limit": 1}).json()
            there = f"{len(self.fields or types):,} properties"
            yield Finding("list", f"{self.object}: {told['total']:,} objects with {there}")

    def caller(self) -> Account:
        """The account. Raises SourceError."""
        headers = {"Authorization": f"Bearer {self.token!s}"}
        every = EVERY if self.fields else EVERY / 2
        return Account(
            "HubSpot", self.address, headers=headers, ca=self.ca, every=every,
            secrets="`token`, and the scopes of its app",
        )  # fmt: skip

    @property
    def path(self) -> str:
        """Where the objects are."""
        return f"/crm/v3/objects/{self.object}"

    @property
    def changed(self) -> str:
        """The property that says when an object changed."""
        return "lastmodifieddate" if self.object in CONTACTS else "hs_lastmodifieddate"

    def described(self, caller: Caller) -> dict[str, str]:
        """The properties and their types. Raises Busy, SourceError when there is no such object or property."""
        try:
            told = caller.ask("GET", f"/crm/v3/properties/{self.object}").json()
        except Refused as error:
            if error.answer.status not in (400, 404):
                raise
            raise SourceError(f"there is no object {self.object}", path="object", hint="such as contacts") from error
        types = {one["name"]: one["type"] for one in told["results"]}
        for name in self.fields:
            if name not in types:
                hint = suggest(name, list(types))
                raise SourceError(f"{self.object} have no property {name}", path="fields", hint=hint)
        return types


class Account(Caller):
    """The API of an account."""

    def ask(self, method: str, path: str, *, most: int = LARGEST, **told: Any) -> Answer:
        """The whole answer. Raises Busy for as long as the limit that was reached needs."""
        try:
            return super().ask(method, path, most=most, **told)
        except Busy as busy:
            if busy.answer is None or busy.seconds is not None:
                raise
            policy = next((name for name in LIMITS if f'"{name}"'.encode() in busy.answer.body), "")
            raise Busy(busy.message, hint=busy.hint, seconds=LIMITS.get(policy), answer=busy.answer) from busy


class Reader(SlicedVisit):
    """A session in the list of all objects, or at some slice of changes."""

    source: HubSpot
    LONGEST = LONGEST

    def __init__(self, source: HubSpot, name: str, caller: Caller, cursors: Mapping[str, str]) -> None:
        super().__init__(source, name, caller, cursors)
        self._types: dict[str, str] = {}
        self._list: dict[str, Any] | None = None
        """Where the list is, and since when it is read; None once it was."""
        if source.start == "earliest" and "until" not in cursors:
            self._list = json.loads(cursors.get("list", "{}")) or {"after": "", "began": round(time.time() * 1000)}

    def more(self, most: int) -> Fetched:
        """A page of the list, then what changed since it was begun."""
        if self._list is None:
            return super().more(most)
        self._types = self._types or self.source.described(self.caller)
        params = {"limit": str(max(1, min(PAGE, most))), "properties": ",".join(self._inline)}
        if self._list["after"]:
            params["after"] = self._list["after"]
        page = self.caller.ask("GET", self.source.path, params=params).json()
        messages = self._known.new(self._messages(page))
        if after := following(page):
            self._list["after"] = after
            cursors = {"list": json.dumps(self._list)}
        else:
            cursors = self.cursors = {"begin": "0", "until": str(self._list["began"])}
            self._list = None
        return Fetched(self.source.packed(self.name, messages, cursors), 1)

    def pages(self, begin: int, until: int, most: int) -> Iterator[Sequence[Message]]:
        """The objects that changed in a slice, in the order of their changes."""
        self._types = self.source.described(self.caller)
        changed, size = self.source.changed, max(1, min(PAGE, most))
        before = {"propertyName": changed, "operator": "LT", "value": str(until)}
        while begin < until:
            page = self._search(
                size, changed, before, {"propertyName": changed, "operator": "GTE", "value": str(begin)}
            )
            yield self._messages(page)
            if not (page["results"] and following(page)):
                return
            last = moment(self._stamp(page["results"][-1]))
            if last is None:
                raise SourceError("HubSpot states a time that means nothing", hint="check `address`")
            if last // 1000 <= begin:
                yield from self._at_once(begin, size)
            begin = max(begin + 1, last // 1000)

    def _at_once(self, millis: int, size: int) -> Iterator[Sequence[Message]]:
        """All objects that changed at one time, in the order of their ids."""
        then = {"propertyName": self.source.changed, "operator": "EQ", "value": str(millis)}
        key = "0"
        while True:
            after = {"propertyName": "hs_object_id", "operator": "GT", "value": key}
            page = self._search(size, "hs_object_id", then, after)
            yield self._messages(page)
            if not (page["results"] and following(page)):
                return
            key = str(page["results"][-1]["id"])

    def _search(self, size: int, order: str, *filters: Mapping[str, str]) -> Any:
        """The first results of a search."""
        told = {
            "filterGroups": [{"filters": list(filters)}], "limit": size, "properties": self._inline,
            "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
        }  # fmt: skip
        return self.caller.ask("POST", f"{self.source.path}/search", json=told).json()

    @property
    def _inline(self) -> list[str]:
        """The properties that a page is to hold, few enough to be asked for with it."""
        return [self.source.changed, *self.source.fields]

    def _stamp(self, found: Mapping[str, Any]) -> str:
        """When an object changed, as it is searched for."""
        return str(found["properties"].get(self.source.changed) or found["updatedAt"])

    def _messages(self, page: Mapping[str, Any]) -> list[Message]:
        """The objects of a page, with all their properties."""
        results = page["results"]
        if results and not self.source.fields:
            told = {"inputs": [{"id": one["id"]} for one in results], "properties": list(self._types)}
            results = self.caller.ask("POST", f"{self.source.path}/batch/read", json=told).json()["results"]
        return [self._message(one) for one in results]

    def _message(self, found: Mapping[str, Any]) -> Message:
        key, stamp = str(found["id"]), self._stamp(found)
        micros = moment(stamp)
        place = Place(self.source.object, f"{key}@{stamp}", 0 if micros is None else micros // 1000, stamp)
        held = {name: meant(value, self._types.get(name, "")) for name, value in found["properties"].items()
                if value not in (None, "")}  # fmt: skip
        record = {"id": key, "createdAt": found.get("createdAt"), **held}
        return self.source.message(self.name, place, record, f"{key}@{stamp}", actor="id")


def following(page: Mapping[str, Any]) -> str:
    """Where the next page begins; empty when there is none."""
    return str(((page.get("paging") or {}).get("next") or {}).get("after", ""))


def meant(text: Any, type_: str) -> Any:
    """A property, which HubSpot hands out as a text, as what it is.

    >>> meant("7.5", "number"), meant("true", "bool"), meant("soon", "number")
    (7.5, True, 'soon')
    """
    if type_ == "bool" and text in ("true", "false"):
        return text == "true"
    if type_ != "number":
        return text
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        return text
