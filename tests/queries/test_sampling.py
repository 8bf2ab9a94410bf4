"""Samples: whole actors, intervals that hold the truth, and better and better answers that end with the exact one."""

import json
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pytest
from crowds import ONE_OF_EACH, cells, crowd
from journeys import LENGTH

from trackway.errors import QuestionError, TooSparse
from trackway.plan import registry
from trackway.plan.config import component
from trackway.store.columns.ask import answers, ask
from trackway.store.columns.sampling import share_of
from trackway.store.columns.uncertainty import GROUPS, HALVES

QUESTIONS = ONE_OF_EACH | {
    "rare events": {"type": "trend", "every": "7d", "where": "event = 'D'"},
    "actors": {"type": "trend", "measure": "actors", "every": "7d", "by": ["country"], "where": "event = 'C'"},
    "narrow": {"type": "trend", "measure": "actors", "every": None, "by": ["country"], "where": "event = 'C'"},
    "largest": {"type": "trend", "measure": "actors", "every": "1d", "by": ["country", "event"], "top": 3},
}
LABELS = ("step", "period", "cohort", "time", "country")


def made(question):
    return component("queries", question, "question")


@pytest.fixture(scope="module")
def columns():
    return crowd(seed=7)


def test_every_type_of_question_is_sampled_here():
    assert {question["type"] for question in QUESTIONS.values()} == set(registry.names("queries"))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_sample_has_an_interval_for_every_number(columns, name):
    exact, sampled = (ask(made(QUESTIONS[name]), columns, now=0, sample=sample) for sample in (None, "25%"))
    assert (exact.stands_on["exact"], sampled.stands_on["exact"]) == (True, False)
    assert set(sampled.stands_on) - set(exact.stands_on) == {"share", "sampled_events", "sampled_actors", "confidence"}
    assert 0.22 < sampled.stands_on["share"] < 0.28
    assert sampled.stands_on["sampled_actors"] == round(sampled.stands_on["share"] * 8_000)
    labels = {*LABELS, "name", "event", *made(QUESTIONS[name]).labels}
    for row in sampled.rows:
        numbers = {key for key, value in row.items() if key not in labels and is_number(value)}
        assert set(row.get("intervals", {})) == numbers
        for key, interval in row["intervals"].items():
            assert interval is None or interval[0] <= row[key] <= interval[1]
    assert set(sampled.totals) - {"intervals"} == set(exact.totals)
    assert not any("intervals" in row for row in exact.rows)


@pytest.mark.parametrize("name", QUESTIONS)
def test_better_and_better_answers_end_with_the_exact_one(columns, name):
    exact = ask(made(QUESTIONS[name]), columns, now=0)
    found = list(answers(made(QUESTIONS[name]), columns, now=0, shares=[1 / 16, 1 / 4]))
    assert [answer.stands_on["exact"] for answer in found] == [False, False, True]
    events = [answer.stands_on.get("sampled_events", answer.stands_on["events"]) for answer in found]
    assert events == sorted(events)
    for part in ("rows", "totals", "notes"):
        assert json.dumps(getattr(found[-1], part)) == json.dumps(getattr(exact, part))
    again = ask(made(QUESTIONS[name]), columns, now=0, sample=0.25)
    assert [without_intervals(row) for row in found[1].rows] == [without_intervals(row) for row in again.rows]


def test_samples_too_small_to_say_anything_are_left_out_of_better_and_better_answers(columns):
    exact = ask(made(QUESTIONS["funnel"]), columns, now=0)
    found = list(answers(made(QUESTIONS["funnel"]), columns, now=0, shares=[0.001, 0.02, 0.5]))
    assert [answer.stands_on.get("sampled_actors") for answer in found] == [4_000, None]
    assert found[-1].rows == exact.rows


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def without_intervals(row):
    return {key: value for key, value in row.items() if key != "intervals"}


def test_a_small_view_is_asked_at_once():
    (only,) = answers(made(QUESTIONS["funnel"]), crowd(seed=1, actors=50), now=0)
    assert only.stands_on["exact"] is True


def test_a_sample_of_everything_is_the_exact_answer(columns):
    query = made(QUESTIONS["funnel"])
    whole = ask(query, columns, now=0, sample=1.0)
    assert whole.rows == ask(query, columns, now=0).rows
    assert whole.stands_on["exact"] is True


def test_a_sample_that_says_nothing_is_refused(columns):
    with pytest.raises(TooSparse, match=r"a sample of \d+ actors is too small") as refused:
        ask(made(QUESTIONS["funnel"]), columns, now=0, sample=100)
    assert "sample at least 200 of the 8,000 actors" in refused.value.hint


@pytest.mark.parametrize(
    ("sample", "share"),
    [("10%", 0.1), (0.1, 0.1), ("0.1", 0.1), (500, 0.5), ("500", 0.5), ("5000", 1.0), (1.0, 1.0), (1, 0.001)],
)
def test_a_sample_is_a_share_or_a_number_of_actors(sample, share):
    assert share_of(sample, 1_000) == pytest.approx(share)


