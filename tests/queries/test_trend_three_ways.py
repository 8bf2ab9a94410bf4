"""Law 5 for every option of a trend: fold, reference SQL and naive oracle give one answer, on random journeys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, QUICK, THOROUGH, answers, commits, facts, optional
from oracle_trend import trend

from people import people

MEASURES = [
    "events", "actors", "per_actor", "sum(x)", "average(x)", "min(x)", "max(x)", "median(x)", "p90(x)", "p25(x)",
    "first(country)", "last(x)", "distinct(country)", "sum(x) per actor", "median of sum(x) per actor",
    "p90 of events per actor", "max of average(x) per actor", "min of distinct(country) per actor",
    "average of median(x) per actor", "median of max(x) per actor", "average of p75(x) per actor",
    "average of min(x) per actor",
]  # fmt: skip
FORMULAS = ["a / b", "(a - b) * 2", "a + b / 2 - 1.5", "-a / (b - b)", "b"]
EVERY = ["1d", "7d", None]
ROLLING = {"1d": [None, None, "2d", "7d"], "7d": [None, "7d", "14d"], None: [None]}
measure = st.sampled_from(MEASURES)


@st.composite
def trends(draw):
    """Any options together."""
    asked = {"type": "trend", "every": draw(st.sampled_from(EVERY)), "where": draw(optional)}
    if draw(st.booleans()):
        asked["measure"] = draw(measure)
    else:
        asked["measures"] = [{"name": name, "measure": draw(measure), "where": draw(optional)} for name in "ab"]
        if draw(st.booleans()):
            asked["formula"] = draw(st.sampled_from(FORMULAS))
    asked["by"] = draw(st.sampled_from([[], [], ["country"], ["x"], ["country", "x"]]))
    asked["top"] = draw(st.sampled_from([1, 2, 10, None]))
    asked["rolling"] = draw(st.sampled_from(ROLLING[asked["every"]]))
    asked["cumulative"] = asked["rolling"] is None and draw(st.booleans())
    asked["from"] = draw(st.sampled_from([None, None, "2026-01-05 00:01:00", "2026-01-07"]))
    asked["to"] = draw(st.sampled_from([None, None, "2026-01-09 10:00:00", "2026-01-20"]))
    asked["compare"] = draw(st.sampled_from([None, None, "1d", "7d", "36h", "previous period", "2026-01-01"]))
    return asked


def check(parts, known, question):
    found, events = answers(parts, known, question)
    rows, totals = trend(events, question, CONDITIONS)
    assert found.rows == rows
    assert found.totals == totals


def test_fold_reference_and_oracle_agree_on_any_trend():
    QUICK(given(commits(), facts, trends())(check))()


@pytest.mark.long
def test_fold_reference_and_oracle_agree_on_any_trend_at_length():
    THOROUGH(given(commits(), facts, trends())(check))()


def test_groups_that_only_an_earlier_window_reaches_back_to_are_among_the_others():
    story = people(zed=[("A", "30h", {"country": "de"})], ann=[("A", "0h", {"country": "at"})])
    question = {"type": "trend", "measure": "events", "every": "1d", "by": ["country"], "top": 1, "rolling": "2d",
                "from": "2026-01-07", "compare": "1d"}  # fmt: skip
    answer, _ = answers([story], [], question)
    assert answer.notes[0] == "1 smaller group is 'other'."
