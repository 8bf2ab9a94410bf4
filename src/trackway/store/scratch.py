"""A DuckDB to work something out with: cursors of one empty database of this process.

Opening a database takes longer (16 ms) than most of what is worked out. A cursor takes microseconds and has what it
needs to itself: its settings, and the tables registered with it.
"""

from __future__ import annotations

from functools import lru_cache

import duckdb


@lru_cache(maxsize=1)
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def scratch() -> duckdb.DuckDBPyConnection:
    """A cursor to register Arrow tables with and ask; close it (`with`) when done.

    Nothing else is in the database. One that has given up, as DuckDB does after an error of its own, is replaced.
    """
    try:
        cursor = _database().cursor()
        cursor.execute("set enable_progress_bar = false")
    except duckdb.Error:
        _database.cache_clear()
        cursor = _database().cursor()
    return cursor
