"""Drawings of paths, drivers, experiments, lifecycles and the like: well-formed, and true to the numbers."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.plan.query import Answer
from trackway.web.charts import bars, drivers, flows, forest, funnel, retention, sankey, stack, survival, trend
from trackway.web.charts.svg import Drawing
from trackway.web.panels import PANELS, Scene, panels
from trackway.web.shown import shown

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=60)
WIDTHS = (860.0, 350.0)


def parsed(drawing: Drawing) -> ET.Element:
    ET.fromstring(drawing.picture("A <caption> & more", "a footer", [(0, "one"), (7, "<two>")]))
    return ET.fromstring(drawing.inline("narrow", 350.0))


def answer(type_, rows, totals=None, notes=(), **stands_on):
    said = {"lake_version": 1, "events": 9, "actors": 4, "exact": True, "elapsed_ms": 1.0} | stands_on
    return Answer(type_, rows, said, list(notes), totals or {})


def journeys(steps, *edges, backward=False):
    """Rows and nodes of paths from edges `(step, from, to, value)`."""
    rows = [{"step": s, "from": a, "to": b, "value": n, "share": n / 100} for s, a, b, n in edges]
    held, stopped = {}, {}
    for step, near, far, value in edges:
        for at, node, other in ((step, near, far), (step + 1, far, near)):
            if node in {"drop-off", "entry"}:
                continue
            held[at, node] = max(held.get((at, node), 0), 0)
            if other in {"drop-off", "entry"}:
                stopped[at, node] = value
    for at, node in held:
        out = sum(r["value"] for r in rows if r["step"] == at and r["from"] == node)
        into = sum(r["value"] for r in rows if r["step"] == at - 1 and r["to"] == node)
        held[at, node] = max(out, into)
    nodes = [
        {"step": at, "node": node, "value": n, "share": n / 100, "stopped": stopped.get((at, node), 0)}
        for (at, node), n in sorted(held.items(), key=lambda one: (one[0][0], -one[1], str(one[0][1])))
    ]
    return rows, nodes


# ── paths ───────────────────────────────────────────────────────────────────────────────────────────

SHOP = journeys(
    3, (1, "home", "list", 60), (1, "home", "search", 30), (1, "home", "drop-off", 10), (2, "list", "item", 40),
    (2, "list", "drop-off", 20), (2, "search", "item", 25), (2, "search", "other", 5),
)  # fmt: skip


def test_a_ribbon_is_as_wide_as_its_share_of_the_journeys():
    found = flows.layout(*SHOP, 300.0)
    home = found.columns[1][0]
    assert [(one.far.name, one.value) for one in sorted(home.out, key=lambda one: one.begin)] == [
        ("list", 60), ("search", 30),
    ]  # fmt: skip
    assert home.height == pytest.approx(100 * found.scale)
    for place in (place for column in found.columns.values() for place in column):
        for side, ribbons in (("begin", place.out), ("end", place.into)):
            starts = sorted((getattr(one, side), one.value * found.scale) for one in ribbons)
            assert all(at + thick <= after + 1e-6 for (at, thick), (after, _) in pairwise(starts)), "none overlap"
            assert all(place.y - 1e-6 <= at <= place.y + place.height + 1e-6 for at, _ in starts)


def test_nodes_of_a_step_never_overlap_and_those_that_stand_for_several_are_last():
    for column in flows.layout(*SHOP, 300.0).columns.values():
        for above, below in pairwise(column):
            assert above.y + max(above.height, flows.SLOT) + flows.GAP <= below.y + 1e-6
    assert [place.name for place in flows.layout(*SHOP, 300.0).columns[3]] == ["item", "other"]


def test_an_order_with_far_fewer_crossings_takes_the_place_of_that_by_size():
    rows, nodes = journeys(2, (1, "a", "x", 50), (1, "b", "y", 60))
    found = flows.layout(rows, [{**n, "value": {"x": 70}.get(n["node"], n["value"])} for n in nodes], 200.0)
    assert flows.crossings(found.ribbons) == 0


def test_what_stops_at_a_node_fades_and_is_told():
    drawing = sankey.draw(*SHOP, 860.0)
    tips = re.findall(r'data-tip="([^"]+)"', drawing.marks)
    assert any("home" in tip and "stop here" in tip and "10.0 %" in tip for tip in tips)
    assert drawing.marks.count('fill-opacity="0.55"') == 2, "at home and at the list"


def test_backward_paths_end_at_the_right_and_what_begins_comes_from_the_left():
    rows, nodes = journeys(3, (-2, "cart", "buy", 70), (-2, "entry", "buy", 30), (-3, "item", "cart", 70))
    drawing = sankey.draw(rows, nodes, 860.0, "begin here")
    heads = re.findall(r'<text x="([\d.]+)" y="12" class="muted">Step (-\d)', drawing.marks)
    assert [step for _, step in sorted(heads, key=lambda head: float(head[0]))] == ["-3", "-2", "-1"]


def test_a_long_name_is_cut_and_whole_in_its_title():
    long = "/a/very/long/path/that/nobody/can/read/in/a/column/of/a/picture"
    drawing = sankey.draw(*journeys(2, (1, long, "b", 9)), 350.0)
    shown_texts = [text.text for text in parsed(drawing).iter() if text.tag.endswith("text") and text.text]
    assert long not in shown_texts
    assert f"<title>{long}" in drawing.marks


def test_a_wide_sankey_keeps_its_size_on_a_phone_and_is_scrolled():
    drawing = sankey.draw(*SHOP, 350.0)
    assert drawing.width == 3 * sankey.NARROWEST
    assert 'class="chart narrow wider"' in drawing.inline("narrow", 350.0)


@given(st.lists(st.tuples(st.integers(1, 4), names, names, st.integers(1, 10**9)), min_size=1, max_size=40))
def test_any_paths_are_well_formed(edges):
    edges = list({(s, a, b): (s, a, b, n) for s, a, b, n in edges}.values())
    for width in WIDTHS:
        parsed(sankey.draw(*journeys(5, *edges), width))


# ── drivers, experiments ────────────────────────────────────────────────────────────────────────────


def driver(value, done, other, *, significant=True, having=100, lacking=100):
    rate, without = done / having, other / lacking
    return {
        "kind": "property", "name": "country", "value": value, "actors": having, "converted": done, "rate": rate,
        "without_actors": lacking, "without_converted": other, "without_rate": without,
        "lift": rate / without if without else None, "odds_ratio": None, "p_value": 0.01, "p_corrected": 0.02,
        "significant": significant,
    }  # fmt: skip


def test_what_lifts_stands_to_the_right_and_what_sinks_to_the_left():
    drawing = drivers.draw([driver("sinks", 10, 40), driver("lifts", 40, 10)], 860.0)
    bar = r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="14" rx="2" class="(f0|bad)"'
    (lift_x, _, lift), (sink_x, sink_width, sink) = re.findall(bar, drawing.marks)
    assert (lift, sink) == ("f0", "bad")
    assert float(sink_x) + float(sink_width) == pytest.approx(float(lift_x), abs=0.02), "both begin at 1"


def test_the_interval_of_a_lift_is_that_of_the_published_example():
    """Aspirin in the Physicians' Health Study: 104 of 11,037 against 189 of 11,034 (NEJM 321, 1989), 0.43 to 0.70."""
    low, high = drivers.ends(driver(None, 104, 189, having=11_037, lacking=11_034), 0.05)
    assert (round(low, 2), round(high, 2)) == (0.43, 0.7)


