"""Documents of Elasticsearch and OpenSearch, in the order of their time, as they appear.

    [sources.weblogs]
    type = "elasticsearch"
    address = "https://es-1:9200"
    api_key = { env = "ES_API_KEY" }
    indices = ["logs-nginx-*"]
    event = "Page Viewed"
    columns = { user_id = "user.id" }

Every look opens a point in time and pages through it (`search_after`); where there is none (Elasticsearch before 7.12,
OpenSearch before 3.3, or `scroll = true`) it scrolls. The place in it is kept in the journal with what was read, so
that reading goes on in the midst of a point in time; one that has expired is opened anew from the last time that was
read, less `overlap`, which is also how documents are found that were written late. Give `overlap` at least the time
that a document takes from its `time` to being searchable. Name a `time` that is set on arrival, such as
`event.ingested`, and little is enough.

A document is one event, known by its index and id, however often it is found; with `changes` one that holds something
else is another. Its fields are properties; its event is its field `event` if that is a text, else `event` of the
source. With `field = "message"` and a `codec` the text of a field is read instead. Documents without the time are not
seen, which a trial tells; one whose source is not stored, is no text, or is larger than 64 MB is refused by itself. An
API key needs the privileges `read`, `view_index_metadata` and `monitor`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from trackway.errors import SourceError, suggest
from trackway.flow.calling import Busy, Caller, Refused, TooLarge
from trackway.flow.exporting import Export, Place, Remembered, Visit, moment
from trackway.flow.messages import Message
from trackway.flow.pulling import Fetched
from trackway.model.secret import Secret
from trackway.model.time import EARLIEST, MICROS, Duration, iso
from trackway.plan.component import Finding

MOST = 10_000
"""Documents of one page: `index.max_result_window` as it is unless changed."""
FORMAT = "strict_date_optional_time_nanos"
DATES = ("date", "date_nanos")
OPENSEARCH, ELASTICSEARCH = (3, 3), (7, 12)
"""From these on a point in time has an order of its own (`_shard_doc`), without which ties are lost between pages."""
WHOLE = {"allow_partial_search_results": "false"}
"""An answer without some shards would lose their documents."""


class Elasticsearch(Export):
    """Reads the documents of some indices."""

    address: str = "http://127.0.0.1:9200"
    """Where it is, with the path of a proxy if there is one."""
    indices: list[str] = Field(min_length=1)
    """Names of indices, data streams or aliases, or patterns with `*`; `-name` leaves some out."""
    time: str = "@timestamp"
    """The field that says when; a date."""
    query: str = ""
    """Which documents, in the words of `query_string`, such as `status:500 AND NOT host:test`; all when left out."""
    start: str = "earliest"
    """The time to begin at, if nothing was read yet: a date or time, or `earliest`."""
    changes: bool = False
    """Whether a document that changed is another event, as where `time` is that of the last change."""
    api_key: Secret | None = None
    """As Elasticsearch shows it, encoded."""
    user: str = ""
    """Who we are, where there is no API key."""
    password: Secret | None = None
    """Of the user."""
    keep_alive: Duration = Duration("5m")
    """How long a point in time lives after the last page."""
    scroll: bool = False
    """Scroll even where points in time could be had."""

    @model_validator(mode="after")
    def _known_start(self) -> Self:
        if self.start != "earliest" and moment(self.start) is None:
            raise ValueError(f"start is 'earliest', a date or a time, not '{self.start}'")
        return self

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader at the cursor."""
        return Reader(self, name, cursors)

    def examine(self) -> Iterator[Finding]:
        """The server, the time, and how many documents there are with and without it."""
        caller = self.caller()
        try:
            server = Server.ask(caller)
            way = "scrolls" if self.scroll or not server.points else "points in time"
            yield Finding("connect", f"{server.name} {server.version} at {self.address}, read by {way}")
            self._dated(caller)
            timed, rest = (self._count(caller, {"bool": {how: {"exists": {"field": self.time}}}})
                           for how in ("filter", "must_not"))  # fmt: skip
            left = f"; {rest:,} have no {self.time} and are not read" if rest else ""
            yield Finding("list", f"{', '.join(self.indices)}: {timed:,} documents with {self.time}{left}")
        finally:
            caller.close()

    def caller(self) -> Caller:
        """The server. Raises SourceError."""
        headers = {"Authorization": f"ApiKey {self.api_key!s}"} if self.api_key else {}
        auth = (self.user, str(self.password or "")) if self.user else None
        return Caller(
            "Elasticsearch", self.address, headers=headers, auth=auth, ca=self.ca,
            secrets="`api_key`, or `user` and `password`, and their privileges",
        )  # fmt: skip

    @property
    def path(self) -> str:
        """The indices as they stand in a path."""
        return "/" + quote(",".join(self.indices), safe="*,-:")

    def wanted(self, since: str) -> dict[str, Any]:
        """The query for documents from a time on."""
        span = {"gte": since, "format": FORMAT} if since else {}
        filters: list[Any] = [{"range": {self.time: span}} if span else {"exists": {"field": self.time}}]
        if self.query:
            filters.append({"query_string": {"query": self.query}})
        return {"bool": {"filter": filters}}

    def _count(self, caller: Caller, query: Any) -> int:
        return int(caller.ask("POST", f"{self.path}/_count", json={"query": query}).json()["count"])

    def _dated(self, caller: Caller) -> None:
        """Raises SourceError for indices there are not, and for a time that is no date."""
        try:
            fields = caller.ask("GET", f"{self.path}/_field_caps", params={"fields": "*"}).json()["fields"]
        except Refused as error:
            if error.answer.status != 404:
                raise
            indices = [one["index"] for one in caller.ask("GET", "/_cat/indices", params={"format": "json"}).json()]
            hint = suggest(self.indices[0], [name for name in indices if not name.startswith(".")])
            raise SourceError(f"there is no index {', '.join(self.indices)}", path="indices", hint=hint) from error
        dates = [name for name, kinds in fields.items() if any(kind in kinds for kind in DATES)]
        if self.time not in dates:
            raise SourceError(
                f"{', '.join(self.indices)} has no date '{self.time}'", path="time", hint=suggest(self.time, dates)
            )


