"""The worked examples of the field: what its documentation says a funnel counts, and what ours counts of the same.

Each names where its facts come from. Where we count otherwise by default, both are shown.
"""

import pytest

from people import people
from trackway.errors import ConfigError


def steps(letters, **options):
    return [{"name": letter, "when": f"event = '{letter}'"} | options.get(letter, {}) for letter in letters]


def reached(answer, counted="actors"):
    return [row[counted] for row in answer.rows]


def letters(text, minutes=10):
    """A story of one letter every so many minutes; a hyphen is nothing."""
    return [(letter, f"{place * minutes}m") for place, letter in enumerate(text) if letter != "-"]


# ── Interana / Scuba: the migration workbook, "Creating a 2.x funnel with a 3.x flow" ───────────────

WORKBOOK = {
    "Alice": "ABCDA---CCBB--CABBABB--",
    "Ben": "BBAA-A-A--BACDDED-D---D",
    "Carol": "DDCDCCD-A---C--DACCA-A-",
    "Dean": "CACACAC---CAAA-CAA-CAAA",
    "Ellie": "A---A---A---A---A---A--",
    "Francisco": "A-A-A-A---A-A---AA---AA",
    "Gene": "ABCABC---ABCABC---ABCAB",
    "Heather": "C---AB---C---ABB---CC--",
    "Ingrid": "AAAAAAABCAAABCAAABCAABC",
    "Jessica": "A---------B---------C--",
}
"""Ten users, one action every ten minutes."""


@pytest.fixture
def workbook():
    return people(**{name: letters(text) for name, text in WORKBOOK.items()})


def test_the_workbook_has_ten_events_in_its_first_interval_and_six_in_its_second(workbook):
    times = [item["time"] for item in workbook]
    assert [times.count(time) for time in sorted(set(times))[:2]] == [10, 6]


def test_six_of_the_workbook_s_ten_users_complete_a_b_c(asked, workbook):
    assert reached(asked(workbook, {"type": "funnel", "steps": steps("ABC")})) == [10, 6, 6]


def test_within_half_an_hour_the_slow_ones_of_the_workbook_drop_out(asked, workbook):
    assert reached(asked(workbook, {"type": "funnel", "steps": steps("ABC"), "within": "30m"})) == [10, 5, 3]


def test_gene_passes_the_funnel_five_times_and_begins_a_sixth(asked):
    answer = asked(
        people(gene=letters(WORKBOOK["Gene"])), {"type": "funnel", "steps": steps("ABC"), "count": "entries"}
    )
    assert (reached(answer, "entries"), reached(answer)) == ([6, 6, 5], [1, 1, 1])
    assert answer.totals["converted"] == 5


def test_strict_order_wants_the_three_letters_side_by_side(asked, workbook):
    assert reached(asked(workbook, {"type": "funnel", "steps": steps("ABC"), "order": "strict"})) == [10, 6, 5]


# ── Mixpanel: Funnels Advanced Concepts ─────────────────────────────────────────────────────────────

WINDOW = [("A", "60m"), ("A", "90m"), ("B", "105m"), ("C", "135m")]
"""A at 1:00, A at 1:30, B at 1:45, C at 2:15; a window of an hour."""


def test_the_first_entry_starts_the_clock_and_is_not_restarted(asked):
    question = {"type": "funnel", "steps": steps("ABC"), "within": "1h"}
    assert reached(asked(people(user=WINDOW), question | {"mode": "first_entry"})) == [1, 1, 0]
    assert reached(asked(people(user=WINDOW), question)) == [1, 1, 1]


REENTRY = {
    "after the window": ([("A", "0m"), ("A", "3h"), ("B", "210m")], 2, 1),
    "in the window": ([("A", "0m"), ("A", "30m"), ("B", "70m")], 2, 1),
}


@pytest.mark.parametrize("scenario", sorted(REENTRY))
def test_reentry_converts_who_the_first_entry_does_not(asked, scenario):
    story, entries, converted = REENTRY[scenario]
    question = {"type": "funnel", "steps": steps("AB"), "within": "1h"}
    assert reached(asked(people(user=story), question | {"mode": "first_entry"})) == [1, 0]
    assert reached(asked(people(user=story), question | {"mode": "reentry"})) == [1, 1]
    assert reached(asked(people(user=story), question)) == [1, 1]
    counted = asked(people(user=story), question | {"mode": "reentry", "count": "entries"})
    assert (reached(counted, "entries"), counted.totals["rate"]) == ([entries, converted], 0.5)


