"""Asking questions of stories."""

import pytest

from people import store
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.people import Cell
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake


@pytest.fixture
def asked(tmp_path):
    """Asks a question of a story by both engines, which must agree.

    Every story has a lake of its own; without one, the last is asked again.
    """
    told = []

    def ask_of(story, question, **options):
        told.extend([story] if story or not told else [])
        place = tmp_path / str(len(told))
        lake = Lake(place / "lake")
        if story:
            store(lake, story)
        columns = Columns(place / "columns", lake)
        query = component("queries", question, "question")
        folded, reference = (ask(query, columns, engine=engine, **options) for engine in ("columns", "sql"))
        assert (folded.rows, folded.totals, folded.notes) == (reference.rows, reference.totals, reference.notes)
        assert folded.stands_on["actors"] == reference.stands_on["actors"]
        return folded

    return ask_of


@pytest.fixture
def asked_people(asked):
    """Lists the actors of a cell of a story by both engines, which must agree."""
    return lambda story, question, cell, **options: asked(story, question, cell=Cell.read(cell), **options)
