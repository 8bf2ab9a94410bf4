"""Whether the flow keeps up: collectors answer 503 while too much waits, so that senders keep it and retry."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from trackway.errors import TrackwayError
from trackway.store.journal import Journal

log = logging.getLogger(__name__)
EVERY = 0.5
"""Seconds between looks at how far the flow is; what is taken in meanwhile is added up here."""


class Pressure:
    """How many events wait in the journal."""

    def __init__(self, journal: Journal, position: Callable[[], int], most: int) -> None:
        """`position` tells how far the flow is; `most` is how many events may wait."""
        self._journal = journal
        self._position = position
        self._most = most
        self._waiting = 0
        self._looked = 0.0
        self._looking: asyncio.Future[None] | None = None

    async def high(self) -> bool:
        """Whether too much waits. The first call looks; later ones look in the background."""
        now = time.monotonic()
        if self._looking is None and now - self._looked > EVERY:
            first = self._looked == 0.0
            self._looked = now
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._look))
            self._looking.add_done_callback(self._done)
            if first:
                await asyncio.shield(self._looking)
        return self._waiting > self._most

    def add(self, records: int) -> None:
        """Count what was just kept."""
        self._waiting += records

    def _look(self) -> None:
        try:
            self._waiting = sum(self._journal.backlog(self._position()).values())
        except TrackwayError as error:
            log.warning("cannot tell how far the flow is: %s", error)

    def _done(self, _: asyncio.Future[None]) -> None:
        self._looking = None
