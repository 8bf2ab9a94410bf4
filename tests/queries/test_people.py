"""Who is behind a number: of every question, as many actors as the number says, the same from both engines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journeys import QUICK, THOROUGH, commits, facts, laid, optional

from people import people
from trackway.errors import QuestionError
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


def drivers(answer):
    for row in rows_of(answer, "kind", "name", "value"):
        yield row, row["row"]["actors"]
        yield {**row, "converted": True}, row["row"]["converted"]
        yield {**row, "having": False}, row["row"]["without_actors"]
        yield {**row, "having": False, "converted": True}, row["row"]["without_converted"]
    yield {"converted": True}, answer.totals["converted"]


QUESTIONS = {
    "drivers": (drivers, st.fixed_dictionaries({
        "type": st.just("drivers"), "steps": st.sampled_from([[A, B], [B, A], ["true", A]]), "least": st.just(1),
        "within": st.sampled_from(["1h", "14d"]), "where": optional, "landmark": st.sampled_from([None, "2m", "1d"]),
        "properties": st.sampled_from([None, ["country", "x"]]), "events": st.sampled_from([None, []])})),
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
        type="trend", measure=st.sampled_from(["actors", "events"]), every=st.sampled_from([None, "1d", "7d"]),
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
            named = [*cells(answer)]
            for cell, count in named[:: len(named) // 4 + 1]:
                given_ = Cell({key: value for key, value in cell.items() if key != "row"}, typed=True)
                found, same = (ask(query, columns, engine=engine, cell=given_) for engine in ("columns", "sql"))
                assert (found.rows, found.totals, found.notes) == (same.rows, same.totals, same.notes)
                if question["type"] == "trend" and question.get("measures") and "measure" not in cell:
                    assert found.totals["actors"] >= count
                elif question.get("measure") == "events":
                    assert min(count, 1) <= found.totals["actors"] <= count
                else:
                    assert found.totals["actors"] == count, (cell, found.rows)

    return agree


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_people_are_as_many_as_the_number_says(name):
    cells, questions = QUESTIONS[name]
    settings(QUICK, max_examples=10)(given(commits(), facts, questions)(check(cells)))()


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_people_are_as_many_as_the_number_says_at_length(name):
    cells, questions = QUESTIONS[name]
    THOROUGH(given(commits(), facts, questions)(check(cells)))()


# ── stories ─────────────────────────────────────────────────────────────────────────────────────────

WEEKS = people(
    ann=[("A", "1h", {"plan": "pro"}), ("B", "8d"), ("A", "15d")], bob=[("A", "2h", {"plan": "free"}), ("A", "16d")],
    cid=[("B", "9d", {"plan": "pro"}), ("C", "9d")], dan=[("A", "3h")],
)  # fmt: skip
NAMES = {
    "lifecycle": {"type": "lifecycle", "every": "7d"},
    "stickiness": {"type": "stickiness", "every": "7d", "window": "1mo"},
    "ratio": {"type": "stickiness", "show": "ratio", "every": "7d", "window": "14d"},
    "retention": {"type": "retention", "start": A, "return": "true", "every": "7d"},
    "trend": {"type": "trend", "every": "7d", "by": "plan", "top": 1},
    "paths": {"type": "paths", "repeats": "keep", "steps": 3, "top": 1},
    "patterns": {"type": "patterns", "pattern": "'A' .. any"},
    "distribution": {"type": "distribution", "measure": "events", "edges": [1, 2, 3]},
}


@pytest.mark.parametrize(
    ("name", "cell", "who"),
    [
        ("lifecycle", "time=2026-01-12T00:00:00Z", ["ann", "cid"]),
        ("lifecycle", "time=2026-01-12T00:00:00Z,state=new", ["cid"]),
        ("lifecycle", "time=2026-01-12T00:00:00Z,state=dormant", ["bob", "dan"]),
        ("lifecycle", "state=resurrected", ["bob"]),
        ("stickiness", "active_intervals=2", ["bob"]),
        ("stickiness", "active_intervals=2,at_least", ["bob", "ann"]),
        ("stickiness", "", ["bob", "ann", "cid", "dan"]),
        ("ratio", "time=2026-01-19T00:00:00Z", ["bob", "ann"]),
        ("ratio", "time=2026-01-19T00:00:00Z,lately", ["bob", "ann", "cid"]),
        ("retention", "cohort=2026-01-05T00:00:00Z", ["bob", "ann", "dan"]),
        ("retention", "cohort=2026-01-05T00:00:00Z,period=2", ["bob", "ann"]),
        ("retention", "period=1,returned=false", ["bob", "dan"]),
        ("trend", "time=2026-01-05T00:00:00Z", ["bob", "ann", "dan"]),
        ("trend", "plan=other,time=2026-01-05T00:00:00Z", ["bob", "ann"]),
        ("paths", "step=1,from=A,to=drop-off", ["dan"]),
        ("paths", "step=1,from=other", ["cid"]),
        ("patterns", "", ["bob", "ann"]),
        ("distribution", "low=2,high=3", ["bob", "cid"]),
    ],
)
def test_a_cell_names_its_actors_the_latest_first(asked_people, name, cell, who):
    assert [row["actor"] for row in asked_people(WEEKS, NAMES[name], cell).rows] == who


def test_people_are_told_with_their_last_event(asked_people):
    found = asked_people(WEEKS, NAMES["lifecycle"], "state=new,limit=1")
    assert found.rows == [{"actor": "bob", "last_event": "2026-01-21T00:00:00Z"}]
    assert found.totals == {"actors": 4, "rows": 4}
    assert found.notes == ["The latest 1 of 4 rows are shown."]


def test_people_of_several_measures_are_those_of_any_or_of_one(asked_people):
    measures = [{"name": "a", "measure": "events", "where": A}, {"name": "b", "measure": "actors", "where": B}]
    question = {"type": "trend", "every": None, "measures": measures, "formula": "a / b"}
    for cell, who in (("", 4), ("measure=a", 3), ("measure=b", 2)):
        assert asked_people(WEEKS, question, cell).totals["actors"] == who


def test_people_of_a_trailing_window_are_those_of_the_whole_window(asked_people):
    question = {"type": "trend", "measure": "actors", "every": "7d", "rolling": "14d"}
    assert asked_people(WEEKS, question, "time=2026-01-19T00:00:00Z").totals["actors"] == 3


def test_people_are_actors_of_any_kind(asked_people):
    """Those without a plan are nobody, and a plan is one actor."""
    question = {**NAMES["retention"], "actor": "plan"}
    assert [row["actor"] for row in asked_people(WEEKS, question, "period=0").rows] == ["pro", "free"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_of_nothing_there_are_no_people(asked_people, name):
    found = asked_people(WEEKS, NAMES[name] | {"where": "event = 'Z'"}, "")
    assert (found.rows, found.totals["actors"]) == ([], 0)


@pytest.mark.parametrize(
    ("name", "cell", "says"),
    [
        ("lifecycle", "state=newish", "nobody is 'newish'"),
        ("lifecycle", "when=x", "have no 'when'"),
        ("lifecycle", "time=2020-01-01", "the answer has no row with time = '2020-01-01'"),
        ("stickiness", "lately", "have no 'lately'"),
        ("ratio", "at_least", "have no 'at_least'"),
        ("retention", "returned=maybe", "expected true or false"),
        ("retention", "period=40", "no row with period"),
        ("trend", "measure=a", "have no 'measure'"),
        ("paths", "step=9", "no row with step"),
        ("patterns", "plan=pro", "have no 'plan'"),
        ("trend", "limit=0", "expected a number"),
    ],
)
def test_a_cell_there_is_not_is_refused(asked_people, name, cell, says):
    with pytest.raises(QuestionError, match=says):
        asked_people(WEEKS, NAMES[name], cell)
