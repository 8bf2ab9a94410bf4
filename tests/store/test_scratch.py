"""A cursor to work something out with."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from trackway.store import scratch


def test_cursors_have_their_tables_and_settings_to_themselves():
    def work(n):
        with scratch.scratch() as cursor:
            cursor.execute(f"set timezone = '{zones[n % 3]}'")
            cursor.register("t", pa.table({"n": [n] * 1_000}))
            row = cursor.sql("select sum(n) as n, current_setting('timezone') as zone from t").fetchall()
            return row == [(n * 1_000, zones[n % 3])]

    zones = ["Asia/Kathmandu", "America/St_Johns", "Europe/Berlin"]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))


def test_nothing_is_left_behind():
    with scratch.scratch() as cursor:
        cursor.register("t", pa.table({"n": [1]}))
    with scratch.scratch() as cursor, pytest.raises(Exception, match="does not exist"):
        cursor.sql("select * from t")


def test_a_database_that_gave_up_is_replaced():
    scratch._database().close()
    with scratch.scratch() as cursor:
        assert cursor.sql("select 7").fetchall() == [(7,)]
