"""Law 5: the compiled fold, the reference SQL and the naive oracle give one answer, on random journeys."""

import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, HOURS, MINUTE, QUICK, THOROUGH, answers, commits, condition, facts, optional

funnels = st.fixed_dictionaries(
    {
        "type": st.just("funnel"), "steps": st.lists(condition, min_size=1, max_size=4), "where": optional,
        "within": st.sampled_from(["1m", "3m", "1d", "14d"]), "by": st.sampled_from([[], ["country"]]),
    }
)  # fmt: skip
trends = st.fixed_dictionaries(
    {
        "type": st.just("trend"), "measure": st.sampled_from(["events", "actors"]), "where": optional,
        "every": st.sampled_from(["1d", "7d", None]), "by": st.sampled_from([[], ["country"], ["x"]]),
        "top": st.sampled_from([1, 10, None]),
    }
)  # fmt: skip
retentions = st.fixed_dictionaries(
    {
        "type": st.just("retention"), "start": condition, "return": condition, "where": optional,
        "every": st.sampled_from(["1d", "7d"]), "periods": st.integers(1, 4),
    }
)  # fmt: skip


def expected(question, events):
    """Rows of the oracle; for a funnel with groups, the ungrouped rows."""
    where = CONDITIONS[question["where"] or "true"]
    if question["type"] == "funnel":
        steps = [lambda e, c=CONDITIONS[c]: c(e) and where(e) for c in question["steps"]]
        within = {"1m": MINUTE, "3m": 3 * MINUTE, "1d": 24 * HOURS, "14d": 14 * 24 * HOURS}[question["within"]]
        return oracle.funnel(events, steps, within)
    if question["type"] == "trend":
        days = {"1d": 1, "7d": 7, None: None}[question["every"]]
        by = question["by"][0] if question["by"] else None
        return oracle.trend(events, where, question["measure"], days, by, question["top"])
    start, back = (lambda e, c=CONDITIONS[question[name]]: c(e) and where(e) for name in ("start", "return"))
    return oracle.retention(events, start, back, int(question["every"][:-1]), question["periods"])


def check(parts, known, question):
    folded, events = answers(parts, known, question)
    assert_rows(folded.rows, question, expected(question, events))


def assert_rows(rows, question, naive):
    if question["type"] != "funnel":
        assert rows == naive
        return
    steps = len(question["steps"])
    if not question["by"]:
        assert [{k: v for k, v in row.items() if k != "name"} for row in rows] == oracle.funnel_rows(naive, steps)
        return
    groups = {first["country"] for first, _ in naive}
    assert {row["country"] for row in rows} == groups
    for group in groups:
        mine = [
            {k: v for k, v in row.items() if k not in ("name", "country")} for row in rows if row["country"] == group
        ]
        assert mine == oracle.funnel_rows([j for j in naive if j[0]["country"] == group], steps)


QUESTIONS = [funnels, trends, retentions]


@pytest.mark.parametrize("questions", QUESTIONS, ids=["funnel", "trend", "retention"])
def test_fold_reference_and_oracle_agree(questions):
    QUICK(given(commits(), facts, questions)(check))()


@pytest.mark.long
@pytest.mark.parametrize("questions", QUESTIONS, ids=["funnel", "trend", "retention"])
def test_fold_reference_and_oracle_agree_at_length(questions):
    THOROUGH(given(commits(), facts, questions)(check))()
