"""The second clock: which version of the lake was the newest at some moment.

An event has a time, when it happened, and a commit, when it became known. `as_of` names a commit: by its version, or by
a moment, which means the last version committed at or before it.
"""

from __future__ import annotations

from bisect import bisect_right

from trackway.errors import QuestionError, WorkspaceError
from trackway.model.moment import as_moment, micros
from trackway.model.time import iso
from trackway.store.lake import Lake

LONGEST_VERSION = 9
"""Digits of a version; longer whole numbers are epochs."""


def version_of(
    lake: Lake, asked: str | int | None, *, zone: str = "UTC", now: int = 0, path: str = "as_of"
) -> int | None:
    """The lake version that a version or a moment means; None for nothing asked.

    A moment is an ISO date or time, an epoch, `now`, or one before now such as `-7d`; `now` is the clock in
    microseconds. Raises QuestionError, under `path`, for what is neither, and WorkspaceError for what is
    not known (any more).
    """
    text = "" if asked is None else str(asked).strip()
    if not text:
        return None
    newest = lake.version()
    if text.isdecimal() and len(text) <= LONGEST_VERSION:
        return _known(lake, int(text), newest, path)
    try:
        moment = micros(as_moment(text), now, zone)
    except ValueError:
        raise QuestionError(
            f"expected a lake version or a moment, got {text!r}", path=path, hint="such as 12, 2026-01-05T12:00 or -7d"
        ) from None
    return _at(lake, moment, zone, path)


def _known(lake: Lake, version: int, newest: int, path: str) -> int:
    if version > newest:
        known = f"the newest is {newest}" if newest >= 0 else "nothing was stored yet"
        raise WorkspaceError(f"the lake has no version {version} yet", path=path, hint=known)
    kept = lake.kept()
    if kept and version < kept[0]:
        raise WorkspaceError(f"version {version} is not kept any more", path=path, hint=f"the oldest kept is {kept[0]}")
    return version


def _at(lake: Lake, moment: int, zone: str, path: str) -> int:
    kept = lake.kept()
    place = bisect_right(kept, moment, key=lake.committed)
    if place:
        return kept[place - 1]
    when = iso(moment, zone)
    if not kept:
        raise WorkspaceError("nothing was stored yet", path=path, hint="as_of looks back")
    first = iso(lake.committed(kept[0]), zone)
    if kept[0] > 0:
        raise WorkspaceError(
            f"what was known at {when} is not kept any more", path=path, hint=f"commits are kept since {first}"
        )
    raise WorkspaceError(f"nothing was stored yet at {when}", path=path, hint=f"the first commit is of {first}")
