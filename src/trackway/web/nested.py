"""Options that are lists of tables, or tables of texts, as rows of fields instead of JSON.

A row's fields are called `metrics.0.name`, `metrics.0.when`, …; what they say is gathered into the JSON that an address
holds, so that an address never knows of the form. There is always one empty row: another is added by filling it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from trackway.api import address
from trackway.model.condition import Condition
from trackway.plan import registry
from trackway.web.fields import ONE_EXAMPLE, Field, Items, form_kind, literals, sentence

NUMBERED = re.compile(r"^([^.]+)\.(\d+)\.([^.]+)$")
KEY, VALUE = "key", "value"
"""The two fields of a row of a table of texts."""


def opened(type_: str, field: Field) -> Field:
    """A field of nested options with its rows of fields; as it is when it has none, or holds what they cannot."""
    annotation = address.fields(type_).get(field.name)
    if field.kind != "tables":
        return field
    try:
        known = [json.loads(value) for value in field.value]
    except ValueError:
        return field
    model = listed(annotation)
    if model is not None and all(isinstance(one, dict) for one in known):
        rows = [of_model(field.name, number, model, one) for number, one in enumerate([*known, {}])]
    elif paired(annotation) and all(isinstance(one, dict) for one in known):
        pairs = [pair for one in known for pair in one.items()]
        rows = [of_pair(field.name, number, annotation, pair) for number, pair in enumerate([*pairs, ("", "")])]
    else:
        return field
    return replace(field, kind="rows", value=rows)


def listed(annotation: Any) -> type[BaseModel] | None:
    """The model of a list of tables.

    >>> listed(list[int]) is None
    True
    """
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        return item if isinstance(item, type) and issubclass(item, BaseModel) else None
    return next((found for part in get_args(annotation) if (found := listed(part)) is not None), None)


def paired(annotation: Any) -> bool:
    """Whether an option is a table of conditions or numbers.

    >>> paired(dict[str, float]), paired(dict[str, BaseModel])
    (True, False)
    """
    return get_origin(annotation) is dict and get_args(annotation)[1] in {Condition, float}


def of_model(option: str, number: int, model: type[BaseModel], known: dict[str, Any]) -> list[Field]:
    """The fields of one table."""
    found = []
    for name, info in model.model_fields.items():
        key, kind = info.alias or name, form_kind(name, info.annotation)
        value = "" if key not in known or known[key] == info.default else address.written(known[key])
        plain = kind if kind in {"condition", "choice", "number"} and literals_of(info.annotation, kind) else "text"
        default = "" if info.is_required() or info.default is None else address.written(info.default)
        offered = [("", default.replace("_", " ") or "—")]
        offered += [(text, text.replace("_", " ")) for text in literals_of(info.annotation, kind) if text != default]
        found.append(
            Field(
                f"{option}.{number}.{key}", plain, key.replace("_", " ").capitalize(), value,
                sentence(info.description or ""), offered if plain == "choice" else [],
                ONE_EXAMPLE if plain == "condition" else "",
            )
        )  # fmt: skip
    return found


def literals_of(annotation: Any, kind: str) -> list[str]:
    """What a choice may be; for other kinds, that they are one."""
    if kind != "choice":
        return [kind]
    return literals(annotation) or (["true", "false"] if bool in {annotation, *get_args(annotation)} else [])


def of_pair(option: str, number: int, annotation: Any, pair: tuple[str, Any]) -> list[Field]:
    """The two fields of a name and what it stands for."""
    kind = "condition" if get_args(annotation)[1] is Condition else "text"
    example = ONE_EXAMPLE if kind == "condition" else "0.5"
    return [
        Field(f"{option}.{number}.{KEY}", "text", "Name", pair[0]),
        Field(f"{option}.{number}.{VALUE}", kind, "Stands for", str(pair[1]), example=example),  # type: ignore[arg-type]
    ]


def gathered(type_: str, items: Items) -> list[tuple[str, str]]:
    """An address as a form sends it, with the rows of nested options as JSON in the place of the first of each."""
    rows: dict[str, dict[int, dict[str, str]]] = {}
    kept: list[tuple[str, str]] = []
    for key, value in items:
        found = NUMBERED.match(key)
        if found is None:
            kept.append((key, value))
        elif value.strip():
            rows.setdefault(found[1], {}).setdefault(int(found[2]), {})[found[3]] = value.strip()
    known = {info.alias or name: info.annotation for name, info in registry.load("queries", type_).model_fields.items()}
    for option, some in rows.items():
        kept += [(option, text) for text in texts(known.get(option), [some[number] for number in sorted(some)])]
    return kept


def texts(annotation: Any, rows: list[dict[str, str]]) -> Iterator[str]:
    """The JSON of rows: of each table, or of all pairs together."""
    if paired(annotation):
        number = get_args(annotation)[1] is float
        pairs = {row.get(KEY, ""): as_number(row.get(VALUE, "")) if number else row.get(VALUE, "") for row in rows}
        yield json.dumps(pairs, ensure_ascii=False)
        return
    model = listed(annotation)
    known = {} if model is None else {info.alias or name: info for name, info in model.model_fields.items()}
    for row in rows:
        typed = {key: as_typed(text, known[key].annotation if key in known else str) for key, text in row.items()}
        yield json.dumps(typed, ensure_ascii=False)


def as_typed(text: str, annotation: Any) -> Any:
    """A value as JSON would write it.

    >>> as_typed("true", bool), as_typed("3", int | None), as_typed("3", str)
    (True, 3, '3')
    """
    kinds = {annotation, *get_args(annotation)}
    if bool in kinds and text in {"true", "false"}:
        return text == "true"
    return address.plain(text, annotation)


def as_number(text: str) -> float | str:
    """A number, or the text that is none: what is wrong with it is told by the question.

    >>> as_number("0.5"), as_number("half")
    (0.5, 'half')
    """
    try:
        return float(text)
    except ValueError:
        return text
