"""The answer page: `/ask/trend?…` shows it; with .json .csv .arrow .svg .png it is the data or the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from markupsafe import Markup

from trackway.api import address
from trackway.api.data import NotFound
from trackway.api.failure import json_response
from trackway.api.form import as_arrow, as_csv, without_intervals
from trackway.errors import TrackwayError, suggest
from trackway.model.time import Duration, instant
from trackway.plan import registry
from trackway.plan.component import Answer
from trackway.web import builder, words
from trackway.web.charts import durations, funnel, retention, trend
from trackway.web.charts.scale import full, moment
from trackway.web.charts.svg import Drawing
from trackway.web.fields import Items
from trackway.web.table import table

if TYPE_CHECKING:
    from trackway.web.pages import Pages

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
PICTURES = ("svg", "png")
FORMS = ("json", "csv", "arrow", *PICTURES)
WIDE, NARROW = 860.0, 350.0
"""Widths in pixels a chart is drawn for: a screen and a phone."""
PICTURE = 960.0
FEWEST_BARS = 3
"""Bars below which a histogram says nothing."""
NEARLY = 0.95
"""Share of an interval after which it counts as over; traffic does not end on its last microsecond."""


class Questions:
    """Answers questions written as addresses, in every form."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    def answer(self, request: Request, name: str) -> Response:
        """`name` is a type of question, or one with a dot and a form: `funnel.csv`."""
        type_, _, form = name.partition(".")
        if type_ not in registry.names("queries"):
            raise NotFound(f"no question of type '{type_}'", hint=suggest(type_, registry.names("queries")))
        if not form:
            return self.page(request, type_)
        if form not in FORMS:
            raise NotFound(f"no form '{form}'", hint=suggest(form, FORMS))
        items = request.query_params.multi_items()
        asked = address.question(type_, items)
        answer = self.pages.desk.ask(asked, dict(items))
        if form in PICTURES:
            return picture(form, asked, self.drawable(asked, answer), newest=self.newest())
        return shaped(form, answer)

    def page(self, request: Request, type_: str) -> Response:
        """Form, chart, table and what the answer stands on; a wrong question is told beside the form."""
        items = request.query_params.multi_items()
        answer: Answer | None = None
        failure: dict[str, Any] | None = None
        asked: dict[str, Any] = {"type": type_}
        try:
            asked = address.question(type_, items)
            if builder.ready(asked):
                answer = self.drawable(asked, self.pages.desk.ask(asked, dict(items)))
        except TrackwayError as error:
            failure = {**error.as_json(), "path": error.path}
        context = self.around(request, type_, items) | {"asked": asked, "failure": failure, "answer": answer}
        if answer is not None:
            context |= shown(asked, answer, newest=self.newest())
        return self.pages.show(request, "ask.html", failure["status"] if failure else 200, **context)

    def drawable(self, asked: dict[str, Any], answer: Answer) -> Answer:
        """An answer whose rows have a place for every interval, without how sure a sample is of them."""
        answer = replace(answer, rows=without_intervals(answer.rows))
        if answer.type != "trend":
            return answer
        zone = self.pages.workspace.plan.project.timezone
        return replace(
            answer, rows=trend.padded(trend.lined(answer.rows, answer.totals), asked.get("every", "1d"), zone)
        )

    def newest(self) -> int | None:
        """The newest instant there is, in microseconds; None without events."""
        end = moment(self.pages.catalogue.span()[1])
        return None if end is None else instant(end)

    def around(self, request: Request, type_: str, items: Items) -> dict[str, Any]:
        """The form and its surroundings."""
        query = request.url.query
        begin, end, events = self.pages.catalogue.span()
        return {
            "type": type_,
            "form": builder.form(type_, items),
            "tabs": builder.tabs(type_, items),
            "prompt": words.prompt(type_),
            "hidden": builder.hidden(type_, items),
            "asked_items": [(key, value) for key, value in items if value],
            "saved": builder.saved(self.pages.workspace.plan, f"{request.url.path}?{query}"),
            "links": [(form, f"/ask/{type_}.{form}" + (f"?{query}" if query else "")) for form in FORMS],
            "popular": self.pages.catalogue.events()[:8],
            "span": (str(begin)[:10], str(end)[:10]) if events else ("", ""),
            "events": events,
        }


