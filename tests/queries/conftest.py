"""Asking questions of stories."""

from itertools import count

import pytest

from people import store
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake


@pytest.fixture
def asked(tmp_path):
    """Asks a question of a story by both engines, which must agree; every story has a lake of its own."""
    places = count()

    def ask_of(story, question, **options):
        place = tmp_path / str(next(places))
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
