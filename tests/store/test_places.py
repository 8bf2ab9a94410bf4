"""Every actor has a place by their name alone: a stretch of places is a sample of actors."""

import numpy as np
import pyarrow as pa

from people import people, store
from trackway.store.columns.shards import Columns
from trackway.store.columns.words import place_of, places_of
from trackway.store.lake import Lake


def test_one_name_and_many_names_have_the_same_places():
    names = ["ann", "", "Zoë", "日本", "x" * 300, *(f"user-{i}" for i in range(500))]
    found = places_of(pa.chunked_array([pa.array(names[:2]), pa.array(names[2:])]).slice(1))
    assert found.tolist() == [place_of(name) for name in names[1:]]


def test_consecutive_names_are_spread_evenly():
    places = places_of(pa.array([f"user-{i}" for i in range(100_000)]))
    counts = np.histogram(places, 100, (0, 2**32))[0]
    assert (counts.min(), counts.max()) > (850, 0)
    assert counts.max() < 1150


def test_actors_of_a_view_are_in_the_order_of_their_places(tmp_path):
    lake = Lake(tmp_path / "lake")
    columns = Columns(tmp_path / "columns", lake)
    for part in range(3):
        store(lake, people(**{f"actor{i}": [("A", f"{i + part}m")] for i in range(part, 200)}))
        view = columns.view()
        names = view.dictionary("actor").combine_chunks().take(pa.array(view.codes.astype(np.int64) - 1)).to_pylist()
        places = [place_of(name) for name in names]
        assert places == sorted(places)
        shards = np.repeat(np.arange(32), np.diff(view.bounds))
        assert [place >> 27 for place in places] == shards.tolist()
