"""Reading one source for as long as the flow runs: through faults, and without running away from the flow.

What a source raises is waited out, ever longer, and then it is read again from where the journal has it; while too
much waits for the flow, it is not read at all. How it goes is kept where every process sees it, as its health.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from trackway.errors import TrackwayError
from trackway.plan.component import Payload, Source
from trackway.store.control import Control
from trackway.store.journal import Journal
from trackway.store.lake import Lake

log = logging.getLogger(__name__)

FIRST, LONGEST = 0.5, 60.0
"""Seconds until a source that failed is read again, at first and at last."""
TELL = 2.0
"""Seconds between two notes of how it goes."""
SILENT = 30.0
"""Seconds without a note after which nobody reads the source any more."""
LOOK = 0.5
"""Seconds between two looks at how much waits for the flow."""
STATES = ("reading", "failing", "held", "ended", "stopped")
"""What a source may be doing: `held` waits for the flow, `ended` has read all there is, `stopped` is not read."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the reading of one source goes."""

    state: str = "stopped"
    """One of STATES."""
    lag: int | None = None
    """Records that wait where they come from; None when that is not known."""
    at: float = 0.0
    """When this was noted, in seconds since 1970."""
    kept_at: float = 0.0
    """When a payload was kept last; 0 when none was since it is read."""
    failures: int = 0
    """Faults since the last time that something was read."""
    said: str = ""
    """The last fault, as it was told."""

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return asdict(self)


def health(control: Control, name: str, now: float | None = None) -> Health:
    """How the reading of a source goes, as whoever reads it noted last."""
    noted = control.get(_key(name))
    found = Health(**json.loads(noted)) if noted else Health()
    silent = (time.time() if now is None else now) - found.at > SILENT
    return replace(found, state="stopped") if silent and found.state != "ended" else found


def _key(name: str) -> str:
    return f"health/{name}"


class Intake:
    """One source of a running flow."""

    def __init__(  # noqa: PLR0913
        self, name: str, source: Source, journal: Journal, lake: Lake, control: Control, *, most_waiting: int
    ) -> None:
        """`most_waiting` is how many records may wait in the journal for the flow."""
        self._name, self._source = name, source
        self._journal, self._lake, self._control, self._most = journal, lake, control, most_waiting
        self._stop = threading.Event()
        self._health = Health()
        self._told = 0.0
        self._looked = 0.0

    def run(self, stop: threading.Event, jitter: Callable[[], float] = random.random) -> None:
        """Read until the source ends or `stop` is set. Never raises."""
        self._stop = stop
        while not stop.is_set():
            try:
                self._read(stop)
            except TrackwayError as error:
                self._failed(str(error))
            except Exception as error:
                log.exception("source %s failed", self._name)
                self._failed(f"{type(error).__name__}: {error}")
            else:
                self._note("stopped" if stop.is_set() else "ended", now=True)
                return
            wait = min(LONGEST, FIRST * 2 ** (self._health.failures - 1)) * (0.5 + jitter() / 2)
            self._sleep("failing", wait)
        self._note("stopped", now=True)

    def _read(self, stop: threading.Event) -> None:
        cursors = self._journal.cursors(self._name)
        for progress in self._source.read(self._name, self._keep, cursors, stop):
            if self._health.failures:
                log.warning("source %s is read again", self._name)
            self._health = replace(self._health, lag=progress.lag, failures=0, said="")
            self._note("reading")

    def _keep(self, payloads: Sequence[Payload]) -> list[int]:
        """Into the journal, once the flow has room for more."""
        while not self._stop.is_set() and self._crowded():
            self._sleep("held", LOOK)
        kept = self._journal.append(payloads)
        self._health = replace(self._health, kept_at=time.time())
        return kept

    def _crowded(self) -> bool:
        """Whether too much waits for the flow, looked at now and then."""
        if time.monotonic() - self._looked < LOOK:
            return False
        if sum(self._journal.backlog(self._lake.position()).values()) > self._most:
            return True
        self._looked = time.monotonic()
        return False

    def _failed(self, said: str) -> None:
        self._health = replace(self._health, failures=self._health.failures + 1, said=said)
        log.warning("source %s: %s", self._name, said)
        self._note("failing", now=True)

    def _sleep(self, state: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stop.wait(min(left, TELL)):
            self._note(state)

    def _note(self, state: str, *, now: bool = False) -> None:
        """Tell the other processes how it goes, at once when it changed."""
        changed = state != self._health.state
        self._health = replace(self._health, state=state, at=time.time())
        if now or changed or time.monotonic() - self._told >= TELL:
            self._told = time.monotonic()
            self._control.set(_key(self._name), json.dumps(self._health.as_json()))
