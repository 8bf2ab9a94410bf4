"""Where published contracts are looked up: in the workspace, in a folder, or at a server that speaks `/contracts`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from trackway.errors import ConfigError, TrackwayError
from trackway.plan.config import FILE, read
from trackway.store.published import Published, Shelf

if TYPE_CHECKING:
    from trackway.app import Workspace

PATIENCE = 20.0
"""Seconds a server may take."""
Latest = Callable[[str], Published | None]
"""The latest published version of a contract, None when there is none."""


def published(against: str, workspace: Workspace) -> Latest:
    """How to look a contract up. Raises ConfigError when there is nothing to look it up in."""
    if not against:
        return workspace.contracts.latest
    if against.startswith(("http://", "https://")):
        base = against.rstrip("/").removesuffix("/contracts")
        return lambda name: _ask(f"{base}/contracts/{quote(name, safe='')}")
    folder = Path(against)
    if not folder.is_dir():
        raise ConfigError(f"no folder {against}", path="against", hint="a URL, a folder of contracts or a workspace")
    return Shelf(read(folder).data / "contracts" if (folder / FILE).is_file() else folder).latest


def _ask(url: str) -> Published | None:
    import httpx

    try:
        reply = httpx.get(url, timeout=PATIENCE, follow_redirects=True, headers={"accept": "application/json"})
    except httpx.HTTPError as error:
        raise TrackwayError(f"cannot reach {url}: {error}", path="against") from error
    if reply.status_code == httpx.codes.NOT_FOUND and "no contract" in reply.text:
        return None
    if reply.status_code != httpx.codes.OK:
        raise TrackwayError(f"{url} answered {reply.status_code}", path="against", hint="is it a Trackway server?")
    return Published.read(reply.content, url)
