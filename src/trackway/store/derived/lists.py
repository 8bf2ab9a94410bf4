"""Lists of actors: cohorts that were uploaded, named in the file, or written in a question.

An uploaded list is a Delta table beside the events, so that any engine that reads those reads it; of a cohort
the latest upload counts. Lists hold ids; whose they are is known when asked.
"""

from __future__ import annotations

import csv
import io
import time
import uuid
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import QuestionError
from trackway.plan.lookup import Lookup
from trackway.plan.naming import Cohort
from trackway.store.standing import Versions

if TYPE_CHECKING:
    from trackway.store.lake import Lake

ROWS = pa.schema([
    ("cohort", pa.string()), ("id", pa.string()), ("upload", pa.string()), ("uploaded_at", pa.timestamp("us", "UTC")),
])  # fmt: skip
"""One row for each id of each upload; an empty upload is one row without an id."""


class Membership:
    """The lists of a workspace, as those who asked of a lake version see them."""

    def __init__(self, lake: Lake, version: int, root: Path | None = None) -> None:
        self.lake, self.version, self.root = lake, version, root

    def uploaded(self) -> list[str]:
        """Names of the cohorts that were uploaded, sorted."""
        return sorted(self._lists)

    @cached_property
    def _lists(self) -> dict[str, pa.StringArray]:
        return lists(self.lake)

    def versions(self, name: str, asked: Lookup) -> Versions:
        """The rows of a lookup. Raises ConfigError."""
        return self.lake.directory.versions(name, asked, self.version)

    def actors(self, name: str, cohort: Cohort | None) -> pa.StringArray:
        """Distinct actors of a list, sorted: an id of a merged identity means its actor. Raises QuestionError."""
        if cohort is None:
            ids = self._lists[name]
        elif cohort.ids is not None:
            ids = pa.array(cohort.ids, pa.string())
        else:
            ids = pa.array(read((self.root or Path()) / (cohort.file or "")), pa.string())
        mapping = self.lake.resolved(self.version)[1]
        places = pc.index_in(ids, value_set=mapping["id"].combine_chunks())
        owners = mapping["actor"].combine_chunks().take(places)
        found = pc.unique(pc.coalesce(owners, ids)).drop_null()
        return found.take(pc.sort_indices(found))


def lists(lake: Lake) -> dict[str, pa.StringArray]:
    """The ids of every uploaded cohort."""
    table = lake.tables["cohorts"]
    if table.version() < 0:
        return {}
    rows = table.read(ROWS)
    uploads = rows.select(["cohort", "upload", "uploaded_at"]).group_by(["cohort", "upload"]).aggregate(
        [("uploaded_at", "max")]
    ).to_pylist()  # fmt: skip
    uploads.sort(key=lambda each: (each["uploaded_at_max"], each["upload"]))
    latest = {each["cohort"]: each["upload"] for each in uploads}
    return {
        name: rows.filter(pc.equal(rows["upload"], upload))["id"].drop_null().combine_chunks()
        for name, upload in latest.items()
    }


def upload(lake: Lake, name: str, ids: Sequence[str]) -> int:
    """Keep a list of actors as a cohort, in place of an earlier one; returns how many distinct ids there are.

    Raises StorageError when the disk refuses.
    """
    distinct: list[str | None] = [*dict.fromkeys(ids)]
    rows = distinct or [None]
    now = pa.scalar(time.time_ns() // 1_000, pa.int64()).cast(pa.timestamp("us", "UTC"))
    values = [pa.repeat(name, len(rows)), pa.array(rows, pa.string()), pa.repeat(uuid.uuid4().hex, len(rows)),
              pa.repeat(now, len(rows))]  # fmt: skip
    lake.tables["cohorts"].append(pa.table(values, schema=ROWS), None, {"cohort": name, "ids": len(distinct)})
    return len(distinct)


def read(path: Path) -> list[str]:
    """The ids of a file: one on every line, the first column of a CSV file (`.csv`, after its line of names).

    Raises QuestionError for a file that is not there or no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise QuestionError(f"cannot read {path.name}: {reason}", hint="an id on every line, in UTF-8") from error
    rows = csv.reader(io.StringIO(text)) if path.suffix == ".csv" else ([line] for line in text.splitlines())
    ids = [row[0].strip() for row in rows if row]
    return [each for each in ids[path.suffix == ".csv" :] if each]
