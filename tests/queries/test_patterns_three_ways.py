"""Law 5 for `patterns`: automaton, relations in SQL and backtracking give one answer, for every option and pair."""

import oracle_patterns
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, HOURS, MINUTE, QUICK, THOROUGH, answers, commits, condition, facts, optional

from trackway.errors import ConditionError
from trackway.model.automaton import automaton
from trackway.model.pattern import Pattern

DURATIONS = {"1m": MINUTE, "3m": 3 * MINUTE, "1d": 24 * HOURS, "14d": 14 * 24 * HOURS}
QUOTED = {"'A'": lambda e: e["event"] == "A", "'Ü b'": lambda e: e["event"] == "Ü b"}
duration = st.sampled_from(sorted(DURATIONS))
name = st.sampled_from(["P", "Q", "'A'", "'Ü b'"])
letter = st.one_of(
    st.tuples(st.just("letter"), name),
    st.just(("any",)),
    st.tuples(st.just("not"), st.lists(name, min_size=1, max_size=2, unique=True)),
)
edge = st.tuples(st.just("edge"), st.sampled_from("^$"))
bounds = st.sampled_from([(0, None), (1, None), (0, 1), (2, None), (1, 2), (2, 2), (0, 2)])


def grown(part):
    """Larger parts out of smaller ones."""
    return st.one_of(
        st.tuples(st.just("series"), st.lists(st.one_of(part, part, edge), min_size=2, max_size=3)),
        st.tuples(st.just("choice"), st.lists(part, min_size=2, max_size=2)),
        st.tuples(st.just("repeat"), part, bounds).map(lambda one: (*one[:2], *one[2])),
    )


plain = st.recursive(letter, grown, max_leaves=5)
timed = st.tuples(st.just("timed"), plain, duration)
whole = st.one_of(plain, st.recursive(st.one_of(letter, timed), grown, max_leaves=4))
trees = st.one_of(whole, st.tuples(st.just("timed"), whole, duration))
questions = st.fixed_dictionaries(
    {
        "type": st.just("patterns"), "match": st.sampled_from(["shortest", "longest"]), "where": optional,
        "timeout": st.one_of(st.none(), duration), "by": st.sampled_from([[], ["country"], ["x"]]),
        "top": st.sampled_from([1, 10, None]), "listed": st.sampled_from([0, 1, 5]),
    }
)  # fmt: skip


def check(parts, known, question, tree, bound):
    text = oracle_patterns.written(tree).removeprefix("(" if tree[0] == "timed" else "")
    text = text.removesuffix(")") if tree[0] == "timed" else text
    pattern = Pattern(text)
    if 0 in oracle_patterns.ends(tree, [], 0, {}, DURATIONS):
        with pytest.raises(ConditionError, match="without any event"):
            automaton(pattern, pattern.names)
        return
    let = {name: bound[name] for name in bound if name in pattern.names}
    folded, events = answers(parts, known, question | {"pattern": text, "let": let})
    tests = QUOTED | {name: CONDITIONS[condition] for name, condition in bound.items()}
    where = CONDITIONS[question["where"] or "true"]
    found = oracle_patterns.by_actor(events, tree, question, tests, where, DURATIONS)
    by = question["by"][0] if question["by"] else None
    assert folded.rows == oracle_patterns.rows(found, by, question["top"])
    assert folded.totals["actors"] == len(found)
    assert folded.totals["matches"] == sum(map(len, found.values())) == sum(row["matches"] for row in folded.rows)
    order = sorted((actor for actor in found if found[actor]), key=lambda actor: (-len(found[actor]), actor))
    listed = [(actor, len(found[actor])) for actor in order[: question["listed"]]]
    assert [(one["actor"], one["times"]) for one in folded.totals.get("list", [])] == listed


BOUND = st.fixed_dictionaries({"P": condition, "Q": condition})


def test_fold_reference_and_oracle_agree():
    QUICK(given(commits(), facts, questions, trees, BOUND)(check))()


@pytest.mark.long
def test_they_agree_at_length():
    THOROUGH(given(commits(), facts, questions, trees, BOUND)(check))()
