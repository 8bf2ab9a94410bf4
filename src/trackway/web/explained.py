"""One actor on a page: `/explain/funnel?…&who=ID` shows their events in time, and what each is to the question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response

from trackway.api import address
from trackway.api.data import NotFound
from trackway.errors import TrackwayError, suggest
from trackway.plan import registry
from trackway.web import words
from trackway.web.charts.scale import full, lasting, moment

if TYPE_CHECKING:
    from trackway.store.telling.explain import Explanation
    from trackway.web.fields import Items
    from trackway.web.pages import Pages

PAUSE = 3_600
"""Seconds between two events from which on the page says how much later the next one came."""
OFFERED = 12
"""Actors offered to be explained."""


class Explained:
    """Explains an actor for a question written as an address."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    def page(self, request: Request, type_: str) -> Response:
        """The form, the sentence, and the timeline; a wrong question or an unknown actor is told in its place."""
        if type_ not in registry.names("queries"):
            raise NotFound(f"no question of type '{type_}'", hint=suggest(type_, registry.names("queries")))
        items = request.query_params.multi_items()
        options = dict(items)
        found: Explanation | None = None
        failure: dict[str, Any] | None = None
        asked: dict[str, Any] = {"type": type_}
        offered: list[str] = []
        try:
            asked = address.question(type_, items)
            offered = self.offered(asked, options)
            if options.get("who"):
                found = self.pages.desk.explain(asked, options)
        except TrackwayError as error:
            failure = {**error.as_json(), "path": error.path}
        context = around(type_, items) | {"found": found, "failure": failure, "sentence": words.sentence(asked)}
        context["offered"] = [(name, link(type_, items, name)) for name in offered]
        if found is not None:
            context |= {"line": list(timeline(found.events)), "stands_on": stands_on(found)}
        return self.pages.show(request, "explain.html", failure["status"] if failure else 200, **context)

    def offered(self, asked: Mapping[str, Any], options: Mapping[str, str]) -> list[str]:
        """Some actors of the answer; none when the question cannot list them."""
        try:
            answer = self.pages.desk.ask(dict(asked), {**options, "people": f"limit={OFFERED}"})
        except TrackwayError:
            return []
        return [row["actor"] for row in answer.rows if row["actor"] is not None]


def around(type_: str, items: Items) -> dict[str, Any]:
    """Who is asked for, the rest of the address, and the way back to the answer."""
    rest = [(key, value) for key, value in items if key != "who" and value]
    query = urlencode(rest, quote_via=quote)
    who = next((value for key, value in items if key == "who"), "")
    return {"type": type_, "who": who, "rest": rest, "back": f"/ask/{type_}" + (f"?{query}" if query else "")}


def link(type_: str, items: Items, who: str) -> str:
    """The address that explains someone else."""
    rest = [(key, value) for key, value in items if key != "who" and value]
    return f"/explain/{type_}?{urlencode([*rest, ('who', who)], quote_via=quote)}"


def timeline(events: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events with the day each begins, and how long after the one before it came when that is long."""
    before: str | None = None
    for event, last in zip(events, [None, *events], strict=False):
        day, _, clock = str(event["time"]).partition("T")
        passed = 0.0 if last is None else seconds(str(last["time"]), str(event["time"]))
        later = f"{lasting(passed)} later" if passed >= PAUSE and day == before else ""
        kind = "counts" if event["counts"] else "matches" if event["matches"] else "beside"
        values = [(name, value) for name, value in event["values"].items() if value is not None]
        yield {
            **event, "day": day if day != before else "", "clock": clock.removesuffix("Z")[:8],
            "later": later, "values": values, "kind": f"{kind} paused" if later else kind,
            "trace": f"/trace/{quote(str(event['event_id'] or event['record']))}",
        }  # fmt: skip
        before = day


def seconds(first: str, last: str) -> float:
    """The time between two instants.

    >>> seconds("2026-01-05T00:00:00Z", "2026-01-05T00:01:00Z")
    60.0
    """
    (begin, end), *_ = pairwise([moment(first), moment(last)])
    return 0.0 if begin is None or end is None else (end - begin).total_seconds()


def stands_on(found: Explanation) -> str:
    """What an explanation stands on, in one line."""
    said = found.stands_on
    return f"lake version {full(said['lake_version'])} · {full(said['events'])} events · {full(said['elapsed_ms'])} ms"
