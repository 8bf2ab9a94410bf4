"""A question as JSON, from a request or a file. Apart from the routes, since the command line asks without a server."""

from __future__ import annotations

from typing import Any

import orjson

from trackway.errors import QuestionError


def read(body: bytes | str) -> dict[str, Any] | str:
    """A question as JSON: an object, or the name of one in the file. Raises QuestionError."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise QuestionError(f"not JSON: {error}", hint='such as {"type": "trend", "measure": "actors"}') from error
    if not isinstance(asked, dict | str):
        raise QuestionError("a question is a JSON object", hint='such as {"type": "trend", "measure": "actors"}')
    return asked
