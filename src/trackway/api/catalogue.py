"""What there is to ask about: events, columns and values with their counts, for type-ahead and the events page.

Counting everything costs a scan, so a count is kept and shown until it is older than twenty times what it
took (at least two seconds); nobody choosing a name needs it to the second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trackway.model.condition import literal, quoted
from trackway.model.schema import ENVELOPE
from trackway.store.columns.groups import label
from trackway.store.columns.reading import LEFT_OUT

if TYPE_CHECKING:
    from trackway.app import Workspace

MOST_VALUES = 50
MOST_EVENTS = 1_000
MOST_COLUMNS = 300
"""Columns whose values are counted; further ones are listed without a count."""
HIDDEN = frozenset({"tie", "block", "row", "more", "stored_at"})
"""Columns that serve the store; they can be asked for, and are not offered."""
OLDEST = 2.0
KEPT = 1_000

Rows = list[dict[str, Any]]


class Catalogue:
    """Counts of events, columns and values of a workspace, each kept for a moment."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._kept: dict[str, tuple[float, Rows]] = {}
        self._lock = threading.Lock()

    def events(self) -> Rows:
        """Every event name with `events actors first last`, the most frequent first."""
        return self._keep("events", self._events)

    def columns(self) -> Rows:
        """Every column with its `kind` and in how many events it has a value (`filled`)."""
        return self._keep("columns", self._columns)

    def values(self, column: str, prefix: str = "") -> Rows:
        """The most frequent values of a column that contain a text, those that begin with it first.

        Raises ConditionError for a column that does not exist.
        """
        column = self.workspace.names().schema.resolve(column)
        return self._keep(f"values {quoted(column)} {prefix.lower()}", lambda: self._values(column, prefix))

    def _values(self, column: str, part: str) -> Rows:
        """From the dictionary of a text that is kept as codes, else from the lake."""
        names, view = self.workspace.names(), self.workspace.view(column)
        if column in names:
            found = [] if view is None or not view.rows else view.values(column, part, MOST_VALUES)
            kind, zone = names.schema[column], names.zone
            return [{"value": label(value, kind, zone), "events": count} for value, count in found]
        kept = view is not None and view.schema.get(column) == "string" and column not in {*LEFT_OUT, *view.wide}
        if view is not None and kept:
            return [{"value": value, "events": count} for value, count in view.values(column, part, MOST_VALUES)]
        name, wanted = quoted(column), literal(part.lower())
        text = f"cast({name} as varchar)"
        return self._rows(
            f"select {text} as value, count(*) as events from events where {name} is not null "
            f"and contains(lower({text}), {wanted}) group by 1 "
            f"order by starts_with(lower(value), {wanted}) desc, events desc, value limit {MOST_VALUES}"
        )

    def span(self) -> tuple[Any, Any, int]:
        """The first and the last instant of all events, and how many there are."""
        seen = self.events()
        if not seen:
            return None, None, 0
        return min(e["first"] for e in seen), max(e["last"] for e in seen), sum(e["events"] for e in seen)

    def _events(self) -> Rows:
        rows = self._rows(
            "select event, count(*) as events, min(time) as first, max(time) as last "
            f"from events group by event order by events desc, event limit {MOST_EVENTS}"
        )
        if not rows:
            return rows
        asked = {"type": "trend", "measure": "actors", "every": None, "by": ["event"], "top": MOST_EVENTS}
        actors = {row["event"]: row["value"] for row in self.workspace.ask(asked).rows}
        return [{**row, "actors": actors.get(row["event"], 0)} for row in rows]

    def _columns(self) -> Rows:
        schema = self.workspace.schema()
        names = [name for name in schema if name not in HIDDEN]
        counted = names[:MOST_COLUMNS]
        counts = ", ".join(f"count({quoted(name)})" for name in counted)
        row = list(self.workspace.sql(f"select {counts} from events").to_pylist()[0].values()) if counted else []
        filled = dict(zip(counted, row, strict=True))
        return [
            {"column": name, "kind": schema[name], "envelope": name in ENVELOPE, "filled": filled.get(name)}
            for name in names
        ] + [
            {"column": name, "kind": kind, "envelope": False, "filled": None}
            for name, kind in self.workspace.names().kinds().items()
        ]

    def _rows(self, statement: str) -> Rows:
        return self.workspace.sql(statement).to_pylist()  # type: ignore[no-any-return]

    def _keep(self, key: str, count: Callable[[], Rows]) -> Rows:
        with self._lock:
            until, rows = self._kept.get(key, (0.0, []))
            if time.monotonic() < until:
                return rows
        begun = time.monotonic()
        rows = count()
        now = time.monotonic()
        with self._lock:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = (now + max(OLDEST, 20 * (now - begun)), rows)
        return rows
