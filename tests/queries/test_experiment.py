"""Experiments: fold, reference and a naive loop agree; and what an answer says of stories one can count by hand."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journeys import LENGTH

from people import MONDAY, event, people, store
from trackway.errors import QuestionError
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.people import Cell
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

MINUTE = 60_000_000
DAY = 1440 * MINUTE
SEEN = "event = 'Seen'"


def answer(folder, events, question, engine="columns"):
    lake = Lake(folder / "lake")
    store(lake, events)
    return ask(
        component("queries", {"type": "experiment", **question}, "q"), Columns(folder / "columns", lake), engine=engine
    )


def crowd(rates, each, **properties):
    """So many actors in each variant, of whom a share orders an hour later."""
    events = []
    for name, rate in rates.items():
        for n in range(each):
            actor = f"{name}{n}"
            events.append(event(actor, "Seen", MONDAY + n * MINUTE, {"variant": name, "amount": None}, f"{actor}s"))
            if n < rate * each:
                bought = {"variant": None, "amount": 10.0 + n % 7, **properties}
                events.append(event(actor, "Order", MONDAY + (n + 60) * MINUTE, bought, f"{actor}o"))
    return events


ORDERED = {"name": "Ordered", "when": "event = 'Order'"}


def test_a_better_variant_is_found_and_every_number_can_be_checked_by_hand(tmp_path):
    asked = {"exposure": SEEN, "variant": "variant", "control": "old", "metrics": [ORDERED]}
    found = answer(tmp_path, crowd({"old": 0.1, "new": 0.2}, 1000), asked)
    old, new = found.rows
    assert [(row["variant"], row["actors"], row["counted"], row["mean"]) for row in found.rows] == [
        ("old", 1000, 100, 0.1),
        ("new", 1000, 200, 0.2),
    ]
    assert old["difference"] is None
    # difference 0.1, its standard error sqrt((0.1 * 0.9 + 0.2 * 0.8) / 999)
    error = ((0.1 * 0.9 + 0.2 * 0.8) / 999) ** 0.5
    assert new["difference"] == pytest.approx(0.1)
    assert new["low"] == pytest.approx(0.1 - 1.961 * error, rel=1e-3)
    assert (new["lift"], new["verdict"], new["chance_better"] > 0.999) == (pytest.approx(1.0), "better", True)
    assert new["always_low"] < new["low"] < new["high"] < new["always_high"]
    assert found.totals["mismatch_p"] == 1
    assert found.notes == []


def test_a_guardrail_that_gets_worse_says_so_and_is_not_among_the_corrected(tmp_path):
    errors = {"name": "Errors", "when": "event = 'Order'", "measure": "events", "better": "lower", "guardrail": True}
    asked = {"exposure": SEEN, "variant": "variant", "control": "old", "metrics": [errors, ORDERED]}
    rows = answer(tmp_path, crowd({"old": 0.1, "new": 0.2}, 1000), asked).rows
    guard, ordered = (row for row in rows if row["variant"] == "new")
    assert (guard["verdict"], guard["guardrail"], ordered["verdict"]) == ("worse", True, "better")
    assert ordered["p_corrected"] == ordered["p_value"]


def test_who_saw_two_variants_or_whose_time_is_not_over_is_left_out_and_told(tmp_path):
    events = people(
        ann=[("Seen", "0m", {"variant": "old"}), ("Order", "1h", {"variant": None})],
        ben=[("Seen", "0m", {"variant": "old"}), ("Seen", "1h", {"variant": "new"})],
        cat=[("Seen", "0m", {"variant": "new"}), ("Order", "8d", {"variant": None})],
        dan=[("Seen", "9d", {"variant": "new"})],
        eve=[("Order", "1m", {"variant": "new"})],
    )
    asked = {"exposure": SEEN, "variant": "variant", "control": "old", "metrics": [ORDERED], "within": "7d"}
    found = answer(tmp_path, events, asked)
    assert [(row["variant"], row["actors"], row["counted"]) for row in found.rows] == [("old", 1, 1), ("new", 1, 0)]
    assert (found.totals["mixed"], found.totals["open"]) == (1, 1)
    assert len(found.notes) == 2


def test_what_was_before_narrows_the_interval_and_a_whale_is_capped(tmp_path):
    draw = np.random.default_rng(3)
    events = []
    for n in range(600):
        habit, name = float(draw.integers(1, 50)), "old" if n % 2 else "new"
        for at, what, amount in ((0, "Order", habit), (DAY, "Seen", None), (2 * DAY, "Order", habit + n % 3)):
            row = {"variant": name if what == "Seen" else None, "amount": 1e6 if n == 7 and at > DAY else amount}
            events.append(event(f"a{n}", what, MONDAY + at, row, f"{n}{at}"))
    revenue = {"name": "Revenue", "when": "event = 'Order'", "measure": "sum", "column": "amount"}
    asked = {"exposure": SEEN, "variant": "variant", "control": "old", "metrics": [revenue], "winsorize": 0.99}
    plain = answer(tmp_path / "a", events, asked).rows[1]
    adjusted = answer(tmp_path / "b", events, {**asked, "before": "7d"}).rows[1]
    wild = answer(tmp_path / "c", events, {**asked, "winsorize": None}).rows[1]
    assert (adjusted["high"] - adjusted["low"]) < 0.2 * (plain["high"] - plain["low"])
    assert (plain["high"] - plain["low"]) < 0.01 * (wild["high"] - wild["low"])


def test_unequal_groups_make_everything_doubtful_unless_they_were_meant(tmp_path):
    events = crowd({"old": 0.1}, 900) + crowd({"new": 0.1}, 600)
    asked = {"exposure": SEEN, "variant": "variant", "control": "old", "metrics": [ORDERED]}
    assert "find out why" in answer(tmp_path / "a", events, asked).notes[0]
    assert answer(tmp_path / "b", events, {**asked, "split": {"old": 0.6, "new": 0.4}}).notes == []


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"control": "none"}, "new, old"),
        ({"metrics": [{"when": "event = 'Order'", "measure": "sum", "column": "variant"}]}, "measure events"),
    ],
)
def test_a_wrong_experiment_says_what_to_do(tmp_path, change, hint):
    asked = {"exposure": SEEN, "variant": "variant", "control": "old", "metrics": [ORDERED], **change}
    with pytest.raises(QuestionError) as caught:
        answer(tmp_path, crowd({"old": 0.5, "new": 0.5}, 4), asked)
    assert hint in caught.value.hint


def test_nobody_exposed_is_an_answer_without_rows_that_count(tmp_path):
    asked = {"exposure": "event = 'Order'", "variant": "variant", "control": "old", "metrics": [ORDERED]}
    found = answer(tmp_path, crowd({"old": 0.5}, 4), asked)
    assert (found.rows, found.totals["actors"]) == ([], 0)


# ── three ways ──────────────────────────────────────────────────────────────────────────────────────

moments = st.one_of(st.integers(0, 4), st.integers(0, 60 * 24 * 20)).map(lambda minutes: MONDAY + minutes * MINUTE)
rows = st.fixed_dictionaries(
    {"variant": st.sampled_from([None, "old", "new", "ü"]), "amount": st.sampled_from([None, 1.0, 2.5, 1e6])}
)
events = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["Seen", "Order", "Other"]), moments, rows), max_size=40
)
questions = st.fixed_dictionaries(
    {
        "within": st.sampled_from([None, "1d", "5m"]), "before": st.sampled_from([None, "2d"]),
        "winsorize": st.sampled_from([None, 0.9]), "correction": st.sampled_from(["holm", "bh", "none", "bonferroni"]),
        "from": st.sampled_from([None, "2026-01-06"]), "to": st.sampled_from([None, "2026-01-20"]),
    }
)  # fmt: skip
METRICS = [
    ORDERED,
    {"name": "Orders", "when": "event = 'Order'", "measure": "events", "better": "lower", "guardrail": True},
    {"name": "Revenue", "when": "event <> 'Seen'", "measure": "sum", "column": "amount"},
]


def naive(events, asked):
    """Variant -> metric -> who took part and who counts, by plain loops."""
    start = MONDAY + DAY if asked["from"] else -1
    stop = MONDAY + 15 * DAY if asked["to"] else 1 << 62
    within = {None: 1 << 61, "1d": DAY, "5m": 5 * MINUTE}[asked["within"]]
    newest, found = max(item["time"] for item in events), {}
    for actor in {item["actor"] for item in events}:
        mine = sorted((item for item in events if item["actor"] == actor), key=lambda item: (item["time"], item["tie"]))
        seen = [e for e in mine if e["event"] == "Seen" and e["variant"] and start <= e["time"] < stop]
        if not seen or len({e["variant"] for e in seen}) > 1:
            continue
        begun = seen[0]["time"]
        if asked["within"] and begun + within > newest:
            continue
        after = [e for e in mine if begun <= e["time"] < begun + within]
        counted = found.setdefault(seen[0]["variant"], [0, 0, 0, 0])
        counted[0] += 1
        counted[1] += any(e["event"] == "Order" for e in after)
        counted[2] += any(e["event"] == "Order" for e in after)
        counted[3] += any(e["event"] != "Seen" and e["amount"] is not None for e in after)
    return found


def behind(query, columns, rows):
    """The actors of each row are as many as it says, and the same from both engines."""
    for row in rows:
        for marks, key in (({}, "actors"), ({"counted": True}, "counted")):
            cell = Cell({"metric": row["metric"], "variant": row["variant"], **marks}, typed=True)
            found, same = (ask(query, columns, engine=engine, cell=cell) for engine in ("columns", "sql"))
            assert (found.rows, found.totals) == (same.rows, same.totals)
            assert found.totals["actors"] == row[key]


def test_the_actors_of_a_variant_are_listed_and_those_a_metric_counts(asked_people):
    question = {"type": "experiment", "exposure": SEEN, "variant": "variant", "control": "old", "metrics": [
        ORDERED, {"name": "Revenue", "when": "event = 'Order'", "measure": "sum", "column": "amount"}]}  # fmt: skip
    story = crowd({"old": 0.5, "new": 1}, 2)
    found = asked_people(story, question, "variant=old,metric=Revenue")
    assert [(row["actor"], row["variant"], row["value"], row["events"]) for row in found.rows] == [
        ("old1", "old", 0.0, 0), ("old0", "old", 10.0, 1)]  # fmt: skip
    assert found.rows[1]["exposed"] == "2026-01-05T00:00:00Z"
    assert asked_people([], question, "counted").totals["actors"] == 3
    assert [row["actor"] for row in asked_people([], question, "metric=Ordered,counted=false").rows] == ["old1"]
    for cell, says in (("variant=blue", "no row with variant"), ("metric=Clicks", "no row"), ("plan=x", "have no")):
        with pytest.raises(QuestionError, match=says):
            asked_people([], question, cell)


def check(happened, options):
    made = [event("zed", "Seen", MONDAY + DAY, {"variant": "old", "amount": 1.0}, "z")]
    made += [event(actor, name, at, row, f"e{n}") for n, (actor, name, at, row) in enumerate(happened)]
    asked = {"type": "experiment", "exposure": SEEN, "variant": "variant", "control": "old", "metrics": METRICS}
    query = component("queries", {**asked, **{k: v for k, v in options.items() if v is not None}}, "q")
    folder = Path(tempfile.mkdtemp())
    try:
        lake = Lake(folder / "lake")
        half = (len(made) + 1) // 2
        for part in (made[:half], made[half:]):
            if part:
                store(lake, part)
        columns = Columns(folder / "columns", lake)
        said = []
        for engine in ("columns", "sql"):
            try:
                said.append(ask(query, columns, engine=engine))
            except QuestionError as error:
                said.append(str(error))
        if not isinstance(said[0], str):
            behind(query, columns, said[0].rows)
        columns.close()
    finally:
        shutil.rmtree(folder)
    folded, reference = said
    if isinstance(folded, str):
        assert folded == reference
        return
    for part in ("rows", "totals", "notes"):
        assert json.dumps(getattr(folded, part)) == json.dumps(getattr(reference, part))
    expected = naive(made, options)
    counted = {(row["metric"], row["variant"]): (row["actors"], row["counted"]) for row in folded.rows}
    names = [metric["name"] for metric in METRICS]
    assert {key: pair for key, pair in counted.items() if pair[0]} == {
        (name, variant): (numbers[0], numbers[k + 1])
        for variant, numbers in expected.items() for k, name in enumerate(names)
    }  # fmt: skip


@pytest.mark.long
def test_fold_reference_and_oracle_agree():
    settings(max_examples=25, suppress_health_check=list(HealthCheck))(given(events, questions)(check))()


@pytest.mark.long
def test_fold_reference_and_oracle_agree_at_length():
    settings(max_examples=100 * LENGTH, suppress_health_check=list(HealthCheck))(given(events, questions)(check))()
