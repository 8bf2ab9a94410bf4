"""Times in text as DuckDB expressions: ISO 8601, epochs, or formats people name.

A text with an offset (`Z`, `+02:00`, `UTC`) means that instant; without one it is read in a time zone. An
epoch is in seconds from 1970, or in milliseconds, microseconds or nanoseconds when it is that large.
What cannot be read is null.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from trackway.model.condition import literal
from trackway.store.scratch import scratch

ISO = r"^\s*\d{4}-\d{1,2}-\d{1,2}([T ].*)?$"
OFFSET = r"\d{1,2}:\d{2}.*(Z|UTC|[+-]\d{2}(:?\d{2})?)\s*$"
NUMBER = r"^\s*-?\d+(\.\d+)?\s*$"
UNITS = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
"""Microseconds in one of each."""


def time_sql(text: str, zone: str = "UTC", formats: Sequence[str] = (), unit: str = "") -> str:
    """DuckDB text: the instant that the text expression `text` means, or null.

    `formats` (as in strptime) are tried before ISO 8601; `unit` (`s ms us ns`) fixes that of epochs.
    """
    cases = []
    if formats:
        parsed = f"try_strptime({text}, [{', '.join(map(literal, formats))}])"
        zoned = "%z" in "".join(formats) or "%Z" in "".join(formats)
        value = f"{parsed}::timestamptz" if zoned else f"({parsed}::timestamp at time zone {literal(zone)})"
        cases.append(f"when {parsed} is not null then {value}")
    number = f"try_cast({text} as double)"
    if unit:
        micros = f"{number} * {UNITS[unit]}"
    else:
        size = f"abs({number})"
        scale = f"case when {size} < 1e11 then 1e6 when {size} < 1e14 then 1e3 when {size} < 1e17 then 1 else 1e-3 end"
        micros = f"{number} * {scale}"
    cases.append(f"when regexp_matches({text}, '{NUMBER}') then make_timestamptz(try_cast(round({micros}) as bigint))")
    iso = f"regexp_matches({text}, '{ISO}')"
    cases.append(f"when {iso} and regexp_matches({text}, '{OFFSET}') then try_cast({text} as timestamptz)")
    cases.append(f"when {iso} then try_cast({text} as timestamp) at time zone {literal(zone)}")
    return f"case {' '.join(cases)} end"


def read_times(texts: pa.ChunkedArray, zone: str = "UTC") -> pa.ChunkedArray:
    """The instants of an Arrow column of texts; null for what is no time."""
    with scratch() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("given", pa.table({"x": texts}))
        found = connection.sql(f"select {time_sql('x', zone)}::timestamptz as t from given").to_arrow_table()["t"]
    return found.cast(pa.timestamp("us", "UTC"))
