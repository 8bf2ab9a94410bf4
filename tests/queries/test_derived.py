"""Named expressions, sessions and cohorts: columns, reference SQL and oracle agree, however they are nested."""

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import oracle
import oracle_derived as naive
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, HOURS, MINUTE, OWNERS, QUICK, THOROUGH, commits, condition, facts, optional

from people import MONDAY, identify, store
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

VALUES = {
    "case when x > 1 then 'large' else 'small' end": lambda e: "large" if (e["x"] or 0) > 1 else "small",
    "upper(country)": lambda e: e["country"] and e["country"].upper(),
    "x * 2": lambda e: None if e["x"] is None else e["x"] * 2,
    "coalesce(country, 'none') || '/' || event": lambda e: f"{e['country'] or 'none'}/{e['event']}",
    "hour(time)": lambda e: e["time"] // HOURS % 24,
    "x is null": lambda e: e["x"] is None,
    "null": lambda _: None,
    "7": lambda _: 7,
    "actor || '!'": lambda e: e["actor"] + "!",
    "date_trunc('day', time)": lambda e: e["time"] // (24 * HOURS) * (24 * HOURS),
}
"""Expressions of events, and the Python of each."""
TEXTS = [text for text in VALUES if text.startswith(("case", "upper", "coalesce", "actor", "null"))]
MEASURES = [
    "count", "count(x)", "count(country)", "sum(x)", "average(x)", "min(x)", "max(x)", "min(country)", "max(country)",
    "first(country)", "last(event)", "first(x)", "last(x)", "distinct(country)", "distinct(event)", "first_time",
    "last_time", "active_days", "seconds", "min(time)",
]  # fmt: skip
NUMBERS = ("count", "sum", "average", "distinct", "active_days", "seconds")
OVER = {
    "m is null": lambda e: e["m"] is None,
    "not cohort.did and visit.number = 1": lambda e: None if e["number"] is None and not e["did"]
    else not e["did"] and e["number"] == 1,
    "cohort.listed or cohort.took": lambda e: e["listed"] or e["took"],
    "v = 'large' and visit.position > 1": lambda e: _and(
        None if e["v"] is None else e["v"] == "large", None if e["position"] is None else e["position"] > 1),
    "case when cohort.took then visit.entry end": lambda e: e["entry"] if e["took"] else None,
    "visit.seconds > 60": lambda e: None if e["seconds"] is None else e["seconds"] > 60,
    "visit.number is null": lambda e: e["number"] is None,
    "coalesce(visit.events, 0) + (case when cohort.did then 10 else 0 end)": lambda e: (e["events"] or 0)
    + 10 * e["did"],
    "coalesce(s, m)": None,
}  # fmt: skip
"""Expressions over other names; `s` and `m` are put together only when they are of one kind."""
MOMENTS = [None, "2026-01-05", "2026-01-05T00:03:00", "2026-01-15", "-10d"]
NOW = MONDAY + 20 * 24 * HOURS
WITHIN = {None: None, "2m": 2 * MINUTE, "1h": HOURS, "5d": 120 * HOURS}
ANSWERED = [
    "v", "m", "s", "o", "visit.number", "visit.position", "visit.id", "visit.events", "visit.seconds", "visit.start",
    "visit.end", "visit.entry", "visit.exit", "cohort.did", "cohort.took", "cohort.listed", "cohort.both",
]  # fmt: skip


def _and(left, right):
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


