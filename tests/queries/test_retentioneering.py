"""Agreement with retentioneering 5 on the shop data it ships, where its definitions are ours.

It lives in an environment of its own (`make retentioneering`) and is asked by a script, tests/retentioneering. Where
definitions differ, docs/reference/semantics.md has a table; what it says is tested here.
"""

import csv
import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from people import event, store
from trackway.model.time import instant
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.people import Cell
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv/retentioneering/bin/python"
PATHS = ("user_id", "session_id")
BUYING = ["product_view", "add_to_cart", "cart", "shipping_details", "payment_details", "purchase"]
FUNNELS = [
    [path, steps] for path in PATHS
    for steps in (BUYING, ["catalog", "search", "catalog"], ["purchase", "review_page"], ["home", "home", "home"])
]  # fmt: skip
CONVERSIONS = [
    [path, start, end, within] for path in PATHS for start, end in (("add_to_cart", "purchase"), ("search", "home"))
    for within in ("2m", "1h", "30d")
]  # fmt: skip
ANCHOR = "add_to_cart"
TIMEOUTS = ["30s", "2m", "30m"]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PYTHON.exists(), reason="retentioneering is not here: make retentioneering"),
]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """What retentioneering says, who is given a home of its own and no network."""
    asked = {"funnels": FUNNELS, "conversions": CONVERSIONS, "anchor": ANCHOR, "timeouts": TIMEOUTS}
    script = ROOT / "tests/retentioneering/their_numbers.py"
    home = {"HOME": str(tmp_path_factory.mktemp("home"))}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | home
    done = subprocess.run(
        [PYTHON, script], input=json.dumps(asked), capture_output=True, text=True, timeout=300, env=clean, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tried"] == [], "it wanted to connect somewhere"
    return found


def questions(root, path, *, apart):
    """Asks our questions of the shop data, events at one instant in the order of the file.

    With `apart`, they come a microsecond after each other: a funnel takes equal times in the order of its steps.
    """
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    events, before, moved = [], None, 0
    for place, row in enumerate(rows):
        same = (row["user_id"], row["timestamp"])
        moved, before = (moved + apart if same == before else 0), same
        properties = {"session_id": row["session_id"]}
        one = event(row["user_id"], row["event"], instant(row["timestamp"]) + moved, properties, str(place))
        events.append(one | {"tie": place})
    columns = Columns(root / "columns", store(Lake(root / "lake"), events))

    def asked(cell=None, **question):
        if question.get("actor") == "user_id":
            del question["actor"]
        return ask(component("queries", question, "question"), columns, cell=cell)

    return asked


@pytest.fixture(scope="module")
def ours(theirs, tmp_path_factory):
    return questions(tmp_path_factory.mktemp("shop"), theirs["data"], apart=False)


@pytest.fixture(scope="module")
def apart(theirs, tmp_path_factory):
    return questions(tmp_path_factory.mktemp("apart"), theirs["data"], apart=True)


def is_(name):
    return f"event = '{name}'"


@pytest.mark.parametrize("place", range(len(FUNNELS)), ids=lambda place: f"{FUNNELS[place][0]} {FUNNELS[place][1][0]}")
def test_a_funnel_without_a_window(ours, apart, theirs, place):
    """Events at one instant break a funnel there when they stand in another order than its steps; never here."""
    path, steps = FUNNELS[place]
    question = {"type": "funnel", "actor": path, "steps": [is_(name) for name in steps], "within": "3650d"}
    assert [row["actors"] for row in apart(**question).rows] == theirs["funnels"][place]
    assert all(row["actors"] >= n for row, n in zip(ours(**question).rows, theirs["funnels"][place], strict=True))


@pytest.mark.parametrize("place", range(len(CONVERSIONS)), ids=lambda place: " ".join(CONVERSIONS[place]))
def test_a_conversion_within_a_time_is_a_funnel_of_first_entries(apart, theirs, place):
    path, start, end, within = CONVERSIONS[place]
    found = apart(type="funnel", actor=path, steps=[is_(start), is_(end)], within=within, mode="first_entry")
    assert [row["actors"] for row in found.rows] == theirs["conversions"][place]


@pytest.mark.parametrize("path", PATHS)
def test_a_transition_is_a_pattern_of_two_neighbours(ours, theirs, path):
    """Of one event to itself three in a row are two transitions there, and here one match: matches share no event."""
    for edge, (count, unique, seconds) in theirs["transitions"][path].items():
        start, end = edge.split(" → ")
        pattern = (
            f"^ '{end}'" if start == "path_start" else f"'{start}' $" if end == "path_end" else f"'{start}' '{end}'"
        )
        found = ours(type="patterns", actor=path, pattern=pattern).totals
        assert found["matched"] == unique, edge
        if start != end:
            assert found["matches"] == count, edge
            assert seconds is None or found["seconds"]["p50"] == seconds, edge
        else:
            assert found["matches"] <= count <= 2 * found["matches"], edge


def shares(answer):
    """Step → node → share of the journeys."""
    found = {}
    for node in answer.totals["nodes"]:
        found.setdefault(node["step"], {})[node["node"]] = pytest.approx(node["share"])
    return found


def real(step):
    return {name: share for name, share in step.items() if not name.startswith("path_")}


@pytest.mark.parametrize("path", PATHS)
def test_the_step_matrix_is_the_nodes_of_paths(ours, theirs, path):
    found = shares(ours(type="paths", actor=path, steps=6, repeats="keep", top=None))
    assert {str(step): nodes for step, nodes in found.items()} == {
        step: real(nodes) for step, nodes in theirs["steps"][path].items() if step != "0"
    }


@pytest.mark.parametrize("path", PATHS)
def test_the_step_matrix_around_an_event_is_paths_from_and_to_it(ours, theirs, path):
    """Forward from the first such event; backward ours reads from the last, so all before it are another question."""
    matrix = {int(step): real(nodes) for step, nodes in theirs["centred"][path].items()}
    ahead = shares(ours(type="paths", actor=path, start=is_(ANCHOR), steps=5, repeats="keep", top=None))
    assert ahead == {step + 1: nodes for step, nodes in matrix.items() if step >= 0}
    first = {"first": {"measure": "first_time", "where": is_(ANCHOR)}}
    back = shares(ours(
        type="paths", actor=path, end=is_(ANCHOR), steps=5, repeats="keep", top=None, where="time <= first",
        expressions=first,
    ))  # fmt: skip
    assert back == {step - 1: nodes for step, nodes in matrix.items() if step <= 0}


@pytest.mark.parametrize("timeout", TIMEOUTS)
def test_sessions_end_after_the_same_pause(ours, theirs, timeout):
    found = ours(
        Cell.read("limit=1000"), type="distribution", measure="max(visit.number)",
        sessions={"visit": {"timeout": timeout}},
    )  # fmt: skip
    assert {row["actor"]: row["value"] for row in found.rows} == theirs["sessions"][timeout]


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("length", {"measure": "events"}),
        ("active_days", {"measure": "active_days"}),
        ("event_count_purchase", {"measure": "events", "where": is_("purchase"), "among": "true", "zeros": True}),
        ("duration", {"measure": "max(seconds)", "expressions": {"seconds": {"measure": "seconds"}}}),
    ],
)
def test_what_is_measured_of_each_user(ours, theirs, name, question):
    found = ours(Cell.read("limit=1000"), type="distribution", **question)
    assert {row["actor"]: row["value"] for row in found.rows} == theirs["metrics"][name]