def test_of_several_entries_before_step_two_the_most_recent_is_recorded(asked):
    story = people(user=[("A", "0m"), ("A", "10m"), ("A", "20m"), ("B", "30m")])
    question = {"type": "funnel", "steps": steps("AB"), "within": "1h", "count": "entries"}
    recent = asked(story, question | {"mode": "reentry"})
    first = asked(story, question | {"mode": "first_entry"})
    assert [reached(answer, "entries") for answer in (recent, first)] == [[1, 1], [1, 1]]
    assert [answer.totals["seconds"]["p50"] for answer in (recent, first)] == [600.0, 1800.0]


def test_two_conversions_are_one_actor_and_two_entries(asked):
    story = people(user=letters("ABAB"))
    assert reached(asked(story, {"type": "funnel", "steps": steps("AB"), "mode": "reentry"})) == [1, 1]
    assert reached(asked(story, {"type": "funnel", "steps": steps("AB"), "count": "entries"}), "entries") == [2, 2]


@pytest.mark.parametrize(("journey", "deepest"), [("ABCDE", 5), ("ABFCDE", 5), ("ABDCDE", 5), ("ABCE", 3)])
def test_specific_order_lets_other_events_come_between(asked, journey, deepest):
    answer = asked(people(user=letters(journey)), {"type": "funnel", "steps": steps("ABCDE")})
    assert sum(reached(answer)) == deepest


def test_an_excluded_step_ends_the_entry_and_the_next_one_may_convert(asked):
    story = people(user=letters("AAAB"))
    question = {"type": "funnel", "steps": steps("AB"), "exclude": ["event = 'A'"]}
    totals = asked(story, question | {"count": "entries"})
    assert reached(totals, "entries") == [2, 1]
    assert reached(asked(story, question | {"mode": "first_entry"})) == [1, 0]
    assert reached(asked(story, question)) == [1, 1]


def test_exclusion_between_chosen_steps_leaves_the_others_alone(asked):
    story = people(
        one=letters("VAKP"), more=letters("VAAKP"), early=letters("AVAKP"), late=letters("VAKAP")
    )  # fmt: skip
    between = {"when": "event = 'A'", "after": 2, "before": 3}
    question = {"type": "funnel", "steps": steps("VAKP"), "mode": "first_entry", "exclude": [between]}
    assert reached(asked(story, question)) == [4, 4, 3, 3]


BASKET = [("browse", "0m", {"item": "hat"}), ("browse", "1m", {"item": "shoe"}), ("add", "2m", {"item": "shoe"}),
          ("buy", "3m", {"item": "shoe"})]  # fmt: skip
SHOP = [{"name": name, "when": f"event = '{name}'"} for name in ("browse", "add", "buy")]


def test_holding_the_item_constant(asked):
    mixed = [("browse", "0m", {"item": "hat"}), ("add", "1m", {"item": "shoe"}), ("buy", "2m", {"item": "hat"})]
    story = people(same=BASKET, mixed=mixed, unknown=[(name, after, {"item": None}) for name, after, _ in mixed])
    question = {"type": "funnel", "steps": SHOP, "hold": "item"}
    assert reached(asked(story, question)) == [2, 1, 1]
    assert reached(asked(story, question | {"mode": "first_entry"})) == [2, 0, 0]
    entries = asked(story, question | {"count": "entries"})
    assert (reached(entries, "entries"), reached(entries)) == ([3, 1, 1], [2, 1, 1])


def test_any_order_with_an_anchor(asked):
    story = people(right=letters("ACBD"), wrong=letters("BACD"), early=letters("ABDC"), part=letters("AC"))
    anchored = steps("ABCD", A={"anchored": True}, D={"anchored": True})
    answer = asked(story, {"type": "funnel", "steps": anchored, "order": "any"})
    assert [row["name"] for row in answer.rows] == ["A", "1 of B, C", "2 of B, C", "D"]
    assert reached(answer) == [4, 4, 2, 1]


# ── Amplitude: Funnel Analysis FAQ ──────────────────────────────────────────────────────────────────


def test_the_january_user_is_one_conversion_and_two_of_three_entries(asked):
    """Step 1 on January 1, 5 and 20, step 2 on January 2 and 6: converted, but not of January 20."""
    story = people(user=[("one", "1d"), ("two", "2d"), ("one", "5d"), ("two", "6d"), ("one", "20d")])
    question = {"type": "funnel", "steps": ["event = 'one'", "event = 'two'"], "within": "1d"}
    assert reached(asked(story, question)) == [1, 1]
    assert reached(asked(story, question | {"count": "entries"}), "entries") == [3, 2]


