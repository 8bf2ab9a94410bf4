"""Answers in a terminal: what is drawn, and that it says the numbers."""

import pytest

from trackway.plan.query import Answer
from trackway.terminal import paint

SAMPLED = {"exact": False, "sampled_actors": 200}
STANDS = {"lake_version": 1, "events": 9, "actors": 4, "exact": True, "elapsed_ms": 1.0}


@pytest.fixture
def painted(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)

    def paint_(type_, rows, totals=None, notes=(), stands=None):
        paint.answer(Answer(type_, rows, STANDS | (stands or {}), list(notes), totals or {}), "asked")
        return capsys.readouterr().out

    return paint_


def test_paths_say_where_most_go_from_each_node(painted):
    nodes = [
        {"step": 1, "node": "home", "value": 10, "share": 1.0, "stopped": 4},
        {"step": 2, "node": None, "value": 6, "share": 0.6, "stopped": 0},
    ]
    rows = [
        {"step": 1, "from": "home", "to": None, "value": 6, "share": 0.6},
        {"step": 1, "from": "home", "to": "drop-off", "value": 4, "share": 0.4},
    ]
    out = painted("paths", rows, {"journeys": 10, "actors": 9, "nodes": nodes})
    assert "10 journeys of 9 actors" in out
    assert "(none) 60.0 %, drop-off 40.0 %" in out


def test_drivers_grow_to_both_sides(painted):
    rows = [
        {"kind": "event", "name": "event", "value": name, "actors": 10, "converted": 5, "rate": 0.5,
         "without_actors": 10, "without_converted": 2, "without_rate": 0.2, "lift": lift, "p_corrected": 0.01,
         "significant": True}
        for name, lift in (("Sinks", 0.25), ("Lifts", 4.0))
    ]  # fmt: skip
    lines = painted("drivers", rows).splitlines()
    lifts, sinks = (next(line for line in lines if name in line) for name in ("Lifts", "Sinks"))
    assert "│█" in lifts
    assert "█│" in sinks


def test_a_doubtful_experiment_says_so_first(painted):
    row = {
        "metric": "Ordered", "variant": "b", "actors": 9, "mean": 0.5, "difference": 0.1, "lift": 0.2, "lift_low": 0.1,
        "lift_high": 0.3, "always_low": -0.05, "always_high": 0.25,
        "p_value": 0.01, "p_corrected": 0.01, "verdict": "better", "guardrail": True,
    }  # fmt: skip
    out = painted("experiment", [row], {"mismatch_p": 1e-8})
    assert out.startswith("Sample ratio mismatch")
    assert "Ordered (guardrail)" in out
    assert "+20.0 %" in out
    assert "-10.0 % to +50.0 %" in out
    assert "●" in out


def test_a_funnel_over_time_tells_its_conversion_in_each_interval(painted):
    rows = [
        {"step": step, "name": f"s{step}", "time": f"2026-11-0{day}T00:00:00Z", "complete": day == 1,
         "actors": 5 - step, "rate": (5 - step) / 4}
        for day in (1, 2)
        for step in (1, 2)
    ]  # fmt: skip
    out = painted("funnel", rows, {"seconds": {}})
    assert "75.0 %" in out
    assert "2 Nov 2026" in out
    assert "not over yet" in out


def test_a_retention_has_a_grid_for_each_group_and_a_survival_curve(painted):
    rows = [
        {"cohort": "2026-11-02T00:00:00Z", "plan": plan, "actors": 10, "period": period, "returned": 5, "rate": 0.5,
         "complete": True}
        for plan in ("free", "pro")
        for period in (0, 1)
    ]  # fmt: skip
    curve = [{"seconds": 0.0, "at_risk": 9, "survival": 1.0, "low": None, "high": None}]
    out = painted("retention", rows, {"survival": {"curve": curve}})
    assert out.index("free") < out.index("pro") < out.index("still there after")


def test_a_lifecycle_has_the_dormant_at_the_left_of_its_line(painted):
    row = {"time": "2026-11-02T00:00:00Z", "active": 6, "new": 4, "returning": 2, "resurrected": 0, "dormant": 3,
           "complete": False}  # fmt: skip
    out = painted("lifecycle", [row])
    assert "2 Nov 2026 …" in out
    assert "█│█" in out


def test_patterns_say_how_many_match_and_list_who_does_most(painted):
    rows = [{"actors": 2, "share": 1.0, "matches": 3, "per_actor": 1.5, "median_seconds": 60.0}]
    totals = {
        "actors": 8, "matched": 2, "rate": 0.25, "matches": 3, "histogram": [{"from": 0, "to": 60, "matches": 3}],
        "list": [{"actor": "ann", "times": 2, "first": "2026-11-02T00:00:00Z", "first_seconds": 5.0}],
    }  # fmt: skip
    out = painted("patterns", rows, totals)
    assert "2 of 8 actors (25.0 %), 3 matches" in out
    assert "ann" in out


def of_a_sample(row, *keys):
    """A row with an interval of each of these numbers."""
    return row | {"intervals": {key: [row[key] * 0.9, row[key] * 1.1] for key in keys}}


@pytest.mark.parametrize(
    ("type_", "row", "keys", "said"),
    [
        ("funnel", {"step": 1, "name": "s", "actors": 100, "rate": 0.5}, ["actors", "rate"], ["100 ± 10", "± 5.0 %"]),
        ("trend", {"time": "2026-11-02T00:00:00Z", "value": 50}, ["value"], ["50 ± 5", "█"]),
        ("retention", {"cohort": "2026-11-02T00:00:00Z", "actors": 100, "period": 0, "returned": 50, "rate": 0.5,
                       "complete": True}, ["actors", "rate"], ["100 ± 10", "50.0 % ± 5.0 %"]),
        ("lifecycle", {"time": "2026-11-02T00:00:00Z", "active": 60, "new": 40, "returning": 20, "resurrected": 0,
                       "dormant": 30, "complete": True}, ["active", "new"], ["60 ± 6", "40 ± 4", "█│█"]),
        ("drivers", {"kind": "event", "name": "event", "value": "Saw", "actors": 10, "converted": 5, "rate": 0.5,
                     "without_actors": 10, "without_converted": 2, "without_rate": 0.2, "lift": 2.5,
                     "p_corrected": 0.01, "significant": True}, ["rate", "actors"], ["50.0 % ± 5.0 %", "10 ± 1"]),
        ("stickiness", {"active_intervals": 1, "actors": 100}, ["actors"], ["100 (90 to 110)"]),
    ],
)  # fmt: skip
def test_a_sample_is_drawn_like_all_with_how_sure_each_number_is(painted, type_, row, keys, said):
    out = painted(type_, [of_a_sample(row, *keys)], stands=SAMPLED)
    assert [text for text in [*said, "from 200 of them"] if text not in out] == []
