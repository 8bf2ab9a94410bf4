"""Nodes of a path: which one each event is, and what it is called.

A node is a value of a column, the name of the first rule that fits an event, or a value rewritten by regular
expressions. Whatever can be worked out per distinct value is; only rules on other columns need a pass over rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit

from trackway.errors import QuestionError
from trackway.model.condition import Condition, literal, quoted
from trackway.model.schema import Schema
from trackway.store.columns.evaluate import UNFIT
from trackway.store.columns.groups import REST
from trackway.store.columns.lanes import Lane, Mask, over
from trackway.store.columns.view import View
from trackway.store.scratch import scratch

Rules = Sequence[tuple[str, Condition]]
"""(name, when), the first that is true names the event."""
Rewrites = Sequence[tuple[str, str]]
"""(regular expression, replacement with `\\1` for groups), all of them in order."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """The node of every event, by number."""

    lane: Lane
    values: pa.Array | None
    """What the nodes are called when rules or rewrites made them; else node `c` is code `c` of `column`."""
    column: pa.ChunkedArray | None

    @property
    def size(self) -> int:
        """How many nodes there are."""
        if self.values is not None:
            return len(self.values)
        return 1 + (len(self.column) if self.column is not None else 0)

    def named(self, numbers: Sequence[int]) -> list[Any]:
        """Values of nodes."""
        if self.values is not None:
            return list(self.values.take(pa.array(numbers, pa.int64())).to_pylist())
        codes = np.asarray(numbers, np.int64)
        column = self.column if self.column is not None else pa.chunked_array([], pa.string())
        return list(column.combine_chunks().take(pa.array(codes - 1, mask=codes == 0)).to_pylist())


def nodes(view: View, column: str | None, rules: Rules, rewrites: Rewrites, mask: Mask | None) -> Nodes:
    """The nodes of a view. `mask` has bit `k` for rule `k`; None without rules.

    Raises QuestionError for a regular expression that cannot be read.
    """
    if column is not None and not rules and not rewrites:
        arrays = view.column(column)
        return Nodes(over(arrays, np.arange(len(view.dictionary(column)) + 1)), None, view.dictionary(column))
    names = [name for name, _ in rules]
    written = rewritten(view.dictionary(column), rewrites) if column is not None else pa.array([REST])
    labels = pa.concat_arrays([pa.array([None, *names], pa.string()), written])
    values = labels.unique()
    place = {value: number for number, value in enumerate(values.to_pylist())}
    numbers = np.array([place[value] for value in labels.to_pylist()], np.int64)
    of_rule, of_code = numbers[1 : len(names) + 1], numbers[len(names) + 1 :]
    of_code = np.concatenate([numbers[:1], of_code]) if column is not None else of_code
    if mask is None:
        return Nodes(over(view.column(column or "event"), of_code), values, None)
    return Nodes(_by_rules(view, column, mask, of_rule, of_code), values, None)


def rewritten(values: pa.ChunkedArray, rewrites: Rewrites) -> pa.Array:
    """Texts with every match of each expression replaced. Raises QuestionError."""
    with scratch() as connection:
        connection.register("t", pa.table({"v": values}))
        try:
            found = connection.sql(f"select {rewriting('v', rewrites)} as v from t").to_arrow_table()["v"]
        except UNFIT as error:
            raise unreadable(error) from error
    return found.cast(pa.string()).combine_chunks()


def unreadable(error: Exception) -> QuestionError:
    """DuckDB's complaint about a regular expression, for people."""
    message = str(error).splitlines()[0].split(": ", 1)[-1]
    return QuestionError(f"cannot rewrite: {message}", path="rewrite", hint="`match` is an RE2 regular expression")


def rewriting(value: str, rewrites: Rewrites) -> str:
    """DuckDB text of a value rewritten."""
    for match, to in rewrites:
        value = f"regexp_replace({value}, {literal(match)}, {literal(to)}, 'g')"
    return value


def naming(schema: Schema, column: str | None, rules: Rules, rewrites: Rewrites) -> str:
    """DuckDB text of the node of an event."""
    value = literal(REST) if column is None else rewriting(quoted(column), rewrites)
    if column is not None and schema[column] == "time":
        value = f"epoch_us({value})"
    whens = "".join(f" when {when.sql(schema)} then {literal(name)}" for name, when in rules)
    return f"case{whens} else {value} end" if whens else value


def _by_rules(view: View, column: str | None, mask: Mask, of_rule: np.ndarray, of_code: np.ndarray) -> Lane:
    """Nodes where rules decide, worked out row by row."""
    out = [np.empty(run.rows, np.uint32) for run in view.runs]
    one, two = mask.first, mask.second
    codes = view.column(column) if column is not None else [np.zeros(0, np.uint8)] * len(out)
    for number, found in enumerate(out):
        others = two.arrays[number] if len(two.table) else np.zeros(0, np.uint8)
        _name(one.arrays[number], one.table, others, two.table, codes[number], of_rule, of_code, found)
    return over(out, np.arange(len(of_rule) + len(of_code) + 1), np.uint32)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _name(  # noqa: PLR0913, PLR0917
    codes: np.ndarray, table: np.ndarray, others: np.ndarray, also: np.ndarray,
    column: np.ndarray, of_rule: np.ndarray, of_code: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """The node of each row: that of the lowest bit, else that of its code."""
    for i in range(len(out)):
        found = table[codes[i]]
        if found and len(also):
            found &= also[others[i]]
        if found:
            rule = 0
            while not (found >> rule) & 1:
                rule += 1
            out[i] = of_rule[rule]
        else:
            out[i] = of_code[column[i]] if len(column) else of_code[0]
