"""Readable stories: one actor, one reason, and the words for it; for every type of question."""

import pytest

from people import MONDAY, event, identify, people, store
from trackway.errors import UnknownActor
from trackway.model.time import Duration
from trackway.plan.config import component
from trackway.store.columns.ask import Asking
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake
from trackway.store.telling.explain import explain

HOME, CART, BUY = "event = 'Home'", "event = 'Cart'", "event = 'Buy'"
STEPS = [{"name": name, "when": when} for name, when in (("Home", HOME), ("Cart", CART), ("Buy", BUY))]
FUNNEL = {"type": "funnel", "steps": [STEPS[0], STEPS[2]]}


@pytest.fixture
def told(tmp_path):
    """Explains an actor (default: ann) of a story."""
    made = []

    def of(story, question, actor="ann", facts=(), most=1_000):
        made.append(question)
        folder = tmp_path / str(len(made))
        lake = store(Lake(folder / "lake"), story)
        identify(lake, facts)
        query = component("queries", question, "question")
        asking = Asking.of(query, Columns(folder / "columns", lake))
        return explain(asking, actor, most)

    return of


def verdicts(found):
    return [event["verdict"] for event in found.events]


def reasons(found):
    return {miss.rules[0]: miss.sentence for miss in found.why if len(miss.rules) == 1}


# ── funnel ──────────────────────────────────────────────────────────────────────────────────────────


def test_who_converts_is_told_step_by_step(told):
    found = told(people(ann=[("Home", "0m"), ("Other", "1m"), ("Buy", "2h")]), FUNNEL)
    assert found.sentence == "Converted: all 2 steps, in 2h from 2026-01-05 00:00 to 2026-01-05 02:00."
    assert verdicts(found) == ["step 1: Home", "", "step 2: Buy"]
    assert found.why == []
    assert [row["actors"] for row in found.rows] == [1, 1]
    assert [(event["event_id"], event["record"]) for event in found.events] == [
        ("ann-0", "1:0"), ("ann-1", "1:1"), ("ann-2", "1:2"),
    ]  # fmt: skip


def test_a_step_after_the_window_came_too_late(told):
    found = told(people(ann=[("Home", "0m"), ("Buy", "362h")], bob=[("Home", "500h")]), FUNNEL)
    assert found.sentence == (
        "Reached step 1 of 2, 'Home', at 2026-01-05 00:00; 'Buy' at 2026-01-20 02:00: "
        "too late: 'Buy' came 15d 2h after step 1, the window is 14d."
    )
    assert reasons(found) == {
        "within": "Window: 'Buy' at 2026-01-20 02:00 would complete the funnel, 15d 2h after its step 1; "
        "the window is 14d."
    }


def test_steps_in_another_order_are_told_as_such(told):
    found = told(people(ann=[("Buy", "0m"), ("Home", "1h")]), FUNNEL)
    assert "no 'Buy' comes after it ('Buy' at 2026-01-05 00:00 came before)" in found.sentence
    assert verdicts(found) == ["'Buy' before step 1", "step 1: Home"]
    assert reasons(found) == {
        "order": "Order: they came in another order, 'Buy' at 2026-01-05 00:00, 'Home' at 2026-01-05 01:00."
    }


def test_an_excluded_event_ends_the_chain(told):
    question = FUNNEL | {"exclude": ["event = 'Help'"]}
    found = told(people(ann=[("Home", "0m"), ("Help", "1h"), ("Buy", "2h")]), question)
    assert verdicts(found) == [
        "step 1: Home", "excluded by `event = 'Help'`: the chain ends",
        "'Buy' after 'Help' at 2026-01-05 01:00, which ends the chain",
    ]  # fmt: skip
    assert reasons(found) == {
        "exclude event = 'Help'": "Exclusion: 'Buy' at 2026-01-05 02:00 would complete the funnel, but "
        "'Help' at 2026-01-05 01:00 came between."
    }


def test_a_value_that_is_held_differs(told):
    story = people(ann=[("Home", "0m", {"plan": "pro"}), ("Buy", "1h", {"plan": "free"}), ("Buy", "2h")])
    found = told(story, FUNNEL | {"hold": ["plan"]})
    assert verdicts(found) == ["step 1: Home", "'Buy', but plan is 'free', was 'pro'", "'Buy', but it has no plan"]
    assert reasons(found) == {
        "hold plan": "Held value: 'Buy' at 2026-01-05 01:00 would complete the funnel, but plan is 'pro' and 'free'."
    }


def test_in_strict_order_nothing_may_come_between(told):
    found = told(people(ann=[("Home", "0m"), ("Other", "1h"), ("Buy", "2h")]), FUNNEL | {"order": "strict"})
    assert verdicts(found)[1] == "comes between, nothing may: the chain ends"
    assert reasons(found) == {
        "strict": "Strict: 'Buy' at 2026-01-05 02:00 would complete the funnel, but 'Other' at 2026-01-05 01:00 "
        "came between."
    }


