"""Write what a lookup knows into events as they come in.

    [lookups.accounts]
    key = "account_id"

    [transforms.account]
    type = "lookup"
    lookup = "accounts"
    columns = ["plan", "owner"]

An event with `account_id` gets `accounts_plan` and `accounts_owner`: as they were when it happened, or the latest, as
the lookup says (`as_of`). What an event has already stays where the lookup has nothing. Keys that the lookup does not
know are counted in the ledger, as drift of the column. Without this step a question finds the same as `accounts.plan`,
by the lookup as it is when it is asked; what this step writes stays as it was found. It stands behind the step that
makes the time, if there is one. A dump that is loaded while the flow runs is seen within seconds.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, PrivateAttr

from trackway.errors import ConfigError, TrackwayError, suggest
from trackway.flow.expressions import target
from trackway.flow.names import replaced
from trackway.plan.component import Place, Reshape, Reshaped, Transform
from trackway.plan.lookup import Lookup
from trackway.store.lake import Lake
from trackway.store.lookups import JOINT
from trackway.store.standing import Versions, texts

log = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two looks whether something was added to the lookup."""
LATE = np.iinfo(np.int64).max


class LookUp(Transform):
    """Columns from a lookup."""

    lookup: str
    """Its name."""
    columns: list[str] = Field(default_factory=list)
    """The columns that are written; all but the key when left out."""
    prefix: str | None = None
    """Put before their names; the name of the lookup and `_` when left out."""
    as_of: Literal["event", "latest"] | None = None
    """Which version of a row counts; as the lookup says when left out."""
    _asked: Lookup | None = PrivateAttr(None)
    _data: Path = PrivateAttr(Path())

    def settle(self, place: Place) -> Self:
        """With the lookup of its name."""
        if self.lookup not in place.lookups:
            hint = suggest(self.lookup, place.lookups) if place.lookups else f"write [lookups.{self.lookup}]"
            raise ConfigError(f"no lookup '{self.lookup}'", path="lookup", hint=hint)
        asked = place.lookups[self.lookup]
        settled = self.model_copy()
        settled._asked = asked.model_copy(update={"as_of": self.as_of or asked.as_of})  # noqa: SLF001
        settled._data = place.data  # noqa: SLF001
        return settled

    def reshape(self) -> Reshape | None:
        """The columns, looked up; nothing outside of a workspace."""
        return None if self._asked is None else Found(self, self._asked, self._data)

    def named(self, column: str) -> str:
        """Where a column is written."""
        return target((f"{self.lookup}_" if self.prefix is None else self.prefix) + column)


class Found(Reshape):
    """Looks up the rows of events."""

    def __init__(self, options: LookUp, asked: Lookup, data: Path) -> None:
        self._options, self._asked, self._data = options, asked, data
        self._lake: Lake | None = None
        self._looked = 0.0
        self._held: Versions | None = None

    def writes(self, name: str) -> bool:
        """The columns that are named, else all with the prefix."""
        options = self._options
        if options.columns:
            return name in map(options.named, options.columns)
        start = options.named("x").removesuffix("x")
        return len(start) > 1 and name.startswith(start)

    def _versions(self) -> Versions:
        if self._lake is None:
            self._lake = Lake(self._data / "lake")
        if self._held is None or time.monotonic() - self._looked > LOOK:
            self._held = self._lake.directory.versions(self._options.lookup, self._asked)
            self._looked = time.monotonic()
        return self._held

    def __call__(self, events: pa.Table) -> Reshaped:
        """The same events with the columns of their rows."""
        by = self._asked.by()
        try:
            held = self._versions()
        except TrackwayError as error:
            log.warning("lookup %s cannot be read: %s", self._options.lookup, error)
            return Reshaped(events, drift={(by[0], f"{self._options.lookup} cannot be read"): len(events)})
        if not all(name in events.column_names for name in by):
            return Reshaped(events)
        parts = [texts(_array(events[name])) for name in by]
        keys = pc.binary_join_element_wise(*parts, JOINT)
        rows = held.find(keys, self._times(events))
        there = pa.array(np.where(rows >= 0, held.there[rows], False)) if len(held.since) else pa.array(rows >= 0)
        places = pa.array(rows, mask=rows < 0)
        every = [name for name in held.values.column_names if name not in self._asked.key]
        for column in self._options.columns or every:
            if column in held.schema:
                events = _put(events, self._options.named(column), held.column(column).take(places))
        unknown = pc.sum(pc.and_(pc.is_valid(keys), pc.invert(there))).as_py() or 0
        return Reshaped(events, drift={(by[0], f"unknown to {self._options.lookup}"): unknown} if unknown else {})

    def _times(self, events: pa.Table) -> np.ndarray | None:
        """When the events happened; the latest version is found by those that do not say."""
        known = "time" in events.column_names and pa.types.is_timestamp(events["time"].type)
        if self._asked.as_of == "latest" or not known:
            return None
        stamps = events["time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        return np.asarray(pc.fill_null(stamps, LATE).to_numpy())


def _array(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _put(events: pa.Table, name: str, values: pa.Array) -> pa.Table:
    """Events with values in a column, over what was there."""
    if name not in events.column_names:
        return events.append_column(name, values)
    held = events[name]
    if held.type == values.type:
        return replaced(events, name, pc.coalesce(values, _array(held)))
    return replaced(events, name, values)
