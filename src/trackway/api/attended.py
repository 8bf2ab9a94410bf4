"""Work for somebody who may hang up: what nobody waits for any more is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from trackway.errors import TrackwayError
from trackway.store.columns.limits import Limits

T = TypeVar("T")


async def attended(request: Request, limits: Limits, work: Callable[[], T]) -> T:
    """What `work` gives in a thread; its limits are cancelled when whoever asked hangs up."""
    async with _watched(request, limits):
        return await run_in_threadpool(work)


async def told(request: Request, limits: Limits, work: Iterator[T]) -> AsyncGenerator[T | TrackwayError, None]:
    """What `work` yields in a thread, as it comes; an error of Trackway is told instead, and ends it."""
    queue: asyncio.Queue[T | TrackwayError | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def produce() -> None:
        try:
            for item in work:
                loop.call_soon_threadsafe(queue.put_nowait, item)
        except TrackwayError as error:
            loop.call_soon_threadsafe(queue.put_nowait, error)
        finally:
            loop.call_soon_threadsafe(queue.put_nowait, None)

    async with _watched(request, limits):
        producer = loop.run_in_executor(None, produce)
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            limits.cancel()
            await asyncio.shield(producer)


@asynccontextmanager
async def _watched(request: Request, limits: Limits) -> AsyncIterator[None]:
    """Cancel the limits when the connection is closed while the block runs."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue
        limits.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
