"""Before and while asking: what a question will cost, and better and better answers to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from trackway.api.ask import Desk, body, written
from trackway.api.attended import told
from trackway.api.failure import json_response
from trackway.errors import TrackwayError

NDJSON, EVENTS = "application/x-ndjson", "text/event-stream"


def routes(desk: Desk) -> APIRouter:
    """`/api/ask/stream` and `/api/estimate`, both ways."""
    router = APIRouter()

    @router.get("/api/ask/stream")
    async def by_address(request: Request) -> Response:
        """Better and better answers to the question in the address: the first from a sample and quick, the last exact.

        One JSON object a line (NDJSON), or server-sent events for those who accept `text/event-stream`. Hanging up
        ends it. An error after the first answer is a line with `"ok": false`.
        """
        return await stream(desk, request, *written(request))

    @router.post("/api/ask/stream")
    async def by_body(request: Request) -> Response:
        """The same for the question in the body."""
        return await stream(desk, request, await body(request), dict(request.query_params))

    @router.get("/api/estimate")
    async def cost(request: Request) -> Response:
        """What the question in the address will cost: events and bytes to read, memory, and seconds to expect."""
        return json_response((await run_in_threadpool(desk.estimate, *written(request))).as_json())

    @router.post("/api/estimate")
    async def cost_by_body(request: Request) -> Response:
        """The same for the question in the body."""
        found = await run_in_threadpool(desk.estimate, await body(request), dict(request.query_params))
        return json_response(found.as_json())

    return router


async def stream(desk: Desk, request: Request, asked: dict[str, Any] | str, options: dict[str, str]) -> Response:
    """Answers as they come. What is wrong with the question is told with the status of an error."""
    limits = desk.limits(options)
    found = told(request, limits, desk.answers(asked, options, limits))
    first = await anext(found)
    if isinstance(first, TrackwayError):
        await found.aclose()
        raise first
    events = EVENTS in request.headers.get("accept", "")

    async def lines() -> AsyncIterator[bytes]:
        async with aclosing(found):
            yield line(first.as_json(), events=events)
            async for item in found:
                yield line(item.as_json(), events=events)

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines(), media_type=EVENTS if events else NDJSON, headers=headers)


def line(content: dict[str, Any], *, events: bool) -> bytes:
    """One object of a stream."""
    body = orjson.dumps(content, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    return b"data: " + body + b"\n\n" if events else body + b"\n"