@given(st.lists(st.tuples(names, st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=40))
def test_any_drivers_are_well_formed(found):
    rows = [driver(name, done, other, significant=bool(done % 2)) for name, done, other in found]
    for width in WIDTHS:
        parsed(drivers.draw(rows, width))


def comparison(variant, lift, verdict="unclear", **more):
    control = lift is None
    return {
        "metric": "Ordered", "variant": variant, "actors": 100, "counted": 10, "mean": 0.1,
        "difference": None if control else lift / 10, "lift": lift, "lift_low": None if control else lift - 0.1,
        "lift_high": None if control else lift + 0.1, "p_value": 0.04, "p_corrected": 0.08, "always_p": 0.2,
        "chance_better": 0.9, "better": "higher", "guardrail": False, "verdict": None if control else verdict,
    } | more  # fmt: skip


def test_a_forest_plot_colours_the_verdict_and_names_guardrails():
    rows = [comparison("a", None), comparison("b", 0.3, "better"), comparison("c", -0.3, "worse", guardrail=True)]
    marks = forest.draw(rows, 860.0, {"Ordered"}).marks
    assert re.search(r'class="good"', marks)
    assert re.search(r'class="bad"', marks)
    assert "control 10.0 %" in marks
    assert "guardrail" in forest.draw([rows[0], rows[2]], 860.0).marks


def test_a_mismatch_of_the_group_sizes_is_an_alert_and_no_note():
    note = "The group sizes (a 9, b 1) would come about by chance if all were equally likely with p = 1e-9: find out."
    found = answer("experiment", [comparison("a", None), comparison("b", 0.3)], {"mismatch_p": 1e-9}, [note, "else"])
    said = shown(Scene({"type": "experiment", "variant": "v", "metrics": []}, found), [], 0)
    assert (said["alerts"], said["notes"]) == ([note], ["else"])


@given(st.lists(st.tuples(names, st.none() | st.floats(-5, 50)), min_size=1, max_size=12))
def test_any_experiment_is_well_formed(found):
    rows = [comparison(name, lift) for name, lift in found]
    for width in WIDTHS:
        parsed(forest.draw(rows, width))


# ── over time ───────────────────────────────────────────────────────────────────────────────────────


def week(number, returning, new, dormant, *, complete=True):
    return {
        "time": f"2026-11-{number:02d}T00:00:00Z", "active": returning + new, "new": new, "returning": returning,
        "resurrected": 0, "dormant": dormant, "complete": complete,
    }  # fmt: skip


def test_who_is_dormant_stands_below_the_line_and_who_is_active_above():
    drawing = stack.draw([week(2, 0, 80, 0), week(9, 30, 50, 50)], 860.0)
    (zero,) = re.findall(r'y1="([\d.]+)" y2="[\d.]+" class="axis"', drawing.marks)
    tops = {kind: float(y) for y, kind in re.findall(r'<rect x="[\d.]+" y="([\d.]+)"[^>]*class="f(\d)"', drawing.marks)}
    assert tops[str(stack.COLOURS["dormant"])] == pytest.approx(float(zero), abs=1)
    assert tops[str(stack.COLOURS["returning"])] < float(zero)


def test_a_band_is_drawn_around_a_line_of_a_sample():
    rows = [
        {"time": f"2026-11-0{day}T00:00:00Z", "value": 10 * day, "intervals": {"value": [8 * day, 13 * day]}}
        for day in (1, 2, 3)
    ]
    drawing = trend.draw(trend.lined(rows, {}), 860.0)
    assert drawing.marks.count('class="band f0"') == 1
    assert "30 ± 7.5" in drawing.marks


def test_negative_values_have_a_place_below_the_line():
    rows = [{"time": f"2026-11-0{day}T00:00:00Z", "value": value} for day, value in ((1, -4.0), (2, 6.0))]
    drawing = trend.draw(rows, 860.0)
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)" r="3"', drawing.marks)]
    assert 0 <= heights[1] < heights[0] <= drawing.height


