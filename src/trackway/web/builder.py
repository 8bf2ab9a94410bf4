"""The form beside an answer: its rows of fields, where the tabs lead, and the saved questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from trackway.api import address
from trackway.plan import registry
from trackway.plan.config import Plan
from trackway.plan.query import Query
from trackway.web.fields import HIDDEN, RANGE, Field, Items, fields
from trackway.web.nested import opened

SHARED = ("where", "by", "from", "to", "steps", "within", "actor")
"""What a question keeps when its type changes."""
PAIRS = (("measure", "every"), ("every", "periods"))
"""Fields that stand side by side."""
ORDER = ("trend", "funnel", "retention", "paths", "lifecycle", "stickiness", "distribution", "drivers")


def form(type_: str, items: Items) -> dict[str, Any]:
    """What the form shows: rows of fields, further fields on demand, and the range, when the question has one."""
    known = address.fields(type_)
    found = [opened(type_, one) for one in fields(type_, items)]
    more = [one for one in found if not one.top]
    written = dict(items)
    return {
        "rows": rows([one for one in found if one.top]),
        "more": more,
        "open": any(written.get(one.name) for one in more),
        "range": {name: written.get(name, "") for name in RANGE} if set(RANGE) <= set(known) else None,
        "steps": any(one.kind == "steps" for one in found),
    }


def rows(found: list[Field]) -> list[list[Field]]:
    """Fields line by line, pairs of them side by side."""
    lines: list[list[Field]] = []
    for one in found:
        if lines and len(lines[-1]) == 1 and (lines[-1][0].name, one.name) in PAIRS:
            lines[-1].append(one)
        else:
            lines.append([one])
    return lines


def tabs(current: str, items: Items) -> list[dict[str, Any]]:
    """One tab per type of question; what both types know is kept."""
    types = sorted(registry.names("queries"), key=lambda name: (ORDER.index(name) if name in ORDER else 9, name))
    shared = {*SHARED, "name", "step"}
    kept = [(key, value) for key, value in items if key in shared and value]
    found = []
    for name in types:
        known = address.fields(name)
        also = {"name", "step"} if address.has_steps(name) else set()
        query = urlencode([(key, value) for key, value in kept if key in known or key in also])
        found.append({"name": name, "href": f"/ask/{name}" + (f"?{query}" if query else ""), "on": name == current})
    return found


def hidden(type_: str, items: Items) -> list[tuple[str, str]]:
    """What the address says that no field shows, so that asking again does not lose it."""
    unseen = {*HIDDEN & set(address.fields(type_)), "as_of", "engine"}
    return [(key, value) for key, value in items if key in unseen and value]


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
    infos = registry.load("queries", str(asked["type"])).model_fields
    return all(asked.get(info.alias or name) for name, info in infos.items() if info.is_required())
