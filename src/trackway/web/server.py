"""The web application: collector, API and pages of one workspace behind one address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

import trackway
from trackway.api import ask, contracts, data, failure, inspect, progress
from trackway.api.catalogue import Catalogue
from trackway.web import pages
from trackway.web.view import HERE
from trackway.web.warm import keep_fresh

if TYPE_CHECKING:
    from trackway.app import Workspace

PATIENCE = 10.0
"""Seconds that stopping waits for the columns to be caught up."""


def create_app(workspace: Workspace, collector_routes: Iterable[BaseRoute] = (), *, asks: bool = True) -> FastAPI:
    """The application of a workspace. `asks=False` leaves only the collector and /healthz (role `collector`)."""
    stop = threading.Event()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        fresh = threading.Thread(target=keep_fresh, args=(workspace, stop), name="warm", daemon=True)
        if asks:
            fresh.start()
        yield
        stop.set()
        if asks:  # a process that ends while a thread is inside compiled code aborts
            await asyncio.to_thread(fresh.join, PATIENCE)

    app = FastAPI(
        title="Trackway", version=trackway.__version__, openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.router.routes.extend(collector_routes)
    catalogue = Catalogue(workspace)
    desk = ask.Desk(workspace)
    shown = pages.Pages(workspace, desk, catalogue)
    failure.install(app, shown.error if asks else None)
    app.include_router(data.routes(workspace, catalogue))
    if asks:
        app.include_router(contracts.routes(workspace))
        app.include_router(inspect.routes())
        app.include_router(ask.routes(desk))
        app.include_router(progress.routes(desk))
        app.include_router(pages.routes(shown))
        app.router.routes.append(Mount("/static", StaticFiles(directory=HERE / "static"), name="static"))
    return app
