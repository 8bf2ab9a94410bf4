"""A crowd: actors with random journeys in one lake, asked many questions; and all of their events for the oracle."""

import json
import random

from people import MONDAY, event, identify, store
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.people import Cell
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
TESTS = {
    "event = 'A'": lambda e: e["event"] == "A",
    "event = 'B'": lambda e: e["event"] == "B",
    "event = 'C'": lambda e: e["event"] == "C",
    "event in ('A', 'B')": lambda e: e["event"] in ("A", "B"),
    "x = 1 or event = 'Ü x'": lambda e: e["x"] == 1 or e["event"] == "Ü x",
    "event <> 'C'": lambda e: e["event"] != "C",
    "true": lambda _: True,
}
OWNERS = {"a3": "a4", "a10": "a11", "a12": "a11"}


class Crowd:
    """Journeys of `actors` people over some days, with ties, nulls, late commits and merged identities."""

    def __init__(self, folder, seed, actors, most=8, owners=OWNERS):
        chance = random.Random(seed)
        names = ["A", "A", "B", "B", "C", "Ü x"]
        events = [
            event(f"a{actor}", chance.choice(names), self.moment(chance), self.values(chance), f"e{actor}-{place}")
            for actor in range(actors)
            for place in range(chance.randint(1, most))
        ]
        chance.shuffle(events)
        parts = events[: len(events) // 3], events[len(events) // 3 :]
        lake = store(Lake(folder / "lake"), *parts)
        identify(lake, [(id_, owner, "0m") for id_, owner in owners.items()])
        self.columns = Columns(folder / "columns", lake)
        self.events = [{**item, "actor": owners.get(item["actor"], item["actor"])} for item in events]

    @staticmethod
    def moment(chance):
        minute = chance.choice([0, 1, 1, 2, 3, 4, 5, 6])
        return MONDAY + chance.choice([0, 0, 0, 1, 2, 9]) * DAY + minute * MINUTE

    @staticmethod
    def values(chance):
        return {"x": chance.choice([None, 1, 1, 2]), "y": chance.choice([None, "p", "q", "Ü other"])}

    def ask(self, question, cell=None, **options):
        """The answer of both engines, which must agree."""
        query = component("queries", question, "question")
        cell = None if cell is None else Cell.read(cell)
        folded, reference = (
            ask(query, self.columns, engine=engine, cell=cell, **options) for engine in ("columns", "sql")
        )
        for name in ("rows", "totals", "notes"):
            assert json.dumps(getattr(folded, name)) == json.dumps(getattr(reference, name)), (question, name)
        assert folded.stands_on["engine"] == "columns"
        return folded

    def journeys(self):
        """The events of each actor."""
        found = {}
        for item in self.events:
            found.setdefault(item["actor"], []).append(item)
        return found
