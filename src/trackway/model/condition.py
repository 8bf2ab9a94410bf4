"""Conditions: SQL expressions from a whitelist, the one language of routes, steps, filters and scores.

A condition is parsed once into a tree; the tree has three back ends: DuckDB over batches (`sql`), masks
over columns (`store.columns.masks` walks `tree`), and text for the reference SQL (`sql` again).

>>> Condition("event = 'Signed Up' and properties.company_size >= 200").columns
['event', 'properties.company_size']
"""

from __future__ import annotations

from functools import lru_cache
from typing import Self

from sqlglot import exp

from trackway.errors import ConditionError
from trackway.model.parsed import tree
from trackway.model.schema import Schema
from trackway.model.written import Written

LONGEST = 10_000
"""Characters in one condition; longer ones are refused."""
READ = 1_024
"""Texts whose trees are kept: a page asks the same questions again and again."""

ALLOWED: tuple[type[exp.Expression], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg, exp.Tuple,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ,
    exp.In, exp.Between, exp.Is, exp.Like, exp.ILike, exp.Escape, exp.RegexpLike, exp.RegexpFullMatch,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.DPipe, exp.Case, exp.If, exp.Coalesce, exp.Nullif,
    exp.Lower, exp.Upper, exp.Length, exp.Trim, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Contains,
    exp.StartsWith, exp.EndsWith, exp.Substring, exp.StrPosition, exp.Concat, exp.Replace, exp.SplitPart,
    exp.RegexpExtract, exp.RegexpReplace, exp.Greatest, exp.Least,
    exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var,
    exp.TimestampTrunc, exp.DateTrunc, exp.Extract, exp.Year, exp.Month, exp.Day, exp.DayOfWeek, exp.Hour, exp.Minute,
)  # fmt: skip


class Condition(Written):
    """A condition as written, with its checked tree. Equal texts are equal conditions."""

    __slots__ = ("tree",)
    tree: exp.Expression

    def __new__(cls, text: str) -> Self:
        condition = super().__new__(cls, text)
        condition.tree = parse(str(text))
        return condition

    @property
    def columns(self) -> list[str]:
        """The columns as written, in order of first use."""
        return list(dict.fromkeys(dotted(column) for column in self.tree.find_all(exp.Column, bfs=False)))

    def resolved(self, schema: Schema) -> exp.Expression:
        """The tree with every column as one quoted name of `schema`.

        Raises ConditionError, with a suggestion, for a column that does not exist.
        """

        def quote(node: exp.Expression) -> exp.Expression:
            return column(schema.resolve(dotted(node))) if isinstance(node, exp.Column) else node

        return self.tree.transform(quote)

    def sql(self, schema: Schema) -> str:
        """DuckDB text; safe to place inside a statement, since it comes from the checked tree."""
        return f"({self.resolved(schema).sql(dialect='duckdb')})"


def column(name: str) -> exp.Column:
    """A column node of exactly this name."""
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


def dotted(node: exp.Column) -> str:
    """The dotted name of a column node: `context.page.url`."""
    return ".".join(part.name for part in node.parts)


def quoted(name: str) -> str:
    """A name as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"


@lru_cache(READ)
def parse(text: str) -> exp.Expression:
    """The checked tree of a condition, which all conditions of this text share. Raises ConditionError for what is not
    one expression of the whitelist."""
    if not text.strip():
        raise ConditionError("an empty condition", hint="write one such as event = 'Signed Up', or leave it out")
    found = _dotted_fields(tree(text, "condition", LONGEST, ConditionError, "text stands in 'single quotes'"))
    for node in found.walk():
        _check(node, text)
    return found


def _dotted_fields(tree: exp.Expression) -> exp.Expression:
    """Names of more than four parts parse as Dot over Column; make them one column again."""

    def join(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Dot):
            parts = [part.name for part in node.parts]
            return column(".".join(parts))
        return node

    return tree.transform(join)


def _check(node: exp.Expression, text: str) -> None:
    if isinstance(node, exp.In) and (node.args.get("query") or node.args.get("unnest")):
        raise ConditionError(f"no queries inside a condition: {text!r}", hint="list the values: x in ('a', 'b')")
    if not isinstance(node, ALLOWED):
        what = node.sql(dialect="duckdb")[:60]
        raise ConditionError(
            f"{what!r} cannot be used in a condition",
            hint="use comparisons, and or not, in, between, like, is null, and simple functions such as lower(x)",
        )
