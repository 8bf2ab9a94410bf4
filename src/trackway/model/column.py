"""One column from its cells: which kind it takes, which values fit, and the Arrow array of those that do."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cached_property

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.cells import ARRAY, FALSE, FLOAT, INTEGER, TEXT, TEXT_ESCAPED, TRUE, Bools, Cells, dumps
from trackway.model.gather import ABSENT, parse_epochs, parse_numbers, parse_times, text_column, unescape, value_column
from trackway.model.json_text import Ints, as_array
from trackway.model.schema import ARROW, Kind
from trackway.model.time import MICROS, instant

EXACT = 2**53
"""Integers up to this are exact as doubles."""
FIRST_TIME, LAST_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999."""
EPOCH = re.compile(r"\d{9,}(\.\d*)?")
"""Digits that are no date without its dashes, though a date, any character and a time may look like it."""
KIND_OF: dict[frozenset[int], Kind] = {
    frozenset({TRUE, FALSE}): "boolean",
    frozenset({INTEGER, FLOAT}): "number",
    frozenset({ARRAY}): "json",
}


class Column:
    """`array` has one value per row of the batch; `misfits` are the cells that are not in it."""

    def __init__(self, cells: Cells, known: Kind | None, *, is_id: bool = False) -> None:
        self._cells = cells
        found = frozenset(np.flatnonzero(np.bincount(cells.type, minlength=8)).tolist())
        natural = [kind for types, kind in KIND_OF.items() if found <= types]
        self.kind: Kind = known or (natural[0] if natural else "string")
        if known is None and self.kind == "number":
            self.kind = "number" if self._parsed[1].all() else "string"
        self._is_id = is_id
        make = {"string": self._strings, "json": self._json, "number": self._doubles, "integer": self._integers,
                "boolean": self._booleans, "time": self._times}  # fmt: skip
        self.array, fits = make[self.kind]()
        self.misfits = np.flatnonzero(~fits)

    def _texts(self, cells: Cells, replaced: dict[int, bytes]) -> pa.Array:
        """A text column of raw cells, some with another text."""
        if not replaced:
            return text_column(cells.data, cells.side, cells.start, cells.end, cells.type == TEXT_ESCAPED,
                               cells.row, cells.rows)  # fmt: skip
        side = bytearray(cells.side)
        start, end, escaped = cells.start.copy(), cells.end.copy(), cells.type == TEXT_ESCAPED
        for cell, text in replaced.items():
            start[cell], end[cell], escaped[cell] = -1 - len(side), len(side) + len(text), False
            side += text
        return text_column(cells.data, as_array(bytes(side)), start, end, escaped, cells.row, cells.rows)

    def _strings(self) -> tuple[pa.Array, Bools]:
        cells = self._cells
        fits = np.ones(len(cells.row), dtype=np.bool_)
        if self._is_id:
            fits = np.isin(cells.type, (TEXT, TEXT_ESCAPED, INTEGER, FLOAT))
            empty = _lengths(cells) == 0
            cells = cells.of(fits & ~empty)
        zeros = (cells.type == INTEGER) & (_lengths(cells) == 2)
        zeros[zeros] = (cells.start[zeros] < 0) | (cells.data[np.maximum(cells.start[zeros], 0)] == ord("-"))
        odd = np.flatnonzero((cells.type == FLOAT) | zeros).tolist()
        return self._texts(cells, {cell: json_text(cells, cell) for cell in odd}), fits

    def _json(self) -> tuple[pa.Array, Bools]:
        cells = self._cells
        plain = np.flatnonzero(cells.type != ARRAY).tolist()
        texts = self._texts(cells, {cell: json_text(cells, cell) for cell in plain})
        return texts, np.ones(len(cells.row), dtype=np.bool_)

    @cached_property
    def _parsed(self) -> tuple[npt.NDArray[np.float64], Bools]:
        """Doubles of the cells that are numbers, and which of them are exact, as every fraction counts."""
        cells = self._cells
        exact = np.isin(cells.type, (INTEGER, FLOAT))
        values = np.zeros(len(exact), dtype=np.float64)
        left = np.zeros(len(exact), dtype=np.bool_)
        values[exact], left[exact] = parse_numbers(cells.data, cells.side, cells.start[exact], cells.end[exact])
        fractions = left & (cells.type == FLOAT)
        some = cells.of(fractions)
        texts = text_column(
            cells.data, cells.side, some.start, some.end, some.type < 0, np.arange(len(some.row)), len(some.row)
        )
        values[fractions] = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
        for cell in np.flatnonzero(left & ~fractions).tolist():
            number = int(cells.raw(cell))
            values[cell], exact[cell] = number, abs(number) <= EXACT
        return values, exact

    def _doubles(self) -> tuple[pa.Array, Bools]:
        values, fits = self._parsed
        return value_column(values[fits] + 0.0, self._cells.row[fits], self._cells.rows, ARROW["number"]), fits

    def _integers(self) -> tuple[pa.Array, Bools]:
        cells = self._cells
        values, exact = self._parsed
        fits = exact & (values == np.floor(values)) & (np.abs(values) <= EXACT)
        numbers = np.where(fits, values, 0).astype(np.int64)
        for cell in np.flatnonzero(~fits & (cells.type == INTEGER)).tolist():
            number = int(cells.raw(cell))
            if -(2**63) <= number < 2**63:
                numbers[cell], fits[cell] = number, True
        return value_column(numbers[fits], cells.row[fits], cells.rows, ARROW["integer"]), fits

    def _booleans(self) -> tuple[pa.Array, Bools]:
        cells = self._cells
        fits = np.isin(cells.type, (TRUE, FALSE))
        return value_column((cells.type == TRUE)[fits], cells.row[fits], cells.rows, ARROW["boolean"]), fits

    def _times(self) -> tuple[pa.Array, Bools]:
        cells = self._cells
        micros = np.full(len(cells.row), ABSENT, dtype=np.int64)
        texts = cells.type == TEXT
        of_texts = cells.of(texts)
        micros[texts] = parse_times(of_texts.data, of_texts.side, of_texts.start, of_texts.end)
        epochs = parse_epochs(of_texts.data, of_texts.side, of_texts.start, of_texts.end)
        micros[np.flatnonzero(texts)[epochs >= 0]] = _epochs(epochs[epochs >= 0])
        numbers = np.isin(cells.type, (INTEGER, FLOAT))
        micros[numbers] = _epochs(self._parsed[0][numbers])
        for cell in np.flatnonzero((micros == ABSENT) & np.isin(cells.type, (TEXT, TEXT_ESCAPED))).tolist():
            micros[cell] = _instant(orjson.loads(json_text(cells, cell)))
        fits = (micros >= FIRST_TIME) & (micros <= LAST_TIME)
        return value_column(micros[fits], cells.row[fits], cells.rows, ARROW["time"]), fits


