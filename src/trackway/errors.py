"""Every exception of Trackway.

    TrackwayError
    ├── ConfigError        trackway.toml asks for something that cannot be
    ├── ConditionError     a condition cannot be read, or names what does not exist
    ├── MeasureError       a measure or a formula cannot be read, or names what does not exist
    ├── QuestionError      a question cannot be asked of these events
    │   ├── TooSparse      a sample has too few actors to say anything
    │   ├── TooLarge       a question needs more memory than it may have
    │   ├── TooSlow        a question took longer than it may
    │   ├── Cancelled      whoever asked has gone
    │   └── UnknownActor   nobody of this name has an event
    ├── WorkspaceError     the directory is not a workspace, is in use, or is from a newer version
    ├── PayloadError       a payload that no codec can take in; the sender is told
    ├── SourceError        where events come from cannot be reached, or refuses us
    ├── MissingDriver      an optional package is needed and not installed
    └── StorageError       the disk refused (full, read-only, gone)

A bad event is not an exception: it is data, a refusal with a reason code (`model.event.Reason`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class TrackwayError(Exception):
    """Something a person can put right. Carries the place (`path`) and what to do (`hint`)."""

    status = 400

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        hint = f"\nHint: {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"

    def as_json(self) -> dict[str, object]:
        """The one error shape of every door."""
        error = f"{self.path}: {self.message}" if self.path else self.message
        return {"ok": False, "error": error, "errors": [error], "hint": self.hint, "status": self.status}


class ConfigError(TrackwayError):
    """The file asks for something that cannot be; `path` names the key. May hold several (`errors`)."""

    def __init__(self, message: str, *, path: str = "", hint: str = "", errors: Iterable[ConfigError] = ()) -> None:
        super().__init__(message, path=path, hint=hint)
        self.errors = list(errors) or [self]

    def __str__(self) -> str:
        if self.errors == [self]:
            return super().__str__()
        return "\n".join(str(error) for error in self.errors)

    def as_json(self) -> dict[str, object]:
        shape = super().as_json()
        shape["errors"] = [f"{e.path}: {e.message}" if e.path else e.message for e in self.errors]
        return shape


class ConditionError(TrackwayError, ValueError):
    """A condition cannot be read, or names a column that does not exist.

    Also a ValueError, so that an option holding a wrong condition is reported under its own path.
    """


class MeasureError(TrackwayError, ValueError):
    """A measure or a formula cannot be read, or names what does not exist.

    Also a ValueError, so that it is reported under the path of its option.
    """


class QuestionError(TrackwayError):
    """A question cannot be asked of these events."""


class TooSparse(QuestionError):
    """A sample has too few actors to say anything."""


class TooLarge(QuestionError):
    """A question needs more memory than it may have."""

    status = 413


class TooSlow(QuestionError):
    """A question took longer than it may."""

    status = 504


class Cancelled(QuestionError):
    """Whoever asked has gone, or asked to stop."""

    status = 499


class UnknownActor(QuestionError):
    """No event is of an actor of this name."""

    status = 404


class WorkspaceError(TrackwayError):
    """The directory is not a workspace, is in use by another process, or is from a newer version."""

    status = 409


class PayloadError(TrackwayError):
    """A payload that cannot be taken in at all; `status` is the HTTP status the sender gets."""

    def __init__(self, message: str, *, status: int = 400, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class SourceError(TrackwayError):
    """Where events come from cannot be reached, refuses us, or has not what was asked for."""

    status = 502


class MissingDriver(TrackwayError):
    """A component needs a package that is not installed; the hint names the extra."""


class StorageError(TrackwayError):
    """The disk refused to keep something: full, read-only or gone. Nothing was acknowledged."""

    status = 503


@contextmanager
def optional(what: str, extra: str) -> Iterator[None]:
    """Imports of packages that only some need; `extra` is the one of ours that brings them. Raises MissingDriver."""
    try:
        yield
    except ModuleNotFoundError as error:
        hint = f"pip install 'trackway[{extra}]'"
        raise MissingDriver(f"{what} needs the package '{error.name}'", hint=hint) from error


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known words, or lists a few when none is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
    shown = ", ".join(names[:12])
    return f"there are: {shown}{', …' if len(names) > 12 else ''}" if names else "there are none yet"
