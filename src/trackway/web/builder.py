"""The form beside an answer: what its fields hold, what it offers, and where the tabs lead.

It is filled from the address as written, not from the checked question, so that a wrong condition
stays in its field beside what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from trackway.api import address
from trackway.plan import registry
from trackway.plan.component import Query
from trackway.plan.config import Plan

SHARED = ("where", "by", "from", "to")
"""What a question keeps when its type changes."""
EVERY = {
    "trend": (("1h", "hour"), ("1d", "day"), ("1w", "week"), ("1mo", "month")),
    "retention": (("1d", "day"), ("7d", "week"), ("1mo", "month")),
}
WITHIN = (("30m", "30 minutes"), ("1h", "1 hour"), ("1d", "1 day"), ("7d", "7 days"), ("14d", "14 days"),
          ("30d", "30 days"), ("90d", "90 days"))  # fmt: skip
ORDER = ("trend", "funnel", "retention")

Items = Sequence[tuple[str, str]]


def form(type_: str, items: Items) -> dict[str, Any]:
    """The fields of the form: texts by name, lists for `by`, and the steps with at least two rows to fill in."""
    values: dict[str, Any] = dict.fromkeys(address.fields(type_), "")
    values |= {key: value for key, value in items if key in values}
    values["by"] = [value for key, value in items if key == "by" and value]
    if "steps" in values:
        written = address.steps(items)
        values["steps"] = written + [{"when": ""}] * max(0, 2 - len(written))
    return values


def tabs(current: str, items: Items) -> list[dict[str, Any]]:
    """One tab per type of question; what both types know is kept."""
    types = sorted(registry.names("queries"), key=lambda name: (ORDER.index(name) if name in ORDER else 9, name))
    kept = [(key, value) for key, value in items if key in SHARED and value]
    found = []
    for name in types:
        known = address.fields(name)
        query = urlencode([(key, value) for key, value in kept if key in known])
        found.append({"name": name, "href": f"/ask/{name}" + (f"?{query}" if query else ""), "on": name == current})
    return found


def choices(type_: str, key: str, value: str) -> list[tuple[str, str]]:
    """What a field offers to choose from; a value written in the address is among it."""
    offered = list(WITHIN if key == "within" else EVERY.get(type_, EVERY["trend"]))
    if value and value not in dict(offered):
        offered.append((value, value))
    return offered


def saved(plan: Plan, here: str) -> list[dict[str, Any]]:
    """The questions of the file, as addresses."""
    found = []
    for name, query in plan.queries.items():
        asked = as_asked(query)
        href = f"/ask/{asked['type']}?{address.query_string(asked)}"
        found.append({"name": name, "href": href, "type": asked["type"], "on": href == here})
    return found


def as_asked(query: Query) -> dict[str, Any]:
    """A question of the file as the JSON object that asks it."""
    type_ = next(name for name in registry.names("queries") if registry.load("queries", name) is type(query))
    written = query.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"type": type_, **written}


def ready(asked: Mapping[str, Any]) -> bool:
    """Whether a question is complete enough to be asked; an unfinished form is not an error."""
    needed = {"funnel": ("steps",), "retention": ("start", "return")}.get(str(asked["type"]), ())
    return all(asked.get(key) for key in needed)
