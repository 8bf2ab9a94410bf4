"""A file, or pieces of one, sent to be looked at: nothing of it is kept, and personal data comes back masked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from trackway.api import body
from trackway.api.failure import json_response
from trackway.api.onboarding.inspection import inspect_bytes
from trackway.errors import TrackwayError
from trackway.model.form import fields

MOST = 4_000_000
"""Bytes of a file that is sent whole, or of its pieces."""
FORM = "application/x-www-form-urlencoded"


def routes() -> APIRouter:
    """The address that looks at a file for programs."""
    router = APIRouter()

    @router.post("/api/inspect")
    async def inspect(request: Request) -> Response:
        """What a file holds, its personal data (masked), tables for trackway.toml, and advice. The body is the file, up
        to 4 MB, `name` in the address its name; of a larger one its head, middle and tail, with `size` for that of the
        file and `cuts` for where the middle and the tail begin in the body, such as `cuts=500000,750000`."""
        return json_response({"ok": True, **await looked_at(request)})

    return router


async def looked_at(request: Request) -> dict[str, Any]:
    """What the body of a request holds. Raises TrackwayError."""
    raw = await body.read(request.receive, request.headers, MOST)
    asked = request.query_params
    name = asked.get("name", "")[:200] or "sample"
    if request.headers.get("content-type", "").startswith(FORM):
        raw = fields(raw).get("text", "").encode()
    cuts = [int(one) for one in asked.get("cuts", "").split(",") if one.isdecimal()][:2]
    size = int(asked["size"]) if asked.get("size", "").isdecimal() else 0
    if cuts != sorted(cuts) or any(cut > len(raw) for cut in cuts) or (cuts and size < len(raw)):
        raise TrackwayError(
            "the pieces are not those of one file", path="cuts", hint="such as size=9000000&cuts=500000"
        )
    if not raw.strip():
        raise TrackwayError("there is nothing to look at", hint="choose a file, or paste some lines of one")
    return await run_in_threadpool(inspect_bytes, raw, name, size, cuts)
