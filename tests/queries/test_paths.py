"""What docs/reference/semantics.md promises of paths, by stories small enough to check by hand."""

import pytest

from people import people
from trackway.errors import ConditionError, QuestionError, TrackwayError
from trackway.plan.config import component

VISITS = people(
    ann=[("Home", "0m"), ("Search", "1m"), ("Search", "2m"), ("Item", "5m"), ("Buy", "9m")],
    bob=[("Home", "0m"), ("Item", "1m"), ("Home", "3m"), ("Search", "4m"), ("Item", "6m")],
    eve=[("Ad", "0m"), ("Home", "1m"), ("Search", "3h")],
)


def edges(answer):
    return [(row["step"], row["from"], row["to"], row["value"]) for row in answer.rows]


def test_forward_from_a_start_with_repeats_as_one_step(asked):
    answer = asked(VISITS, {"type": "paths", "start": "event = 'Home'", "steps": 3})
    assert edges(answer) == [
        (1, "Home", "Search", 2), (1, "Home", "Item", 1),
        (2, "Item", "Home", 1), (2, "Search", "Item", 1), (2, "Search", "drop-off", 1),
    ]  # fmt: skip
    assert answer.totals["journeys"] == answer.totals["actors"] == 3


def test_kept_repeats_are_steps_of_their_own(asked):
    answer = asked(VISITS, {"type": "paths", "start": "event = 'Search'", "steps": 3, "repeats": "keep"})
    assert edges(answer) == [
        (1, "Search", "Item", 1), (1, "Search", "Search", 1), (1, "Search", "drop-off", 1),
        (2, "Item", "drop-off", 1), (2, "Search", "Item", 1),
    ]  # fmt: skip


def test_backward_from_the_last_end(asked):
    answer = asked(VISITS, {"type": "paths", "end": "event = 'Item'", "steps": 3})
    assert edges(answer) == [
        (-2, "Search", "Item", 2), (-3, "Home", "Search", 2)
    ]  # fmt: skip
    assert [(node["step"], node["node"], node["value"]) for node in answer.totals["nodes"]] == [
        (-1, "Item", 2), (-2, "Search", 2), (-3, "Home", 2)
    ]  # fmt: skip


def test_backward_says_where_journeys_enter(asked):
    answer = asked(VISITS, {"type": "paths", "end": "event = 'Home'", "steps": 4})
    assert edges(answer) == [
        (-2, "Ad", "Home", 1), (-2, "Item", "Home", 1), (-2, "entry", "Home", 1),
        (-3, "entry", "Ad", 1), (-3, "Home", "Item", 1), (-4, "entry", "Home", 1),
    ]  # fmt: skip


def test_between_a_start_and_an_end_only_those_who_arrive_count_and_the_middle_of_long_journeys_is_one(asked):
    story = [*VISITS, *people(kim=[(name, f"{i}m") for i, name in enumerate(["Home", "a", "b", "c", "d", "Item"])])]
    answer = asked(story, {"type": "paths", "start": "event = 'Home'", "end": "event = 'Item'", "steps": 4})
    assert edges(answer) == [
        (1, "Home", "Item", 1), (1, "Home", "Search", 1), (1, "Home", "a", 1),
        (2, "Search", "Item", 1), (2, "a", "…", 1), (3, "…", "Item", 1),
    ]  # fmt: skip
    assert answer.totals["journeys"] == 3


def test_a_journey_between_begins_at_the_first_start_that_can_still_arrive(asked):
    story = people(ann=[("A", "0m"), ("B", "1m"), ("A", "2d"), ("C", "49h"), ("Z", "50h")])
    question = {"type": "paths", "start": "event = 'A'", "end": "event = 'Z'", "within": "1d"}
    assert edges(asked(story, question)) == [(1, "A", "C", 1), (2, "C", "Z", 1)]


def test_every_journey_counts_and_none_overlap(asked):
    story = people(ann=[(name, f"{i}m") for i, name in enumerate("ABABAB")])
    question = {"type": "paths", "start": "event = 'A'", "steps": 3, "count": "journeys"}
    assert edges(asked(story, question)) == [(1, "A", "B", 2), (2, "B", "A", 1), (2, "B", "drop-off", 1)]
    assert asked([], question).totals["actors"] == 1


def test_pauses_and_the_window_end_a_journey(asked):
    story = people(ann=[("A", "0m"), ("B", "20m"), ("C", "40m"), ("D", "2h")])
    assert edges(asked(story, {"type": "paths", "within": "30m"})) == [(1, "A", "B", 1), (2, "B", "drop-off", 1)]
    sessions = {"type": "paths", "timeout": "20m", "count": "journeys"}
    assert edges(asked([], sessions)) == [
        (1, "A", "B", 1), (1, "D", "drop-off", 1), (2, "B", "C", 1), (3, "C", "drop-off", 1)
    ]  # fmt: skip


