"""Compute columns with a function of your own, in Python, on whole columns at a time.

    [transforms.score]
    type = "python"
    file = "functions.py"
    function = "score"
    columns = ["amount", "plan"]
    gives = { score = "number", tier = "string" }
    time = "20s"
    memory = "256MB"

The function takes a `pyarrow.Table` of these columns, a row for each event, and gives a table, or a dict of arrays such
as `{"score": pc.multiply(events["amount"], 2), "tier": events["plan"]}`, of as many rows with the columns of `gives`.

It runs in a process of its own. When it takes longer than `time` for one batch, the process is killed, and when it
takes more than `memory` it ends; the events of the batch are then refused (`function`) with what happened, and the next
batch begins with a new process. When it raises, or gives other than it should, the batch is tried again in halves, down
to the events at fault, and only these are refused. What you give must depend on the row alone, or answers depend on
how events were batched.

Isolated are time, memory, environment variables (it gets none of yours, so no secrets), crashes and, on Linux where the
kernel allows it, the network. Files are not: it reads and writes as the user who runs the flow. On other systems than
Linux neither memory nor the network is limited.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pyarrow as pa
from pydantic import Field

from trackway.errors import ConfigError
from trackway.flow.expressions import Target
from trackway.flow.guarded import Guarded, Overrun
from trackway.flow.names import replaced
from trackway.model.event import Reason
from trackway.model.schema import ARROW, Kind
from trackway.model.size import Size
from trackway.model.time import MICROS, Duration
from trackway.plan.component import Place, Reshape, Reshaped, Transform

MOST_TRIES = 200
"""How often a function is called for one batch to find the events at fault."""


class Python(Transform):
    """Columns from a function."""

    file: str
    """The file, from the folder of trackway.toml."""
    function: str = Field(min_length=1)
    """The name of the function in it."""
    columns: list[str] = Field(min_length=1)
    """The columns that it takes; one that does not exist is null."""
    gives: dict[Target, Kind] = Field(min_length=1)
    """Column -> kind, for every column that it gives."""
    time: Duration = Duration("10s")
    """The longest it may take for a batch of events, once its file is loaded (which may take a minute)."""
    memory: Size = Size("512MB")
    """The most memory it may take, beyond what Python and Arrow take."""
    network: bool = False
    """Whether it may reach the network."""

    def settle(self, place: Place) -> Self:
        """With the path of the file."""
        return self.model_copy(update={"file": str((place.root / self.file).resolve())})

    def ready(self) -> None:
        """Raises ConfigError when the file is missing or has no such function."""
        try:
            text = Path(self.file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {self.file}: {error}", path="file", hint="a Python file") from error
        if self.function not in text:
            raise ConfigError(
                f"no '{self.function}' in {self.file}", path="function", hint=f"write def {self.function}(events):"
            )

    def reshape(self) -> Reshape:
        """The function at work."""
        return Calling(self)


class Calling(Reshape):
    """Calls the function on batches."""

    def __init__(self, options: Python) -> None:
        self._options = options
        self._function = Guarded(
            options.file, options.function, seconds=options.time.micros / MICROS, memory=options.memory.bytes,
            network=options.network,
        )  # fmt: skip

    def writes(self, name: str) -> bool:
        """What it gives."""
        return name in self._options.gives

    def close(self) -> None:
        """End its process."""
        self._function.close()

    def __call__(self, events: pa.Table) -> Reshaped:
        """The events with the columns that the function gives."""
        size = len(events)
        given = pa.table({name: _column(events, name) for name in self._options.columns})
        refused: dict[int, tuple[Reason, str]] = {}
        parts: list[pa.Table] = []
        waiting, tries = [(0, size)], 0
        while waiting:
            start, end = waiting.pop()
            tries += 1
            try:
                parts.append(self._fitting(self._function(given.slice(start, end - start)), end - start))
            except Overrun as error:
                middle = (start + end) // 2
                if error.fatal or end - start == 1 or tries > MOST_TRIES:
                    refused |= dict.fromkeys(range(start, end), (Reason.FUNCTION, f"{self._options.function} {error}"))
                    parts.append(self._empty(end - start))
                else:
                    waiting += [(middle, end), (start, middle)]
        found = pa.concat_tables(parts)
        for name in found.column_names:
            events = replaced(events, name, found[name])
        return Reshaped(events, refused=refused)

    def _fitting(self, found: pa.Table, size: int) -> pa.Table:
        """What was given, in the kinds that were promised. Raises Overrun."""
        gives = self._options.gives
        if len(found) != size:
            raise Overrun(f"gave {len(found):,} rows for {size:,} events")
        if missing := [name for name in gives if name not in found.column_names]:
            raise Overrun(f"gave no column '{missing[0]}'")
        try:
            return pa.table({name: found[name].cast(ARROW[kind]) for name, kind in gives.items()})
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise Overrun(f"gave another kind than it should: {error}"[:500]) from error

    def _empty(self, size: int) -> pa.Table:
        return pa.table({name: pa.nulls(size, ARROW[kind]) for name, kind in self._options.gives.items()})


def _column(events: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    return events[name] if name in events.column_names else pa.nulls(len(events), pa.string())
