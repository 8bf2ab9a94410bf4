"""Events of Loggly (SolarWinds), found by a search.

    [sources.frontend]
    type = "loggly"
    address = "https://acme.loggly.com"
    token = { env = "LOGGLY_API_TOKEN" }
    query = "tag:web"
    columns = { user_id = "user" }

Events are read slice by slice of time, page after page (`apiv2/events/iterate`); slices grow and shrink with what they
hold. Loggly remembers a search for ten minutes; one that it has forgotten, and a slice that breaks off, is read again.
An event is known by the id that Loggly gave it, so that it is stored once. Each look goes back by `overlap`, since
Loggly finds events by their own time, which may be long before they come.

An event that was sent as JSON has its members as properties, any other what Loggly parsed of it, and its text as
`message`; `tags` and `logtypes` are lists. With `field = "raw"` and a `codec` the text is read by it. The token is one
for the API, not one for sending. Only paid accounts may fetch events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from trackway.errors import SourceError
from trackway.flow.calling import Busy, Caller, Refused
from trackway.flow.exporting import Place, SlicedExport, SlicedVisit
from trackway.flow.messages import Message
from trackway.model.secret import Secret
from trackway.model.time import iso
from trackway.plan.component import Finding

PATH = "/apiv2/events/iterate"
LEAST, MOST = 50, 1000
"""Events of one page."""


class Loggly(SlicedExport):
    """Reads what a search finds."""

    token: Secret
    """A token for the API."""
    query: str = "*"
    """Which events, in Loggly's words, such as `tag:web AND json.status:500`."""

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader at the cursor."""
        return Reader(self, name, self.caller(), cursors)

    def examine(self) -> Iterator[Finding]:
        """The account, and whether it may fetch what the query finds."""
        with closing(self.caller()) as caller:
            told = {"q": self.query, "from": "-10m", "until": "now", "size": str(LEAST)}
            found = len(caller.ask("GET", PATH, params=told).json().get("events", ()))
            yield Finding("connect", f"Loggly at {self.address}")
            more = " or more" if found >= LEAST else ""
            yield Finding("list", f"{self.query}: {found}{more} events in the last ten minutes")

    def caller(self) -> Caller:
        """The account. Raises SourceError."""
        headers = {"Authorization": f"bearer {self.token!s}"}
        return Caller("Loggly", self.address, headers=headers, ca=self.ca, secrets="`token`: it is one for the API")


class Reader(SlicedVisit):
    """A session at some slice."""

    source: Loggly

    def pages(self, begin: int, until: int, most: int) -> Iterator[Sequence[Message]]:
        """The events of a slice, oldest first; that of its end is found twice rather than not at all."""
        size = max(LEAST, min(MOST, most))
        told = {"q": self.source.query, "from": iso(begin * 1000), "until": iso(until * 1000), "order": "asc"}
        page = self.caller.ask("GET", PATH, params={**told, "size": str(size)}).json()
        while True:
            yield [self._message(event) for event in page.get("events", ())]
            following = page.get("next")
            if not following:
                return
            page = self._following(str(following))

    def _following(self, url: str) -> Any:
        """The page of an address that Loggly gave, asked of where it is for us."""
        parts = urlsplit(url)
        try:
            return self.caller.ask("GET", f"{parts.path}?{parts.query}").json()
        except Refused as error:
            if error.answer.status not in (400, 404, 410):
                raise
            raise Busy("Loggly has forgotten the search", hint="it does after ten minutes") from error

    def _message(self, event: Mapping[str, Any]) -> Message:
        if "id" not in event:
            raise SourceError("an event of Loggly without an id", hint="check `address`")
        named, millis = str(event["id"]), event.get("timestamp")
        place = Place("events", named, millis if isinstance(millis, int) else 0)
        if self.source.field:
            return self.source.message(self.name, place, event)
        known = {name: event[name] for name in ("tags", "logtypes") if event.get(name)}
        parsed = event.get("event") or {}
        inside = parsed.get("json")
        text = event.get("raw") or event.get("logmsg")
        rest = inside if isinstance(inside, dict) else {**parsed, "message": text}
        return self.source.message(self.name, place, {**known, **rest}, named)