def test_measures_of_very_different_size_have_axes_of_their_own():
    rows = [{"time": f"2026-11-0{d}T00:00:00Z", "value": 2 * d, "few": 2 * d, "many": 900 * d} for d in (1, 2)]
    asked = {"type": "trend", "measures": [{"name": "few"}, {"name": "many"}]}
    totals = {"value": 6, "few": 6, "many": 2700}
    assert [panel.title for panel in panels(Scene(asked, answer("trend", rows, totals)))] == ["few", "many"]


def test_a_funnel_over_time_is_one_funnel_of_the_intervals_that_are_over():
    rows = [
        {"step": step, "name": f"s{step}", "time": f"2026-11-0{day}T00:00:00Z", "complete": day < 3, "actors": actors,
         "rate": actors / 10}
        for day, ends in ((1, (10, 4)), (2, (10, 2)), (3, (10, 10)))
        for step, actors in enumerate(ends, 1)
    ]  # fmt: skip
    assert [(row["actors"], row["rate"]) for row in funnel.pooled(rows)] == [(20, 1.0), (6, 0.3)]
    found = panels(Scene({"type": "funnel", "steps": [], "every": "1d"}, answer("funnel", rows, {"histogram": []})))
    assert [panel.title for panel in found] == ["", "Conversion by day of entry"]


def cohort(day, group, period, returned):
    return {"cohort": f"2026-11-0{day}T00:00:00Z", "plan": group, "actors": 10, "period": period, "returned": returned,
            "rate": returned / 10, "complete": True}  # fmt: skip


def test_groups_of_a_retention_are_beside_each_other_and_each_by_itself():
    rows = [cohort(day, plan, period, 10 - 4 * period) for plan in ("a", "b") for day in (2, 3) for period in (0, 1)]
    totals = {"actors": 40, "periods": []}
    found = panels(Scene({"type": "retention"}, answer("retention", rows, totals)))
    assert [panel.title for panel in found] == ["", "a", "b"]
    for width in WIDTHS:
        parsed(retention.compared(rows, width, "Day"))
    assert retention.draw(rows[:4], 860.0).marks.count("60.0 %") >= 3, "two cohorts and all of them"


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 10**6)), min_size=1, max_size=20), names)
def test_any_survival_curve_is_well_formed(found, name):
    curve = [
        {"seconds": 86_400.0 * place, "at_risk": at_risk, "survival": part, "low": part if at_risk else None,
         "high": part if at_risk else None}
        for place, (part, at_risk) in enumerate(found)
    ]  # fmt: skip
    for width in WIDTHS:
        parsed(survival.draw({name: curve}, width))
        parsed(survival.draw({name: curve, f"{name}!": curve[:1]}, width))


@given(st.lists(st.tuples(names, st.integers(0, 10**6)), min_size=1, max_size=40))
def test_any_groups_are_well_formed(found):
    whole = sum(actors for _, actors in found) or 1
    rows = [
        {"plan": name, "actors": n, "share": n / whole, "matches": n, "per_actor": 1.0, "median_seconds": None}
        for name, n in found
    ]
    for width in WIDTHS:
        parsed(bars.draw(rows, width))


def test_an_answer_without_rows_has_no_picture():
    for type_ in PANELS:
        assert panels(Scene({"type": type_}, answer(type_, []))) == []
