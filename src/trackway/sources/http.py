"""A listener for SDKs, webhooks and shippers: one address, any of several codecs, answered once on disk.

    [sources.web]
    type = "http"
    codecs = ["segment", "json"]
    write_keys = ["my-write-key"]

The route of a request chooses the codec (`/v1/batch` is segment, `/v1/events` is json), or what it holds where two
share one, and the write key the source; without keys the path does: every route is also there as `/in/NAME/...`, and
`/in/NAME` alone takes JSON events. The doors serve it, on the address of the project.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from trackway.errors import TrackwayError
from trackway.model.size import Size
from trackway.plan import registry
from trackway.plan.component import Source


class Http(Source):
    """What is taken in at the address of the project."""

    pulls: ClassVar[bool] = False
    codecs: list[str] = Field(default=["segment", "json"])
    """Which kinds of payload are answered."""
    write_keys: list[str] = Field(default=[])
    """Keys of which a sender must show one, or sign with one: the write key, token, password or secret of each codec.
    Without any the source is open, which is only allowed while the project listens on a loopback address."""
    max_body: Size | None = None
    """Largest payload, after decompression; that of the project when left out."""

    @field_validator("codecs")
    @classmethod
    def _listening(cls, names: list[str]) -> list[str]:
        if not names:
            raise ValueError("at least one codec is needed")
        for name in names:
            try:
                known = registry.codec(name)
            except TrackwayError as error:
                raise ValueError(f"{error.message}; {error.hint}") from error
            if not known.routes:
                raise ValueError(f"the codec '{name}' reads files and answers no HTTP route")
        return names

    @field_validator("write_keys")
    @classmethod
    def _filled(cls, keys: list[str]) -> list[str]:
        if not all(key.strip() for key in keys):
            raise ValueError("a write key is empty")
        return keys