ranges = st.tuples(st.sampled_from(MOMENTS), st.sampled_from(MOMENTS)).filter(
    lambda r: None in r or moment(r[0]) < moment(r[1])
)
names = st.fixed_dictionaries(
    {
        "v": st.sampled_from(sorted(VALUES)), "m": st.sampled_from(MEASURES), "m_where": optional, "m_range": ranges,
        "s": st.sampled_from(MEASURES), "s_where": optional, "o": st.sampled_from(sorted(OVER)),
        "timeout": st.sampled_from([None, "2m", "1h", "5d"]), "where": optional, "start": optional,
        "end": optional, "change": st.sampled_from([None, "country", "x", "v"]),
        "did": condition, "at_least": st.integers(0, 3), "more": st.sampled_from([None, 0, 1]), "did_range": ranges,
        "steps": st.lists(condition, min_size=1, max_size=3), "within": st.sampled_from(list(WITHIN)),
        "ids": st.lists(st.sampled_from(["ann", "bob", "phone", "tablet", "nobody"]), max_size=3),
        "nested": st.sampled_from(["", "cohort.listed", "visit.number"]),
    }
)  # fmt: skip
questions = st.fixed_dictionaries(
    {"by": st.lists(st.sampled_from(ANSWERED), min_size=1, max_size=2, unique=True),
     "measure": st.sampled_from(["events", "actors"])}
)  # fmt: skip


def moment(text):
    if text is None:
        return None
    if text == "-10d":
        return NOW - 10 * 24 * HOURS
    return MONDAY + {"2026-01-05": 0, "2026-01-05T00:03:00": 3 * MINUTE, "2026-01-15": 240 * HOURS}[text]


def written(drawn):
    """The tables of the drawn names, as a question carries them."""
    nested = drawn["nested"]
    session = {
        "timeout": drawn["timeout"], "where": drawn["where"], "start": drawn["start"], "end": drawn["end"],
        "change": drawn["change"],
    }  # fmt: skip
    if all(session[key] is None for key in ("timeout", "start", "end", "change")):
        session["timeout"] = "2m"
    if nested == "cohort.listed" and session["where"]:
        session["where"] = f"({session['where']}) and cohort.listed"
    did = drawn["did"] if nested != "visit.number" else f"({drawn['did']}) and visit.number = 1"
    least = drawn["at_least"]
    return {
        "expressions": {
            "v": {"value": drawn["v"]},
            "m": {"measure": drawn["m"], "where": drawn["m_where"], **between(drawn["m_range"])},
            "s": {"measure": drawn["s"], "where": drawn["s_where"], "session": "visit"},
            "o": {"value": drawn["o"]},
        },
        "sessions": {"visit": session},
        "cohorts": {
            "did": {
                "did": did, "at_least": least, "at_most": None if drawn["more"] is None else least + drawn["more"],
                **between(drawn["did_range"]),
            },
            "took": {"sequence": drawn["steps"], "within": drawn["within"]},
            "listed": {"ids": drawn["ids"]},
            "both": {"when": "cohort.did and not cohort.took"},
        },
    }  # fmt: skip


def between(drawn):
    return dict(zip(("from", "to"), drawn, strict=True))


def name_all(events, drawn, owned, tables):
    """Write every derived column into the event dicts, those first that others read."""
    where = CONDITIONS[drawn["where"] or "true"]
    session = tables["sessions"]["visit"]
    ids = {owned.get(id_, id_) for id_ in drawn["ids"]}
    for event in events:
        event["v"], event["listed"] = VALUES[drawn["v"]](event), event["actor"] in ids
    limited = drawn["nested"] == "cohort.listed" and drawn["where"]
    for journey in oracle.by_actor(events).values():
        naive.cut(
            journey, timeout=WITHIN[session["timeout"]],
            where=lambda e: where(e) and (not limited or e["listed"]),
            start=CONDITIONS.get(drawn["start"]), end=CONDITIONS.get(drawn["end"]), change=drawn["change"],
        )  # fmt: skip
        for event in journey:
            visit = [e for e in journey if e["number"] == event["number"]] if event["number"] else None
            name_visit(event, visit, drawn)
        counted = [e for e in journey if CONDITIONS[drawn["m_where"] or "true"](e)
                   and naive.inside(e, *map(moment, drawn["m_range"]))]  # fmt: skip
        done = [e for e in journey if CONDITIONS[drawn["did"]](e) and naive.inside(e, *map(moment, drawn["did_range"]))
                and (drawn["nested"] != "visit.number" or e["number"] == 1)]  # fmt: skip
        most = tables["cohorts"]["did"]["at_most"]
        did = len(done) >= drawn["at_least"] and (most is None or len(done) <= most)
        took = naive.took(journey, [CONDITIONS[step] for step in drawn["steps"]], WITHIN[drawn["within"]])
        for event in journey:
            event |= {"m": measure(drawn["m"], counted), "did": did, "took": took, "both": did and not took}
        for event in journey:
            event["o"] = (
                OVER[drawn["o"]](event) if OVER[drawn["o"]] else event["m"] if event["s"] is None else event["s"]
            )


