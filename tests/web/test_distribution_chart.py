"""Histograms as drawings: well-formed whatever they are given, and true to the numbers."""

import io
import json
import re
from html import unescape
from xml.etree import ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from trackway.store.columns.bins import Binning
from trackway.store.columns.figures import Ordered, lines
from trackway.terminal.pictures import distribution as terminal
from trackway.web.charts import distribution

names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30)
numbers = st.lists(st.floats(-1e9, 1e9) | st.integers(0, 40).map(float), min_size=1, max_size=60)
HOW = st.sampled_from([Binning(), Binning("log"), Binning("quantiles", 4), Binning(edges=(0.0, 7.5)), Binning(most=3)])


def answered(groups, binning):
    """Rows and totals of the numbers of some groups."""
    every = Ordered.of(np.array([number for some in groups.values() for number in some], np.float64))
    bins = binning.bins(every.values, whole=every.whole)
    rows = [
        {**({"group": name} if len(groups) > 1 else {}), **line}
        for name, some in groups.items()
        for line in lines(Ordered.of(np.array(some, np.float64)).counts(bins)[0], bins)
    ]
    return rows, {"actors": len(every.values), **every.described(adds=True)[0], "whole": every.whole}


def tips(drawing):
    return [json.loads(unescape(tip)) for tip in re.findall(r'data-tip="([^"]*)"', drawing.marks)]


@given(st.dictionaries(names, numbers, min_size=1, max_size=10), HOW)
def test_any_histogram_is_well_formed_and_inside_its_picture(groups, binning):
    rows, totals = answered(groups, binning)
    found = distribution.histogram("distribution", rows, totals)
    for width in (860.0, 350.0):
        drawing = distribution.draw(found, width)
        ET.fromstring(drawing.inline("wide"))
        ET.fromstring(drawing.picture("A <caption> & more", "a footer", [(0, "one"), (3, "<two>")]))
        assert len(tips(drawing)) == len(found.ends) == len(found.labels)
        boxes = re.findall(r'x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"', drawing.marks)
        for x, y, wide, high in boxes:
            assert 0 <= float(x) <= float(x) + float(wide) <= width + 0.01
            assert 0 <= float(y) <= float(y) + float(high) <= drawing.height + 0.01


def test_every_bin_is_told_by_its_bounds_and_has_its_actors():
    rows, totals = answered({"": [1.0, 1.0, 2.0, 3.0]}, Binning())
    found = distribution.histogram("distribution", rows, totals)
    assert [tip[0] for tip in tips(distribution.draw(found, 860.0))] == ["1", "2", "3"]
    assert tips(distribution.draw(found, 860.0))[0][1][:2] == ["actors", "2 · 50.0 %"]
    rows, totals = answered({"": [0.0, 12.0, 40.0]}, Binning(edges=(10.0, 20.0)))
    assert distribution.histogram("distribution", rows, totals).labels == ["below 10", "10 to 19", "20 and more"]
    rows, totals = answered({"": [0.5, 12.0]}, Binning("quantiles", 2))
    assert distribution.histogram("distribution", rows, totals).labels == ["0.5 to 12", "12"]


def test_quantiles_stand_where_their_numbers_are():
    rows, totals = answered({"": [0.0, 5.0, 10.0, 25.5]}, Binning(width=10))
    found = distribution.histogram("distribution", rows, totals)
    assert [distribution.position(found, number) for number in (0.0, 5.0, 10.0, 25.5)] == [0.0, 0.5, 1.0, 2.55]
    assert found.points["median"] == 7.5
    assert "median 7.5" in distribution.draw(found, 860.0).marks


def test_groups_are_outlines_of_their_shares_and_the_smallest_are_left_out():
    rows, totals = answered({f"g{n}": [1.0] * (20 - n) + [2.0] for n in range(10)}, Binning())
    found = distribution.histogram("distribution", rows, totals)
    assert (list(found.groups), found.left) == ([f"g{n}" for n in range(8)], 2)
    assert distribution.draw(found, 860.0).marks.count('class="line') == 8


def test_how_often_actors_come_is_a_histogram_of_all_complete_windows():
    bars = [
        {"active_intervals": n, "actors": 9 - n, "share": 0.1, "at_least": 1, "at_least_share": 1.0} for n in (1, 2)
    ]
    rows = [{"time": "2026-01-05T00:00:00Z", **bars[0], "complete": True}]
    found = distribution.histogram("stickiness", rows, {"actors": 15, "mean": 1.5, "windows": bars})
    assert (found.labels, found.groups, found.points) == (["1", "2"], {"": [(8, 8 / 15), (7, 7 / 15)]}, {"mean": 1.5})
    open_ = distribution.histogram("stickiness", rows, {"actors": 15, "mean": None, "windows": []})
    assert open_.groups == {"": [(8, 1.0)]}
    groups = [{"plan": plan, "mean": 1.5, "windows": bars[: n + 1]} for n, plan in enumerate(["a", None])]
    found = distribution.histogram("stickiness", rows, {"actors": 15, "mean": 1.5, "windows": bars, "groups": groups})
    assert found.groups == {"a": [(8, 1.0), (0, 0.0)], "(none)": [(8, 8 / 15), (7, 7 / 15)]}
    assert distribution.histogram("stickiness", [{"ratio": 0.5}], {}) is None


def test_a_terminal_shows_bars_and_quantiles():
    rows, totals = answered({"": [1.0, 1.0, 2.0]}, Binning())
    out = Console(width=80, record=True, file=io.StringIO())
    terminal.draw(distribution.histogram("distribution", rows, totals), out)
    text = out.export_text()
    assert "66.7 %" in text
    assert "median 1" in text
