"""Law 5 for `paths`: fold, reference SQL and oracle give one answer, for every option and pair of options."""

import json

import oracle_paths
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, HOURS, MINUTE, QUICK, THOROUGH, answers, commits, condition, facts, optional

DURATIONS = {"1m": MINUTE, "3m": 3 * MINUTE, "1d": 24 * HOURS, "14d": 14 * 24 * HOURS}
duration = st.sampled_from([None, *DURATIONS])

questions = st.fixed_dictionaries(
    {
        "type": st.just("paths"), "start": optional, "end": optional, "where": optional,
        "steps": st.integers(3, 5), "by": st.sampled_from(["event", "event", "country", "x"]),
        "repeats": st.sampled_from(["collapse", "keep"]), "within": duration, "timeout": duration,
        "count": st.sampled_from(["actors", "journeys"]), "top": st.sampled_from([1, 2, 10, None]),
        "edges": st.sampled_from([None, None, 1, 2]), "durations": st.booleans(),
    }
)  # fmt: skip
rules = st.lists(st.fixed_dictionaries({"name": st.sampled_from(["one", "A", "ö"]), "when": condition}), max_size=2)
rewrites = st.lists(
    st.sampled_from([{"match": "[AB]", "to": "x"}, {"match": "^(.).*$", "to": "<\\1>"}, {"match": "x", "to": ""}]),
    max_size=2,
)


@st.composite
def named(draw):
    """Questions whose nodes are named by rules and rewrites as well."""
    question = draw(questions)
    if question["by"] != "x":
        question |= {"rules": draw(rules), "rewrite": draw(rewrites)}
    if question.get("rules") and draw(st.booleans()):
        question |= {"by": None, "rewrite": []}
    return question


def check(parts, known, question):
    folded, events = answers(parts, known, question)
    rows, totals = oracle_paths.paths(events, question, CONDITIONS, DURATIONS)
    assert json.dumps(folded.rows) == json.dumps(rows)
    assert json.dumps(folded.totals) == json.dumps(totals)
    if question["edges"] is None and "rules" not in question:
        adds_up(folded, question["steps"], question["start"] is None and question["end"] is not None)


def adds_up(answer, steps, backward):
    """Whoever is at a node came from one before it, and goes on, or stops: in = out + stopped."""
    near, far = ("to", "from") if backward else ("from", "to")
    for node in answer.totals["nodes"]:
        k = abs(node["step"])
        edge = [row for row in answer.rows if abs(row["step"]) == (k + 1 if backward else k)]
        before = [row for row in answer.rows if abs(row["step"]) == (k if backward else k - 1)]
        out = sum(row["value"] for row in edge if row[near] == node["node"] and row[far] not in ("drop-off", "entry"))
        if k < steps:
            assert node["value"] == out + node["stopped"]
        if k > 1:
            assert node["value"] == sum(row["value"] for row in before if row[far] == node["node"])


def test_fold_reference_and_oracle_agree():
    QUICK(given(commits(), facts, questions)(check))()


@pytest.mark.long
def test_they_agree_on_nodes_by_rules_and_rewrites():
    QUICK(given(commits(), facts, named())(check))()


@pytest.mark.long
def test_they_agree_at_length():
    THOROUGH(given(commits(), facts, questions)(check))()
    THOROUGH(given(commits(), facts, named())(check))()
