"""Conditions over codes: asked once per distinct value, not once per event.

A condition is split into the largest parts that read one column. DuckDB evaluates each part on that column's
dictionary, which gives a table from code to false, unknown or true; `and or not` combine the tables' values
row by row. With 0, 1, 2 for false, unknown, true, SQL's three-valued logic is minimum, maximum and 2 - x.
What reads several columns at once, or `time`, is evaluated by DuckDB on the rows themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit
from sqlglot import exp

from trackway.model.parallel import in_parallel
from trackway.store.columns.evaluate import evaluate
from trackway.store.columns.lanes import Lane, Mask, identity, lane, nothing
from trackway.store.columns.view import View

CHUNK = 1 << 18
"""Rows evaluated at a time, small enough for the caches."""
SAMPLE = 1 << 12
"""Rows of a run looked at to learn how many a condition lets through."""
FALSE, UNKNOWN, TRUE = 0, 1, 2
ROWWISE = frozenset({"time"})
"""Columns without a dictionary that conditions may still read."""

Row = Callable[[int, int, int], np.ndarray]
"""(run, from row, to row) -> 0, 1 or 2 per row."""


@dataclass(frozen=True)
class Masks:
    """The conditions of one question over one view. `zone` is the time zone of dates written in them."""

    view: View
    zone: str

    def mask(self, conditions: Sequence[exp.Expression | None], where: exp.Expression | None) -> Mask:
        """A mask in which bit `k` is set for events that match condition `k` (None: every event) and `where`.

        Conditions are trees of `Condition.resolved`. One column, or two joined by `and`, are read inside the
        fold; anything else is worked out per row first. Raises ConditionError when one does not fit its columns.
        """
        parts = [[*_parts(condition), *_parts(where)] for condition in conditions]
        columns = self._by_column(parts)
        if columns is None:
            trees = [_all_of(some) for some in parts]
            return Mask(identity(self._materialised(trees)), nothing(self.view))
        lanes = [lane(self.view, name, self._bits(parts, name)) for name in columns]
        if not lanes:
            lanes = [lane(self.view, None, np.full(1, (1 << len(parts)) - 1, np.uint16))]
        if len(lanes) == 2 and all(one.like.dtype == np.uint8 for one in lanes):
            lanes.sort(key=_share)
        return Mask(lanes[0], lanes[1] if len(lanes) > 1 else nothing(self.view))

    def rows(self, tree: exp.Expression) -> list[np.ndarray]:
        """Whether each row of each run matches the tree of a condition."""
        row = self._row(tree)
        return [row(number, 0, run.rows) == TRUE for number, run in enumerate(self.view.runs)]

    def _by_column(self, parts: Sequence[Sequence[exp.Expression]]) -> list[str] | None:
        """The one or two columns that decide everything, the one with most parts first; None for other conditions."""
        reads = Counter[str]()
        for part in (part for some in parts for part in some):
            names = columns(part)
            if len(names) != 1 or names & ROWWISE:
                return None
            reads.update(names)
        order = sorted(reads, key=lambda name: (-reads[name], name))
        if len(order) > 2 or (len(order) == 2 and self._wide(order[1])):
            order.reverse()
        return None if len(order) > 2 or (len(order) == 2 and self._wide(order[1])) else order

    def _wide(self, name: str) -> bool:
        """Whether the codes of a column take more than a byte."""
        return any(codes.dtype != np.uint8 for codes in self.view.column(name))

    def _bits(self, parts: Sequence[Sequence[exp.Expression]], name: str) -> np.ndarray:
        """For each code of a column, the conditions whose parts on that column all are true."""
        out = np.zeros(len(self.view.dictionary(name)) + 1, np.uint16)
        for k, some in enumerate(parts):
            tables = [self._table(name, part) == TRUE for part in some if name in columns(part)]
            true = np.logical_and.reduce(tables) if tables else np.ones(len(out), np.bool_)
            out = np.bitwise_or(out, true.astype(np.uint16) << np.uint16(k))
        return out

    def _materialised(self, trees: Sequence[exp.Expression | None]) -> list[np.ndarray]:
        """Bits of every row, run by run."""
        rows = [self._row(tree) if tree is not None else _all for tree in trees]
        kind = np.uint8 if len(trees) <= 8 else np.uint16
        out = [np.zeros(run.rows, kind) for run in self.view.runs]

        def fill(place: tuple[int, int, int]) -> None:
            run, lo, hi = place
            for k, row in enumerate(rows):
                part = out[run][lo:hi]
                np.bitwise_or(part, (row(run, lo, hi) == TRUE).astype(kind) << kind(k), out=part)

        in_parallel(fill, self._places())
        return out

    def _places(self) -> Iterator[tuple[int, int, int]]:
        for number, run in enumerate(self.view.runs):
            for lo in range(0, run.rows, CHUNK):
                yield number, lo, min(lo + CHUNK, run.rows)

    def _row(self, tree: exp.Expression) -> Row:
        """How to evaluate a tree on rows."""
        reads = columns(tree)
        if not reads:
            value = self._constant(tree)
            return lambda _run, lo, hi: np.full(hi - lo, value, np.uint8)
        if len(reads) == 1 and not reads & ROWWISE:
            return self._looked_up(reads.pop(), tree)
        if isinstance(tree, exp.Paren):
            return self._row(tree.this)
        if isinstance(tree, exp.Not):
            inner = self._row(tree.this)
            return lambda run, lo, hi: np.uint8(TRUE) - inner(run, lo, hi)
        if isinstance(tree, exp.And | exp.Or):
            left, right = self._row(tree.this), self._row(tree.expression)
            join = np.minimum if isinstance(tree, exp.And) else np.maximum
            return lambda run, lo, hi: join(left(run, lo, hi), right(run, lo, hi))
        return self._by_rows(tree, sorted(reads))

    def _looked_up(self, name: str, tree: exp.Expression) -> Row:
        table, codes = self._table(name, tree), self.view.column(name)

        def row(run: int, lo: int, hi: int) -> np.ndarray:
            out = np.empty(hi - lo, np.uint8)
            look_up(codes[run][lo:hi], table, out)
            return out

        return row

    def _table(self, name: str, tree: exp.Expression) -> np.ndarray:
        """The value of a tree for each code of the one column it reads."""
        sql = tree.sql(dialect="duckdb")

        def make() -> np.ndarray:
            values = self.view.dictionary(name)
            table = pa.table({"v": pa.chunked_array([pa.nulls(1, values.type), *values.chunks], values.type)})
            return self._evaluate(table, {name: "v"}, sql)

        return np.asarray(self.view.once(("mask", name, sql, self.zone), make))

    def _constant(self, tree: exp.Expression) -> int:
        return int(self._evaluate(pa.table({"v": pa.nulls(1)}), {}, tree.sql("duckdb"))[0])

    def _by_rows(self, tree: exp.Expression, reads: Sequence[str]) -> Row:
        """Several columns at once: DuckDB on rows whose codes are turned back to values, once for the view."""
        sql = tree.sql(dialect="duckdb")
        codes = {name: self.view.column(name) for name in reads if name not in ROWWISE}
        values = {
            name: pa.chunked_array(
                [*self.view.dictionary(name).chunks], self.view.dictionary(name).type
            ).combine_chunks()
            for name in codes
        }

        def evaluated() -> list[np.ndarray]:
            out = [np.empty(run.rows, np.uint8) for run in self.view.runs]
            for run, lo, hi in self._places():
                table: dict[str, pa.Array] = {}
                for index, name in enumerate(reads):
                    if name == "time":
                        table[f"v{index}"] = pa.array(self.view.runs[run].time[lo:hi])
                    else:
                        found = codes[name][run][lo:hi].astype(np.int64)
                        table[f"v{index}"] = values[name].take(pa.array(found - 1, mask=found == 0))
                names = {name: f"v{index}" for index, name in enumerate(reads)}
                out[run][lo:hi] = self._evaluate(pa.table(table), names, sql)
            return out

        result = self.view.once(("rows", sql, self.zone), evaluated)
        return lambda run, lo, hi: np.asarray(result[run][lo:hi])

    def _evaluate(self, table: pa.Table, names: dict[str, str], sql: str) -> np.ndarray:
        """0, 1 or 2 for each row of a table whose columns stand for the named ones."""
        logic = f"(case ({sql})::boolean when true then {TRUE} when false then {FALSE} else {UNKNOWN} end)::utinyint"
        schema, zone = self.view.schema, self.zone
        return np.asarray(evaluate(table, names, logic, schema=schema, zone=zone, shown=sql).to_numpy())


def columns(tree: exp.Expression) -> set[str]:
    """The columns a resolved tree reads."""
    return {column.name for column in tree.find_all(exp.Column)}


def _share(one: Lane) -> float:
    """Roughly the share of events with any bit: what lets fewer through is read first."""
    some = [one.table[array[:: max(1, len(array) // SAMPLE)]] > 0 for array in one.arrays if len(array)]
    return float(np.concatenate(some).mean()) if some else 0.0


def _parts(tree: exp.Expression | None) -> list[exp.Expression]:
    """The conditions that a tree joins by `and`."""
    if tree is None:
        return []
    if isinstance(tree, exp.Paren):
        return _parts(tree.this)
    if isinstance(tree, exp.And):
        return [*_parts(tree.this), *_parts(tree.expression)]
    return [tree]


def _all_of(parts: Sequence[exp.Expression]) -> exp.Expression | None:
    """Parts joined by `and` again; None when there are none."""
    whole: exp.Expression | None = None
    for part in parts:
        closed = exp.Paren(this=part.copy())
        whole = closed if whole is None else exp.And(this=whole, expression=closed)
    return whole


def _all(_run: int, lo: int, hi: int) -> np.ndarray:
    return np.full(hi - lo, TRUE, np.uint8)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def look_up(codes: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """`out[i] = table[codes[i]]`"""
    for i in range(len(codes)):
        out[i] = table[codes[i]]
