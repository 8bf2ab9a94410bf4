"""A funnel by the interval in which chains began, and who is behind its cells: both add up with the plain answer."""

import oracle
import pytest
from crowd import DAY, TESTS, Crowd

from people import people
from trackway.errors import QuestionError

STEPS = ["event = 'A'", "event = 'B'", "event = 'C'"]
FUNNEL = {"type": "funnel", "steps": STEPS, "within": "1d"}
OPTIONS = [
    {}, {"order": "any"}, {"order": "strict"}, {"exclude": ["x = 1 or event = 'Ü x'"]}, {"hold": "y"},
    {"count": "entries"}, {"count": "entries", "mode": "reentry"}, {"count": "sessions"}, {"within": "1 session"},
    {"mode": "first_entry"}, {"from": "2026-01-06", "to": "2026-01-14"}, {"where": "event <> 'C'"},
    {"steps": [STEPS[0], {"when": STEPS[1], "optional": True}, STEPS[2]]}, {"robust": True, "precision": "2m"},
]  # fmt: skip
GROUPS = [{}, {"by": "y"}, {"by": ["x", "y"], "top": 2}]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    return Crowd(tmp_path_factory.mktemp("crowd"), 9, 80)


# ── stories ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_interval_is_complete_when_nobody_who_began_there_can_go_on(asked):
    story = people(ann=[("A", "0m"), ("B", "1h")], bob=[("A", "1d")], eve=[("A", "2d"), ("B", "71h")])
    answer = asked(story, FUNNEL | {"every": "1d"})
    rows = [row for row in answer.rows if row["step"] < 3]
    assert [(row["time"][:10], row["step"], row["actors"], row["complete"]) for row in rows] == [
        ("2026-01-05", 1, 1, True), ("2026-01-05", 2, 1, True),
        ("2026-01-06", 1, 1, False), ("2026-01-06", 2, 0, False),
        ("2026-01-07", 1, 1, False), ("2026-01-07", 2, 1, False),
    ]  # fmt: skip
    assert (answer.totals["actors"], answer.totals["open"]) == (1, 0)
    assert answer.notes == [
        "2 intervals can still change (they or their windows are not over); totals leave out the 2 who began there."
    ]


def test_intervals_that_are_not_over_count_when_asked_to(asked):
    story = people(ann=[("A", "0m"), ("B", "1h")], bob=[("A", "1d")])
    answer = asked(story, FUNNEL | {"every": "1d", "incomplete": "include"})
    assert (answer.totals["actors"], answer.totals["open"]) == (2, 1)
    assert len(answer.notes) == 2


def test_intervals_between_in_which_nobody_began_are_there(asked):
    rows = asked(people(ann=[("A", "0m"), ("A", "2d"), ("X", "9d")], bob=[("A", "49h")]), FUNNEL | {"every": "1d"}).rows
    assert [(row["actors"], row["rate"]) for row in rows if row["step"] == 1] == [(1, 1.0), (0, None), (1, 1.0)]


def test_days_of_an_interval_follow_the_time_zone(asked):
    story = people(ann=[("A", "22h")], bob=[("A", "23h"), ("X", "9d")])
    rows = asked(story, FUNNEL | {"every": "1d"}, zone="Europe/Berlin").rows
    assert [row["time"] for row in rows if row["step"] == 1] == [
        "2026-01-05T00:00:00+01:00", "2026-01-06T00:00:00+01:00"
    ]  # fmt: skip


def test_amplitudes_january(asked):
    """Step 1 on January 1, 5 and 20, step 2 on January 2 and 6: one actor; three entries, of which two convert."""
    story = people(ann=[("A", "0d"), ("B", "1d"), ("A", "4d"), ("B", "5d"), ("A", "19d"), ("X", "30d")])
    question = {"type": "funnel", "steps": STEPS[:2], "within": "2d", "every": "1mo"}
    assert [(row["actors"], row["rate"]) for row in asked(story, question).rows] == [(1, 1.0), (1, 1.0)]
    entries = asked([], question | {"count": "entries"})
    assert [row["entries"] for row in entries.rows] == [3, 2]


def test_nobody_began_anywhere(asked):
    story = people(ann=[("X", "0m")])
    assert asked(story, FUNNEL | {"every": "1d"}).rows == []
    bounded = asked([], FUNNEL | {"every": "1d", "from": "2026-01-05", "to": "2026-01-07"})
    assert [row["actors"] for row in bounded.rows] == [0] * 6
    assert asked([], FUNNEL | {"every": "1d", "by": "event"}).totals["rate"] is None


def test_too_many_intervals_are_refused(asked):
    with pytest.raises(QuestionError, match="more than 100,000 intervals"):
        asked(people(ann=[("A", "0m")], bob=[("A", "1d")]), FUNNEL | {"every": "1ms"})


