"""Many rewrites folded into one DuckDB query: a SELECT around a SELECT, one for each step.

Rows never disappear on the way: a step that drops or refuses leaves a mark in the column LEFT (a place in
the legend), and from then on nothing else can claim the row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from trackway.errors import ConditionError
from trackway.model.condition import Condition, column, dotted, quoted
from trackway.model.schema import SQL, Kind, Schema
from trackway.plan.component import Rewrite

OWN = "\x01"
"""Begins the names of our own columns; no property may begin so."""
AT, RAW, LEFT, DETAIL, CHOSEN = OWN + "at", OWN + "raw", OWN + "left", OWN + "why", OWN + "chosen"
FRAME = ("block", "row", RAW)
"""What every table on its way has besides what was read."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rewrite under its name, for the rows for which `where` holds."""

    name: str
    rewrite: Rewrite
    where: str = ""
    """DuckDB text; empty: all rows."""
    counters: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(column, what happened) -> DuckDB text that is true where it did; over the columns before the step."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a record left the flow."""

    bin: str
    step: str
    reason: str


class Fusion:
    """The query so far, and what it gives."""

    def __init__(self, base: str, columns: Mapping[str, Kind], *, careful: bool = False) -> None:
        """`base` is a SELECT that gives `columns`. With `careful`, an expression that fails gives null."""
        self.columns: dict[str, Kind] = dict(columns)
        self.changed: dict[str, None] = {}
        """Columns that are not as they were in `base`, in order."""
        self.legend: list[Way] = []
        self.counted: list[tuple[str, str]] = []
        """What the columns `OWN + count0, count1 …` count."""
        self._careful = careful
        self._text = f"select *, 0 as {quoted(LEFT)}, null::varchar as {quoted(DETAIL)} from ({base})"

    @property
    def schema(self) -> Schema:
        """The columns as a transform sees them."""
        return Schema(self.columns)

    def query(self, columns: Sequence[str]) -> str:
        """The whole query, giving these columns (DuckDB text)."""
        return f"select {', '.join(columns)} from ({self._text})"

    def apply(self, step: Step) -> None:
        """Fold one step in."""
        given = self._text
        guard = ""
        if step.where:
            guard = quoted(OWN + "guard")
            given = f"select *, coalesce({self._safe(step.where)}, false) as {guard} from ({given})"
        gone: list[str] = []
        replaced, added = self._sets(step, guard)
        self._drops(step, guard, replaced, gone)
        self._verdicts(step, guard, replaced)
        added += self._counts(step, guard)
        if guard:
            gone.append(guard)
        star = "*"
        if gone:
            star += f" exclude ({', '.join(gone)})"
        if replaced:
            star += f" replace ({', '.join(f'{text} as {name}' for name, text in replaced.items())})"
        self._text = f"select {', '.join([star, *added])} from ({given})"

    def choose(self, where: str) -> None:
        """Give the column CHOSEN: whether a row is still here and a condition (DuckDB text, empty for all) holds."""
        stays = f"{quoted(LEFT)} = 0" + (f" and coalesce({self._safe(where)}, false)" if where else "")
        self._text = f"select *, {stays} as {quoted(CHOSEN)} from ({self._text})"

    def _sets(self, step: Step, guard: str) -> tuple[dict[str, str], list[str]]:
        replaced: dict[str, str] = {}
        added: list[str] = []
        spilled: dict[str, str] = {}
        for wanted, (text, kind) in step.rewrite.set.items():
            name = self._named(wanted)
            type_, old = SQL[kind], self.columns.get(name)
            value = f"{'try_cast' if self._careful else 'cast'}({self._safe(text)} as {type_})"
            if guard:
                kept = "null" if old is None else quoted(name)
                if old is not None and SQL[old] != type_:
                    kept = f"try_cast({quoted(name)} as {type_})"
                    spilled[name] = f"not {guard} and {quoted(name)} is not null and {kept} is null"
                value = f"case when {guard} then {value} else {kept} end"
            if old is None:
                added.append(f"{value} as {quoted(name)}")
            else:
                replaced[quoted(name)] = value
            self.columns[name] = kind
            self.changed[name] = None
        if spilled:
            replaced[quoted("more")] = spill(spilled, replaced.get(quoted("more"), quoted("more")))
            self.changed["more"] = None
        return replaced, added

    def _drops(self, step: Step, guard: str, replaced: dict[str, str], gone: list[str]) -> None:
        for wanted in step.rewrite.drop:
            name = self._named(wanted)
            if name not in self.columns or quoted(name) in replaced:
                continue
            if guard or name in ESSENTIAL:
                condition = guard or "true"
                replaced[quoted(name)] = f"case when {condition} then null else {quoted(name)} end"
                self.changed[name] = None
            else:
                gone.append(quoted(name))
                del self.columns[name]
                self.changed.pop(name, None)

    def _verdicts(self, step: Step, guard: str, replaced: dict[str, str]) -> None:
        if not step.rewrite.verdicts:
            return
        left, detail = quoted(LEFT), quoted(DETAIL)
        codes, details = [], []
        for verdict in step.rewrite.verdicts:
            self.legend.append(Way(verdict.bin, step.name, str(verdict.reason)))
            when = self._safe(verdict.when)
            when = f"{guard} and ({when})" if guard else f"({when})"
            codes.append(f"when {when} then {len(self.legend)}")
            details.append(f"when {when} then {self._safe(verdict.detail)}")
        replaced[left] = f"case when {left} <> 0 then {left} {' '.join(codes)} else 0 end"
        replaced[detail] = f"case when {left} <> 0 then {detail} {' '.join(details)} end"

    def _counts(self, step: Step, guard: str) -> list[str]:
        added = []
        for what, text in step.counters.items():
            condition = f"{quoted(LEFT)} = 0 and ({text})" + (f" and {guard}" if guard else "")
            added.append(f"coalesce({condition}, false) as {quoted(f'{OWN}count{len(self.counted)}')}")
            self.counted.append(what)
        return added

    def _safe(self, text: str) -> str:
        return f"try({text})" if self._careful else f"({text})"

    def _named(self, wanted: str) -> str:
        """The column of this name in any case, as SQL has it."""
        if wanted in self.columns:
            return wanted
        lower = wanted.lower()
        return next((name for name in self.columns if name.lower() == lower), wanted)


