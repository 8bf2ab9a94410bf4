"""The page that looks at a file: what it holds, and the tables that take it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from trackway.api.inspect import looked_at
from trackway.errors import TrackwayError

if TYPE_CHECKING:
    from trackway.web.pages import Pages

ROLES = {"time": "when", "event": "what", "actor": "who", "event_id": "id"}
CELLS = 8
"""Columns of the table of first events."""


def routes(pages: Pages) -> APIRouter:
    """`/inspect`: a form, and what a file that was sent holds."""
    router = APIRouter(include_in_schema=False)

    @router.get("/inspect")
    def ask(request: Request) -> Response:
        return pages.show(request, "inspect.html", found=None, failure=None)

    @router.post("/inspect")
    async def answer(request: Request) -> Response:
        try:
            found = await looked_at(request)
        except TrackwayError as error:
            return pages.show(request, "inspect.html", error.status, found=None, failure=error.as_json())
        meant = {best["column"]: ROLES[role] for role, best in found["roles"].items()}
        filled = [one for one in found["columns"] if one["filled"]]
        heads = [*meant, *(one["column"] for one in filled if one["column"] not in meant)][:CELLS]
        return pages.show(
            request, "inspect.html", found=found, failure=None, meant=meant, filled=filled, heads=heads,
            empty=len(found["columns"]) - len(filled),
        )  # fmt: skip

    return router
