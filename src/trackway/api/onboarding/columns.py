"""What is in the columns of a sample: kinds, gaps, values, personal data, and what each may be good for."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.flow.times import read_times
from trackway.model import personal
from trackway.model.event import DECODED
from trackway.model.schema import kind_of

MOST_VALUES = 5_000
"""Different values of a column that are looked at for personal data."""
SHOWN = 3
EVENTISH = re.compile(
    r"(^|[._ -])(event|action|activity|type|verb|operation|name|status|stage)([._ -]?(name|type))?$", re.IGNORECASE
)
TIMEISH = re.compile(r"time|date|(^|[._ -])(ts|at|on|created|updated|modified|occurred)$", re.IGNORECASE)
PEOPLE = "user|customer|contact|account|member"
ACTORISH = re.compile(
    rf"({PEOPLE}|visitor|client|person|lead|subscriber|device|cookie|anonymous|distinct)"
    r"([._ -]?(id|key|number|no|uuid))?$|(^|[._ -])e?-?mail$",
    re.IGNORECASE,
)
UNIQUE = re.compile(r"(message|event|insert)[._ -]?id$|^uuid$", re.IGNORECASE)
ZONED = re.compile(r"(Z|UTC|[+-]\d{2}:?\d{2})\s*$")
WORST, LIKELY = 0.2, 0.5
AHEAD = 86_400
"""Seconds from now on: what is said to have happened later is refused."""
MOST_NAMES = 200
"""Different names that events may have."""


def profiled(table: pa.Table) -> list[dict[str, Any]]:
    """Every column of a decoded sample."""
    return [profile(table[name], name) for name in table.column_names if name not in DECODED.names]


def profile(values: pa.ChunkedArray, name: str) -> dict[str, Any]:
    """One column: its kind, how many records have it, its values, and the personal data in it, masked everywhere."""
    there, kind = values.drop_null(), kind_of(values.type)
    counts = pc.value_counts(there.combine_chunks() if kind == "string" else there.cast(pa.string()))
    top = sorted(((row["values"], row["counts"]) for row in counts.to_pylist()), key=lambda one: (-one[1], one[0]))
    texts = dict(top[:MOST_VALUES]) if kind in {"string", "json"} or name == "user_id" else {}
    private = personal.found(name, texts)
    sorts = [one.sort for one in private]
    column = {
        "column": name, "kind": kind, "filled": _share(len(there), len(values)), "nulls": values.null_count,
        "distinct": len(top), "example": None, "top": [],
        "personal": [{"sort": one.sort, "records": one.count, "examples": list(one.examples)} for one in private],
    }  # fmt: skip
    if kind in {"number", "integer", "time"} and len(there):
        ends = pc.min_max(there).as_py()
        column |= {"min": ends["min"], "max": ends["max"]}
    if top:
        shown = [(personal.hidden(str(value)[:500], sorts)[:200], count) for value, count in top[:SHOWN]]
        column["example"] = there[0].as_py() if kind not in {"string", "json"} else shown[0][0]
        column["top"] = [{"value": value, "records": count} for value, count in shown]
    return column


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


# ── what a column may be ────────────────────────────────────────────────────────────────────────────


def candidates(table: pa.Table, columns: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Columns that may say who, what and when, the likeliest first, each with a score up to 1 and the reason."""
    found: dict[str, list[dict[str, Any]]] = {"time": [], "event": [], "actor": [], "event_id": []}
    for column in columns:
        name, filled, rows = column["column"], column["filled"], max(1, table.num_rows)
        if not filled:
            continue
        distinct, repeated = column["distinct"], 1 - column["distinct"] / (filled * rows)
        if name in {"time", "event", "user_id", "anonymous_id"}:
            role = "actor" if name.endswith("_id") else name
            found[role].append({"column": name, "score": filled, "why": "is known by its name"})
            continue
        found["time"] += _time(table[name], column)
        if UNIQUE.search(name) and column["kind"] == "string" and repeated < LIKELY:
            why = f"{distinct:,} different values in {filled * rows:,.0f} records"
            found["event_id"].append({"column": name, "score": round(filled * (1 - repeated), 2), "why": why})
        plain = column["kind"] == "string" and not column["personal"]
        hint = EVENTISH.search(name) is not None
        if plain and 1 < distinct <= MOST_NAMES and repeated >= (WORST if hint else LIKELY):
            why = f"{distinct} different values, each about {filled * rows / distinct:,.0f} times"
            found["event"].append({"column": name, "score": round((0.75 if hint else 0.3) * filled, 2), "why": why})
        if column["kind"] in {"string", "integer", "number"} and ACTORISH.search(name) and distinct > 1:
            mail = any(one["sort"] == "email" for one in column["personal"])
            score = (
                0.6 if mail else 0.9 if re.search("user|customer|contact|account", name, re.IGNORECASE) else 0.7
            ) * filled
            said = f"{distinct:,} different values, {filled:.0%} of the records have one"
            found["actor"].append({"column": name, "score": round(score, 2), "why": said})
    return {role: sorted(some, key=lambda one: -one["score"])[:SHOWN] for role, some in found.items()}