def test_what_lies_outside_the_range_or_does_not_meet_where_is_told(told):
    story = people(ann=[("Home", "0m", {"x": 1}), ("Buy", "48h", {"x": 2})])
    found = told(story, FUNNEL | {"to": "2026-01-06"})
    assert verdicts(found)[1] == "outside the range"
    assert "('Buy' at 2026-01-07 00:00 is outside the range)" in found.sentence
    assert set(reasons(found)) == {"range"}
    found = told(story, FUNNEL | {"where": "x = 1"})
    assert verdicts(found)[1] == "`where` is not true"
    assert reasons(found) == {
        "where": "Where: 'Buy' at 2026-01-07 00:00 would complete the funnel; `where` is not true of "
        "'Buy' at 2026-01-07 00:00."
    }


def test_two_rules_that_only_together_keep_an_actor_back_are_told_together(told):
    story = people(ann=[("Home", "0m", {"x": 1}), ("Buy", "362h", {"x": 2})])
    found = told(story, FUNNEL | {"where": "x = 1"})
    assert [miss.rules for miss in found.why] == [("within", "where")]
    assert "neither alone suffices" in found.why[0].sentence


def test_an_optional_step_is_in_the_chain_or_not_needed(told):
    question = {"type": "funnel", "steps": [STEPS[0], STEPS[1] | {"optional": True}, STEPS[2]]}
    with_it = told(people(ann=[("Home", "0m"), ("Cart", "1h"), ("Buy", "2h")]), question)
    assert verdicts(with_it) == ["step 1: Home", "step 2: Cart", "step 3: Buy"]
    without = told(people(ann=[("Home", "0m"), ("Buy", "2h"), ("Cart", "3h")]), question)
    assert verdicts(without) == ["step 1: Home", "step 3: Buy", "'Cart' after the last step"]
    assert without.sentence.startswith("Converted")


def test_steps_in_any_order_are_numbered_as_they_were_taken(told):
    steps = [STEPS[0] | {"anchored": True}, *STEPS[1:]]
    found = told(people(ann=[("Home", "0m"), ("Buy", "1h"), ("Cart", "2h")]), {
        "type": "funnel", "steps": steps, "order": "any",
    })  # fmt: skip
    assert verdicts(found) == ["step 1: Home", "step 2: 1 of Cart, Buy", "step 3: 2 of Cart, Buy"]


def test_entries_and_sessions_are_told_apart(told):
    story = people(ann=[("Home", "0m"), ("Buy", "1m"), ("Home", "2h"), ("Buy", "4h")])
    entries = told(story, FUNNEL | {"count": "entries", "within": "10m"})
    assert entries.sentence.startswith("2 entries, 1 of them whole. The one that got furthest: Converted")
    assert verdicts(entries)[2] == "step 1 of entry 2: Home"
    sessions = told(story[2:], FUNNEL | {"count": "sessions"})
    assert reasons(sessions) == {
        "sessions": "Session: 'Buy' at 2026-01-05 04:00 would complete the funnel, but in another session than its "
        "step 1."
    }


def test_an_attempt_that_counts_may_not_be_the_one_that_would_convert(told):
    story = people(ann=[("Home", "0m"), ("Home", "3h"), ("Buy", "4h")])
    found = told(story, FUNNEL | {"mode": "first_entry", "within": "2h"})
    assert set(reasons(found)) == {"within", "mode"}
    assert "in a chain from 'Home' at 2026-01-05 03:00" in reasons(found)["mode"]


def test_who_is_not_in_the_funnel_is_told_what_is_missing(told):
    found = told(people(ann=[("Other", "0m")], bob=[("Home", "0m")]), FUNNEL)
    assert found.sentence == "Not in the funnel: no event counts as step 1, 'Home'."
    assert all(row["actors"] == 0 for row in found.rows)


# ── every other question ────────────────────────────────────────────────────────────────────────────

