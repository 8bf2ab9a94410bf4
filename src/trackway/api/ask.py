"""Asking over HTTP: `GET /api/ask?type=trend&…` and `POST /api/ask` with the question as JSON."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from trackway.api import address
from trackway.api.failure import json_response
from trackway.api.question import read
from trackway.errors import QuestionError, TrackwayError
from trackway.plan.component import Answer
from trackway.store.columns.ask import ENGINES

if TYPE_CHECKING:
    from trackway.app import Workspace

LARGEST = 256 * 1024
"""Bytes of a question sent as JSON."""
MOST_ROWS = 100_000
"""Rows of an answer over HTTP; an answer with more is cut and says so."""


class Busy(TrackwayError):
    """Too many questions at once."""

    status = 503


class Desk:
    """Takes questions for a workspace, a few at a time, so that asking never starves collecting."""

    def __init__(self, workspace: Workspace, at_once: int = 4, patience: float = 30.0) -> None:
        self.workspace = workspace
        self._free = threading.BoundedSemaphore(at_once)
        self._patience = patience

    def ask(self, asked: Mapping[str, Any] | str, options: Mapping[str, str]) -> Answer:
        """The answer, at most MOST_ROWS rows of it. `options`: `engine` and `as_of`. Raises TrackwayError."""
        engine = options.get("engine") or "columns"
        if engine not in ENGINES:
            raise QuestionError(f"no engine '{engine}'", path="engine", hint="columns or sql")
        if not self._free.acquire(timeout=self._patience):
            raise Busy("too many questions at once", hint="ask again in a moment")
        try:
            answer = self.workspace.ask(asked, engine=engine, version=version(options.get("as_of")))
        finally:
            self._free.release()
        if len(answer.rows) <= MOST_ROWS:
            return answer
        note = f"Only the first {MOST_ROWS:,} of {len(answer.rows):,} rows are shown."
        return replace(answer, rows=answer.rows[:MOST_ROWS], notes=[*answer.notes, note])


def version(text: str | None) -> int | None:
    """A lake version as written in an address. Raises QuestionError."""
    if not text:
        return None
    if not text.isdigit():
        raise QuestionError(f"expected a lake version, got {text!r}", path="as_of", hint="a whole number such as 12")
    return int(text)


def routes(desk: Desk) -> APIRouter:
    """`/api/ask`, both ways."""
    router = APIRouter()

    @router.get("/api/ask")
    def by_address(request: Request) -> Response:
        """The answer to the question in the address: `type=funnel&name=Home&step=…&within=1d`, or `saved=NAME`.

        `engine=sql` asks the reference, `as_of=12` an earlier lake version.
        """
        items = request.query_params.multi_items()
        options = dict(items)
        if "saved" in options:
            return json_response(desk.ask(options["saved"], options).as_json())
        if "type" not in options:
            raise QuestionError("which question?", path="type", hint="type=trend, type=funnel or type=retention")
        return json_response(desk.ask(address.question(options["type"], items), options).as_json())

    @router.post("/api/ask")
    async def by_body(request: Request) -> Response:
        """The answer to the question in the body: a JSON object with `type`, or the name of one in the file."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                raise QuestionError("a question this large", hint=f"at most {LARGEST:,} bytes")

        answer = await run_in_threadpool(desk.ask, read(bytes(body)), dict(request.query_params))
        return json_response(answer.as_json())

    return router
