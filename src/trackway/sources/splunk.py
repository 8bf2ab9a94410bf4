"""Events of Splunk, found by a search, in the order in which they were indexed.

    [sources.checkout]
    type = "splunk"
    address = "https://splunk-1:8089"
    token = { env = "SPLUNK_TOKEN" }
    search = "index=web sourcetype=checkout"
    columns = { user_id = "customer" }

The search is exported slice by slice of the time of indexing (`index_earliest`, `index_latest`), so that an event that
was indexed late is not missed however old it is; slices grow and shrink with what they hold, and answers are read as
they stream. A slice that breaks off, or that Splunk ends with an error, is read again. An event is known by where
Splunk keeps it (`_bkt` and `_cd`), so that it is stored once. `overlap` covers the clocks of the indexers.

A text that is a JSON object becomes properties; of any other the fields that Splunk extracts are, and the text is
`message`. With `field = "_raw"` and a `codec` the text is read by it. The search finds events: what comes out of a
command such as `stats` has no place, and is known by what it holds.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import blake2b
from typing import Any

from pydantic import field_validator

from trackway.errors import SourceError
from trackway.flow.calling import Busy, Caller, Refused, read_json
from trackway.flow.exporting import Place, SlicedExport, SlicedVisit, members, moment
from trackway.flow.messages import Message
from trackway.model.secret import Secret
from trackway.model.time import Duration
from trackway.plan.component import Finding

PAGE = 2000
"""Events kept at once."""
PATHS = ("/services/search/v2/jobs/export", "/services/search/jobs/export")
"""Since Splunk 9, and before."""
KNOWN = ("host", "source", "sourcetype", "index")
FAILED = ("FATAL", "ERROR")


class Splunk(SlicedExport):
    """Reads what a search finds."""

    search: str
    """Which events, such as `index=web sourcetype=access_combined`, without the word `search` in front."""
    token: Secret | None = None
    """An authentication token of Splunk."""
    user: str = ""
    """Who we are, where there is no token."""
    password: Secret | None = None
    """Of the user."""
    overlap: Duration = Duration("1m")
    """How much later than its time of indexing an event may be found."""

    @field_validator("search")
    @classmethod
    def _without_the_command(cls, value: str) -> str:
        if value.lstrip().startswith(("|", "search ")):
            raise ValueError("write what follows the command: search = 'index=web'")
        return value

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader at the cursor."""
        return Reader(self, name, self.caller(), cursors)

    def examine(self) -> Iterator[Finding]:
        """The server, and the index that has events for us."""
        with closing(self.caller()) as caller:
            told = caller.ask("GET", "/services/server/info", params={"output_mode": "json"}).json()
            version = told["entry"][0]["content"]["version"]
            yield Finding("connect", f"Splunk {version} at {self.address}")
            asked = {"output_mode": "json", "search": f"search {self.search}", "parse_only": "true"}
            try:
                caller.ask("GET", "/services/search/parser", params={**asked, "q": asked["search"]})
            except Refused as error:
                if error.answer.status != 400:
                    raise
                said = complaints(error.answer.json())
                raise SourceError(f"Splunk cannot read the search: {said}", path="search") from error
            yield Finding("list", f"it can search for {self.search}")

    def caller(self) -> Caller:
        """The server. Raises SourceError."""
        headers = {"Authorization": f"Bearer {self.token!s}"} if self.token else {}
        auth = (self.user, str(self.password or "")) if self.user else None
        secrets = "`token`, or `user` and `password`"
        return Caller("Splunk", self.address, headers=headers, auth=auth, ca=self.ca, secrets=secrets)


class Reader(SlicedVisit):
    """A session at some slice."""

    source: Splunk
    _path = 0

    def pages(self, begin: int, until: int, most: int) -> Iterator[Sequence[Message]]:
        """The events that were indexed in a slice."""
        told = {
            "search": f"search {self.source.search}", "output_mode": "json", "preview": "false",
            "earliest_time": "0", "latest_time": "+1000y", "adhoc_search_level": "verbose",
            "index_earliest": str(begin // 1000), "index_latest": str(until // 1000),
        }  # fmt: skip
        page: list[Message] = []
        whole, some = False, False
        with closing(self._lines(told)) as lines:
            for line in lines:
                row = read_json(line)
                if said := complaints(row):
                    raise Busy(f"Splunk ends the search: {said}", hint="does the search run in Splunk itself?")
                if row.get("preview"):
                    continue
                whole = whole or bool(row.get("lastrow"))
                if "result" in row:
                    some = True
                    page.append(self._message(row["result"]))
                if len(page) >= min(PAGE, most):
                    yield page
                    page = []
        if some and not whole:
            raise Busy("Splunk ended its answer before the last event")
        if page:
            yield page

    def _lines(self, told: Mapping[str, str]) -> Generator[bytes, None, None]:
        """The lines of an export, by the newest path that the server knows."""
        try:
            yield from self.caller.lines("POST", PATHS[self._path], data=told)
        except Refused as error:
            if error.answer.status != 404 or self._path:
                raise
            self._path = 1
            yield from self.caller.lines("POST", PATHS[1], data=told)

    def _message(self, result: Mapping[str, Any]) -> Message:
        text, micros = str(result.get("_raw", "")), moment(str(result.get("_time", "")))
        where = f"{result.get('_bkt', '')}/{result.get('_cd', '')}" if result.get("_cd") else ""
        mark = where or blake2b(repr(sorted(result.items())).encode("utf-8", "replace"), digest_size=16).hexdigest()
        place = Place(
            str(result.get("index", "search")),
            mark,
            0 if micros is None else micros // 1000,
            str(result.get("_time", "")),
        )
        if self.source.field:
            return self.source.message(self.name, place, result)
        fields = {name: value for name, value in result.items() if not name.startswith("_")}
        known = (
            fields if not text.lstrip().startswith("{") else {name: fields[name] for name in KNOWN if name in fields}
        )
        return self.source.message(self.name, place, {**known, **members(text)}, where)


def complaints(row: Mapping[str, Any]) -> str:
    """What Splunk says went wrong, which it says with a good status in the midst of an answer."""
    told = row.get("messages") or []
    return "; ".join(str(one.get("text", "")) for one in told if one.get("type") in FAILED)
