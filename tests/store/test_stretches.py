"""Picking rows in stretches gives what filtering and sorting give, however long the stretches are."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from trackway.store.stretches import keep, together

STRETCHES = st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 3)), max_size=8)
"""(rows, key) of each stretch."""


def keys_of(stretches: list[tuple[int, int]]) -> np.ndarray:
    return np.repeat(*np.array([(key, rows) for rows, key in stretches], int).reshape(-1, 2).T)


@given(STRETCHES)
def test_the_rows_kept_are_those_that_a_filter_keeps(stretches):
    kept = keys_of(stretches) > 0
    table = pa.table({"row": np.arange(len(kept))})
    assert keep(table, kept)["row"].to_pylist() == np.flatnonzero(kept).tolist()


@given(STRETCHES)
def test_rows_of_equal_key_come_together_in_the_order_of_a_stable_sort(stretches):
    keys = keys_of(stretches)
    table = pa.table({"row": np.arange(len(keys))})
    assert together(table, keys)["row"].to_pylist() == np.argsort(keys, kind="stable").tolist()


def test_long_stretches_are_not_copied():
    table = pa.table({"row": np.arange(10_000)})
    kept = np.arange(10_000) != 5_000
    first, second = keep(table, kept)["row"].chunks
    here = table["row"].chunk(0).buffers()[1].address
    assert first.buffers()[1].address == here
    assert (len(first), second[0].as_py()) == (5_000, 5_001)