def _time(values: pa.ChunkedArray, column: dict[str, Any]) -> list[dict[str, Any]]:
    """A column as the time of the events, if it is one."""
    name, hint = column["column"], TIMEISH.search(column["column"]) is not None
    if column["kind"] == "time":
        share = 1.0
    elif column["kind"] == "string":
        share = 1 - _share(read_times(values.drop_null()[:500]).null_count, min(500, len(values.drop_null())))
    elif column["kind"] in {"integer", "number"} and hint:
        low, high = column["min"] or 0, column["max"] or 0
        share = 1.0 if any(1e9 * unit < low <= high < 2e9 * unit for unit in (1, 1e3, 1e6, 1e9)) else 0.0
    else:
        share = 0.0
    if share < 1 - WORST:
        return []
    return [{"column": name, "score": round(share * column["filled"] * (0.9 if hint else 0.6), 2),
             "why": f"{share:.0%} of its values are times"}]  # fmt: skip


def zoneless(values: pa.ChunkedArray) -> bool:
    """Whether most of these texts are times that do not say their zone."""
    texts = [text for text in values.drop_null()[:200].to_pylist() if isinstance(text, str)]
    return sum("-" in text[:10] and ZONED.search(text) is None for text in texts) > LIKELY * max(1, len(texts))


def gaps(times: Iterable[pa.ChunkedArray]) -> dict[str, Any]:
    """First and last time of several stretches; the longest pauses in each, unless pauses like it are usual; how much
    is out of order, and whether times are of whole seconds."""
    said: dict[str, Any] = {"from": None, "to": None, "gaps": [], "disordered": 0.0, "whole_seconds": False, "ahead": 0}
    stretches = [part.drop_null() for part in times]
    stretches = [part for part in stretches if len(part)]
    if not stretches:
        return said
    ends = [pc.min_max(part).as_py() for part in stretches]
    said |= {"from": min(end["min"] for end in ends), "to": max(end["max"] for end in ends)}
    back = steps = 0
    whole = True
    late = (time.time() + AHEAD) * 1e6
    for part in stretches:
        micros = part.cast(pa.int64()).to_numpy()
        whole &= bool((micros % 1_000_000 == 0).all())
        said["ahead"] += int((micros > late).sum())
        back, steps = back + int((micros[1:] < micros[:-1]).sum()), steps + len(micros) - 1
        ordered = np.sort(micros)
        pauses = np.diff(ordered)
        if len(pauses) < 20:
            continue
        usual = max(60_000_000, 20 * float(np.quantile(pauses, 0.95)))
        for index in pauses.argsort()[::-1][:SHOWN].tolist():
            if pauses[index] > usual:
                start = pa.scalar(int(ordered[index]), pa.timestamp("us", "UTC")).as_py()
                said["gaps"].append({"from": start, "seconds": int(pauses[index]) / 1e6})
    said["gaps"] = sorted(said["gaps"], key=lambda gap: -gap["seconds"])[:SHOWN]
    return said | {"disordered": _share(back, steps), "whole_seconds": whole}
