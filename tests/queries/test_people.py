"""Who is behind a number: of every question, as many actors as the number says, the same from both engines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import QUICK, THOROUGH, commits, facts, laid, optional

from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.people import Cell

A, B, C = (f"event = '{name}'" for name in "ABC")
GROUPS = st.sampled_from([[], ["country"], ["event", "x"]])
EVERY = st.sampled_from(["1d", "7d", "1mo"])


def options(**given_):
    return st.fixed_dictionaries(
        {"by": GROUPS, "top": st.sampled_from([None, 1, 10]), "where": optional,
         **{name: one if isinstance(one, st.SearchStrategy) else st.just(one) for name, one in given_.items()}}
    )  # fmt: skip


def rows_of(answer, *keys):
    """The rows of an answer by how they are named, and what each counts."""
    return [{key: value for key, value in row.items() if key in keys or key in ("country", "event", "x")} | {"row": row}
            for row in answer.rows]  # fmt: skip


def lifecycle(answer):
    for row in rows_of(answer, "time"):
        for state in ("active", "new", "returning", "resurrected", "dormant"):
            yield {**row, "state": state}, row["row"][state]


def stickiness(answer):
    for row in rows_of(answer, "time", "active_intervals"):
        marked, kept = ("lately", "active") if "lately" in row["row"] else ("at_least", "actors")
        yield row, row["row"][kept]
        yield {**row, marked: True}, row["row"][marked]


def retention(answer):
    for row in rows_of(answer, "cohort", "period", "from", "to"):
        yield row, row["row"]["returned"]
        yield {**row, "returned": False}, row["row"]["actors"] - row["row"]["returned"]
        cohort = {key: value for key, value in row.items() if key not in ("period", "from", "to")}
        yield cohort, row["row"]["actors"]


def trend(answer):
    for row in rows_of(answer, "time"):
        yield row, row["row"]["value"]
        if "b" in row["row"]:
            yield {**row, "measure": "b"}, row["row"]["b"]


def paths(answer):
    for row in rows_of(answer, "step", "from", "to"):
        yield row, row["row"]["value"]


def patterns(answer):
    for row in rows_of(answer):
        yield row, row["row"]["actors"]


QUESTIONS = {
    "lifecycle": (lifecycle, options(type="lifecycle", when=optional, every=EVERY)),
    "stickiness": (stickiness, options(
        type="stickiness", when=optional, every="1d", window=st.sampled_from(["7d", "3d", "1mo"]))),
    "ratio": (stickiness, options(
        type="stickiness", show="ratio", when=optional, every="1d", window=st.sampled_from(["2d", "7d"]))),
    "retention": (retention, options(
        type="retention", start=st.sampled_from([A, "true"]), every=st.sampled_from(["1d", "7d"]),
        mode=st.sampled_from(["on", "on_or_after", "on_or_before", "streak"]), value=st.sampled_from([None, "x"]),
        windows=st.sampled_from(["calendar", "rolling"]), brackets=st.sampled_from([None, [1, 3]]),
        lapse=st.sampled_from([None, "3d"]), **{"return": st.sampled_from([B, "true"])})),
    "trend": (trend, options(
        type="trend", measure="actors", every=st.sampled_from([None, "1d", "7d"]),
        compare=st.sampled_from([None, "3d"]), cumulative=st.booleans())),
    "rolling": (trend, options(type="trend", measure="actors", every="1d", rolling="3d", cumulative=False)),
    "measures": (trend, options(type="trend", every="7d", measures=[
        {"name": "a", "measure": "actors", "where": A}, {"name": "b", "measure": "actors", "where": B}],
        where=st.just(None), by=st.sampled_from([[], ["country"]]))),
    "paths": (paths, st.fixed_dictionaries({
        "type": st.just("paths"), "start": st.sampled_from([None, A]), "end": st.sampled_from([None, B]),
        "steps": st.integers(3, 4), "where": optional, "top": st.sampled_from([None, 1]),
        "edges": st.sampled_from([None, 1]), "repeats": st.sampled_from(["keep", "collapse"]),
        "timeout": st.sampled_from([None, "1h"]), "by": st.sampled_from(["event", "country"])})),
    "patterns": (patterns, options(
        type="patterns", pattern="'A' .. any", match=st.sampled_from(["shortest", "longest"]))),
}  # fmt: skip


def check(cells):
    def agree(parts, known, question):
        query = component("queries", question, "question")
        with laid(parts, known) as columns:
            answer = ask(query, columns)
            for cell, count in [*cells(answer)][:: max(1, len(answer.rows) // 6)]:
                given_ = Cell({key: value for key, value in cell.items() if key != "row"}, typed=True)
                found, same = (ask(query, columns, engine=engine, cell=given_) for engine in ("columns", "sql"))
                assert (found.rows, found.totals, found.notes) == (same.rows, same.totals, same.notes)
                if question["type"] == "trend" and question.get("measures") and "measure" not in cell:
                    assert found.totals["actors"] >= count
                else:
                    assert found.totals["actors"] == count, (cell, found.rows)

    return agree


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_people_are_as_many_as_the_number_says(name):
    cells, questions = QUESTIONS[name]
    QUICK(given(commits(), facts, questions)(check(cells)))()


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_people_are_as_many_as_the_number_says_at_length(name):
    cells, questions = QUESTIONS[name]
    THOROUGH(given(commits(), facts, questions)(check(cells)))()
