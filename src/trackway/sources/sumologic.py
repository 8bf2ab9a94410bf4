"""Messages of Sumo Logic, found by a search.

    [sources.backend]
    type = "sumologic"
    address = "https://api.eu.sumologic.com"
    access_id = "suABC123"
    access_key = { env = "SUMO_ACCESS_KEY" }
    query = "_sourceCategory=prod/web"
    columns = { user_id = "customer.id" }

A search job is run for each slice of the time of receipt, so that a message that comes late is not missed however old
it is. A job gives about 100,000 messages and is then paused, so that a slice of more is cut in halves until each half
is given whole. A job is kept alive by asking for it (with the cookies of its making), and deleted when it was read; one
that Sumo has cancelled is run again. At most four requests a second are made. A message is known by its block and id,
so that it is stored once.

A text that is a JSON object has its members as properties, any other is `message`; the metadata of Sumo stands beside
it as `sourceCategory`, `sourceHost`, `sourceName`, `collector`. With `field = "_raw"` and a `codec` the text is read by
it. The query finds messages, and has no operator that aggregates.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from trackway.errors import SourceError
from trackway.flow.calling import Busy, Caller, Refused
from trackway.flow.exporting import Overfull, Place, SlicedExport, SlicedVisit, members
from trackway.flow.messages import Message
from trackway.model.secret import Secret
from trackway.model.time import Duration
from trackway.plan.component import Finding

PATH = "/api/v1/search/jobs"
EVERY = 0.26
"""Seconds from one request to the next: four are allowed in one."""
POLL = 2.0
"""Seconds between two questions whether a job is done."""
PAGE = 10_000
MOST = 100_000
"""Messages from which on a job may have been paused."""
DONE, PAUSED, CANCELLED = "DONE GATHERING RESULTS", "FORCE PAUSED", "CANCELLED"
KNOWN = {
    "_sourcecategory": "sourceCategory", "_sourcehost": "sourceHost", "_sourcename": "sourceName",
    "_collector": "collector",
}  # fmt: skip


class SumoLogic(SlicedExport):
    """Reads what a search finds."""

    access_id: str
    """The id of the access key."""
    access_key: Secret
    """The access key."""
    query: str = "*"
    """Which messages, such as `_sourceCategory=prod/web error`."""
    overlap: Duration = Duration("2m")
    """How much later than its receipt a message may be found."""

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader at the cursor."""
        return Reader(self, name, self.caller(), cursors)

    def examine(self) -> Iterator[Finding]:
        """The deployment, and whether it runs the query."""
        with closing(self.caller()) as caller:
            now = round(time.time() * 1000)
            job = create(caller, self.query, now - 60_000, now)
            yield Finding("connect", f"Sumo Logic at {self.address}")
            state = caller.ask("GET", f"{PATH}/{job}").json()
            caller.ask("DELETE", f"{PATH}/{job}")
            yield Finding("list", f"{self.query} is searched for: {str(state['state']).lower()}")

    def caller(self) -> Caller:
        """The deployment. Raises SourceError."""
        return Caller(
            "Sumo Logic", self.address, auth=(self.access_id, str(self.access_key)), ca=self.ca, every=EVERY,
            secrets="`access_id` and `access_key`, and whether the account may search by the API",
        )  # fmt: skip


def create(caller: Caller, query: str, begin: int, until: int) -> str:
    """Runs a search job for messages received in a time, in milliseconds since 1970, and gives its id. Raises Refused
    for a query that Sumo cannot read."""
    told = {
        "query": query, "from": str(begin), "to": str(until), "timeZone": "UTC", "byReceiptTime": True,
        "autoParsingMode": "Manual",
    }  # fmt: skip
    return str(caller.ask("POST", PATH, json=told).json()["id"])


class Reader(SlicedVisit):
    """A session at some slice."""

    source: SumoLogic
    WANTED = MOST // 4

    def pages(self, begin: int, until: int, most: int) -> Iterator[Sequence[Message]]:
        """The messages of a slice, once its job has gathered them."""
        job = create(self.caller, self.source.query, begin, until)
        try:
            yield from self._of(job, most)
        finally:
            with suppress(SourceError):
                self.caller.ask("DELETE", f"{PATH}/{job}")

    def _of(self, job: str, most: int) -> Iterator[Sequence[Message]]:
        while (told := self._asked(f"{PATH}/{job}"))["state"] not in (DONE, PAUSED):
            if told["state"] == CANCELLED:
                raise Busy("Sumo Logic has cancelled the search job")
            self.patience.rest(POLL)
            yield ()
        if told["state"] == PAUSED or told["messageCount"] >= MOST:
            raise Overfull(f"more than {MOST:,} messages in a second", hint="narrow `query`")
        if errors := told.get("pendingErrors"):
            raise Busy(f"Sumo Logic ends the search: {'; '.join(map(str, errors))}")
        read = 0
        while read < told["messageCount"]:
            size = min(PAGE, max(1, most), told["messageCount"] - read)
            page = self._asked(f"{PATH}/{job}/messages", offset=str(read), limit=str(size))["messages"]
            if not page:
                raise Busy(f"Sumo Logic gives {read:,} of {told['messageCount']:,} messages")
            read += len(page)
            yield [self._message(one["map"]) for one in page]

    def _asked(self, path: str, **told: str) -> Any:
        """What is told of a job. Raises Busy for one that is gone."""
        try:
            return self.caller.ask("GET", path, params=told).json()
        except Refused as error:
            if error.answer.status != 404:
                raise
            raise Busy("Sumo Logic has dropped the search job") from error

    def _message(self, told: Mapping[str, Any]) -> Message:
        """A message, whose members are all texts."""
        time = str(told.get("_messagetime", ""))
        named = f"{told.get('_blockid', '')}/{told['_messageid']}"
        place = Place("messages", named, int(time) if time.isdecimal() else 0)
        if self.source.field:
            return self.source.message(self.name, place, told)
        known = {name: told[given] for given, name in KNOWN.items() if told.get(given)}
        return self.source.message(self.name, place, {**known, **members(str(told.get("_raw", "")))}, named)
