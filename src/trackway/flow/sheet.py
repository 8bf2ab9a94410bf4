"""How a table in text is written: told by a source, or found in a sample.

CSV was written by everybody before RFC 4180 said how: Excel puts `sep=;` in front and commas into numbers, MySQL and
Postgres dump with tabs, backslashes and `\\N`, reports begin with a title. What is found or told becomes headers of a
block, so that the codec need not look again.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator

DELIMITERS = ",\t;|"
LOOKED_AT = 100
"""Rows."""
ALIKE = 0.5
"""Share of rows that must have as many fields as the first."""
NUMBER = re.compile(r"^[-+]?\d+([.,]\d+)*$")
TYPED = re.compile(
    r"^([-+]?\d+([.,]\d+)*|\d{4}-\d\d?-\d\d?([T ].*)?|\d\d?[./]\d\d?[./]\d{2,4}( .*)?|true|false)$", re.IGNORECASE
)
POINT = re.compile(r"^[-+]?\d+\.(\d{1,2}|\d{4,})$")
COMMA = re.compile(r"^[-+]?(\d+,(\d{1,2}|\d{4,})|0,\d+|\d{1,3}(\.\d{3})+,\d+)$")
SEP = re.compile(r'^"?sep=(.)"?$', re.IGNORECASE)
NOTHING = "\\N"
"""Null, as databases dump it."""


class Sheet(BaseModel):
    """How the rows of a CSV are written, as far as it is not found by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    delimiter: str = Field(default="", max_length=1)
    """What stands between fields; one character."""
    quote: str | None = Field(default=None, max_length=1)
    """What fields may stand in; empty for none."""
    escape: str | None = Field(default=None, max_length=1)
    """What makes the next character a plain one, such as a backslash; a quote in a field may always stand twice."""
    header: bool | None = None
    """Whether the first row holds the names of columns."""
    names: list[str] = []
    """Names of the columns, when no row holds them or others are wanted."""
    skip: int | None = Field(default=None, ge=0)
    """Lines before the table."""
    comment: str = Field(default="", max_length=1)
    """What a line begins with that is no row, such as `#`."""
    decimal: str | None = Field(default=None, pattern=r"^[.,]$")
    """What stands before the fraction of a number, a point or a comma; the other may part thousands."""
    null: list[str] | None = None
    """Words that stand for nothing unless they are in quotes, such as `NULL` or `\\N`; an empty field always does."""

    @field_validator("delimiter", "quote", "escape", "comment")
    @classmethod
    def _one_byte(cls, value: str | None) -> str | None:
        if value and (ord(value) > 127 or value in "\r\n\0"):
            raise ValueError(f"expected a character of ASCII, got {value!r}")
        return value


class Style(NamedTuple):
    """The bytes that have a meaning; -1 for none."""

    delimiter: int = 44
    quote: int = 34
    escape: int = -1
    comment: int = -1

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Style:
        """The style that the headers of a block tell."""
        marks = headers.get("delimiter", ","), headers.get("quote", '"'), headers.get("escape"), headers.get("comment")
        return cls(*(ord(mark) if mark else -1 for mark in marks))


def names_of(headers: Mapping[str, str]) -> list[str]:
    """The names of the columns that the headers of a block tell."""
    if "names" in headers:
        return [str(name) for name in orjson.loads(headers["names"])]
    return next(iter(csv.reader([headers.get("header", "")], delimiter=headers.get("delimiter", ","))), [""]) or [""]