@pytest.mark.parametrize("sample", ["much", "", "0", "-3", "101%", "nan", "inf", "%"])
def test_anything_else_is_told(sample):
    with pytest.raises(QuestionError, match="expected a share or a number of actors") as wrong:
        share_of(sample, 1_000)
    assert wrong.value.path == "sample"


def test_numbers_that_hang_on_a_few_actors_have_no_interval_and_a_note_says_so(columns):
    by = {**QUESTIONS["funnel by country"], "top": None}
    found = ask(made(by), columns, now=0, sample=0.1)
    few = [row for row in found.rows if row["country"] in ("li", "mc") and row["step"] == 3]
    assert few
    assert all(row["intervals"]["median_seconds"] is None for row in few if row["median_seconds"] is not None)
    assert all(row["intervals"]["rate"] is not None for row in few)
    assert any("have no interval: too few of the sampled actors" in note for note in found.notes)


def test_numbers_in_notes_are_those_of_the_sample(columns):
    asked = {"type": "trend", "measure": "actors", "by": ["country"]}
    assert ask(made(asked), columns, now=0, sample=0.2).notes[0].startswith("In the sample: An actor counts in every")


def test_an_experiment_of_a_sample_has_the_sizes_and_the_pace_of_all(columns):
    exact, sampled = (ask(made(QUESTIONS["experiment"]), columns, now=0, sample=sample) for sample in (None, 0.25))
    for of_all, some in zip(exact.totals["variants"][:3], sampled.totals["variants"][:3], strict=True):
        assert some["variant"] == of_all["variant"]
        assert some["intervals"]["actors"][0] <= of_all["actors"] <= some["intervals"]["actors"][1]
    assert sampled.rows[0]["days_needed"] == pytest.approx(exact.rows[0]["days_needed"], rel=0.2)


def test_the_halves_are_balanced():
    signs = np.array([[1 if group in half else -1 for group in range(GROUPS)] for half in HALVES])
    assert (signs @ signs.T == GROUPS * np.eye(len(HALVES))).all()
    assert (signs.sum(1) == 0).all()


# ── coverage ────────────────────────────────────────────────────────────────────────────────────────


SHORT = [name for name in QUESTIONS if name not in {"narrow", "largest", "experiment", "drivers", "measures"}]
"""Questions of whose numbers most count something, and which are quick enough to be asked a hundred times."""


def numbers(asked, exact, sampled, share) -> Iterable[tuple[str, str, float, list[float] | None]]:
    """Every number of a sample: its key, how many are to be expected behind it, the truth and the interval."""
    labels = (*LABELS, *sorted(asked.labels))
    found = cells(sampled.rows, labels)
    for key, row in cells(exact.rows, labels).items():
        if key not in found:
            continue
        count = next(row[name] for name in ("actors", "active", "value") if name in row) * share
        size = "few" if count < 20 else "some" if count < 100 else "many"
        for name, interval in found[key].get("intervals", {}).items():
            yield name, size, row[name], interval
    for name, interval in sampled.totals.get("intervals", {}).items():
        if isinstance(interval, dict):
            for inner, one in interval.items():
                yield inner, "total", exact.totals[name][inner], one
        else:
            yield name, "total", exact.totals[name], interval


def covered(worlds: int, share: float, heavy: float) -> dict[tuple[str, str, str], list[bool]]:
    """For each question, key and size, whether each interval holds the truth."""
    hits: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for seed in range(worlds):
        columns = crowd(1_000 + seed, heavy=heavy)
        for name in SHORT:
            question = QUESTIONS[name]
            exact = ask(made(question), columns, now=0)
            sampled = ask(made(question), columns, now=0, sample=share)
            for key, size, truth, interval in numbers(made(question), exact, sampled, share):
                if interval is not None:
                    hits[name, key, size].append(interval[0] - 1e-9 <= truth <= interval[1] + 1e-9)
    return hits


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    hits = covered(worlds=12, share=0.1, heavy=1.0)
    every = [hit for some in hits.values() for hit in some]
    assert len(every) > 2_000
    assert np.mean(every) > 0.94


@pytest.mark.long
@pytest.mark.parametrize(("share", "heavy"), [(0.05, 1.0), (0.1, 1.0), (0.25, 1.0), (0.1, 0.3)])
def test_intervals_hold_the_truth_at_their_stated_rate(share, heavy):
    """Of counts and rates at least 94 %, of medians and other quantiles at least 91 %, whatever their size.

    The numbers of one world hang together, so it is the worlds that are counted as tries.
    """
    worlds = 60 * LENGTH
    hits = covered(worlds=worlds, share=share, heavy=heavy)
    rates = {key: (np.mean(some), len(some)) for key, some in hits.items() if len(some) >= 100}
    for key, (rate, count) in sorted(rates.items()):
        print(*key, f"{rate:.1%} of {count}", sep="\t")
        least = 0.91 if "seconds" in key[1] or key[1].startswith("p") else 0.94
        assert rate > least - 3 * np.sqrt(0.05 * 0.95 / worlds), key
