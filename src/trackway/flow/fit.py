"""Fitting values to the columns of the lake: a value that does not fit goes to `more`, counted, never lost.

A column has the kind it was first seen with (or the contract's, when it declares one); later values of
another kind are turned into it when nothing is lost by that, and are kept in `more` otherwise (decision 0015).
"""

from __future__ import annotations

from collections.abc import Mapping

from trackway.flow.fuse import Step, spill
from trackway.model.condition import quoted
from trackway.model.schema import ENVELOPE, SQL, Kind
from trackway.plan.component import Rewrite

RESERVED = {"date"}
"""Column names the lake itself uses; such a property becomes `properties.date`."""
EXACT = 2**53
"""Integers beyond this are not exact in a double."""


def misfit(name: str, kind: Kind, wanted: Kind) -> str | None:
    """DuckDB text that is true where the value of a column does not fit a kind; None when all values do."""
    text = quoted(name)
    if SQL[kind] == SQL[wanted] or wanted in ("string", "json"):
        return None
    if (kind, wanted) == ("integer", "number"):
        return f"abs({text}) > {EXACT}"
    if (kind, wanted) == ("number", "integer"):
        return f"{text} is not null and not coalesce({text} = trunc({text}) and abs({text}) <= {EXACT}, false)"
    if (kind, wanted) == ("string", "time"):
        return f"{text} is not null and try_cast({text} as timestamptz) is null"
    return f"{text} is not null"


def fitted(name: str, kind: Kind, wanted: Kind) -> str:
    """DuckDB text: the value in the wanted kind, null where it does not fit."""
    text = quoted(name)
    wrong = misfit(name, kind, wanted)
    if wrong is None and wanted in ("string", "json"):
        whole = f"{text} = trunc({text}) and abs({text}) <= {EXACT}"
        return (
            f"case when {whole} then {text}::bigint::varchar else {text}::varchar end"
            if kind == "number"
            else (f"{text}::varchar")
        )
    value = f"try_cast({text} as {SQL[wanted]})"
    return value if wrong is None else f"case when {wrong} then null else {value} end"


def fit(columns: Mapping[str, Kind], lake: Mapping[str, Kind], declared: Mapping[str, Kind], most: int) -> Step:
    """The step that makes the property columns those of the lake.

    `lake` are the lake's property columns; `declared` the kinds contracts give to new ones; `most` how many
    there may be: further ones go to `more`.
    """
    lower = {name.lower(): name for name in lake}
    properties = {name: kind for name, kind in columns.items() if name not in ENVELOPE}
    targets = {name: f"properties.{name}" if name.lower() in RESERVED else name for name in properties}
    new = [name for name in properties if targets[name].lower() not in lower]
    overflow = new[max(0, most - len(lake)) :]
    sets: dict[str, tuple[str, Kind]] = {}
    spilled = {name: f"{quoted(name)} is not null" for name in overflow}
    counters = {("", "columns"): " or ".join(spilled.values())} if overflow else {}
    for name in [name for name in properties if name not in spilled]:
        kind, target = properties[name], targets[name]
        held = lower.get(target.lower())
        wanted = declared.get(target, kind) if held is None else lake[held]
        if wrong := misfit(name, kind, wanted):
            spilled[name] = wrong
            counters[target, "type"] = wrong
        if target != name or SQL[kind] != SQL[wanted]:
            sets[target] = (fitted(name, kind, wanted), wanted)
    if spilled:
        sets["more"] = (spill(spilled, quoted("more")), "json")
    drops = [*overflow, *(name for name, target in targets.items() if target != name and name not in overflow)]
    return Step("fit", Rewrite(set=sets, drop=drops), counters=counters)