def look(text: str, told: Sheet | None = None, *, sure: bool = False) -> dict[str, str] | None:
    """What the headers of blocks say of a table that begins like this; None when it is none.

    When it is `sure` that it is a table, the first row may also hold values, or only one field.
    """
    told = told or Sheet()
    lines = _lines(text)
    sep = SEP.match(lines[0].lstrip("\ufeff")) if told.skip is None and lines else None
    skip = 1 if sep else told.skip or 0
    delimiter = told.delimiter or (sep[1] if sep else "")
    lines = [line for line in lines[skip:] if not told.comment or not line.startswith(told.comment)]
    best = max(_tries(lines, told, delimiter, sure=sure or bool(sep)), default=None)
    if best is None or (best.alike <= ALIKE and not sure):
        return None
    rows = best.rows
    headed = told.header if told.header is not None else _headed(rows)
    first = [name.strip() for name in rows[0]]
    strange = any(NUMBER.match(name) for name in first) or len(set(first)) < len(first) or not all(first)
    if not (sure or sep or told.names) and (not headed or strange):
        return None
    width = len(told.names) or len(first)
    names = told.names or (rows[0] if headed else [f"column_{number + 1}" for number in range(width)])
    found = {"delimiter": best.delimiter, "names": orjson.dumps(names).decode(), "fields": str(width),
             "skip": str(skip), "heading": str(int(headed))}  # fmt: skip
    if best.quote != '"':
        found["quote"] = best.quote
    found |= {"escape": best.escape} if best.escape else {}
    found |= {"comment": told.comment} if told.comment else {}
    return found | _values(rows[headed:], told, best.delimiter)


class _Try(NamedTuple):
    """One way to read a table, and how well it does."""

    alike: float
    """Share of rows with as many fields as the first, to a tenth."""
    width: int
    plain: int
    """Less for what is rarer."""
    delimiter: str
    quote: str
    escape: str
    rows: list[list[str]]


def _tries(lines: Sequence[str], told: Sheet, delimiter: str, *, sure: bool) -> Iterator[_Try]:
    """The ways to read a table."""
    text = "\n".join(lines)
    singles = len(re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=$|[,;\t|])", text, re.MULTILINE))
    doubles = len(re.findall(r'(?:^|[,;\t|])"', text, re.MULTILINE))
    for one in delimiter or DELIMITERS:
        quote = '"' if doubles or not singles else "'"
        dump = one == "\t" and not doubles and NOTHING in text
        quote = ("" if dump else quote) if told.quote is None else told.quote
        escapes = ("", "\\") if "\\" in text else ("",)
        for escape in (told.escape,) if told.escape is not None else ("\\",) if dump else escapes:
            rows = _rows(lines, one, quote, escape)
            if not rows or (not sure and (len(rows[0]) < 2 or len(rows) < 2)):
                continue
            alike = round(sum(len(row) == len(rows[0]) for row in rows) / len(rows), 1)
            width = len(rows[0])
            yield _Try(alike if width > 1 else 0.1, width, -len(escape), one, quote, escape, rows)


def _headed(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: where the others have numbers or times, it has none."""
    votes = 0
    for place, name in enumerate(rows[0]):
        below = [row[place].strip() for row in rows[1:] if len(row) == len(rows[0])]
        values = [value for value in below if value and value != NOTHING]
        if values and sum(bool(TYPED.match(value)) for value in values) > ALIKE * len(values):
            votes += -1 if TYPED.match(name.strip()) else 1
    return votes > 0 or (votes == 0 and NOTHING not in rows[0] and not any(TYPED.match(name) for name in rows[0]))


def _values(rows: Sequence[Sequence[str]], told: Sheet, delimiter: str) -> dict[str, str]:
    """How numbers and nothing are written."""
    cells = Counter(cell.strip() for row in rows for cell in row)
    nulls = told.null if told.null is not None else [NOTHING] if NOTHING in cells else []
    commas = delimiter != "," and any(map(COMMA.match, cells)) and not any(map(POINT.match, cells))
    decimal = told.decimal or ("," if commas else ".")
    found = {"null": orjson.dumps(nulls).decode()} if nulls else {}
    return found | ({"decimal": decimal} if decimal != "." else {})


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n")]


def _rows(lines: Sequence[str], delimiter: str, quote: str, escape: str) -> list[list[str]]:
    if not quote and escape:
        lines = re.sub(r"\\(.)", _meant, "\n".join(lines), flags=re.DOTALL).split("\n")
        escape = ""
    try:
        reader = csv.reader(
            [line + "\n" for line in lines[:LOOKED_AT]], delimiter=delimiter, quotechar=quote or None,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE, escapechar=escape or None,
        )  # fmt: skip
        return [row for row in reader if row]
    except csv.Error:
        return []


def _meant(found: re.Match[str]) -> str:
    """Something escaped, as far as it matters for the shape of a table."""
    return NOTHING if found[1] == "N" else found[1] if found[1].isprintable() else " "
