"""Keeps the columns close behind the lake, so that no question waits for catching up."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from trackway.errors import TrackwayError

if TYPE_CHECKING:
    from trackway.app import Workspace

log = logging.getLogger("trackway.web")

ANY = "event is not null"
FIRST: tuple[dict[str, Any], ...] = (
    {"type": "trend", "by": ["event"]},
    {"type": "trend", "measure": "actors"},
    {"type": "funnel", "steps": [{"when": ANY}]},
    {"type": "retention", "start": ANY, "return": ANY, "every": "1mo"},
)
EVERY = 1.0
"""Seconds between two looks at the lake."""


def warm(workspace: Workspace, stop: threading.Event) -> None:
    """Ask one question of each type, so that the first person who asks does not wait for code to be loaded."""
    for asked in FIRST:
        if stop.is_set():
            return
        try:
            workspace.ask(asked)
        except TrackwayError as error:
            log.debug("nothing to warm up with yet: %s", error)


def keep_fresh(workspace: Workspace, stop: threading.Event) -> None:
    """Catch the columns up about every second until told to stop; a fault is logged once until it changes."""
    said = ""
    seen: int | None = None
    warm(workspace, stop)
    while not stop.wait(EVERY):
        try:
            version = workspace.lake.version()
            if version != seen:
                workspace.columns.view()
                seen = version
            said = ""
        except (TrackwayError, OSError) as error:
            if str(error) != said:
                log.warning("columns are behind: %s", error)
            said = str(error)
