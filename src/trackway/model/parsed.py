"""SQL expressions as trees, before anything else is known of them: what conditions and formulas have in common."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from trackway.errors import ConditionError, MeasureError


def tree(text: str, what: str, most: int, error: type[ConditionError | MeasureError], hint: str) -> exp.Expression:
    """The one SQL expression that a text is, `what` it is called and `most` characters long; not yet checked further.

    Raises `error`.
    """
    if len(text) > most:
        raise error(f"a {what} of {len(text):,} characters", hint=f"at most {most:,}")
    try:
        trees = sqlglot.parse(text, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError) as problem:
        first = str(problem).splitlines()[0].split(". Line")[0]
        raise error(f"cannot read {text!r}: {first}", hint=hint) from problem
    if len(trees) != 1 or trees[0] is None:
        raise error(f"expected one {what}, got {text!r}", hint=hint)
    return trees[0]