def shown(asked: dict[str, Any], answer: Answer, *, newest: int | None) -> dict[str, Any]:
    """What the page says of an answer."""
    names = legend(answer)
    left = 0
    if answer.rows and answer.type in {"trend", "funnel"}:
        _, left = funnel.groups(answer.rows) if answer.type == "funnel" else trend.series(answer.rows)[1:]
    charts = ""
    if answer.rows:
        drawings = [(draw(asked, answer, width, newest), name) for width, name in ((WIDE, "wide"), (NARROW, "narrow"))]
        charts = "".join(drawing.inline(name) for drawing, name in drawings if drawing is not None)
    return {
        "sentence": words.sentence(asked),
        "numbers": words.numbers(asked, answer, open_end=open_end(asked, answer, newest)),
        "charts": Markup(charts),  # noqa: S704 - every text in a drawing is escaped by charts.svg
        "took": took(answer),
        "legend": list(enumerate(names)),
        "left_out": left,
        "table": table(asked["type"], answer.rows),
        "stands_on": stands_on(answer),
        "command": words.command(asked),
    }


STATES = ("new", "returning", "resurrected", "dormant")
"""The lines of a lifecycle."""


def over_time(answer: Answer) -> list[dict[str, Any]]:
    """The rows of an answer as a trend draws them: `time`, `value`, what tells the lines apart; none if it cannot."""
    rows = answer.rows
    if answer.type == "trend" or not rows:
        return rows if answer.type == "trend" else []
    if answer.type == "lifecycle" and set(rows[0]) == {"time", "active", *STATES, "complete"}:
        return [{"time": row["time"], "value": row[state], "state": state} for row in rows for state in STATES]
    if answer.type == "stickiness" and "ratio" in rows[0]:
        named = [name for name in rows[0] if name not in {"time", "active", "lately", "ratio", "complete"}]
        return [{"time": row["time"], "value": row["ratio"], **{name: row[name] for name in named}} for row in rows]
    return []


def legend(answer: Answer) -> list[str]:
    """The names of the lines over time, when there are several."""
    lines = trend.series(over_time(answer))[1] if over_time(answer) else {}
    return list(lines) if len(lines) > 1 else []


def draw(asked: dict[str, Any], answer: Answer, width: float, newest: int | None) -> Drawing | None:
    """The drawing that fits the question; None where its table says it all."""
    if asked["type"] == "funnel":
        return funnel.draw(answer.rows, width)
    if asked["type"] == "retention":
        return retention.draw(answer.rows, width, words.unit(asked.get("every") or "7d").capitalize())
    rows = over_time(answer)
    return trend.draw(rows, width, open_end=open_end(asked, answer, newest)) if rows else None


def took(answer: Answer) -> Markup:
    """The drawing of the times to convert of a funnel; empty when nobody did."""
    bars = answer.totals.get("histogram") or []
    if answer.type != "funnel" or len(bars) < FEWEST_BARS:
        return Markup()
    drawn = (durations.draw(bars, width).inline(f"{name} took") for width, name in ((WIDE, "wide"), (NARROW, "narrow")))
    return Markup("".join(drawn))  # noqa: S704 - escaped by charts.svg


def open_end(asked: dict[str, Any], answer: Answer, newest: int | None) -> bool:
    """Whether the last interval of a trend is not over at the newest event."""
    every = asked.get("every", "1d")
    if asked["type"] != "trend" or not answer.rows or newest is None or not every:
        return False
    last = moment(max(str(row["time"]) for row in answer.rows))
    if last is None:
        return False
    return instant(last) <= newest < instant(last) + Duration(every).micros * NEARLY


def stands_on(answer: Answer) -> str:
    """What an answer stands on, in one line."""
    said = answer.stands_on
    exact = "exact" if said.get("exact", True) else "sampled"
    return (
        f"lake version {full(said.get('lake_version'))} · {full(said.get('events'))} events · "
        f"{full(said.get('actors'))} actors · {exact} · {full(said.get('elapsed_ms'))} ms"
    )


def shaped(form: str, answer: Answer) -> Response:
    """An answer as data."""
    if form == "json":
        return json_response(answer.as_json())
    if form == "csv":
        return Response(as_csv(answer.rows), headers=HEADERS, media_type="text/csv; charset=utf-8")
    return Response(as_arrow(answer), headers=HEADERS, media_type="application/vnd.apache.arrow.stream")


def picture(form: str, asked: dict[str, Any], answer: Answer, *, newest: int | None) -> Response:
    """An answer as a picture."""
    drawing = draw(asked, answer, PICTURE, newest)
    if drawing is None:
        raise NotFound(f"no picture of a question of type '{asked['type']}'", hint="ask for json, csv or arrow")
    text = drawing.picture(words.sentence(asked), f"trackway · {stands_on(answer)}", legend(answer))
    if form == "svg":
        return Response(text, headers=HEADERS, media_type="image/svg+xml")
    import vl_convert

    return Response(vl_convert.svg_to_png(text, scale=2), headers=HEADERS, media_type="image/png")
