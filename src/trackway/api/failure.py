"""The one error shape, for every endpoint and every way to be wrong.

`{"ok": false, "error": …, "errors": […], "hint": …, "status": 400}`; pages say the same in words.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from trackway.errors import TrackwayError

Page = Callable[[Request, dict[str, Any]], Response]
"""Says an error to a person."""

HINTS = {
    404: "GET /api/schema lists the columns, / is the first page",
    405: "the address is right, the method is not",
    500: "the log has the details",
}


def json_response(content: Any, status: int = 200) -> Response:
    """A JSON answer; instants and numpy numbers are written as people read them."""
    body = orjson.dumps(content, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    return Response(body, status, media_type="application/json")


def install(app: FastAPI, page: Page | None = None) -> None:
    """Make every failure of an app speak the one shape; `page` says it to browsers outside of /api."""

    def say(request: Request, shape: dict[str, Any]) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api")
        if page is not None and wants_page:
            return page(request, shape)
        return json_response(shape, shape["status"])

    def ours(request: Request, error: Exception) -> Response:
        return say(request, error.as_json() if isinstance(error, TrackwayError) else unexpected(error))

    def http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        said = str(getattr(error, "detail", "")) or HTTPStatus(status).phrase
        return say(request, shape(said, status, HINTS.get(status, "")))

    def invalid(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        errors = [f"{'.'.join(str(part) for part in item['loc'][1:])}: {item['msg']}" for item in found]
        return say(request, {**shape(errors[0] if errors else str(error), 400, ""), "errors": errors})

    def fault(request: Request, error: Exception) -> Response:
        return say(request, unexpected(error))

    app.add_exception_handler(TrackwayError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, fault)


def shape(error: str, status: int, hint: str) -> dict[str, Any]:
    """The one error shape."""
    return {"ok": False, "error": error, "errors": [error], "hint": hint, "status": status}


def unexpected(error: Exception) -> dict[str, Any]:
    """The shape of a fault of ours; its inside goes to the server's log and nowhere else."""
    return shape(f"an unexpected fault ({type(error).__name__})", 500, HINTS[500])
