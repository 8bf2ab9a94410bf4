"""Expressions over columns, each worked out as seldom as it can be.

Once for each actor or session where that is what they are of, once for each value of a column, each quarter of an
hour or each combination of values; for every event only where there is nothing to share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sqlglot import exp

from trackway.model.parallel import in_parallel
from trackway.model.time import instant
from trackway.store.columns.evaluate import evaluate
from trackway.store.columns.groups import DENSE, groups
from trackway.store.columns.masks import CHUNK, look_up
from trackway.store.columns.run import QUARTER, width
from trackway.store.columns.view import View
from trackway.store.derived.coding import Built, coded, coded_parts, empty, encode, given, taken
from trackway.store.derived.kinds import typed
from trackway.store.derived.virtual import ACTOR, EVENT, Value, number_of

MOST_VALUES = 1 << 21
"""Distinct values of events or sessions from which on a column is not worth its codes: the lake answers then."""
QUARTERED = instant("1973-01-01")
"""Since when the clocks of all time zones are whole quarters of an hour apart."""
COARSE = (exp.Hour, exp.Day, exp.Month, exp.Year, exp.DayOfWeek)
UNITS = frozenset({"hour", "day", "week", "month", "quarter", "year", "dow", "isodow", "doy"})


@dataclass(frozen=True)
class Values:
    """Expressions over the columns of one view, some of which are derived themselves."""

    view: View
    found: Mapping[str, Built]
    zone: str

    def make(self, one: Value) -> Built | None:
        """The column; None when it has too many values."""
        if one.scope != EVENT:
            return self._of_each(one)
        if one.reads == ("time",) and (self.view.oldest or 0) >= QUARTERED and coarse(one.tree):
            return self._by_quarter(one)
        if len(one.reads) == 1 and one.reads[0] != "time":
            name = one.reads[0]
            codes = np.arange(len(self.view.dictionary(name)) + 1)
            return self._looked_up(one, {name: codes}, self.view.column(name), len(codes))
        if "time" not in one.reads:
            sizes = [len(self.view.dictionary(name)) + 1 for name in one.reads]
            if math.prod(sizes) <= DENSE:
                return self._by_combination(one, sizes)
        return self._by_row(one)

    def _of_each(self, one: Value) -> Built | None:
        """Once for each actor; or for each session, and for each actor outside of sessions."""
        if one.scope == ACTOR:
            codes = {name: self._of_actors(name) for name in one.reads}
            return given(self.view, *coded(self._evaluated(one, codes, self.view.actors)), None)
        number = self.found[number_of(one.scope)]
        assert number.base is not None  # noqa: S101 - it numbers sessions
        size = int(number.base[-1])
        if "actor" in one.reads and size > MOST_VALUES:
            return None
        codes = {name: self._of_sessions(name, number.base) for name in one.reads}
        each, values = coded(self._evaluated(one, codes, size + self.view.actors))
        if len(values) > MOST_VALUES:
            return None
        return given(self.view, each[:size], values, number, each[size:])

    def _of_actors(self, name: str) -> np.ndarray:
        """The code of a column for each actor."""
        each = self.view.codes if name == "actor" else self.found[name].each
        assert each is not None  # noqa: S101 - by its scope
        return each

    def _of_sessions(self, name: str, base: np.ndarray) -> np.ndarray:
        """The code of a column for each session, then for each actor outside of sessions."""
        built = self.found.get(name)
        if built is None or not built.sessions:
            each = self._of_actors(name)
            return np.concatenate([np.repeat(each, np.diff(base)), each])
        outside = np.zeros(self.view.actors, np.uint32) if built.outside is None else built.outside
        return np.concatenate([self._of_actors(name), outside])

    def _by_quarter(self, one: Value) -> Built | None:
        """Once for each quarter of an hour."""
        view = self.view
        first = min((run.first_quarter for run in view.runs), default=0)
        moments = np.arange(first, (view.newest or 0) // QUARTER + 1) * QUARTER
        found, values = coded(self._evaluated(one, {}, len(moments), moments))
        table = found.astype(width(int(found.max(initial=0))))
        out = empty(view, int(found.max(initial=0)))
        for run, codes in zip(view.runs, out, strict=True):
            look_up(run.quarters, table[run.first_quarter - first :], codes)
        return Built(out, values)

    def _by_combination(self, one: Value, sizes: Sequence[int]) -> Built | None:
        """Once for each combination of values that occurs."""
        numbers = groups(self.view, one.reads).arrays
        seen = np.zeros(math.prod(sizes), np.bool_)
        for array in numbers:
            seen[array] = True
        places = np.flatnonzero(seen)
        rest, codes = places, dict[str, np.ndarray]()
        for name, size in zip(reversed(one.reads), reversed(sizes), strict=True):
            rest, codes[name] = np.divmod(rest, size)
        return self._looked_up(one, codes, numbers, len(seen), places)

    def _looked_up(
        self, one: Value, codes: dict[str, np.ndarray], arrays: Sequence[np.ndarray], size: int,
        places: np.ndarray | None = None,
    ) -> Built | None:  # fmt: skip
        """The value of each event by a number it has: one of `size`, or of those `places`."""
        whole = next(iter(codes.values()))
        found, values = coded(self._evaluated(one, codes, len(whole)))
        if len(values) > MOST_VALUES:
            return None
        table = np.zeros(size, width(int(found.max(initial=0))))
        table[slice(None) if places is None else places] = found
        out = empty(self.view, int(found.max(initial=0)))
        in_parallel(lambda pair: look_up(pair[0], table, pair[1]), zip(arrays, out, strict=True))
        return Built(out, values)

    def _by_row(self, one: Value) -> Built | None:
        """For every event by itself."""
        places = [(run, lo) for run, rows in enumerate(self.view.runs) for lo in range(0, rows.rows, CHUNK)]
        columns = {name: self.view.column(name) for name in one.reads if name != "time"}

        def work(place: tuple[int, int]) -> pa.DictionaryArray:
            run, lo = place
            part = slice(lo, lo + CHUNK)
            codes = {name: arrays[run][part] for name, arrays in columns.items()}
            moments = self.view.runs[run].time[part] if "time" in one.reads else None
            rows = self.view.runs[run].time[part]
            return encode(self._evaluated(one, codes, len(rows), moments))

        found, values = coded_parts(in_parallel(work, places))
        if len(values) > MOST_VALUES:
            return None
        out = empty(self.view, len(values))
        for (run, lo), part in zip(places, found, strict=True):
            out[run][lo : lo + CHUNK] = part
        return Built(out, values)

    def _evaluated(
        self, one: Value, codes: dict[str, np.ndarray], size: int, moments: np.ndarray | None = None
    ) -> pa.ChunkedArray:
        """The expression for columns given by their codes."""
        names = {name: f"v{index}" for index, name in enumerate(codes)}
        table = {names[name]: taken(self.view.dictionary(name), part) for name, part in codes.items()}
        if moments is not None:
            names["time"], table["time"] = "time", pa.array(moments)
        rows = pa.table(table or {"v": pa.nulls(size)})
        sql = typed(one.tree.sql(dialect="duckdb"), one.kind)
        return evaluate(rows, names, sql, schema=self.view.schema, zone=self.zone, shown=one.tree.sql("duckdb"))


def coarse(tree: exp.Expression) -> bool:
    """Whether a tree reads of `time` only what is the same for a whole quarter of an hour, such as the hour or day."""
    for node in tree.find_all(exp.Column):
        use = node.parent
        unit = use.args.get("unit") or use.this if isinstance(use, exp.TimestampTrunc | exp.Extract) else None
        days = isinstance(use, exp.Cast) and use.to.this == exp.DataType.Type.DATE
        known = isinstance(unit, exp.Var | exp.Literal) and str(unit.name).lower() in UNITS
        if node.name == "time" and not (isinstance(use, COARSE) or days or known):
            return False
    return True
