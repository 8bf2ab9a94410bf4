"""Dumps of lookups: files of rows as tables of texts, whatever they are, with their headers under the names we know.

A header is one of our columns when it is written the same but for case, blanks and signs (`Account ID`, `accountId`,
`account_id`), or nearly so where nothing else comes near. Every other header becomes a column of its own.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import SequenceMatcher
from pathlib import Path

import duckdb

from trackway.errors import ConfigError, TrackwayError
from trackway.flow.streams import Stream, encoding_of, is_western, open_file
from trackway.flow.times import time_sql
from trackway.model.condition import literal, quoted
from trackway.model.moment import micros
from trackway.plan.lookup import KNOWN, Lookup
from trackway.store.directory import text_sql
from trackway.store.lake import Lake
from trackway.store.lookups import SINCE, Dump, add, compare, facts
from trackway.store.scratch import scratch

NEAR = 0.85
"""How alike a header must be to be taken for a column (the ratio of Ratcliff and Obershelp)."""
DATED = re.compile(r"(?<!\d)(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)(?!\d)")
"""A day in the name of a file."""


class Loading:
    """A dump beside what is known of a lookup: what it changes, before anything is."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a person says of it
        self, lake: Lake, name: str, asked: Lookup, path: Path, at: str | None, zone: str
    ) -> None:  # fmt: skip
        if asked.source:
            raise ConfigError(f"its rows are the events of source '{asked.source}'", path=f"lookups.{name}.source")
        self._table = lake.tables["lookups"]
        known = facts(self._table, name)
        columns = lake.directory.versions(name, asked.model_copy(update={"gone": None})).values.column_names
        dump = read(path, asked, columns, at, time.time_ns() // 1_000, zone)
        self.change, self._kept = compare(known, name, asked, dump)

    def commit(self) -> None:
        """Keep it. Raises StorageError."""
        add(self._table, self.change, self._kept)


def read(path: Path, asked: Lookup, known: Collection[str], at: str | None, now: int, zone: str) -> Dump:  # noqa: PLR0913, PLR0917
    """A dump from a file: CSV and its like, JSON (an array, or an object on each line) or Parquet, packed or plain.

    `known` are the columns of earlier dumps. It was made `at` (a moment), else on the day in its name, else when the
    file was last written. Raises TrackwayError.
    """
    moment = _made(path, at, now, zone)
    with scratch() as connection, tempfile.TemporaryDirectory(prefix="trackway-") as folder:
        connection.execute("set timezone = 'UTC'")
        try:
            connection.execute(f"create temp table rows as select * from {_source(path, Path(folder))}")
        except duckdb.Error as error:
            told = str(error).splitlines()[0].split(": ", 1)[-1]
            raise TrackwayError(f"cannot read {path.name}: {told}", hint="a dump is CSV, JSON or Parquet") from error
        kinds = {str(name): str(type_) for name, type_, *_ in connection.sql("describe rows").fetchall()}
        columns = named(list(kinds), asked, known)
        shown = [f"{_text(header, kinds[header])} as {quoted(name)}" for name, header in columns.items()]
        if asked.valid_from:
            text = _text(columns[asked.valid_from], kinds[columns[asked.valid_from]])
            shown.append(f"{time_sql(text, zone)} as {quoted(SINCE)}")
        rows = connection.sql(f"select {', '.join(shown)} from rows").to_arrow_table()
    return Dump(rows, moment, path.name, columns)


def _made(path: Path, at: str | None, now: int, zone: str) -> int:
    """When a dump was made."""
    day = DATED.search(path.name)
    if at is None and day:
        at = "-".join(day.groups())
    if at is not None:
        try:
            return micros(at, now, zone)
        except ValueError as error:
            raise ConfigError(f"{path.name} is of {at!r}, which is no time", hint="--at 2026-01-31T18:00") from error
    try:
        return path.stat().st_mtime_ns // 1_000
    except OSError as error:
        raise TrackwayError(f"cannot read {path}: {error.strerror}", hint="check the path") from error


def _source(path: Path, folder: Path) -> str:
    """DuckDB text of the rows of a file; a text is unpacked into `folder` as UTF-8 first."""
    with open_file(path) as file:
        beginning = file.read(4)
        if beginning == b"PAR1":
            return f"read_parquet({literal(str(path))})"
        file.seek(0)
        plain = folder / "rows"
        head = _unpacked(path, plain)
    if head.lstrip()[:1] in (b"[", b"{"):
        return f"read_json({literal(str(plain))}, maximum_object_size = 16777216, sample_size = -1)"
    return f"read_csv({literal(str(plain))}, all_varchar = true, header = true, null_padding = true, sample_size = -1)"


def _unpacked(path: Path, plain: Path) -> bytes:
    """Write the text of a file as UTF-8, and give how it begins. Raises TrackwayError for one that is cut off."""
    with open_file(path) as file:
        sample = Stream(file).read(1 << 16)
    encoding = "auto" if encoding_of(sample)[0] != "utf-8" or not is_western(sample) else "windows-1252"
    with open_file(path) as file, plain.open("wb") as out:
        stream = Stream(file, encoding)
        while piece := stream.read(1 << 22):
            out.write(piece)
        if stream.damage:
            raise TrackwayError(f"{path.name}: {stream.damage}", hint="make the dump again; nothing was changed")
    return sample


def _text(header: str, type_: str) -> str:
    """DuckDB text of a column of a file as a text; nested values as JSON."""
    if "[" in type_ or type_.startswith(("STRUCT", "MAP", "UNION")):
        return f"to_json({quoted(header)})::varchar"
    return text_sql(header, "number" if type_ in ("DOUBLE", "FLOAT") else "string")


def named(headers: list[str], asked: Lookup, known: Collection[str]) -> dict[str, str]:
    """Column -> header. Raises ConfigError for a column that must be there and is not."""
    needed = [*asked.key, *([asked.valid_from] if asked.valid_from else []), *asked.columns]
    wanted = list(dict.fromkeys([*needed, *sorted(known)]))
    found: dict[str, str] = {}
    for like in (str, _bare):
        found |= _matched(wanted, headers, found, like)
    found |= _near(wanted, headers, found)
    for name in needed:
        if name not in found:
            there = ", ".join(headers[:12]) or "none"
            raise ConfigError(f"no column like '{name}'", hint=f"the headers are {there}")
    if not asked.columns:
        taken = set(found.values())
        for header in headers:
            if header not in taken and (name := _snake(header)):
                found[_free(name, found)] = header
    return {name: found[name] for name in found if not asked.columns or name in needed}


def _matched(
    wanted: Iterable[str], headers: Iterable[str], found: Mapping[str, str], like: Callable[[str], str]
) -> dict[str, str]:
    """The columns that one header is, and only one."""
    rest = [header for header in headers if header not in found.values()]
    open_ = [name for name in wanted if name not in found]
    same = {name: [header for header in rest if like(header) == like(name)] for name in open_}
    return {name: some[0] for name, some in same.items() if len(some) == 1}


def _near(wanted: Iterable[str], headers: Iterable[str], found: Mapping[str, str]) -> dict[str, str]:
    """The columns that one header is nearly, and no other column nearer."""
    rest = [header for header in headers if header not in found.values()]
    open_ = [name for name in wanted if name not in found]
    close = [
        (name, header) for name in open_ for header in rest
        if SequenceMatcher(None, _bare(name), _bare(header)).ratio() >= NEAR
    ]  # fmt: skip
    names, taken = ([pair[side] for pair in close] for side in (0, 1))
    return {name: header for name, header in close if names.count(name) == taken.count(header) == 1}


def _bare(name: str) -> str:
    """Letters and digits alone.

    >>> _bare("Account ID") == _bare("accountId") == _bare("account_id")
    True
    """
    return re.sub(r"[\W_]+", "", name.casefold())


def _snake(header: str) -> str:
    """A header as the name of a column.

    >>> _snake("Account ID"), _snake("annualRevenue"), _snake("E-Mail (work)")
    ('account_id', 'annual_revenue', 'e_mail_work')
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", header)
    return re.sub(r"[\W_]+", "_", parted).strip("_").lower()


def _free(name: str, taken: Collection[str]) -> str:
    number = 2
    free = name
    while free in taken or free == KNOWN:
        free, number = f"{name}_{number}", number + 1
    return free
