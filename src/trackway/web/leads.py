"""Where the numbers of an answer lead: to the list of the actors behind them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from trackway.api.address import OPTIONS
from trackway.web.charts.scale import day, plain

Row = Mapping[str, Any]
Leads = Callable[[Row, str], str]
"""The address a number of a row leads to, by its key; empty for none."""
STATES = ("active", "new", "returning", "resurrected", "dormant")
COUNTED: dict[str, dict[str, dict[str, Any]]] = {
    "lifecycle": {state: {"state": state} for state in STATES},
    "stickiness": {"actors": {}, "at_least": {"at_least": True}, "active": {}, "lately": {"lately": True}},
    "retention": {"actors": {}, "returned": {}},
    "trend": {"value": {}},
    "paths": {"value": {}},
    "patterns": {"actors": {}},
    "distribution": {"actors": {}},
    "experiment": {"actors": {}, "counted": {"counted": True}},
    "drivers": {
        "actors": {},
        "converted": {"converted": True},
        "without_actors": {"having": False},
        "without_converted": {"having": False, "converted": True},
    },
}
"""Type -> the keys of its rows that count actors, and what a cell says to mean them."""
NUMBERS = frozenset({
    *STATES, "actors", "at_least", "at_least_share", "before", "change", "complete", "cumulative_share", "from", "to",
    "intervals", "lately", "matches", "median_seconds", "observed", "per_actor", "rate", "ratio", "returned", "share",
    "value", "value_average", "value_per_actor", "value_per_returned", "values",
})  # fmt: skip
"""Keys of these rows that do not name them."""
NAMED = {"experiment": {"metric", "variant"}, "drivers": {"kind", "name", "value"}}
"""Keys that name the rows of some types, where not all others do."""
VERBS = {
    "lifecycle": "are active", "stickiness": "were active", "retention": "are in it", "paths": "took it",
    "patterns": "match", "distribution": "have such a number", "experiment": "took part", "trend": "are behind it",
    "drivers": "entered",
}  # fmt: skip


def nowhere(_row: Row, _name: str) -> str:
    """No number leads anywhere."""
    return ""


def cell(asked: Mapping[str, Any], row: Row, name: str) -> dict[str, Any] | None:
    """How the actors are named that a number of a row counts; None when it counts none.

    >>> cell({"type": "lifecycle"}, {"time": "2026-01-05", "active": 3, "new": 1, "complete": True}, "new")
    {'time': '2026-01-05', 'state': 'new'}
    """
    counted, measures = COUNTED.get(asked["type"], {}), [one.get("name") for one in asked.get("measures") or []]
    if not row.get(name) or (name not in counted and name not in measures):
        return None
    ends = {"from", "to"} if asked["type"] == "paths" else {"value"} if asked["type"] == "drivers" else set()
    kept = NAMED.get(asked["type"], row.keys())
    labels = {key: row[key] for key in kept & row.keys() if key in ends or key not in {*NUMBERS, *measures}}
    if asked["type"] == "retention" and name == "actors":
        del labels["period"]
    return labels | counted.get(name, {"measure": name})


def text(cell_: Mapping[str, Any]) -> str:
    """A cell as an address has it."""
    return json.dumps(cell_, ensure_ascii=False, separators=(",", ":"))


def called(asked: Mapping[str, Any], people: str) -> str:
    """A cell in words, after `actors who`.

    >>> called({"steps": [{"name": "Home"}, {"when": "x = 1"}]}, '{"step":1,"dropped":true,"country":"de"}')
    'went no further than Home · country: de'
    >>> called({"type": "retention"}, '{"cohort":"2026-01-05","period":2,"returned":false}')
    'did not return · cohort: 5 Jan 2026 · period: 2'
    """
    try:
        found = json.loads(people)
    except ValueError:
        return people
    if not isinstance(found, dict):
        return people
    hidden = {"step", "dropped", "complete", "limit", "state", "returned", "at_least", "lately", "counted", "having",
              "converted", *OPTIONS}  # fmt: skip
    if asked.get("type") == "paths":
        hidden = {"limit"}
    said = [f"{key}: {_named(key, value)}" for key, value in found.items() if key not in hidden]
    return " · ".join([_verb(asked, found), *said])


def _verb(asked: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    if asked.get("type") == "drivers":
        return _compared(found)
    if "steps" in asked and not isinstance(asked["steps"], int):
        return _step(asked, found)
    if "period" in found or "returned" in found:
        return "did not return" if found.get("returned") is False else "returned"
    marks = {"at_least": "were active at least so often", "counted": "count", "lately": "were lately active"}
    if marked := [said for mark, said in marks.items() if found.get(mark)]:
        return marked[0]
    return f"are {found['state']}" if "state" in found else VERBS.get(str(asked.get("type")), "are counted")


def _compared(found: Mapping[str, Any]) -> str:
    """Which side of a driver."""
    side = "" if "name" not in found else " without it" if found.get("having") is False else " with it"
    return ("converted" if found.get("converted") else "entered") + side


def _step(asked: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """How far the actors of a funnel went."""
    steps, step = asked["steps"], found.get("step", 1)
    name = f"step {step}"
    if isinstance(step, int) and 0 < step <= len(steps) and asked.get("order") != "any":
        name = steps[step - 1].get("name") or plain(str(steps[step - 1].get("when", "")))
    return f"went no further than {name}" if found.get("dropped") else f"reached {name}"


def _named(key: str, value: Any) -> str:
    if key in {"time", "cohort"}:
        return day(str(value))
    return "(none)" if value is None else str(value)
