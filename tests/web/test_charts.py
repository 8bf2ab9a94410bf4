"""Drawings: well-formed whatever they are given, and true to the numbers."""

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from trackway.web.charts import durations, funnel, retention, trend
from trackway.web.charts.scale import compact, labels, lasting, share, ticks
from trackway.web.charts.svg import Drawing

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=40)


def parsed(drawing: Drawing) -> ET.Element:
    ET.fromstring(drawing.inline("wide"))
    return ET.fromstring(drawing.picture("A <caption> & more", "a footer", [(0, "one"), (3, "<two>")]))


@given(st.dictionaries(names, st.lists(st.integers(0, 10**12), min_size=1, max_size=40), min_size=1, max_size=12))
def test_any_trend_is_well_formed_and_inside_its_picture(groups):
    rows = [
        {"time": f"2026-{11 + day // 30}-{day % 30 + 1:02d}T00:00:00Z", "value": value, "by": name}
        for name, values in groups.items()
        for day, value in enumerate(values)
    ]
    for width in (860.0, 350.0):
        drawing = trend.draw(rows, width, trend.Look(open_end=1))
        parsed(drawing)
        for x, y in re.findall(r'c[x]="([\d.]+)" cy="([\d.]+)"', drawing.marks):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= drawing.height


@given(names, st.lists(st.integers(0, 10**9), min_size=1, max_size=16))
def test_any_funnel_is_well_formed(name, counts):
    counts = sorted(counts, reverse=True)
    rows = [
        {
            "step": i + 1,
            "name": f"{name}{i}",
            "actors": n,
            "rate": n / counts[0] if counts[0] else None,
            "median_seconds": None,
        }
        for i, n in enumerate(counts)
    ]
    for width in (860.0, 350.0):
        parsed(funnel.draw(rows, width))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(1, 12))
def test_any_retention_is_well_formed(cohorts, periods):
    rows = [
        {
            "cohort": f"20{c:02d}-01-05T00:00:00Z", "actors": n, "period": p, "returned": n // (p + 1),
            "rate": 1 / (p + 1), "complete": p % 3 != 0,
        }
        for c, n in enumerate(cohorts)
        for p in range(periods)
    ]  # fmt: skip
    parsed(retention.draw(rows, 350.0, "Week"))


def test_times_to_convert_are_bars_whose_words_are_lengths_of_time():
    drawing = durations.draw([{"from": 0, "to": 3600, "actors": 5}, {"from": 3600, "to": 7200, "actors": 2}], 860.0)
    parsed(drawing)
    assert "1 h to 2 h" in drawing.marks


def test_the_largest_groups_are_drawn_and_the_others_counted():
    rows = [{"time": "2026-11-02T00:00:00Z", "value": 10 - n, "event": f"e{n}"} for n in range(10)]
    _, lines, left = trend.series(rows)
    assert (list(lines), left) == ([f"e{n}" for n in range(8)], 2)


def test_an_interval_without_a_row_is_a_zero_on_the_time_axis_also_when_clocks_change():
    rows = [
        {"time": "2026-10-24T00:00:00+02:00", "value": 5, "by": "a"},
        {"time": "2026-10-26T00:00:00+01:00", "value": 7, "by": "b"},
    ]
    times, lines, _ = trend.series(trend.padded(rows, "1d", "Europe/Berlin"))
    assert times == ["2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"]
    assert lines == {"b": [0, 0, 7], "a": [5, 0, 0]}


@given(st.floats(0, 1e15, allow_nan=False))
def test_ticks_are_few_round_and_reach_the_top(top):
    found = ticks(top)
    assert found[0] == 0
    assert found[-1] >= top * (1 - 1e-9)
    assert 2 <= len(found) <= 7


def test_an_overall_rate_leaves_out_what_is_not_over_yet():
    rows = [
        {"cohort": "a", "actors": 10, "period": 1, "returned": 5, "rate": 0.5, "complete": True},
        {"cohort": "b", "actors": 90, "period": 1, "returned": 1, "rate": 1 / 90, "complete": False},
    ]
    assert retention.overall(retention.cohorts(rows)) == {1: 0.5}


def test_numbers_and_instants_are_said_as_people_say_them():
    assert [compact(n) for n in (0, 999, 1000, 15_300, 2.5e6)] == ["0", "999", "1k", "15.3k", "2.5M"]
    assert [share(r) for r in (0.0, 0.5, 1.0, 0.0004)] == ["0 %", "50.0 %", "100 %", "0.04 %"]
    assert [lasting(s) for s in (0, 59, 3600, 93_784)] == ["0 s", "59 s", "1 h", "1 d 2 h"]
    assert labels(["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"], 5) == {0: "Jan 2026", 1: "Feb 2026"}
    assert labels(["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"], 5) == {0: "1 Jan", 1: "01:00"}
