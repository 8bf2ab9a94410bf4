"""Patterns of logging libraries as layouts: those of Python's logging and those of log4j and logback.

    %(asctime)s - %(name)s - %(levelname)s - %(message)s
    %d{ISO8601} [%t] %-5p %c{1} - %m%n

Where a pattern has a space, a line may have several, since libraries fill up levels and names with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.flow.layout import BLANK, PADDING, Field, FormatError, Layout, Piece, distinct
from trackway.flow.lines import Lines, fitting
from trackway.flow.moments import DATED, ZONED, compiled
from trackway.flow.spans import Bytes, Ints, as_array, line_spans
from trackway.flow.web import called
from trackway.model.event import Block

LEVELS = (
    "TRACE|FINEST|FINER|FINE|DEBUG|DBUG|DBG|CONFIG|INFO|INF|INFORMATION|NOTICE|NOTE|WARN|WARNING|WRN|ERROR|ERR|ERRO|"
    "SEVERE|CRITICAL|CRIT|ALERT|EMERG|EMERGENCY|FATAL|FTL|PANIC|LOG|STATEMENT|DETAIL|HINT|SYSTEM|VERBOSE|OFF|ALL|"
    "DEBUG1|DEBUG2|DEBUG3|DEBUG4|DEBUG5|T|D|I|W|E|F|C|V|A"
)
"""What a level may be; a line with another word in its place is not of the pattern."""
WORD = r"\S"
"""Format of a text without white space."""
LEVEL = Field("level", format=LEVELS, strict=True)
MESSAGE = Field("message", escape="none")
PYTHON: Mapping[str, Field] = {
    "levelname": LEVEL, "name": Field("logger", format=WORD, strict=True), "message": MESSAGE,
    "process": Field("pid", "integer"),
    "processName": Field("process"), "thread": Field("thread_id", "integer"), "threadName": Field("thread"),
    "lineno": Field("line", "integer"), "levelno": Field("level_number", "integer"), "filename": Field("file"),
    "funcName": Field("function"), "msecs": Field("milliseconds", "number"), "created": Field("time", "time", "%s%f"),
}  # fmt: skip
JAVA: Mapping[str, Field] = {
    name: field
    for names, field in {
        ("p", "level", "le", "levelname"): LEVEL,
        ("c", "logger", "lo"): Field("logger", format=WORD, strict=True),
        ("t", "thread", "tn", "threadName"): Field("thread"),
        ("m", "msg", "message"): MESSAGE,
        ("C", "class"): Field("class"),
        ("M", "method"): Field("function"),
        ("F", "file"): Field("file"),
        ("L", "line"): Field("line", "integer"),
        ("pid", "processId"): Field("pid", "integer"),
        ("r", "relative"): Field("uptime", "number", scale=1e-3),
        ("x", "NDC"): Field("context"),
        ("T", "tid"): Field("thread_id", "integer"),
        ("sn", "sequenceNumber"): Field("sequence", "integer"),
    }.items()
    for name in names
}
DATES = {
    "": "%Y-%m-%d %H:%M:%S%f", "ISO8601": "%Y-%m-%d %H:%M:%S%f%z", "DEFAULT": "%Y-%m-%d %H:%M:%S%f",
    "ABSOLUTE": "%H:%M:%S%f", "DATE": "%d %b %Y %H:%M:%S%f", "UNIX": "%s", "UNIX_MILLIS": "%Q",
    "T": "%Y-%m-%dT%H:%M:%S%f%z", "ISO8601_OFFSET_DATE_TIME_HHCMM": "%Y-%m-%dT%H:%M:%S%f%z",
}  # fmt: skip
JAVA_LETTERS = (("yyyy", "%Y"), ("uuuu", "%Y"), ("yy", "%y"), ("MMM", "%b"), ("MM", "%m"), ("dd", "%d"), ("EEE", "%a"),
                ("HH", "%H"), ("hh", "%I"), ("mm", "%M"), ("ss", "%S"), ("a", "%p"), ("d", "%e"))  # fmt: skip
PYTHON_FIELD = re.compile(r"%\((\w+)\)(-?)(\d*)(?:\.\d+)?([sdf])|%%")
JAVA_FIELD = re.compile(
    r"%(-?)(\d*)(?:\.-?\d+)?(?:(clr|highlight|style|replace)\(|(\w+?)(?=\{|\b|[^A-Za-z]))((?:\{[^}]*\})*)|%%|\)"
)


@cache
def layout(pattern: str) -> Layout:
    """The layout of a pattern. Raises FormatError for one that has no meaning."""
    pieces = distinct(_python(pattern) if "%(" in pattern else _java(pattern))
    made = Layout(tuple(pieces), event="log", null=b"", escape="none", visitor=False)
    if not any(isinstance(piece, Field) and piece.names == ("message",) for piece in pieces):
        raise FormatError(
            "the pattern has no message", hint="such as '%(asctime)s %(levelname)s %(message)s' or '%d %p %m%n'"
        )
    return made


def dated(format_: str) -> list[Piece]:
    """The piece of a time: one without a date is a text."""
    holds = compiled(format_)[1]
    return [Field("time", "time", format_) if holds & (DATED | ZONED) else Field("clock")]


def _python(pattern: str) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for match in PYTHON_FIELD.finditer(pattern):
        pieces += spaced(pattern[at : match.start()])
        at = match.end()
        name, left, width, _ = match.groups()
        if name is None:
            pieces.append(b"%")
        elif name == "asctime":
            pieces += dated(DATES[""])
        else:
            pieces += ([PADDING] if width and not left else []) + [PYTHON.get(name) or called(name)]
    return [*pieces, *spaced(pattern[at:])]


def _java(pattern: str) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    pattern = re.sub(r"\$\{PID[^}]*\}", "%pid", pattern)
    pattern = re.sub(r"%(?:n|wEx|xEx|ex|xThrowable|throwable|rEx)(?:\{[^}]*\})*", "", pattern)
    for match in JAVA_FIELD.finditer(pattern):
        pieces += spaced(pattern[at : match.start()])
        at = match.end()
        left, width, _, name, options = match.groups()
        if name is None:
            pieces += [b"%"] if match[0] == "%%" else []
            continue
        option = re.findall(r"\{([^}]*)\}", options or "")
        pieces += [PADDING] if width and not left else []
        if name in ("d", "date"):
            pieces += dated(java_time(option[0] if option else ""))
        elif name in ("X", "mdc", "MDC"):
            pieces.append(Field(f"context.{option[0].partition(':')[0]}" if option else "context", empty=True))
        elif name in JAVA:
            pieces.append(JAVA[name])
        else:
            raise FormatError(f"unknown '%{name}' in the pattern")
    return [*pieces, *spaced(pattern[at:].rstrip())]


def java_time(text: str) -> str:
    """A date pattern of Java in the letters of strftime.

    >>> java_time("yyyy-MM-dd'T'HH:mm:ss.SSSXXX")
    '%Y-%m-%dT%H:%M:%S%f%z'
    """
    if text in DATES:
        return DATES[text]
    found = re.sub(r"[.,]S+", "\0", text)
    found = re.sub(r"S+", "\1", found)
    found = re.sub(r"\[?[XxZ]+\]?", "\2", found).replace("z", "\3")
    for letters, ours in JAVA_LETTERS:
        found = re.sub(rf"(?<![%A-Za-z]){letters}(?![A-Za-z])|(?<=T'){letters}", ours, found)
    return found.replace("'", "").replace("\0", "%f").replace("\1", "%L").replace("\2", "%z").replace("\3", "%Z")


def spaced(text: str) -> list[Piece]:
    """A literal with its spaces as any number of them."""
    parts = re.split(r"([ \t]+)", text)
    return [BLANK if part.isspace() else part.encode() for part in parts if part]


ISO = ("yyyy-MM-dd HH:mm:ss,SSSXXX", "yyyy-MM-dd'T'HH:mm:ss,SSSXXX")
"""With or without fraction and zone."""
USUAL = (
    *(pattern.replace("%d", f"%d{{{time}}}") for time in ISO for pattern in (
        "%d %p %pid --- [%X{app}] [%15t] %c : %m", "%d %p %pid --- [%15t] %c : %m", "%d - %c - %p - %m",
        "%d [myid:%X{myid}] - %p [%t] - %m", "%d [%t] %p %c - %m", "%d [%t] %p %c: %m", "%d %p [%t] %c: %m",
        "%d %p [%t] %c - %m", "%d %p [%c] (%t) %m", "%d %p [%c] %m", "%d [%p] %c: %m", "%d [%p] [%c] %m", "%d [%p] %m",
        "[%d] [%p] [%t] %m", "[%d: %p/%t] %m", "[%d] %p in %c: %m", "[%d] %p %m (%c)", "[%d] %p [%c] %m",
        "[%d] [%p] [%c] %m", "[%d] [%p] %m", "[%d] %p: %m", "[%d] %p %m", "[%d %p %c] %m", "%d %p %c: %m",
        "%d %p %c - %m", "%d | %p | %c | %m", "%d|%p|%c|%m", "%d %p: %m", "%d - %p - %m", "%d %p %m",
        "[%d] %m", "%d %m",
    )),
    "[%d{yyyy-MM-dd HH:mm:ss Z}] [%pid] [%p] %m", "%d{yyyy-MM-dd HH:mm:ss,SSS z} [%pid] %p: %m",
    "%d{yyyy/MM/dd HH:mm:ss} [%p] %pid#%T: *%sn %m", "%d{yyyy/MM/dd HH:mm:ss} [%p] %pid#%T: %m",
    "%d{yy/MM/dd HH:mm:ss} %p %c: %m", "%d{yyyy/MM/dd HH:mm:ss,SSS} %p %m", "%d{yyyy/MM/dd HH:mm:ss,SSS} %m",
    "[%d{EEE MMM dd HH:mm:ss.SSS yyyy}] [%p] [pid %pid] [client %X{client}] %m",
    "[%d{EEE MMM dd HH:mm:ss.SSS yyyy}] [%c:%p] [pid %pid:tid %T] %m", "[%d{EEE MMM dd HH:mm:ss.SSS yyyy}] [%p] %m",
    "%d{dd MMM yyyy HH:mm:ss,SSS} %p %c: %m", "%d{dd MMM yyyy HH:mm:ss,SSS} %m", "[%d{dd/MMM/yyyy HH:mm:ss}] %m",
    "%p %d{yyyy-MM-dd HH:mm:ss,SSS} %c %pid %T %m", "%(levelname)s:%(name)s:%(message)s",
    "%d{HH:mm:ss.SSS} [%t] %p %c - %m", "%p: %m",
)  # fmt: skip
"""What an application log is looked for as, what says most first."""
TRACEBACK = r"(?s)^Traceback \(most recent call last\):.*?\n(?P<type>[A-Za-z_][\w.]*)(?:: (?P<message>[^\n]*))?\s*$"
THROWN = r"^(?P<type>(?:[a-z_][\w$]*\.)+[A-Z][\w$]*)(?:: (?P<message>[^\n]*))?(?:\n\s+at |\n\s*\.\.\.|$)"
ENOUGH = 0.3
"""Share of the lines not read yet that a pattern must read."""


def recognised(lines: Sequence[bytes]) -> list[str]:
    """The patterns of some lines, as few as read most of them."""
    found: list[str] = []
    left = list(lines)
    for pattern in USUAL:
        body = b"\n".join(left)
        starts, ends = line_spans(as_array(body))
        good = fitting(Lines(Block(0, "", 0, "", body, 0), as_array(body), starts, ends), (layout(pattern),))
        if good.sum() > ENOUGH * len(left):
            found.append(pattern)
            left = [body[start:end] for start, end in zip(starts[~good].tolist(), ends[~good].tolist(), strict=True)]
    return found


def layouts(format_: str) -> tuple[Layout, ...]:
    """The layouts of patterns, one a line."""
    return tuple(layout(pattern) for pattern in format_.split("\n") if pattern.strip())


def entries(data: Bytes, starts: Ints, ends: Ints, format_: str) -> tuple[Ints, Ints, Ints]:
    """Lines put together: one that has none of the patterns belongs to the one before it that has.

    Returns starts and ends of entries, and which line each begins with. Lines before the first entry stand alone.
    """
    if not len(starts):
        return starts, ends, np.zeros(0, dtype=np.int64)
    lines = Lines(Block(0, "", 0, "", data.tobytes(), 0), data, starts, ends)
    begin = fitting(lines, layouts(format_))
    first = int(np.argmax(begin)) if begin.any() else len(begin)
    begin[:first] = True
    places = np.flatnonzero(begin)
    return starts[places], ends[np.append(places[1:], len(starts)) - 1], places


def with_stack(table: pa.Table) -> pa.Table:
    """The table with what follows the first line of a message as `stack`, and the exception it tells."""
    if "message" not in table.column_names:
        return table
    texts = table["message"].combine_chunks()
    parts = pc.split_pattern(texts, "\n", max_splits=1)
    several = pc.equal(pc.list_value_length(parts), 2)
    if not pc.any(several).as_py():
        return table
    first = pc.utf8_rtrim_whitespace(pc.list_element(parts, 0))
    rest = pc.list_element(pc.if_else(several, parts, pa.scalar([None, None], parts.type)), 1)
    place = table.schema.get_field_index("message")
    table = table.set_column(place, "message", first).add_column(place + 1, "stack", rest)
    python, java = pc.extract_regex(rest, TRACEBACK), pc.extract_regex(rest, THROWN)
    for number, name in enumerate(("type", "message")):
        told = pc.coalesce(pc.struct_field(python, name), pc.struct_field(java, name))
        told = pc.if_else(pc.equal(told, ""), None, told)
        table = table.add_column(place + 2 + number, f"exception.{name}", told)
    return table
