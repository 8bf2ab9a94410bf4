"""Conditions over codes: asked once per distinct value, not once per event.

A condition is split into the largest parts that read one column. DuckDB evaluates each part on that column's
dictionary, which gives a table from code to false, unknown or true; `and or not` combine the tables' values
row by row. With 0, 1, 2 for false, unknown, true, SQL's three-valued logic is minimum, maximum and 2 - x.
What reads several columns at once, or `time`, is evaluated by DuckDB on the rows themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numba import njit
from sqlglot import exp

from trackway.errors import ConditionError
from trackway.model.condition import literal, quoted
from trackway.model.schema import SQL
from trackway.store.columns.lanes import Lane, identity, lane
from trackway.store.columns.view import View

CHUNK = 1 << 18
"""Rows evaluated at a time, small enough for the caches."""
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

    def lane(self, conditions: Sequence[exp.Expression | None], where: exp.Expression | None) -> Lane:
        """A lane in which bit `k` is set for events that match condition `k` (None: every event) and `where`.

        Conditions are trees of `Condition.resolved`. Raises ConditionError when one does not fit its columns.
        """
        whole = [_both(condition, where) for condition in conditions]
        reads = {name for tree in whole if tree is not None for name in columns(tree)}
        if len(reads) == 1 and not reads & ROWWISE:
            name = reads.pop()
            return lane(self.view, name, self._bits([self._table(name, tree) for tree in whole], name))
        if not reads:
            bits = sum(int(self._constant(tree) == TRUE) << k for k, tree in enumerate(whole))
            return lane(self.view, None, np.full(1, bits, np.uint16))
        return identity(self._materialised(whole))

    def _bits(self, tables: Sequence[np.ndarray | None], name: str) -> np.ndarray:
        out = np.zeros(len(self.view.dictionary(name)) + 1, np.uint16)
        for k, table in enumerate(tables):
            out |= (np.ones(len(out), np.uint16) if table is None else (table == TRUE).astype(np.uint16)) << k
        return out

    def _materialised(self, trees: Sequence[exp.Expression | None]) -> list[np.ndarray]:
        """Bits of every row, run by run."""
        rows = [self._row(tree) if tree is not None else _all for tree in trees]
        kind = np.uint8 if len(trees) <= 8 else np.uint16
        out = [np.zeros(run.rows, kind) for run in self.view.runs]

        def fill(place: tuple[int, int, int]) -> None:
            run, lo, hi = place
            for k, row in enumerate(rows):
                out[run][lo:hi] |= (row(run, lo, hi) == TRUE).astype(kind) << kind(k)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fill, self._places()))
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

    def _table(self, name: str, tree: exp.Expression | None) -> np.ndarray | None:
        """The value of a tree for each code of the one column it reads."""
        if tree is None:
            return None
        sql = tree.sql(dialect="duckdb")

        def make() -> np.ndarray:
            values = self.view.dictionary(name)
            table = pa.table({"v": pa.chunked_array([pa.nulls(1, values.type), *values.chunks], values.type)})
            return self._evaluate(table, {name: "v"}, sql)

        return np.asarray(self.view.once(("mask", name, sql, self.zone), make))

    def _constant(self, tree: exp.Expression | None) -> int:
        return TRUE if tree is None else int(self._evaluate(pa.table({"v": pa.nulls(1)}), {}, tree.sql("duckdb"))[0])

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
        typed = ", ".join(
            (
                f"make_timestamptz({held})"
                if self.view.schema[name] == "time"
                else f"{held}::{SQL[self.view.schema[name]]}"
            )
            + f" as {quoted(name)}"
            for name, held in names.items()
        )
        text = f"select case when r then 2 when r is null then 1 else 0 end::utinyint as r from (select ({sql})::boolean as r from (select {typed or 'v'} from t))"
        with duckdb.connect() as connection:
            connection.execute(f"set timezone = {literal(self.zone)}")
            connection.register("t", table)
            try:
                return np.asarray(connection.sql(text).to_arrow_table()["r"].to_numpy())
            except (duckdb.BinderException, duckdb.ConversionException, duckdb.InvalidInputException) as error:
                message = str(error).splitlines()[0].split(": ", 1)[-1]
                raise ConditionError(
                    f"{sql} cannot be answered: {message}", hint="compare values of one kind"
                ) from error


def columns(tree: exp.Expression) -> set[str]:
    """The columns a resolved tree reads."""
    return {column.name for column in tree.find_all(exp.Column)}


def _both(left: exp.Expression | None, right: exp.Expression | None) -> exp.Expression | None:
    if left is None or right is None:
        return left or right
    return exp.And(this=exp.Paren(this=left.copy()), expression=exp.Paren(this=right.copy()))


def _all(_run: int, lo: int, hi: int) -> np.ndarray:
    return np.full(hi - lo, TRUE, np.uint8)


@njit(cache=True, nogil=True)  # type: ignore[misc]
def look_up(codes: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """`out[i] = table[codes[i]]`"""
    for i in range(len(codes)):
        out[i] = table[codes[i]]
