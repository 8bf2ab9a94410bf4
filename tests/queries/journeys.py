"""Random journeys for the queries: events in commits with ties, nulls, late ones and merged identities.

`answers` asks a question of them by the fold and by the reference SQL, which must agree, and gives the events for
the oracle. Conditions are pairs of SQL and the Python that says when it is true.
"""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
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

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
LENGTH = int(os.environ.get("TRACKWAY_LENGTH", "1"))
"""How many times longer than in .ci/run the tests that are marked `long` go on; a night allows for 50."""
THOROUGH = settings(max_examples=100 * LENGTH, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def laid(parts, known):
    """The columns of commits, to which more was added each time they had been looked at."""
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
        yield columns
    finally:
        shutil.rmtree(folder)


def answers(parts, known, question, **options):
    """The answer to a question, the same from both engines, and the events with `actor` as identities have it.

    `parts` are commits, `known` the ids whose owners are stated, `options` those of `ask`.
    """
    with laid(parts, known) as columns:
        query = component("queries", question, "question")
        folded, reference = (ask(query, columns, engine=engine, **options) for engine in ("columns", "sql"))
    assert [folded.stands_on["engine"], reference.stands_on["engine"]] == ["columns", "sql"]
    for name in ("rows", "totals", "notes"):
        assert json.dumps(getattr(folded, name)) == json.dumps(getattr(reference, name))
    owned = {id_: OWNERS[id_] for id_ in known}
    events = [{**item, "actor": owned.get(item["actor"], item["actor"])} for part in parts for item in part]
    assert folded.stands_on["actors"] == len({item["actor"] for item in events})
    return folded, events
