"""What the pages and programs look up over HTTP: ledger, schema, events, values, refusals, traces, status."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Response

import trackway
from trackway.api.catalogue import Catalogue
from trackway.api.failure import json_response
from trackway.api.refused import refusals
from trackway.errors import TrackwayError
from trackway.model.condition import Condition

if TYPE_CHECKING:
    from trackway.app import Workspace


Short = Annotated[str, Query(max_length=300)]
Limit = Annotated[int, Query(ge=1, le=1_000)]


class NotFound(TrackwayError):
    """There is no such thing in this workspace."""

    status = 404


def routes(workspace: Workspace, catalogue: Catalogue) -> APIRouter:
    """The addresses that only read: /healthz, and everything below /api but asking."""
    router = APIRouter()
    router.include_router(accounts(workspace))
    router.include_router(choices(workspace, catalogue))
    return router


def accounts(workspace: Workspace) -> APIRouter:
    """What happened to records: status, ledger, refusals, traces."""
    router = APIRouter()
    begun = time.monotonic()

    @router.get("/healthz")
    def healthz() -> Response:
        """That the process answers at all."""
        return json_response({"ok": True})

    @router.get("/api/status")
    def status() -> Response:
        """The workspace in one object: name, versions, the bins summed over sources, seconds since the start."""
        return json_response({"ok": True, **state(workspace), "uptime_seconds": round(time.monotonic() - begun)})

    @router.get("/api/ledger")
    def ledger() -> Response:
        """Per source `received stored duplicate dropped refused pending`, and whether they balance."""
        return json_response({"ok": True, "sources": [account.as_json() for account in workspace.ledger()]})

    @router.get("/api/sources")
    def sources() -> Response:
        """Every source: its type, what it received, and for one that pulls its health: state, lag, the last fault."""
        return json_response({"ok": True, "sources": workspace.sources()})

    @router.get("/api/refused")
    def refused(reason: Short = "", source: Short = "", limit: Limit = 100) -> Response:
        """The latest refused records with reason and bytes; `reason` and `source` pick some."""
        return json_response({"ok": True, "refused": refusals(workspace, reason, source, limit)})

    @router.get("/api/trace/{event_id:path}")
    def trace(event_id: str) -> Response:
        """The whole way of one event, verb by verb."""
        return json_response({"ok": True, "event_id": event_id, "lines": way(workspace, event_id)})

    return router


def choices(workspace: Workspace, catalogue: Catalogue) -> APIRouter:
    """What there is to ask about: schema, columns, events, values; and whether a condition can be asked."""
    router = APIRouter()

    @router.get("/api/schema")
    def schema() -> Response:
        """Every column and its kind; expressions, sessions and cohorts are columns too."""
        return json_response({"ok": True, "columns": dict(workspace.schema()) | workspace.names().kinds()})

    @router.get("/api/columns")
    def columns() -> Response:
        """The columns people ask about, with their kind and in how many events they have a value."""
        return json_response({"ok": True, "columns": catalogue.columns()})

    @router.get("/api/events")
    def events() -> Response:
        """Every event name with `events actors first last`, the most frequent first."""
        return json_response({"ok": True, "events": catalogue.events()})

    @router.get("/api/values")
    def values(column: Short, prefix: Short = "") -> Response:
        """The most frequent values of a column that contain `prefix`, with counts."""
        return json_response({"ok": True, "column": column, "values": catalogue.values(column, prefix)})

    @router.get("/api/check")
    def check(condition: Annotated[str, Query(max_length=10_000)]) -> Response:
        """Whether a condition can be asked: 200 with its columns, or 400 with what is wrong."""
        asked = Condition(condition)
        asked.sql(workspace.names().schema)
        return json_response({"ok": True, "columns": asked.columns})

    return router


def way(workspace: Workspace, event_id: str) -> list[dict[str, Any]]:
    """The lines of a trace. Raises NotFound."""
    lines = workspace.trace(event_id)
    if not lines:
        raise NotFound(f"no event '{event_id}'", hint="event ids are in the column event_id")
    return [line.as_json() for line in lines]


def state(workspace: Workspace) -> dict[str, object]:
    """A workspace in one object: its name, what it holds, and what waits."""
    accounts = [account.as_json() for account in workspace.ledger()]
    bins = ("received", "stored", "duplicate", "dropped", "refused", "pending")
    return {
        "project": workspace.plan.project.name,
        "version": trackway.__version__,
        "lake_version": workspace.lake.version(),
        "columns": len(workspace.schema()),
        **{name: sum(account[name] for account in accounts) for name in bins},
    }
