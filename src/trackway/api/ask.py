"""Asking over HTTP: `GET /api/ask?type=trend&…` and `POST /api/ask` with the question as JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from trackway.api import address
from trackway.api.attended import attended
from trackway.api.failure import json_response
from trackway.api.question import read
from trackway.errors import QuestionError, TrackwayError
from trackway.plan.query import Answer
from trackway.store.columns.cost import Cost
from trackway.store.columns.limits import Limits

if TYPE_CHECKING:
    from trackway.app import Workspace
    from trackway.store.difference import Difference
    from trackway.store.telling.explain import Explanation

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

    def ask(self, asked: Mapping[str, Any] | str, options: Mapping[str, str], limits: Limits | None = None) -> Answer:
        """The answer, at most MOST_ROWS rows of it. Raises TrackwayError.

        `options`: `engine`, `as_of`, `people`, `sample` and `deadline`.
        """
        engine = options.get("engine") or "columns"
        with self._turn():
            limits, sample = limits or self.limits(options), options.get("sample") or None
            return cut(
                self.workspace.ask(
                    asked, engine=engine, as_of=options.get("as_of"), people=options.get("people"), sample=sample,
                    limits=limits,
                )
            )  # fmt: skip

    def answers(self, asked: Mapping[str, Any] | str, options: Mapping[str, str], limits: Limits) -> Iterator[Answer]:
        """Better and better answers; `options`: `as_of`. Raises TrackwayError."""
        with self._turn():
            for answer in self.workspace.answers(asked, as_of=options.get("as_of"), limits=limits):
                yield cut(answer)

    def estimate(self, asked: Mapping[str, Any] | str, options: Mapping[str, str]) -> Cost:
        """What asking will cost; `options`: `as_of`. Raises TrackwayError."""
        with self._turn():
            return self.workspace.estimate(asked, as_of=options.get("as_of"))

    def explain(self, asked: Mapping[str, Any] | str, options: Mapping[str, str]) -> Explanation:
        """What a question makes of the actor `who`; `options`: `who`, `as_of` and `deadline`. Raises TrackwayError."""
        if not options.get("who"):
            raise QuestionError("explain whom?", path="who", hint="who=ID, any id of an actor")
        with self._turn():
            limits = self.limits(options)
            return self.workspace.explain(asked, options["who"], as_of=options.get("as_of"), limits=limits)

    def limits(self, options: Mapping[str, str]) -> Limits:
        """The limits of a question asked now. Raises QuestionError."""
        return self.workspace.limits(options.get("deadline"))

    def difference(self, asked: Mapping[str, Any] | str, options: Mapping[str, str]) -> Difference:
        """A question as of two versions or moments. `options`: `as_of_from`, `as_of_to`. Raises TrackwayError."""
        if not options.get("as_of_from"):
            raise QuestionError(
                "compared with what?", path="as_of_from", hint="a lake version, or a moment such as -7d"
            )
        with self._turn():
            return self.workspace.difference(asked, options["as_of_from"], options.get("as_of_to"))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for one of the few places at the desk. Raises Busy."""
        if not self._free.acquire(timeout=self._patience):
            raise Busy("too many questions at once", hint="ask again in a moment")
        try:
            yield
        finally:
            self._free.release()


def cut(answer: Answer) -> Answer:
    """An answer of at most MOST_ROWS rows, which says so."""
    if len(answer.rows) <= MOST_ROWS:
        return answer
    note = f"Only the first {MOST_ROWS:,} of {len(answer.rows):,} rows are shown."
    return replace(answer, rows=answer.rows[:MOST_ROWS], notes=[*answer.notes, note])


def written(request: Request) -> tuple[dict[str, Any] | str, dict[str, str]]:
    """The question of an address, or the name of one in the file, and how to ask it. Raises QuestionError."""
    items = request.query_params.multi_items()
    options = dict(items)
    if "saved" in options:
        return options["saved"], options
    if "type" not in options:
        raise QuestionError("which question?", path="type", hint="type=trend, type=funnel or type=retention")
    return address.question(options["type"], items), options


async def body(request: Request) -> dict[str, Any] | str:
    """The question in the body of a request. Raises QuestionError."""
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > LARGEST:
            raise QuestionError("a question this large", hint=f"at most {LARGEST:,} bytes")
    return read(bytes(received))


def routes(desk: Desk) -> APIRouter:
    """`/api/ask`, both ways."""
    router = APIRouter()

    @router.get("/api/people")
    def people(request: Request) -> Response:
        """The actors behind a cell of an answer: a question as for `/api/ask`, and `people=step=2,dropped`.

        A cell is what its row says of itself (`step`, `time`, `country`, …) and what the question adds (`dropped`), as
        text or as a JSON object; `limit` in it says how many actors are listed. Left out, it is the whole answer.
        """
        items = request.query_params.multi_items()
        options = {"people": "", **dict(items)}
        asked = options.get("saved") or address.question(options.get("type", ""), items)
        return json_response(desk.ask(asked, options).as_json())

    @router.get("/api/ask")
    async def by_address(request: Request) -> Response:
        """The answer to the question in the address: `type=funnel&name=Home&step=…&within=1d`, or `saved=NAME`.

        `engine=sql` asks the reference; `as_of=12` or `as_of=2026-01-05T12:00` what was known as of a lake version or
        a moment; `sample=10%` or `sample=50000` only so many actors, which gives every number an interval;
        `deadline=5s` ends a question that takes longer. So does hanging up.
        """
        asked, options = written(request)
        limits = desk.limits(options)
        answer = await attended(request, limits, lambda: desk.ask(asked, options, limits))
        return json_response(answer.as_json())

    @router.get("/api/diff")
    def changes(request: Request) -> Response:
        """The question in the address as of `as_of_from` and `as_of_to` (default: now), lake versions or moments:
        the rows that changed, and the late records that changed them.
        """
        return json_response(desk.difference(*written(request)).as_json())

    @router.get("/api/explain")
    def explained(request: Request) -> Response:
        """What the question in the address makes of the actor `who=ID` (any of their ids): the rows they add to the
        answer, their events with what each is to the question, one sentence, and the rules that kept them back.
        """
        return json_response(desk.explain(*written(request)).as_json())

    @router.post("/api/explain")
    async def explained_by_body(request: Request) -> Response:
        """The same for the question in the body."""
        found = await run_in_threadpool(desk.explain, await body(request), dict(request.query_params))
        return json_response(found.as_json())

    @router.post("/api/ask")
    async def by_body(request: Request) -> Response:
        """The answer to the question in the body: a JSON object with `type`, or the name of one in the file."""
        asked, options = await body(request), dict(request.query_params)
        limits = desk.limits(options)
        answer = await attended(request, limits, lambda: desk.ask(asked, options, limits))
        return json_response(answer.as_json())

    @router.post("/api/diff")
    async def changes_by_body(request: Request) -> Response:
        """The same difference for the question in the body."""
        found = await run_in_threadpool(desk.difference, await body(request), dict(request.query_params))
        return json_response(found.as_json())

    return router
