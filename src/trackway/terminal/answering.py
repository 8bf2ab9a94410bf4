"""Answers on the command line: drawn for people, as JSON or CSV for programs; one, or better and better ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from trackway.api.form import as_csv
from trackway.terminal import paint
from trackway.terminal.pictures.canvas import console

if TYPE_CHECKING:
    from trackway.plan.query import Answer
    from trackway.store.columns.cost import Cost

PLAIN = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True, slots=True)
class Shape:
    """How answers are shown: `drawn`, `json` or `csv`; and what the question is called."""

    form: str
    name: str


def one(answer: Answer, shape: Shape) -> None:
    """One answer."""
    if shape.form == "json":
        _json(answer.as_json(), orjson.OPT_INDENT_2)
    elif shape.form == "csv":
        sys.stdout.write(as_csv(answer.rows))
    else:
        paint.answer(answer, shape.name)


def better(answers: Iterable[Answer], shape: Shape) -> None:
    """Answers as they come: JSON is one object a line; on a terminal each takes the place of the one before.

    What is written to a file as a drawing or as CSV is the last one alone.
    """
    last = None
    for last in answers:
        if shape.form == "json":
            _json(last.as_json(), 0)
        elif shape.form == "drawn" and sys.stdout.isatty():
            console().clear()
            paint.answer(last, shape.name)
    if last is not None and shape.form != "json" and not (shape.form == "drawn" and sys.stdout.isatty()):
        one(last, shape)


def cost(found: Cost, shape: Shape) -> None:
    """What a question would cost."""
    if shape.form == "json":
        _json(found.as_json(), orjson.OPT_INDENT_2)
        return
    seconds = None if found.seconds is None else round(found.seconds, 2)
    paint.facts(
        {
            "answered by": found.engine, "events": found.events, "actors": found.actors,
            "bytes to read": found.bytes * found.passes, "memory": found.memory, "seconds to expect": seconds,
        }
    )  # fmt: skip


def _json(content: object, option: int) -> None:
    sys.stdout.buffer.write(orjson.dumps(content, default=str, option=PLAIN | option))
    sys.stdout.buffer.flush()