def name_visit(event, visit, drawn):
    """The columns of the session of an event."""
    if visit is None:
        event |= dict.fromkeys(("s", "id", "events", "seconds", "start", "end", "entry", "exit"))
        return
    ordered = naive.in_order(visit)
    first, last = ordered[0], ordered[-1]
    event |= {
        "id": f"{event['actor']}/{event['number']}", "events": len(visit), "start": first["time"], "end": last["time"],
        "seconds": (last["time"] - first["time"]) / 1_000_000, "entry": first["event"], "exit": last["event"],
        "s": measure(drawn["s"], [e for e in visit if CONDITIONS[drawn["s_where"] or "true"](e)]),
    }  # fmt: skip


def measure(text, events):
    name, _, of = text.rstrip(")").partition("(")
    return naive.measured(*(("first_time", None) if of == "time" else (name, of or None)), events)


def label(value):
    """A value as an answer shows it; instants are recognised by their size."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if abs(value) > 1e14:
        return oracle.iso(int(value))
    return int(value) if float(value).is_integer() else value


def numeric(text):
    name = text.partition("(")[0]
    return name in NUMBERS or "(x)" in text


def timed(text):
    return "time" in text


def check(parts, known, drawn, question):
    if drawn["o"] == "coalesce(s, m)" and (
        numeric(drawn["s"]) != numeric(drawn["m"]) or timed(drawn["s"]) != timed(drawn["m"])
    ):
        drawn = {**drawn, "m": drawn["s"]}
    if drawn["o"].startswith("v = ") and drawn["v"] not in TEXTS:
        drawn = {**drawn, "v": "upper(country)"}
    tables = written(drawn)
    asked = {"type": "trend", "every": None, "top": None, **question, **tables}
    folded, reference = answers(parts, known, asked)
    for name in ("rows", "totals", "notes"):
        assert json.dumps(getattr(folded, name)) == json.dumps(getattr(reference, name))
    owned = {id_: OWNERS[id_] for id_ in known}
    events = [{**item, "actor": owned.get(item["actor"], item["actor"])} for part in parts for item in part]
    name_all(events, drawn, owned, tables)
    assert counted(folded, question["by"]) == expected(events, question)


def answers(parts, known, question):
    folder = Path(tempfile.mkdtemp())
    try:
        lake = Lake(folder / "lake")
        columns = Columns(folder / "columns", lake)
        for part in parts:
            store(lake, part)
            columns.view()
        identify(lake, [(id_, OWNERS[id_], "0m") for id_ in known])
        columns.close()
        query = component("queries", question, "question")
        found = [ask(query, columns, engine=engine, now=NOW) for engine in ("columns", "sql")]
        assert [answer.stands_on["engine"] for answer in found] == ["columns", "sql"]
        return found
    finally:
        shutil.rmtree(folder)


def counted(answer, by):
    return {tuple(row[name] for name in by): row["value"] for row in answer.rows}


def expected(events, question):
    short = [name.rpartition(".")[2] for name in question["by"]]
    keyed = [(tuple(label(event[name]) for name in short), event["actor"]) for event in events]
    return dict(Counter(key for key, _ in (set(keyed) if question["measure"] == "actors" else keyed)))


def test_names_mean_the_same_to_columns_reference_and_oracle():
    QUICK(given(commits(), facts, names, questions)(check))()


@pytest.mark.long
def test_names_mean_the_same_to_columns_reference_and_oracle_at_length():
    THOROUGH(given(commits(), facts, names, questions)(check))()