# ── ClickHouse: issues about windowFunnel ───────────────────────────────────────────────────────────


def test_one_event_is_not_two_steps(asked):
    """Issues 21835 and 34986: two equal conditions and one event are one step."""
    twice = ["event = 'A'", "event = 'A'"]
    story = people(one=[("A", "0m")], far=[("A", "0m"), ("A", "100m")], near=[("A", "0m"), ("A", "5m")])
    assert reached(asked(story, {"type": "funnel", "steps": twice, "within": "50m"})) == [3, 1]


def test_three_visits_of_which_two_at_one_instant_are_three_steps(asked):
    """PostHog issue 25048 and ClickHouse 34986: a page seen at 100, 100 and 300."""
    pages = ["event = 'page'"] * 3
    assert reached(asked(people(user=[("page", "1m"), ("page", "1m"), ("page", "5m")]),
                         {"type": "funnel", "steps": pages})) == [1, 1, 1]  # fmt: skip


def test_a_repeated_sub_chain_does_not_hide_the_whole_one(asked):
    """Pull request 112629 and issue 37177: install, start, login, install, start, install, start, login, end."""
    story = people(user=letters("ISLISISLE", minutes=1))
    assert reached(asked(story, {"type": "funnel", "steps": steps("ISLE"), "within": "14m"})) == [1, 1, 1, 1]
    assert reached(asked(story, {"type": "funnel", "steps": steps("ISLE"), "within": "3m"})) == [1, 1, 1, 1]
    assert reached(asked(story, {"type": "funnel", "steps": steps("ISLE"), "order": "strict"})) == [1, 1, 1, 1]


def test_a_b_d_c_d_stops_at_b_only_if_nothing_may_come_between(asked):
    """The documentation's example of strict_order."""
    question = {"type": "funnel", "steps": steps("ABCD")}
    assert reached(asked(people(user=letters("ABDCD")), question)) == [1, 1, 1, 1]
    assert reached(asked(people(user=letters("ABDCD")), question | {"order": "strict"})) == [1, 1, 0, 0]


# ── four rows in one second ─────────────────────────────────────────────────────────────────────────


def test_two_steps_in_one_second_convert(asked):
    """rybbit issue 1133: both pages in one whole second were a conversion of nobody."""
    story = people(ann=[("checkout", "0s"), ("cart", "0s")], bob=[("cart", "0s"), ("checkout", "0s")])
    question = {"type": "funnel", "steps": ["event = 'cart'", "event = 'checkout'"]}
    for more in ({}, {"order": "strict"}, {"mode": "first_entry"}, {"count": "sessions"}, {"count": "entries"}):
        answer = asked(story, question | more)
        assert reached(answer) == [2, 2]
        assert answer.totals["seconds"]["p50"] == 0.0


# ── optional steps, sessions, groups ────────────────────────────────────────────────────────────────


def test_an_optional_step_is_counted_and_never_breaks_a_chain(asked):
    story = people(with_=letters("ABC"), without=letters("AC"), stopped=letters("AB"), started=letters("A"))
    answer = asked(story, {"type": "funnel", "steps": steps("ABC", B={"optional": True})})
    assert reached(answer) == [4, 2, 2]
    assert [row["step_rate"] for row in answer.rows] == [None, 0.5, 0.5]
    assert [row["step_median_seconds"] for row in answer.rows] == [None, 600.0, 900.0]


def test_a_window_in_sessions(asked):
    story = people(
        one=[("A", "0m"), ("B", "29m")], two=[("A", "0m"), ("B", "31m")],
        three=[("A", "0m"), ("x", "40m"), ("B", "80m")], long=[("A", "0m"), ("x", "30m"), ("B", "60m")],
    )  # fmt: skip
    question = {"type": "funnel", "steps": steps("AB")}
    within = [reached(asked(story, question | {"within": f"{n} sessions"})) for n in (1, 2, 3)]
    assert within == [[4, 2], [4, 3], [4, 4]]
    sessions = asked(story, question | {"count": "sessions"})
    assert (reached(sessions, "sessions"), reached(sessions)) == ([4, 2], [4, 2])