ESSENTIAL = frozenset(
    {"event_id", "time", "received_at", "source", "event", "actor", "user_id", "anonymous_id", "more", "block", "row"}
)
"""Columns that are emptied, not removed, when a step drops them."""


def spill(misfits: Mapping[str, str], more: str) -> str:
    """DuckDB text: `more` with the values of columns added for the rows where their condition holds."""
    pairs = ", ".join(
        f"{name_literal(name)}, case when {condition} then {quoted(name)} end" for name, condition in misfits.items()
    )
    some = " or ".join(f"({condition})" for condition in misfits.values())
    values = f"json_merge_patch('{{}}', json_object({pairs}))"
    return f"case when {some} then json_merge_patch(coalesce({more}, '{{}}'), {values})::varchar else {more} end"


def without(names: Sequence[str]) -> tuple[str, Kind]:
    """`more` without the values of some columns, which lie there when they did not fit."""
    more, gone = quoted("more"), name_literal(json.dumps(dict.fromkeys(names)))
    return f"case when {more} is not null then nullif(json_merge_patch({more}, {gone})::varchar, '{{}}') end", "json"


def name_literal(name: str) -> str:
    """A column name as a DuckDB string."""
    return "'" + name.replace("'", "''") + "'"


def guard(condition: Condition | None, schema: Schema) -> str:
    """A condition as DuckDB text, in which a column that does not exist is null."""
    if condition is None:
        return ""

    def known(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Column):
            return node
        try:
            return column(schema.resolve(dotted(node)))
        except ConditionError:
            return exp.Null()

    return str(condition.tree.transform(known).sql(dialect="duckdb"))