def _lengths(cells: Cells) -> Ints:
    return np.where(cells.start < 0, cells.end + 1 + cells.start, cells.end - cells.start)


def _epochs(numbers: npt.NDArray[np.float64]) -> Ints:
    """Epochs as microseconds since 1970: in seconds, or in milli-, micro- or nanoseconds when that large."""
    size = np.abs(numbers)
    unit = np.select([size < 1e11, size < 1e14, size < 1e17], [1.0, 1e3, 1e6], 1e9)
    seconds = np.minimum(np.maximum(numbers / unit, -1e12), 1e12)
    micros: Ints = np.rint(seconds * MICROS).astype(np.int64)
    return micros


def _instant(text: str) -> int:
    """Microseconds since 1970 UTC of a date or time, or of an epoch written as text; ABSENT for anything else."""
    if not EPOCH.fullmatch(text):
        with suppress(ValueError, OverflowError):
            return instant(text)
    with suppress(ValueError):
        number = float(text)
        return int(_epochs(np.array([number]))[0]) if np.isfinite(number) else ABSENT
    return ABSENT


def json_text(cells: Cells, cell: int) -> bytes:
    """The value of a cell as canonical JSON. A whole number has no fraction, and minus zero no sign."""
    type_, raw = cells.type[cell], cells.raw(cell)
    if type_ == FLOAT:
        number = float(raw)
        return b"%d" % number if number.is_integer() and abs(number) <= EXACT else orjson.dumps(number)
    if type_ == INTEGER:
        return b"0" if raw == b"-0" else raw
    if type_ == TEXT:
        return dumps(raw.decode())
    if type_ == TEXT_ESCAPED:
        out = np.empty(len(raw), dtype=np.uint8)
        return dumps(out[: unescape(as_array(raw), 0, len(raw), out, 0)].tobytes().decode())
    return raw
