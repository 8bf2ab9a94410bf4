"""The form beside an answer: what its fields hold, what it offers, and where the tabs lead.

It is filled from the address as written, not from the checked question, so that a wrong condition
stays in its field beside what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args
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
CHOSEN = ("measure", "every", "within")
"""Fields with something to choose from."""
SHOWN = frozenset({"measure", "every", "within", "periods", "where", "by", "from", "to", "steps", "start", "return"})
"""Fields of the form; what else a question says stays in the address unseen."""
ORDER = ("trend", "funnel", "retention")

Items = Sequence[tuple[str, str]]


def form(type_: str, items: Items) -> dict[str, Any]:
    """The fields of the form: texts by name, lists for `by`, and the steps with at least two rows to fill in."""
    values: dict[str, Any] = dict.fromkeys(address.fields(type_), "") | defaults(type_)
    values |= {key: value for key, value in items if key in values}
    if "by" in values:
        values["by"] = [value for key, value in items if key == "by" and value]
    if "steps" in values:
        written = address.steps(items)
        values["steps"] = written + [{"when": ""}] * max(0, 2 - len(written))
    return values


def defaults(type_: str) -> dict[str, str]:
    """What the fields with a choice hold when the address does not say."""
    fields = registry.load("queries", type_).model_fields
    return {name: str(fields[name].default) for name in (*CHOSEN, "periods") if name in fields}


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
    named = get_args(address.fields(type_).get(key))
    offered = list(WITHIN if key == "within" else EVERY.get(type_, EVERY["trend"]))
    if key == "measure":
        offered = [(str(name), str(name)) for name in named]
    if value and value not in dict(offered):
        offered.append((value, value))
    return offered


def hidden(type_: str, items: Items) -> list[tuple[str, str]]:
    """What the address says that no field shows, so that asking again does not lose it."""
    known = {*address.fields(type_), "as_of", "engine"} - SHOWN
    return [(key, value) for key, value in items if key in known and value]


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