@dataclass(frozen=True, slots=True)
class Server:
    """Who answers."""

    name: str
    version: str
    points: bool
    """Whether it has points in time that can be paged through without a loss."""
    open: str
    """The path that opens one, after the indices; and the same closes it."""

    @classmethod
    def ask(cls, caller: Caller) -> Server:
        """Raises SourceError for what is neither Elasticsearch nor OpenSearch."""
        told = caller.ask("GET", "/").json()
        version = told.get("version") if isinstance(told, dict) else None
        if not isinstance(version, dict) or "number" not in version:
            raise SourceError("what answers is neither Elasticsearch nor OpenSearch", hint="check `address`")
        other = version.get("distribution") == "opensearch"
        number = tuple(int(part) for part in str(version["number"]).split("-")[0].split(".")[:2] if part.isdigit())
        return cls(
            "OpenSearch" if other else "Elasticsearch", str(version["number"]),
            number >= (OPENSEARCH if other else ELASTICSEARCH), "/_search/point_in_time" if other else "/_pit",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scan:
    """A look at all documents from a time on, as far as it was read."""

    since: str
    point: str = ""
    """The point in time; empty for one that scrolls."""
    after: Sequence[Any] = ()
    """The order of the last document read."""
    scroll: str = ""
    """The next page of a scroll, which can be had once."""
    total: int | None = None
    read: int = 0


class Reader(Visit):
    """A session at some document."""

    def __init__(self, source: Elasticsearch, name: str, cursors: Mapping[str, str]) -> None:
        super().__init__(source.caller())
        self._source, self._name = source, name
        self._key = ",".join(source.indices)
        self._server: Server | None = None
        self._known = Remembered()
        self._size = MOST
        told = json.loads(cursors.get(self._key, "{}"))
        self._time: int | None = told.get("time")
        """The latest time read, in microseconds since 1970, and not later than it was then."""
        self._scan = Scan(**told["scan"]) if "scan" in told else None
        self._resumed = self._scan is not None

    def more(self, most: int) -> Fetched:
        """The next page."""
        self._server = self._server or Server.ask(self.caller)
        scan, asked = self._scan or self._opened(self._server), min(most, self._size, MOST)
        self._scan = scan if scan.point else None
        try:
            page = self._page(scan, asked)
        except Refused as error:
            if not self._gone(error):
                raise
            self._scan = None
            return Fetched((), 1)
        except TooLarge:
            if asked > 1:
                self._size = max(1, asked // 8)
                return Fetched((), max(1, self.waiting or 1))
            if not scan.point:
                raise
            page = self._page(scan, 1, whole=False)
        self._size, self._resumed = min(MOST, self._size * 2), False
        return self._read(scan, page, asked)

    def _gone(self, error: Refused) -> bool:
        """Whether an error says that the server has forgotten the scan, or never knew the one of the journal."""
        if error.answer.status == 404:
            return b"index_not_found" not in error.answer.body
        return error.answer.status == 400 and self._resumed

    def _opened(self, server: Server) -> Scan:
        """A scan from the last time on."""
        source = self._source
        first = None if source.start == "earliest" else moment(source.start)
        begin = first if self._time is None else max(EARLIEST, self._time - source.overlap.micros)
        since = "" if begin is None else iso(begin)
        if source.scroll or not server.points:
            return Scan(since)
        told = {"keep_alive": str(source.keep_alive)}
        opened = self.caller.ask("POST", f"{source.path}{server.open}", params=told).json()
        return Scan(since, opened.get("pit_id") or opened["id"])

    def _page(self, scan: Scan, size: int, *, whole: bool = True) -> dict[str, Any]:
        """What a search for the next documents gives. Raises SourceError for an answer that some shards are not in."""
        source = self._source
        path, params = "/_search", dict(WHOLE)
        asked: dict[str, Any] = {
            "size": size, "query": source.wanted(scan.since), "track_total_hits": scan.total is None,
            "docvalue_fields": [{"field": source.time, "format": FORMAT}], "_source": whole,
            "sort": [{source.time: "asc"}],
        }  # fmt: skip
        if scan.scroll:
            path, params = "/_search/scroll", {}
            asked = {"scroll": str(source.keep_alive), "scroll_id": scan.scroll}
        elif not scan.point:
            path, params["scroll"] = f"{source.path}/_search", str(source.keep_alive)
        else:
            asked["pit"] = {"id": scan.point, "keep_alive": str(source.keep_alive)}
            asked["sort"].append({"_shard_doc": "asc"})
            asked |= {"search_after": scan.after} if scan.after else {}
        told = self.caller.ask("POST", path, params=params, json=asked).json()
        if told.get("timed_out") or told["_shards"]["failed"]:
            raise Busy(f"{told['_shards']['failed']} shards did not answer", hint="is the cluster well?")
        return dict(told)

    def _read(self, scan: Scan, page: Mapping[str, Any], asked: int) -> Fetched:
        """The payloads of a page, and where it leaves us."""
        hits = page["hits"]["hits"]
        total = scan.total if scan.total is not None else page["hits"]["total"]["value"]
        scan = replace(
            scan, after=hits[-1]["sort"] if hits else scan.after, total=total, read=scan.read + len(hits),
            point=page.get("pit_id", scan.point), scroll=page.get("_scroll_id", ""),
        )  # fmt: skip
        messages = self._known.new([self._message(hit) for hit in hits], changes=self._source.changes)
        ended = len(hits) < asked if scan.point else not hits
        self._scan = None if ended else scan
        if ended:
            self._end(scan)
            self.patience.rest(self._source.every.seconds)
        cursor: dict[str, Any] = {"time": self._time}
        if self._scan and scan.point:
            cursor["scan"] = asdict(scan)
        lag = 0 if ended else max(1, total - scan.read)
        return Fetched(self._source.packed(self._name, messages, {self._key: json.dumps(cursor)}), lag)

    def _message(self, hit: Mapping[str, Any]) -> Message:
        """A document; notes how far in time we are."""
        times = (hit.get("fields") or {}).get(self._source.time) or [""]
        micros = moment(str(times[0]))
        if micros is not None:
            self._time = max(self._time or EARLIEST, min(micros, int(time.time() * MICROS)))
        place = Place(hit["_index"], hit["_id"], 0 if micros is None else micros // 1000, str(times[0]))
        source = hit.get("_source")
        if not isinstance(source, dict):
            return self._source.unreadable(place, hit, "a document whose source is not stored, or larger than 64 MB")
        named = "" if self._source.changes else f"{place.stream}/{place.at}"
        return self._source.message(self._name, place, source, named)

    def _end(self, scan: Scan) -> None:
        """The server may forget the scan; it does so by itself when this fails."""
        path, told = self._server.open if self._server else "", {"id": scan.point}
        if not scan.point:
            path, told = "/_search/scroll", {"scroll_id": scan.scroll}
        elif self._server and self._server.name == "OpenSearch":
            told = {"pit_id": scan.point}
        with suppress(SourceError):
            self.caller.ask("DELETE", path, json=told)
