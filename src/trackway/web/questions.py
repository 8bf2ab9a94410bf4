"""The answer page: `/ask/trend?…` shows it; with .json .csv .arrow .svg .png it is the data or the picture.

A page is sent as its answers come: what surrounds them, then an answer from a sample, then better ones, each of which
takes the place of the one before (the style sheet shows only the last), at last the exact one. It needs no script, and
whoever leaves the page hangs up, which cancels the question.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, StreamingResponse

from trackway.api import address
from trackway.api.attended import attended, told
from trackway.api.data import NotFound
from trackway.api.failure import json_response
from trackway.api.form import as_arrow, as_csv
from trackway.errors import TrackwayError, suggest
from trackway.model.time import instant
from trackway.plan import registry
from trackway.plan.query import Answer
from trackway.store.columns.limits import Limits
from trackway.web import builder, view, words
from trackway.web.charts.scale import moment
from trackway.web.fields import Items
from trackway.web.nested import NUMBERED, gathered
from trackway.web.panels import Scene, panels
from trackway.web.shown import address as page_of
from trackway.web.shown import link_to, listed, shown, stands_on

if TYPE_CHECKING:
    from trackway.web.pages import Pages

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
PICTURES = ("svg", "png")
FORMS = ("json", "csv", "arrow", *PICTURES)
PICTURE = 960.0
"""Pixels a picture is drawn for."""
ONCE = ("engine", "sample")
"""Ways to ask that have one answer."""
HERE = "<!-- answers -->"
"""Where the answers stand in the page around them."""


class Questions:
    """Answers questions written as addresses, in every form."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    async def answer(self, request: Request, name: str) -> Response:
        """`name` is a type of question, or one with a dot and a form: `funnel.csv`."""
        type_, _, form = name.partition(".")
        if type_ not in registry.names("queries"):
            raise NotFound(f"no question of type '{type_}'", hint=suggest(type_, registry.names("queries")))
        if not form:
            return await self.page(request, type_)
        if form not in FORMS:
            raise NotFound(f"no form '{form}'", hint=suggest(form, FORMS))
        items = request.query_params.multi_items()
        asked, options = address.question(type_, items), dict(items)
        limits = self.pages.desk.limits(options)

        def made() -> Response:
            answer = self.pages.desk.ask(asked, options, limits)
            return picture(form, self.scene(asked, answer)) if form in PICTURES else shaped(form, answer)

        return await attended(request, limits, made)

    async def page(self, request: Request, type_: str) -> Response:
        """Form, pictures, table and what the answer stands on; a wrong question is told beside the form."""
        items = request.query_params.multi_items()
        if any(NUMBERED.match(key) for key, _ in items):
            return RedirectResponse(page_of(type_, "", gathered(type_, items)), 303)
        try:
            asked = address.question(type_, items)
            if not builder.ready(asked):
                return await self.around(request, type_, items, {"type": type_})
            options = dict(items)
            limits = self.pages.desk.limits(options)
        except TrackwayError as error:
            return await self.around(request, type_, items, {"type": type_}, error)
        found = told(request, limits, self.answers(asked, options, limits))
        first = await anext(found)
        if isinstance(first, TrackwayError):
            await found.aclose()
            return await self.around(request, type_, items, asked, first)
        before, after = (await self.text(request, type_, items, asked=asked, answered=True)).split(HERE)

        async def parts() -> AsyncIterator[str]:
            async with aclosing(found):
                yield before
                yield await run_in_threadpool(self.fragment, asked, items, first, 0)
                number = 1
                async for item in found:
                    yield await run_in_threadpool(self.fragment, asked, items, item, number)
                    number += 1
                yield after

        return StreamingResponse(parts(), headers=view.HEADERS | {"X-Accel-Buffering": "no"}, media_type=view.HTML)

    def answers(self, asked: dict[str, Any], options: dict[str, str], limits: Limits) -> Iterator[Answer]:
        """Better and better answers, then, if asked for, the actors behind one of the numbers."""
        plain = {key: value for key, value in options.items() if key != "people"}
        if any(plain.get(key) for key in ONCE):
            yield self.pages.desk.ask(asked, plain, limits)
        else:
            yield from self.pages.desk.answers(asked, plain, limits)
        if "people" in options:
            yield self.pages.desk.ask(asked, options, limits)

    def fragment(self, asked: dict[str, Any], items: Items, item: Answer | TrackwayError, number: int) -> str:
        """One answer, or a list of actors, or what went wrong after the first answer, as a part of the page."""
        if isinstance(item, TrackwayError):
            return view.text("failure.html", {"failure": {**item.as_json(), "path": item.path}})
        if item.type == "people":
            return view.text("people.html", listed(asked, items, item))
        scene = self.scene(asked, item, items)
        return view.text("answer.html", shown(scene, items, number) | self.known())

    def scene(self, asked: dict[str, Any], answer: Answer, items: Items = ()) -> Scene:
        """An answer with what a drawing must know of the workspace."""
        zone = self.pages.workspace.plan.project.timezone
        return Scene(asked, answer, self.newest(), zone, link_to(asked, answer, items))

    def newest(self) -> int | None:
        """The newest instant there is, in microseconds; None without events."""
        end = moment(self.pages.catalogue.span()[1])
        return None if end is None else instant(end)

    def known(self) -> dict[str, Any]:
        """How many events there are, and from when to when."""
        begin, end, events = self.pages.catalogue.span()
        return {"span": (str(begin)[:10], str(end)[:10]) if events else ("", ""), "events": events}

    async def around(
        self, request: Request, type_: str, items: Items, asked: dict[str, Any], error: TrackwayError | None = None
    ) -> Response:
        """A page without an answer: the question is unfinished, or wrong."""
        failure = None if error is None else {**error.as_json(), "path": error.path}
        body = await self.text(request, type_, items, asked=asked, failure=failure)
        return HTMLResponse(body, 200 if error is None else error.status, view.HEADERS)

    async def text(  # noqa: PLR0913
        self, request: Request, type_: str, items: Items, *, asked: dict[str, Any],
        failure: dict[str, Any] | None = None, answered: bool = False,
    ) -> str:  # fmt: skip
        """What surrounds the answers: the form, the tabs, the saved questions."""

        def made() -> str:
            here = f"{request.url.path}?{request.url.query}"
            context = {
                "type": type_, "form": builder.form(type_, items), "tabs": builder.tabs(type_, items),
                "prompt": words.prompt(type_), "hidden": builder.hidden(type_, items), "failure": failure,
                "saved": builder.saved(self.pages.workspace.plan, here), "answered": answered, "here": HERE,
                "asked_items": [(key, value) for key, value in items if value],
                "popular": self.pages.catalogue.events()[:8], "sentence": words.sentence(asked) if answered else "Ask",
            } | self.known()  # fmt: skip
            project = self.pages.workspace.plan.project.name
            return view.text("ask.html", view.around(request, project) | context)

        return await run_in_threadpool(made)


def shaped(form: str, answer: Answer) -> Response:
    """An answer as data."""
    if form == "json":
        return json_response(answer.as_json())
    if form == "csv":
        return Response(as_csv(answer.rows), headers=HEADERS, media_type="text/csv; charset=utf-8")
    return Response(as_arrow(answer), headers=HEADERS, media_type="application/vnd.apache.arrow.stream")


def picture(form: str, scene: Scene) -> Response:
    """The first picture of an answer."""
    found = panels(scene)
    if not found:
        why = "no rows" if not scene.rows else f"a question of type '{scene.asked['type']}'"
        raise NotFound(f"no picture of {why}", hint="ask for json, csv or arrow")
    footer = f"trackway · {stands_on(scene.answer)}"
    drawing = found[0].draw(PICTURE)
    text = drawing.picture(words.sentence(scene.asked), footer, found[0].legend)
    if form == "svg":
        return Response(text, headers=HEADERS, media_type="image/svg+xml")
    import vl_convert

    return Response(vl_convert.svg_to_png(text, scale=2), headers=HEADERS, media_type="image/png")
