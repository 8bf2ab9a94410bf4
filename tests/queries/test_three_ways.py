"""Law 5: the compiled fold, the reference SQL and the naive oracle give one answer, on random journeys."""

import json
import shutil
import tempfile
from pathlib import Path

import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from people import MONDAY, event, identify, store
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

MINUTE = 60_000_000
HOURS = 60 * MINUTE

CONDITIONS = {
    "event = 'A'": lambda e: e["event"] == "A",
    "event = 'B'": lambda e: e["event"] == "B",
    "event in ('A', 'C')": lambda e: e["event"] in ("A", "C"),
    "event <> 'B' and x > 1": lambda e: e["event"] != "B" and e["x"] is not None and e["x"] > 1,
    "x is null or event = 'Ü b'": lambda e: e["x"] is None or e["event"] == "Ü b",
    "not (x = 1 and event = 'A')": lambda e: e["event"] != "A" or (e["x"] is not None and e["x"] != 1),
    "x = 1 or event = 'C'": lambda e: e["x"] == 1 or e["event"] == "C",
    "country || event = 'deA'": lambda e: e["country"] is not None and e["country"] + e["event"] == "deA",
    "time >= '2026-01-05 12:00:00'": lambda e: e["time"] >= MONDAY + 12 * HOURS,
    "actor = 'ann'": lambda e: e["actor"] == "ann",
    "true": lambda _: True,
}
OWNERS = {"laptop": "ann", "phone": "bob", "tablet": "dan"}

moments = st.one_of(st.integers(0, 6), st.integers(0, 60 * 24 * 20)).map(lambda minutes: MONDAY + minutes * MINUTE)
facts = st.lists(st.sampled_from(sorted(OWNERS)), unique=True)


@st.composite
def commits(draw):
    """Events in commits: several at one instant, some late, some with nulls."""
    events = [event("zed", "A", MONDAY + 30 * HOURS, {"x": 1, "country": "de"}, "first")]
    for place in range(draw(st.integers(0, 14))):
        actor = draw(st.sampled_from(["ann", "bob", "laptop", "phone", "tablet"]))
        name = draw(st.sampled_from(["A", "B", "C", "Ü b"]))
        properties = {"x": draw(st.sampled_from([None, 1, 2])), "country": draw(st.sampled_from([None, "de", "fr"]))}
        events.append(event(actor, name, draw(moments), properties, f"e{place}"))
    cuts = sorted(draw(st.lists(st.integers(1, len(events)), max_size=2)))
    parts = [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    return [part for part in parts if part]


condition = st.sampled_from(sorted(CONDITIONS))
optional = st.one_of(st.none(), condition)
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
    folder = Path(tempfile.mkdtemp())
    try:
        lake = Lake(folder / "lake")
        columns = Columns(folder / "columns", lake)
        for part in parts:
            store(lake, part)
            columns.view()
        if parts:
            identify(lake, [(id_, OWNERS[id_], "0m") for id_ in known])
            columns.close()
        query = component("queries", question, "question")
        folded, reference = (ask(query, columns, engine=engine) for engine in ("columns", "sql"))
        assert [folded.stands_on["engine"], reference.stands_on["engine"]] == ["columns", "sql"]
    finally:
        shutil.rmtree(folder)
    for name in ("rows", "totals", "notes"):
        assert json.dumps(getattr(folded, name)) == json.dumps(getattr(reference, name))
    owned = {id_: OWNERS[id_] for id_ in known}
    events = [{**item, "actor": owned.get(item["actor"], item["actor"])} for part in parts for item in part]
    assert folded.stands_on["actors"] == len({item["actor"] for item in events})
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


QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
THOROUGH = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
QUESTIONS = [funnels, trends, retentions]


@pytest.mark.parametrize("questions", QUESTIONS, ids=["funnel", "trend", "retention"])
def test_fold_reference_and_oracle_agree(questions):
    QUICK(given(commits(), facts, questions)(check))()


@pytest.mark.long
@pytest.mark.parametrize("questions", QUESTIONS, ids=["funnel", "trend", "retention"])
def test_fold_reference_and_oracle_agree_at_length(questions):
    THOROUGH(given(commits(), facts, questions)(check))()