# ── everything adds up ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("more", OPTIONS, ids=str)
def test_intervals_and_groups_add_up_with_the_plain_answer(crowd, more):
    question = FUNNEL | more
    unit = question.get("count", "actors")
    plain = crowd.ask(question)
    for groups in GROUPS[:: 1 if more in OPTIONS[::4] else 2]:
        timed = crowd.ask(question | groups | {"every": "1d", "incomplete": "include"})
        for row in plain.rows:
            assert sum(other[unit] for other in timed.rows if other["step"] == row["step"]) == row[unit]
        assert timed.totals == plain.totals
        closed = crowd.ask(question | groups | {"every": "1d"})
        assert closed.rows == timed.rows
        for key, step in ((unit, 1), ("converted", 3)):
            rows = [row for row in closed.rows if row["complete"] and row["step"] == step]
            assert closed.totals[key] == sum(row[unit] for row in rows)
        assert closed.totals["open"] == 0


@pytest.mark.parametrize("every", ["1d", "7d"])
def test_rows_are_those_of_the_naive_funnel_in_each_interval(crowd, every):
    for steps, within in ((STEPS, "1d"), (["event in ('A', 'B')", "x = 1 or event = 'Ü x'"], "14d")):
        naive = oracle.funnel(crowd.events, [TESTS[step] for step in steps], int(within[:-1]) * DAY)
        days = int(every[:-1])
        places = [oracle.floor(times[0], days) for _, times in naive]
        rows = crowd.ask({"type": "funnel", "steps": steps, "within": within, "every": every}).rows
        newest = max(event["time"] for event in crowd.events)
        wanted = []
        for start in range(min(places), max(places) + 1, days * DAY):
            mine = [journey for journey, place in zip(naive, places, strict=True) if place == start]
            complete = start + days * DAY - 1 + int(within[:-1]) * DAY <= newest
            when = {"time": oracle.iso(start), "complete": complete}
            wanted += [when | row for row in oracle.funnel_rows(mine, len(steps))]
        assert [{k: v for k, v in row.items() if k != "name"} for row in rows] == wanted


# ── who ─────────────────────────────────────────────────────────────────────────────────────────────


def test_people_are_named_with_the_times_of_their_steps(asked_people):
    story = people(ann=[("A", "0m"), ("B", "1h")], bob=[("A", "1d")], eve=[("A", "1d"), ("B", "25h"), ("C", "26h")])
    answer = asked_people(story, FUNNEL, "step=2,dropped")
    assert answer.rows == [
        {"actor": "ann", "step_1": "2026-01-05T00:00:00Z", "step_2": "2026-01-05T01:00:00Z", "step_3": None}
    ]
    assert answer.totals == {"actors": 1, "rows": 1}
    assert [row["actor"] for row in asked_people([], FUNNEL, "").rows] == ["bob", "eve", "ann"]


@pytest.mark.parametrize("more", OPTIONS[::3], ids=str)
def test_people_are_as_many_as_the_cell_says(crowd, more):
    question = FUNNEL | more
    unit = question.get("count", "actors")
    for groups in ({}, {"every": "1d", "by": "y", "top": 2}):
        rows = crowd.ask(question | groups).rows
        for row in rows[:: max(1, len(rows) // 2)]:
            keys = {key: row[key] for key in ("step", "name", "time", "complete", "x", "y") if key in row}
            listed = crowd.ask(question | groups, cell=keys)
            assert (listed.totals["actors"], listed.totals["rows"]) == (row["actors"], row[unit])
            assert len(listed.rows) == row[unit]
            if row["step"] < 3 and "steps" not in more:
                after = next(other for other in rows if keys | {"step": row["step"] + 1, "name": other["name"]}
                             == {key: other[key] for key in keys})  # fmt: skip
                dropped = crowd.ask(question | groups, cell=keys | {"dropped": True})
                assert dropped.totals["rows"] == row[unit] - after[unit]


def test_people_who_depend_on_an_order_are_listed(crowd):
    question = FUNNEL | {"robust": True, "precision": "2m"}
    assert crowd.ask(question, cell="tied").totals["actors"] == crowd.ask(question).totals["tied"] > 0


def test_people_are_actors_of_any_kind(crowd):
    listed = crowd.ask(FUNNEL | {"actor": ["x", "y"]}, cell="step=1")
    assert listed.totals["actors"] == crowd.ask(FUNNEL | {"actor": ["x", "y"]}).rows[0]["actors"] == len(listed.rows)
    assert len({row["actor"] for row in listed.rows}) == len(listed.rows)


def test_people_are_cut_to_the_latest_and_say_so(crowd):
    whole, some = crowd.ask(FUNNEL, cell=""), crowd.ask(FUNNEL, cell="limit=7")
    assert some.rows == whole.rows[:7]
    assert some.notes == [f"The latest 7 of {len(whole.rows)} rows are shown."]


WRONG = {
    "step=4": "from 1 to 3",
    "step=x": "expected a number",
    "step=3,dropped": "nobody drops",
    "stop=1": "no 'stop'",
    "dropped=perhaps": "true or false",
    '{"step": ': "not JSON",
    "y=nobody": "no row with y = 'nobody'",
    "limit=0": "expected a number",
    "tied": "no 'tied'",
}


@pytest.mark.parametrize("cell", WRONG)
def test_cells_there_are_not_are_refused(crowd, cell):
    with pytest.raises(QuestionError) as raised:
        crowd.ask(FUNNEL | {"by": "y"}, cell=cell)
    assert WRONG[cell] in str(raised.value)
    assert raised.value.path.startswith("people")
