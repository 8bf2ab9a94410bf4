"""Every address of the API, for the reference: the routes themselves, made for no workspace in particular."""

from __future__ import annotations

from typing import cast

from fastapi.routing import APIRoute

from trackway.api import ask, contracts, data, inspect, progress
from trackway.api.catalogue import Catalogue
from trackway.app import Workspace


def documented() -> list[APIRoute]:
    """The routes of the API; their docstrings are the reference. They cannot be called."""
    nowhere = cast("Workspace", None)
    routers = [
        data.accounts(nowhere), data.choices(nowhere, cast("Catalogue", None)), ask.routes(cast("ask.Desk", None)),
        progress.routes(cast("ask.Desk", None)), contracts.routes(nowhere),
        inspect.routes(),
    ]  # fmt: skip
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
