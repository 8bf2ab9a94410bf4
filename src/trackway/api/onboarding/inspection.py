"""A file in one object: format, sample, columns, roles, personal data, suggested tables, and advice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from trackway.api.onboarding import advice
from trackway.api.onboarding.columns import candidates, gaps, profiled, zoneless
from trackway.api.onboarding.sample import Sample, as_file, of_pieces, parted, sample
from trackway.errors import TrackwayError
from trackway.flow.detect import detect
from trackway.flow.times import read_times
from trackway.model import personal
from trackway.model.event import DECODED
from trackway.plan import registry

ROWS = 5
"""Events that are shown."""
LINES = 200


def inspect(path: Path, *, name: str = "", shown: str = "") -> dict[str, Any]:
    """All that can be told of a file from a bounded sample. Raises TrackwayError when its format cannot be told.

    `name` is that of the suggested source, `shown` how the file is called in it.
    """
    taken = sample(path)
    return told(taken, name or named(shown or path.name), shown or str(path.resolve()))


def inspect_bytes(body: bytes, file: str, size: int = 0, cuts: Sequence[int] = ()) -> dict[str, Any]:
    """The same of what a browser sent: a small file, or head, middle and tail of one of `size` bytes, `cuts` being
    where the middle and the tail begin in the body. Nothing of it is kept."""
    head, *others = (body[start:end] for start, end in pairwise((0, *cuts, len(body))))
    with as_file(head if cuts else body, Path(file)) as path:
        try:
            if not cuts:
                return inspect(path, shown=file)
            found = detect(path)
        except TrackwayError as error:
            raise TrackwayError(error.message.replace(str(path), file), hint=error.hint) from error
        if not parted(found):
            raise TrackwayError("this file cannot be read in pieces", hint=f"trackway inspect {file}")
        pieces = dict(zip(("head", "middle", "tail"), (head, *others), strict=False))
        return told(of_pieces(pieces, path, size, found), named(file), file)


def named(file: str) -> str:
    """A name for the source of a file.

    >>> named("access.log.gz"), named("CRM contacts 2026-11-01.csv")
    ('access', 'crm_contacts')
    """
    word = re.sub(r"[^a-z]+", "_", Path(file).name.partition(".")[0].lower()).strip("_")
    return word or "file"


def told(taken: Sample, name: str, shown: str) -> dict[str, Any]:
    """What a sample tells."""
    table = taken.table
    good = table.filter(pc.is_null(table["reason"]))
    columns = [column for column in profiled(good) if column["column"] != "more"]
    may_be = candidates(good, columns)
    roles = {role: some[0] for role, some in may_be.items() if some and some[0]["score"] >= advice.CERTAIN}
    when = roles["time"]["column"] if "time" in roles else None
    facts: dict[str, Any] = {
        "file": shown, "size": taken.size, "codec": taken.found.codec, "form": taken.found.form,
        "compression": taken.found.compression, "encoding": taken.found.encoding,
        "confidence": round(good.num_rows / max(1, table.num_rows), 4), "alternatives": alternatives(taken),
        "records": taken.records, "whole": taken.whole, "sampled": table.num_rows,
        "parts": {part: one.num_rows for part, one in taken.parts},
        "refused": table.num_rows - good.num_rows,
        "refusals": refusals(table), "columns": columns, "candidates": may_be, "roles": roles,
        "times": times(taken, when), "zoneless": when is not None and zoneless(good[when]),
        "events": events(good, columns),
    }  # fmt: skip
    tables = advice.tables(name, shown, facts)
    return facts | {"source": name, "toml": "\n\n".join(tables) + "\n", "tables": tables, "advice": advice.said(facts)}


def alternatives(taken: Sample) -> list[dict[str, Any]]:
    """Other formats that the first lines could be of, with the share of lines that they would read."""
    lines = [line.removesuffix(b"\r") for line in taken.found.sample.split(b"\n")[:LINES] if line.strip()]
    found: list[dict[str, Any]] = []
    for name in registry.names("codecs") if lines and taken.found.form != "parquet" else ():
        like = registry.codec(name).recognise(lines) if name != taken.found.codec else None
        if like is not None and like.share > 0:
            found.append({"codec": name, "share": round(like.share, 4)})
    return sorted(found, key=lambda one: float(one["share"]), reverse=True)[:3]


def refusals(table: Any) -> list[dict[str, Any]]:
    """Some records that cannot be read, and why."""
    bad = table.filter(pc.is_valid(table["reason"])).slice(0, ROWS).to_pylist()
    return [{"reason": row["reason"], "detail": row["detail"], "raw": _clear((row["raw"] or b"")[:300])} for row in bad]


def _clear(raw: bytes | str) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return personal.hidden(text, personal.FINDERS)


def times(taken: Sample, column: str | None) -> dict[str, Any]:
    """The span of the sample, its pauses and its order."""
    if column is None:
        return gaps([])
    parts = [part[column] for _, part in taken.parts if column in part.column_names]
    return gaps([one if str(one.type).startswith("timestamp") else read_times(one.cast("string")) for one in parts])


def events(good: Any, columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first events as they are read, personal data masked."""
    private = {one["column"]: [part["sort"] for part in one["personal"]] for one in columns}

    def clear(name: str, value: Any) -> Any:
        return personal.hidden(value, private[name]) if isinstance(value, str) and private.get(name) else value

    return [
        {name: clear(name, value) for name, value in row.items() if name not in DECODED.names and value is not None}
        for row in good.slice(0, ROWS).to_pylist()
    ]