STORY = people(
    ann=[("Home", "0m", {"plan": "pro"}), ("Help", "1h"), ("Buy", "362h", {"plan": "free"}), ("Home", "480h")],
    bob=[("Home", "0m", {"plan": "old"}), ("Buy", "1h")],
)
LET = {"H": HOME, "B": BUY}
TOLD = [
    ({"type": "retention", "start": HOME, "return": BUY, "every": "7d"},
     "Started at 2026-01-05 00:00; returned in period 2 of 0 to 2.",
     ["start: cohort 2026-01-05", "", "returned in period 2", "`start`, but not the first"]),
    ({"type": "retention", "start": "event = 'No'", "return": BUY},
     "Never started: no event in the range counts as `start`.", ["", "", "matches return", ""]),
    ({"type": "trend", "where": BUY, "by": ["plan"]},
     "Counts with 1 event: 1 in 2026-01-20 (plan free).",
     ["`where` is not true", "`where` is not true", "counts in 2026-01-20, plan free", "`where` is not true"]),
    ({"type": "distribution", "where": HOME, "edges": [0, 2, 5]},
     "Counts with events = 2 of 2 events, in the bin from 2 to 5.",
     ["is measured", "`where` is not true", "`where` is not true", "is measured"]),
    ({"type": "distribution", "measure": "max(n)", "where": BUY, "among": HOME,
      "expressions": {"n": {"value": "case when plan = 'old' then 1 end"}}},
     "Asked, but without a number: no event has one for max(n).",
     ["asks", "`where` is not true", "is measured", "asks"]),
    ({"type": "distribution", "among": "event = 'No'"},
     "Does not count: no event in the range is one that asks (`among`).", ["", "", "", ""]),
    ({"type": "lifecycle", "when": HOME}, "New in 2026-01-05; dormant in 2026-01-12; resurrected in 2026-01-19.",
     ["active in 2026-01-05", "no activity", "no activity", "active in 2026-01-19"]),
    ({"type": "stickiness", "window": "7d"},
     "Active 1 time in the 7d from 2026-01-05; active 2 times in the 7d from 2026-01-19.",
     ["active in 2026-01-05", "active in 2026-01-05", "active in 2026-01-20", "active in 2026-01-25"]),
    ({"type": "patterns", "pattern": "H .. B within 14d", "let": LET},
     "No match of `H .. B within 14d` among 4 events that count.", ["matches H", "", "matches B", "matches H"]),
    ({"type": "patterns", "pattern": "H any B", "let": LET},
     "One match, from 'Home' at 2026-01-05 00:00 to 'Buy' at 2026-01-20 02:00, in 15d 2h.",
     ["match 1: H", "match 1: anything", "match 1: B", "matches H"]),
    ({"type": "paths", "start": HOME, "steps": 2}, "Journey: Home → Help, from 'Home' at 2026-01-05 00:00, in 1h.",
     ["step 1: Home", "step 2: Help", "", "matches start"]),
    ({"type": "paths", "end": BUY, "steps": 2}, "Journey: Help → Buy, from 'Help' at 2026-01-05 01:00, in 15d 1h.",
     ["", "step -2: Help", "step -1: Buy", ""]),
    ({"type": "experiment", "exposure": HOME, "variant": "plan", "control": "old", "within": "14d",
      "metrics": [{"name": "Bought", "when": BUY}]},
     "Exposed to 'pro' at 2026-01-05 00:00: Bought 0.",
     ["exposed: plan 'pro'", "", "too late: 'Bought' came 15d 2h after the exposure", "matches exposure"]),
    ({"type": "drivers", "steps": [STEPS[0], STEPS[2]], "properties": ["plan"]},
     ("Reached step 1 of 2, 'Home', at 2026-01-05 00:00; 'Buy' at 2026-01-20 02:00: too late: 'Buy' came 15d 2h after "
      "step 1, the window is 14d. Counted with plan 'pro' and event 'Help'."),
     ["step 1: Home", "", "too late: 'Buy' came 15d 2h after step 1, the window is 14d",
      "'Home': a chain from here gets no further"]),
]  # fmt: skip


@pytest.mark.parametrize(("question", "sentence", "events"), TOLD, ids=[q["type"] for q, _, _ in TOLD])
def test_every_question_tells_what_it_makes_of_an_actor(told, question, sentence, events):
    found = told(STORY, question)
    assert (found.sentence, verdicts(found)) == (sentence, events)


def test_the_times_in_a_pattern_are_a_rule_that_can_be_lifted(told):
    found = told(STORY, {"type": "patterns", "pattern": "H .. B within 14d", "let": LET})
    assert reasons(found)["within"].startswith("Without `within`: One match")


@pytest.mark.parametrize(
    ("question", "rule", "sentence"),
    [
        ({"type": "lifecycle", "where": "event = 'Buys'"}, "where",
         "Without `where`, which is not true of 'Home' at 2026-01-05 00:00, 'Help' at 2026-01-05 01:00 and 2 more: "),
        ({"type": "trend", "to": "2026-01-05", "from": "2026-01-01"}, "range",
         "Without the range, outside of which 'Home' at 2026-01-05 00:00, 'Help' at 2026-01-05 01:00 and 2 more lie: "),
        ({"type": "paths", "start": HOME, "end": BUY, "timeout": "30m"}, "timeout",
         "Without `timeout = 30m`: Journey: Home → Help → Buy"),
        ({"type": "paths", "start": HOME, "end": BUY, "within": "1d"}, "within", "Without `within = 1d`: Journey: "),
    ],
)  # fmt: skip
def test_a_rule_that_is_lifted_is_named_with_what_it_left_out(told, question, rule, sentence):
    assert reasons(told(STORY, question))[rule].startswith(sentence)


