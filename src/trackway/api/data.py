"""What the pages and programs look up over HTTP: ledger, schema, events, values, refusals, traces, status."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import APIRouter, Query, Response

import trackway
from trackway.api.catalogue import Catalogue
from trackway.api.failure import json_response
from trackway.api.refused import refusals
from trackway.errors import TrackwayError
from trackway.model.condition import Condition

if TYPE_CHECKING:
    from trackway.app import Workspace


class NotFound(TrackwayError):
    """There is no such thing in this workspace."""

    status = 404


def routes(workspace: Workspace, catalogue: Catalogue) -> APIRouter:
    """The addresses below /api that only read, and /healthz."""
    router = APIRouter()
    begun = time.monotonic()

    @router.get("/healthz")
    def healthz() -> Response:
        return json_response({"ok": True})

    @router.get("/api/status")
    def status() -> Response:
        return json_response({"ok": True, **state(workspace), "uptime_seconds": round(time.monotonic() - begun)})

    @router.get("/api/ledger")
    def ledger() -> Response:
        return json_response({"ok": True, "sources": [account.as_json() for account in workspace.ledger()]})

    @router.get("/api/schema")
    def schema() -> Response:
        return json_response({"ok": True, "columns": dict(workspace.schema())})

    @router.get("/api/columns")
    def columns() -> Response:
        return json_response({"ok": True, "columns": catalogue.columns()})

    @router.get("/api/events")
    def events() -> Response:
        return json_response({"ok": True, "events": catalogue.events()})

    @router.get("/api/values")
    def values(column: str = Query(max_length=300), prefix: str = Query("", max_length=300)) -> Response:
        return json_response({"ok": True, "column": column, "values": catalogue.values(column, prefix)})

    @router.get("/api/check")
    def check(condition: str = Query(max_length=10_000)) -> Response:
        """Whether a condition can be asked: 200 with its columns, or 400 with what is wrong."""
        asked = Condition(condition)
        asked.sql(workspace.schema())
        return json_response({"ok": True, "columns": asked.columns})

    @router.get("/api/refused")
    def refused(reason: str = "", source: str = "", limit: int = Query(100, ge=1, le=1_000)) -> Response:
        return json_response({"ok": True, "refused": refusals(workspace, reason, source, limit)})

    @router.get("/api/trace/{event_id:path}")
    def trace(event_id: str) -> Response:
        lines = workspace.trace(event_id)
        if not lines:
            raise NotFound(f"no event '{event_id}'", hint="event ids are in the column event_id")
        return json_response({"ok": True, "event_id": event_id, "lines": [line.as_json() for line in lines]})

    return router


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