def states(theirs, *names):
    """Day → how many users are in any of these states."""
    found = {}
    for day, state, count in theirs["states"]:
        found[day] = found.get(day, 0) + (count if state in names else 0)
    return found


def by_day(rows, key):
    return {row["time"][:10]: row[key] for row in rows}


def test_daily_states_are_a_lifecycle_of_days(ours, theirs):
    """`new` and `active` are the same; who of the others came lately is told by 7 and 30 days there, by one here."""
    rows = ours(type="lifecycle", every="1d").rows
    assert by_day(rows, "new") == states(theirs, "new")
    assert by_day(rows, "active") == states(theirs, "new", "current", "reactivated", "resurrected")


def test_those_at_risk_are_a_ratio_of_trailing_windows(ours, theirs):
    """Active today or on the 7 (30) days before it is a window of 8 (31) days."""
    for window, at_risk in (("8d", ["at_risk_wau"]), ("31d", ["at_risk_wau", "at_risk_mau"])):
        rows = ours(type="stickiness", show="ratio", window=window).rows
        lately = by_day(rows, "lately")
        mine = {day: lately[day] - active for day, active in by_day(rows, "active").items()}
        assert mine == states(theirs, *at_risk)


def test_days_later_are_retention(ours, theirs):
    found = {
        (row["cohort"][:10], row["period"]): row["returned"]
        for row in ours(type="retention", start="true", **{"return": "true"}, every="1d", periods=200).rows
        if row["returned"]
    }
    assert found == {(day, later): count for day, later, count in theirs["active"]}