def test_who_saw_several_variants_is_told_to_be_left_out(told):
    story = people(ann=[("Home", "0m", {"plan": "a"}), ("Home", "1h", {"plan": "b"})])
    question = {"type": "experiment", "exposure": HOME, "variant": "plan", "metrics": [{"when": BUY}]}
    assert told(story, question).sentence == "Left out: saw several variants, 'a' and 'b'."


def test_an_expression_a_session_and_a_cohort_are_marked_as_columns_are(told):
    question = FUNNEL | {
        "steps": [HOME, "big and visit.number = 2 and cohort.buyers"],
        "expressions": {"big": {"value": "x > 1"}}, "sessions": {"visit": {"timeout": "30m"}},
        "cohorts": {"buyers": {"did": BUY}},
    }  # fmt: skip
    found = told(people(ann=[("Home", "0m"), ("Buy", "1h", {"x": 2}), ("Buy", "2h", {"x": 1})]), question)
    assert found.sentence.startswith("Converted")
    assert found.events[1]["values"] == {"big": True, "visit.number": 2, "cohort.buyers": True}


# ── who ─────────────────────────────────────────────────────────────────────────────────────────────


def test_any_id_of_a_merged_actor_means_them(told):
    story = people(ann=[("Home", "0m")], laptop=[("Buy", "1h")])
    for name in ("ann", "laptop"):
        found = told(story, FUNNEL, name, [("laptop", "ann", "0m")])
        assert (found.actor, len(found.events)) == ("ann", 2)
        assert found.sentence.startswith("Converted")
    assert found.notes == ["'laptop' is an id of 'ann'."]


def test_nobody_of_a_name_is_an_error_that_suggests_who_was_meant(told):
    with pytest.raises(UnknownActor) as error:
        told(people(anna=[("Home", "0m")], bob=[("Home", "0m")]), FUNNEL, "anma")
    assert (error.value.status, error.value.hint) == (404, "did you mean 'anna'?")
    with pytest.raises(UnknownActor, match="no event of an actor 'Ö \\\\' or 1=1'"):
        told(people(ann=[("Home", "0m")]), FUNNEL, "Ö \\' or 1=1")


def test_an_account_is_an_actor_too(told):
    story = people(
        ann=[("Home", "0m", {"account": "Müller | Co"})], bob=[("Buy", "1h", {"account": "Müller | Co"})],
        cid=[("Buy", "2h")],
    )  # fmt: skip
    question = FUNNEL | {"actor": "account"}
    found = told(story, question, "Müller | Co")
    assert found.sentence.startswith("Converted")
    with pytest.raises(UnknownActor):
        told(story, question, "ann")
    both = told(story, FUNNEL | {"actor": ["account", "event"]}, "Müller \\| Co|Home")
    assert both.sentence.startswith("Reached step 1 of 2")


def test_a_story_in_any_script_is_told(told):
    question = {"type": "funnel", "steps": ["event = 'Größe 🦊'", "event = '購入'"]}
    found = told(people(李=[("Größe 🦊", "0m"), ("購入", "1h")]), question, "李")
    assert found.sentence.startswith("Converted")


def test_of_very_many_events_those_that_matter_most_are_shown(told):
    story = [event("ann", "Home" if n == 7 else "Other", MONDAY + n * 1_000_000, {}, f"e{n}") for n in range(120_000)]
    story.append(event("ann", "Buy", MONDAY + Duration("3d").micros, {}, "last"))
    found = told(story, FUNNEL, most=50)
    assert len(found.events) == 50
    assert [event["event"] for event in found.events if event["counts"]] == ["Home", "Buy"]
    assert found.notes == ["50 of 120,001 events are shown: those that matter most, the newest."]
    assert found.stands_on["events"] == 120_001


def test_an_event_without_an_id_is_named_by_its_record(told):
    story = people(ann=[("Home", "0m"), ("Buy", "1h")])
    story[0]["event_id"] = None
    first, _ = told(story, FUNNEL).events
    assert (first["event_id"], first["record"]) == (None, "1:0")


def test_an_actor_without_events_in_the_range_is_told_so(told):
    story = people(ann=[("Home", "0m")], bob=[("Home", "72h")])
    found = told(story, FUNNEL | {"from": "2026-01-07"})
    assert found.sentence == (
        "Not in the funnel: no event counts as step 1, 'Home' ('Home' at 2026-01-05 00:00 is outside the range)."
    )
    assert set(reasons(found)) == {"range"}


def test_nobody_has_an_empty_name(told):
    with pytest.raises(UnknownActor):
        told(people(ann=[("Home", "0m")]), FUNNEL, "")