def test_a_session_is_not_cut_at_midnight(asked):
    story = people(owl=[("A", "1435m"), ("B", "1445m")])
    assert reached(asked(story, {"type": "funnel", "steps": steps("AB"), "within": "1 session"})) == [1, 1]


def test_a_group_is_taken_from_the_event_the_attribution_names(asked):
    story = people(
        ann=[("A", "0m", {"ad": "x"}), ("A", "1m", {"ad": "y"}), ("B", "2m", {"ad": "z"})],
        bob=[("A", "0m", {"ad": "x"})],
    )
    found = {}
    for attribution in ("first", "last", "step 1", "step 2", "all"):
        question = {"type": "funnel", "steps": steps("AB"), "by": "ad", "attribution": attribution}
        answer = asked(story, question)
        found[attribution] = {row["ad"]: row["actors"] for row in answer.rows if row["step"] == 1}
    assert found == {
        "first": {"x": 2}, "last": {"x": 1, "z": 1}, "step 1": {"x": 1, "y": 1}, "step 2": {"z": 1, None: 1},
        "all": {"x": 1, "y": 1, "z": 1},
    }  # fmt: skip


def test_the_groups_of_all_are_together_nobody_twice_in_the_rest(asked):
    story = people(ann=[("A", "0m", {"ad": "x"}), ("B", "1m", {"ad": "y"})], bob=[("A", "0m", {"ad": "z"})])
    question = {"type": "funnel", "steps": steps("AB"), "by": "ad", "attribution": "all", "top": 1}
    answer = asked(story, question)
    assert [(row["ad"], row["actors"]) for row in answer.rows] == [("x", 1), ("x", 1), ("other", 2), ("other", 1)]
    assert answer.notes[:2] == [
        "2 smaller groups are together 'other'.",
        "Actors are in every group that their chain touches; groups do not add up.",
    ]


def test_nobody_is_an_answer_to_every_option(asked):
    for more in (
        {"order": "strict"},
        {"count": "sessions"},
        {"count": "entries", "hold": "event"},
        {"within": "1 session"},
    ):
        answer = asked(people(ann=[("X", "0m")]), {"type": "funnel", "steps": steps("AB")} | more)
        assert (reached(answer), answer.totals["rate"]) == ([0, 0], None)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────

REFUSED = [
    ({"count": "entries", "mode": "any"}, "question.mode", "first_entry"),
    ({"count": "sessions", "within": "2 sessions"}, "question.within", "1 session"),
    ({"within": "0 sessions"}, "question.within", ""),
    ({"attribution": "step 4"}, "question.attribution", "3"),
    ({"attribution": "middle"}, "question.attribution", ""),
    ({"steps": steps("AB", A={"optional": True})}, "question.steps[0]", "leave"),
    ({"steps": steps("AB", B={"optional": True})}, "question.steps[1]", "leave"),
    ({"steps": steps("ABC", B={"anchored": True})}, "question.steps[1]", "leave"),
    ({"order": "any", "steps": steps("ABC", B={"optional": True})}, "question.steps[1]", "anchor"),
    ({"order": "any", "steps": steps("ABCDEFG")}, "question.steps", "anchor"),
    ({"exclude": [{"when": "event = 'X'", "after": 2, "before": 2}]}, "question.exclude[0]", "earlier"),
    ({"exclude": [{"when": "event = 'X'", "before": 4}]}, "question.exclude[0]", "3"),
    ({"exclude": [{"when": "event = 'X'", "after": 2}], "steps": steps("ABC", B={"optional": True})},
     "question.exclude[0]", "always"),
    ({"order": "strict", "steps": steps("ABCDEFGHIJKLMNOP")}, "question.exclude", "16"),
    ({"hold": ["a", "b", "c", "d"]}, "question.hold", ""),
]  # fmt: skip


@pytest.mark.parametrize(("options", "path", "hint"), REFUSED)
def test_what_contradicts_itself_is_refused_with_what_to_do(asked, options, path, hint):
    with pytest.raises(ConfigError) as error:
        asked(people(ann=[("A", "0m")]), {"type": "funnel", "steps": steps("ABC")} | options)
    assert error.value.path == path
    assert hint in error.value.hint


def test_a_held_column_that_does_not_exist_is_named_with_a_suggestion(asked):
    with pytest.raises(Exception, match="did you mean 'plan'"):
        asked(people(ann=[("A", "0m", {"plan": "x"})]), {"type": "funnel", "steps": steps("AB"), "hold": "plam"})