def test_an_edge_takes_from_the_first_event_of_one_node_to_the_first_of_the_next(asked):
    answer = asked(VISITS, {"type": "paths", "start": "event = 'Search'", "durations": True})
    assert [(row["from"], row["to"], row["median_seconds"]) for row in answer.rows] == [
        ("Search", "Item", 180.0), ("Search", "drop-off", None), ("Item", "Buy", 240.0), ("Item", "drop-off", None),
        ("Buy", "drop-off", None),
    ]  # fmt: skip


def test_rare_nodes_and_rare_edges_are_together(asked):
    story = people(**{f"u{i}": [("A", "0m"), (name, "1m")] for i, name in enumerate("BBCCDÜ")})
    answer = asked(story, {"type": "paths", "top": 2})
    assert edges(answer)[:3] == [(1, "A", "B", 2), (1, "A", "C", 2), (1, "A", "other", 2)]
    assert answer.notes == ["Beyond the 2 largest nodes of a step, all are together 'other'."]
    answer = asked([], {"type": "paths", "edges": 1})
    assert edges(answer)[:2] == [(1, "other", "other", 4), (1, "A", "B", 2)]
    assert sum(node["value"] for node in answer.totals["nodes"] if node["step"] == 2) == 6


def test_nodes_by_rule_and_rewritten(asked):
    paths = ["/", "/products/17", "/products/4711/reviews", "/cart"]
    story = people(ann=[("Page", f"{i}m", {"path": path}) for i, path in enumerate(paths)])
    rewrite = [{"match": "/products/[0-9]+", "to": "/products/:id"}]
    answer = asked(story, {"type": "paths", "by": "path", "rewrite": rewrite})
    assert [row["to"] for row in answer.rows] == ["/products/:id", "/products/:id/reviews", "/cart", "drop-off"]
    rules = [{"name": "Shop", "when": "path like '/products%'"}]
    assert edges(asked([], {"type": "paths", "by": rules})) == [
        (1, "other", "Shop", 1), (2, "Shop", "other", 1), (3, "other", "drop-off", 1)
    ]  # fmt: skip


def test_nothing_matches_and_nothing_is_there(asked):
    answer = asked(VISITS, {"type": "paths", "start": "event = 'Nowhere'"})
    assert (answer.rows, answer.totals) == ([], {"journeys": 0, "actors": 0, "nodes": []})


def test_ten_thousand_nodes_and_values_that_are_no_text(asked):
    story = people(**{f"u{i}": [("A", "0m", {"n": i}), ("B", "1m", {"n": i + 0.5})] for i in range(5_000)})
    answer = asked(story, {"type": "paths", "by": "n", "top": 3, "count": "journeys"})
    assert edges(answer) == [
        (1, "other", "other", 4997), (1, 0, 0.5, 1), (1, 1, 1.5, 1), (1, 2, 2.5, 1),
        (2, "other", "drop-off", 4997), (2, 0.5, "drop-off", 1), (2, 1.5, "drop-off", 1), (2, 2.5, "drop-off", 1),
    ]  # fmt: skip


def test_journeys_go_on_over_a_change_of_the_clock(asked):
    story = people(ann=[("A", "119550m"), ("B", "119610m")])
    question = {"type": "paths", "from": "2026-03-29", "to": "2026-03-30", "durations": True}
    answer = asked(story, question, zone="Europe/Berlin")
    assert [row["median_seconds"] for row in answer.rows] == [3600.0, None]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"by": "evnt"}, ConditionError, "unknown column 'evnt'"),
        ({"by": "time"}, QuestionError, "a time of its own"),
        ({"by": "n", "rewrite": [{"match": "1", "to": "2"}]}, QuestionError, "holds no texts"),
        ({"rewrite": [{"match": "(", "to": "2"}]}, TrackwayError, "missing"),
        ({"start": "evnt = 'A'"}, ConditionError, "unknown column"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, QuestionError, "ends at"),
    ],
)
def test_what_cannot_be_asked_says_why(asked, options, error, message):
    with pytest.raises(error) as caught:
        asked(people(ann=[("A", "0m", {"n": 1})]), {"type": "paths"} | options)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 1}, "steps"),
        ({"steps": 2, "start": "true", "end": "true"}, "`steps` must be 3 or more"),
        ({"by": None}, "nothing names the nodes"),
        ({"by": []}, "nothing names the nodes"),
        ({"by": [{"name": "x", "when": "true"}], "rewrite": [{"match": "a", "to": "b"}]}, "name it in `by`"),
        ({"repeats": "drop"}, "collapse"),
        ({"count": "sessions"}, "actors"),
    ],
)
def test_a_wrong_option_says_so(options, message):
    with pytest.raises(Exception, match=message):
        component("queries", {"type": "paths"} | options, "q")
