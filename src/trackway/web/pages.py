"""The pages: ask, explain, events, ledger, refused and trace. Each is an address whose state is all in the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from trackway.api.ask import Desk
from trackway.api.catalogue import Catalogue
from trackway.api.data import way
from trackway.api.refused import reasons, refusals
from trackway.web import inspect
from trackway.web.charts.scale import moment
from trackway.web.explained import Explained
from trackway.web.questions import Questions
from trackway.web.view import render

if TYPE_CHECKING:
    from trackway.app import Workspace

BINS = ("stored", "duplicate", "dropped", "refused", "pending")
LATEST_HOURS = 4
"""Days up to which the first question is by hour."""
SHOWN = 100
"""Refused events on a page."""


@dataclass(frozen=True)
class Pages:
    """What every page needs."""

    workspace: Workspace
    desk: Desk
    catalogue: Catalogue

    def show(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:
        """A page of this workspace."""
        return render(request, template, context, project=self.workspace.plan.project.name, status=status)

    def error(self, request: Request, shape: dict[str, Any]) -> Response:
        """The page for the one error shape."""
        return self.show(request, "error.html", shape["status"], failure=shape)


def routes(pages: Pages) -> APIRouter:
    """Every page but the answers themselves (`web.questions`)."""
    router = APIRouter(include_in_schema=False)
    questions = Questions(pages)
    router.add_api_route("/ask/{name}", questions.answer, methods=["GET"])
    router.include_router(inspect.routes(pages))
    router.add_api_route("/explain/{type_}", Explained(pages).page, methods=["GET"])

    @router.get("/")
    @router.get("/ask")
    def first(request: Request) -> Response:
        begin, end, events = pages.catalogue.span()
        if not events:
            return pages.show(request, "empty.html", listen=listening(request), sources=pages.workspace.plan.sources)
        return RedirectResponse(f"/ask/trend?{opening(begin, end)}", 303)

    @router.get("/events")
    def events(request: Request) -> Response:
        return pages.show(
            request, "events.html", events=pages.catalogue.events(), columns=pages.catalogue.columns(),
            listen=listening(request),
        )  # fmt: skip

    @router.get("/ledger")
    def ledger(request: Request) -> Response:
        accounts = [account.as_json() for account in pages.workspace.ledger()]
        return pages.show(request, "ledger.html", accounts=accounts, bins=BINS, reasons=reasons(pages.workspace))

    @router.get("/refused")
    def refused(request: Request, reason: str = "", source: str = "") -> Response:
        rows = refusals(pages.workspace, reason, source, SHOWN)
        counts = reasons(pages.workspace)
        return pages.show(request, "refused.html", rows=rows, counts=counts, reason=reason, source=source, most=SHOWN)

    @router.get("/trace")
    def find(event_id: str = "") -> Response:
        return RedirectResponse(f"/trace/{event_id}" if event_id else "/events", 303)

    @router.get("/trace/{event_id:path}")
    def trace(request: Request, event_id: str) -> Response:
        return pages.show(request, "trace.html", event_id=event_id, lines=way(pages.workspace, event_id))

    for route in router.routes:
        if isinstance(route, APIRoute) and route.methods is not None:
            route.methods.add("HEAD")
    return router


def listening(request: Request) -> str:
    """The address this workspace is reached at, as the browser sees it."""
    return str(request.base_url).rstrip("/")


def opening(begin: Any, end: Any) -> str:
    """The first question: actors over the latest thirty days there are, in a readable number of intervals."""
    first, last = moment(begin), moment(end)
    if first is None or last is None:
        return "measure=actors&every=1d"
    since = max(first, last - timedelta(days=29))
    every = "1h" if (last - since).days <= LATEST_HOURS else "1d"
    return f"measure=actors&every={every}" + (f"&from={since:%Y-%m-%d}" if since > first else "")
