"""A question of every type, and of every option that goes another way: what `trackway bench every` asks of ours."""

from __future__ import annotations

from typing import Any

STEPS = [{"name": name, "when": f"event = '{name}'"} for name in ("Product Viewed", "Product Added", "Order Completed")]
FUNNEL: dict[str, Any] = {"type": "funnel", "steps": STEPS, "within": "7d"}
RETENTION: dict[str, Any] = {
    "type": "retention", "start": "event = 'Signed Up'", "return": "event = 'Logged In'", "every": "7d", "periods": 8,
}  # fmt: skip
TREND: dict[str, Any] = {"type": "trend", "every": "1d"}
PATHS: dict[str, Any] = {"type": "paths", "steps": 5}
CONVERSION = [
    {"name": "buyers", "measure": "actors", "where": "event = 'Order Completed'"},
    {"name": "all", "measure": "actors"},
]

KINDS: dict[str, dict[str, Any]] = {
    "funnel": FUNNEL,
    "funnel, by country": FUNNEL | {"by": ["country"]},
    "funnel, groups of all steps": FUNNEL | {"by": ["country"], "attribution": "all"},
    "funnel, any order": FUNNEL | {"order": "any"},
    "funnel, strict order": FUNNEL | {"order": "strict"},
    "funnel, an optional step": FUNNEL | {"steps": [STEPS[0], STEPS[1] | {"optional": True}, STEPS[2]]},
    "funnel, an exclusion": FUNNEL | {"exclude": [{"when": "event = 'Logged Out'"}]},
    "funnel, plan held": FUNNEL | {"hold": ["plan"]},
    "funnel, within 2 sessions": FUNNEL | {"within": "2 sessions"},
    "funnel, entries": FUNNEL | {"count": "entries"},
    "funnel, sessions": FUNNEL | {"count": "sessions"},
    "funnel, first entry": FUNNEL | {"mode": "first_entry"},
    "funnel, over time": FUNNEL | {"every": "7d"},
    "funnel, over all orders": FUNNEL | {"robust": True, "precision": "1s"},
    "drivers": {"type": "drivers", "steps": STEPS[:2], "within": "7d", "properties": ["country", "plan"]},
    "retention": RETENTION,
    "retention, on or after": RETENTION | {"mode": "on_or_after"},
    "retention, streak": RETENTION | {"mode": "streak"},
    "retention, value": RETENTION | {"value": "amount"},
    "retention, by country": RETENTION | {"by": ["country"]},
    "lifecycle": {"type": "lifecycle", "every": "7d"},
    "stickiness": {"type": "stickiness", "every": "1d", "window": "7d"},
    "stickiness, ratio": {"type": "stickiness", "every": "1d", "window": "28d", "show": "ratio"},
    "distribution": {"type": "distribution"},
    "paths, forward": PATHS | {"start": "event = 'Signed Up'"},
    "paths, backward": PATHS | {"end": "event = 'Order Completed'"},
    "paths, between": PATHS | {"start": "event = 'Product Viewed'", "end": "event = 'Order Completed'", "within": "7d"},
    "paths, every session": PATHS | {"count": "journeys", "timeout": "30m"},
    "patterns": {
        "type": "patterns", "pattern": "Viewed (not Helped)* Bought within 1h",
        "let": {
            "Viewed": "event = 'Product Viewed'", "Helped": "event in ('Chat Opened', 'Help Viewed')",
            "Bought": "event = 'Order Completed'",
        },
    },
    "trend, events": TREND | {"measure": "events"},
    "trend, actors": TREND | {"measure": "actors"},
    "trend, sum": TREND | {"measure": "sum(amount)"},
    "trend, average by country and plan": TREND | {"measure": "average(amount)", "by": ["country", "plan"]},
    "trend, median": TREND | {"measure": "median(amount)"},
    "trend, largest": TREND | {"measure": "max(amount)"},
    "trend, first": TREND | {"measure": "first(amount)"},
    "trend, distinct paths": TREND | {"measure": "distinct(path)"},
    "trend, average per actor": TREND | {"measure": "average(amount) per actor", "every": "7d"},
    "trend, a formula": TREND | {"formula": "buyers / all", "measures": CONVERSION},
    "trend, compared": TREND | {"measure": "actors", "compare": "7d", "from": "-30d"},
    "trend, rolling actors": TREND | {"measure": "actors", "rolling": "7d"},
    "trend, cumulative actors": TREND | {"measure": "actors", "cumulative": True},
    "experiment": {
        "type": "experiment", "exposure": "event = 'Product Viewed'", "variant": "plan", "control": "free",
        "metrics": [{"name": "bought", "when": "event = 'Order Completed'"}],
    },
    "a named session": TREND | {
        "measure": "actors", "where": "visit.position = 1", "sessions": {"visit": {"timeout": "30m"}},
    },
    "a cohort": TREND | {
        "measure": "actors", "where": "cohort.buyers",
        "cohorts": {"buyers": {"did": "event = 'Order Completed'", "at_least": 2}},
    },
    "a named measure": TREND | {"measure": "actors", "by": ["seen"], "expressions": {"seen": {"measure": "count(*)"}}},
    "another actor": TREND | {"measure": "actors", "actor": "path"},
}  # fmt: skip
