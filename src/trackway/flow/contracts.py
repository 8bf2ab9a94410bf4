"""Contracts in the flow: each becomes one more step of the fused query.

A property breaks its contract when its value is not of the declared kind, or when it is required and
missing, or when its value is none of those listed, or when nobody declared it and the content is closed. `refuse`
refuses the event, `drop_value` takes the value out, `freeze` keeps properties nobody declared in `more`, and `evolve`
only counts. A sender's `context.` is its own, and is never frozen and always allowed.
"""

from __future__ import annotations

from collections.abc import Mapping

from trackway.flow.fit import misfit
from trackway.flow.fuse import Step, name_literal, spill
from trackway.model.condition import literal, quoted
from trackway.model.contracts.promise import Property
from trackway.model.event import Reason
from trackway.model.schema import ENVELOPE, Kind
from trackway.plan.component import Contract, Rewrite, Verdict

NOT_DECLARED = "'%s' is not declared"


def enforce(name: str, contract: Contract, columns: Mapping[str, Kind]) -> Step:
    """The step of one contract, for events with these columns."""
    where = "" if contract.event == "*" else f"{quoted('event')} = {literal(contract.event)}"
    broken = {key: text for key, one in contract.properties.items() if (text := _broken(key, one, columns))}
    if contract.content == "closed" and contract.mode != "freeze":
        broken |= {key: f"{quoted(key)} is not null" for key in _undeclared(contract, columns)}
    missing = {key: _missing(key, columns) for key in contract.required}
    counters = {(key, "contract"): text for key, text in {**missing, **broken}.items()}
    if contract.mode == "refuse":
        return Step(f"contracts.{name}", Rewrite(verdicts=_verdicts(contract, broken, missing)), where)
    if contract.mode == "drop_value":
        return Step(f"contracts.{name}", Rewrite(set=_taken_out(broken, columns)), where, counters)
    if contract.mode == "freeze":
        undeclared = _undeclared(contract, columns)
        frozen = {key: f"{quoted(key)} is not null" for key in undeclared}
        sets: dict[str, tuple[str, Kind]] = {key: ("null", columns[key]) for key in undeclared}
        if frozen:
            sets["more"] = (spill(frozen, quoted("more")), "json")
            counters |= {(key, "undeclared"): text for key, text in frozen.items()}
        return Step(f"contracts.{name}", Rewrite(set=sets), where, counters)
    return Step(f"contracts.{name}", Rewrite(), where, counters)


def declared(contracts: Mapping[str, Contract]) -> dict[str, Kind]:
    """The kind of every property that a contract declares; of two, the first."""
    kinds: dict[str, Kind] = {}
    for contract in contracts.values():
        for key, one in contract.properties.items():
            kinds.setdefault(key, one.kind)
    return kinds


def _broken(key: str, one: Property, columns: Mapping[str, Kind]) -> str | None:
    """DuckDB text: the value of a property is not of the kind declared (codecs put such values into `more`), or none of
    those listed."""
    kind = one.kind
    inside = f"({quoted('more')} is not null and json_exists({quoted('more')}, {_pointer(key)}))"
    wrong = misfit(key, columns[key], kind) if key in columns else None
    if key in columns and columns[key] in ("number", "boolean", "integer", "time") and kind in ("string", "json"):
        wrong = f"{quoted(key)} is not null"
    elif key in columns and one.values:
        wrong = f"{quoted(key)} not in ({', '.join(literal(value) for value in one.values)})"
    return f"({wrong}) or {inside}" if wrong else inside


def _missing(key: str, columns: Mapping[str, Kind]) -> str:
    absent = f"{quoted(key)} is null" if key in columns else "true"
    return f"{absent} and not coalesce(json_exists({quoted('more')}, {_pointer(key)}), false)"


def _pointer(key: str) -> str:
    """A JSON pointer (RFC 6901) to a property."""
    return name_literal("/" + key.replace("~", "~0").replace("/", "~1"))


def _verdicts(contract: Contract, broken: Mapping[str, str], missing: Mapping[str, str]) -> list[Verdict]:
    verdicts = [
        Verdict(text, "refused", Reason.CONTRACT, literal(f"'{key}' is required and missing"))
        for key, text in missing.items()
    ]
    verdicts += [
        Verdict(text, "refused", Reason.CONTRACT, literal(f"'{key}' {_said(contract.properties.get(key))}"))
        for key, text in broken.items()
    ]
    if contract.content == "closed":
        unknown = f"list_filter(json_keys({quoted('more')}), lambda key: {_is_undeclared(contract)})"
        said = f"printf({name_literal(NOT_DECLARED)}, {unknown}[1])"
        verdicts.append(Verdict(f"coalesce(len({unknown}), 0) > 0", "refused", Reason.CONTRACT, said))
    return verdicts


def _is_undeclared(contract: Contract) -> str:
    """DuckDB text: whether `key`, of what did not fit its column, is something nobody declared."""
    own = ", ".join(name_literal(key) for key in sorted({*contract.properties, *contract.required}))
    return "not starts_with(key, 'context.')" + (f" and key not in ({own})" if own else "")


def _said(one: Property | None) -> str:
    """How a value breaks what was declared of it."""
    if one is None:
        return "is not declared"
    return f"is none of {', '.join(one.values)}" if one.values else f"is not of kind {one.kind}"


def _taken_out(broken: Mapping[str, str], columns: Mapping[str, Kind]) -> dict[str, tuple[str, Kind]]:
    sets: dict[str, tuple[str, Kind]] = {
        key: (f"case when {text} then null else {quoted(key)} end", columns[key])
        for key, text in broken.items()
        if key in columns
    }
    more = quoted("more")
    for key in broken:
        gone = literal("{" + _json_text(key) + ":null}")
        more = f"case when {quoted('more')} is null then null else json_merge_patch({more}, {gone})::varchar end"
    if broken:
        sets["more"] = (f"nullif({more}, '{{}}')", "json")
    return sets


def _json_text(key: str) -> str:
    import json

    return json.dumps(key)


def _undeclared(contract: Contract, columns: Mapping[str, Kind]) -> list[str]:
    own = {*contract.properties, *contract.required}
    return [key for key in columns if key not in ENVELOPE and key not in own and not key.startswith("context.")]
