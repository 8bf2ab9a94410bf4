"""Instants and calendar intervals."""

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.model.time import Duration, floor, following, instant, intervals, iso


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_a_duration_reads_as_people_write_it(text, seconds):
    assert Duration(text).seconds == seconds


@pytest.mark.parametrize("text", ["1 day", "", "d", "-1d", "1.d", "1y"])
def test_what_is_no_duration_says_what_was_expected(text):
    with pytest.raises(ValueError, match="expected a duration such as"):
        Duration(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2015-05-17", "2015-05-17T00:00:00Z"),
        ("2015-05-17T10:05:03Z", "2015-05-17T10:05:03Z"),
        ("2015-05-17 10:05:03+02:00", "2015-05-17T08:05:03Z"),
        (1_431_856_800, "2015-05-17T10:00:00Z"),
        (1_431_856_800_123, "2015-05-17T10:00:00.123000Z"),
    ],
)
def test_an_instant_reads_iso_and_epochs_in_seconds_or_milliseconds(value, expected):
    assert iso(instant(value)) == expected


def test_days_in_berlin_are_23_24_or_25_hours_long():
    start, end = instant("2026-03-28", "Europe/Berlin"), instant("2026-03-31", "Europe/Berlin")
    edges = intervals(start, end, Duration("1d"), "Europe/Berlin")
    assert [(b - a) // 3_600_000_000 for a, b in itertools.pairwise(edges)] == [24, 23, 24]


def test_weeks_start_on_monday_however_they_are_written():
    wednesday = instant("2026-11-18T12:00:00Z")
    assert iso(floor(wednesday, Duration("1w"))) == iso(floor(wednesday, Duration("7d"))) == "2026-11-16T00:00:00Z"


def test_months_follow_the_calendar():
    edges = intervals(instant("2026-01-15"), instant("2026-03-02"), Duration("1mo"))
    assert [iso(edge)[:10] for edge in edges] == ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"]


def test_too_many_intervals_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match="more than 100 intervals"):
        intervals(instant("2020-01-01"), instant("2026-01-01"), Duration("1h"), most=100)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["15m", "1h", "6h", "1d", "3d", "1w", "2w", "1mo", "3mo"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_every_instant_lies_in_exactly_one_interval(moment, every, zone):
    at = instant(moment)
    start = floor(at, Duration(every), zone)
    assert start <= at < following(start, Duration(every), zone)
    assert floor(start, Duration(every), zone) == start
