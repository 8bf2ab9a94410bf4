"""Questions as addresses: every question is the query string of an URL, and back.

A funnel's steps are repeated pairs `name=…&step=…`; a list is a repeated key; an option that is itself a table, or
a step that says more than its name and condition, is JSON; empty values count as absent.

>>> question("funnel", [("name", "Home"), ("step", "path = '/'"), ("step", "path = '/b'"), ("within", "1d")])["steps"]
[{'name': 'Home', 'when': "path = '/'"}, {'when': "path = '/b'"}]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, get_args, get_origin
from urllib.parse import quote, urlencode

from pydantic import BaseModel

from trackway.errors import QuestionError
from trackway.plan import registry

LONGEST = 16_000
"""Characters in a query string; longer questions are sent as JSON to `POST /api/ask`."""
MOST_STEPS = 50
EMPTY: tuple[object, ...] = ("", [])
DIGITS = 16
"""Longest whole number an address is read as."""
OPTIONS = frozenset(
    {"type", "as_of", "as_of_from", "as_of_to", "engine", "sample", "deadline", "saved", "people", "who"}
)
"""Keys that say how to ask, not what."""


def question(type_: str, items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The question of an address, as the JSON object `ask` takes. Raises QuestionError for what has no such shape."""
    pairs = [(key, value.strip()) for key, value in items if key not in OPTIONS]
    if sum(len(key) + len(value) for key, value in pairs) > LONGEST:
        raise QuestionError("an address this long", hint="send the question as JSON to POST /api/ask")
    asked: dict[str, Any] = {"type": type_}
    lists, known, stepped = many(type_), fields(type_), has_steps(type_)
    for key, value in pairs:
        if not value or (stepped and key in {"step", "name"}):
            continue
        if value[0] in "{[" and holds(known.get(key), BaseModel, dict):
            found = table(key, value)
            asked[key] = [*asked.get(key, []), found] if key in lists and isinstance(found, dict) else found
        elif key in lists:
            asked.setdefault(key, []).append(value)
        else:
            asked[key] = plain(value, known.get(key))
    if stepped:
        asked["steps"] = steps(pairs)
    return asked


def plain(value: str, annotation: Any) -> str | int | None:
    """A value as JSON would write it: a whole number where one is asked for, null where there may be none.

    >>> plain("8", int), plain("null", int | None), plain("8", str)
    (8, None, '8')
    """
    kinds = {annotation, *get_args(annotation)}
    if value == "null" and type(None) in kinds:
        return None
    return int(value) if int in kinds and value.isdecimal() and len(value) < DIGITS else value


def table(key: str, text: str) -> Any:
    """What a nested option says. Raises QuestionError when it is not JSON.

    >>> table("exclude", '{"when": "x = 1"}')
    {'when': 'x = 1'}
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise QuestionError(f"not JSON: {text[:80]}", path=key, hint='such as {"name": "value"}') from error


def steps(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Steps from repeated `step`, each with the `name` of the same place, or with the one just before it.

    >>> steps([("name", "A"), ("name", "B"), ("step", "x = 1"), ("step", "y = 2")])
    [{'name': 'A', 'when': 'x = 1'}, {'name': 'B', 'when': 'y = 2'}]
    """
    items = [(key, value) for key, value in pairs if key in {"name", "step"}]
    names = [value for key, value in items if key == "name"]
    whens = [value for key, value in items if key == "step"]
    if len(names) != len(whens):
        before = [("step", ""), *items]
        names = [last if was == "name" else "" for (was, last), (key, _) in pairwise(before) if key == "step"]
    found = [
        ({"name": name} if name else {}) | (table("step", when) if when.startswith('{"') else {"when": when})
        for name, when in zip(names, whens, strict=True)
        if when
    ]
    if len(found) > MOST_STEPS:
        raise QuestionError(f"a funnel of {len(found)} steps", path="steps", hint=f"at most {MOST_STEPS}")
    return found


def fields(type_: str) -> dict[str, Any]:
    """The options of a type of question under the names people write. Raises QuestionError for no such type."""
    cls = registry.load("queries", type_)
    return {field.alias or name: field.annotation for name, field in cls.model_fields.items()}


def has_steps(type_: str) -> bool:
    """Whether a type of question has steps with conditions, which an address writes as `name` and `step`.

    >>> has_steps("funnel"), has_steps("paths")
    (True, False)
    """
    return holds(fields(type_).get("steps"), BaseModel)


def many(type_: str) -> set[str]:
    """The options of a type that take a list."""
    return {name for name, annotation in fields(type_).items() if holds(annotation, list)}


def holds(annotation: Any, *kinds: type) -> bool:
    """Whether an annotation is one of these kinds, or has one within it.

    >>> holds(list[str] | None, list), holds(list[str], dict)
    (True, False)
    """
    own = get_origin(annotation) or annotation
    if isinstance(own, type) and issubclass(own, kinds):
        return True
    return any(holds(part, *kinds) for part in get_args(annotation))


def query_string(asked: Mapping[str, Any]) -> str:
    """The query string of a question, without its type; empty texts and lists are left out, null is written."""
    pairs: list[tuple[str, str]] = []
    for key, value in asked.items():
        if key == "type" or value in EMPTY:
            continue
        if key == "steps" and not isinstance(value, int):
            for step in value:
                pairs.append(("name", step.get("name") or ""))
                pairs.append(("step", step_text(step)))
        elif isinstance(value, list | tuple):
            pairs.extend((key, written(item)) for item in value)
        else:
            pairs.append((key, written(value)))
    return urlencode(pairs, quote_via=quote, safe="/:,")


def step_text(step: Mapping[str, Any]) -> str:
    """What a step says beside its name: its condition alone, or JSON when there is more.

    >>> step_text({"name": "A", "when": "x = 1"}), step_text({"when": "x = 1", "optional": True})
    ('x = 1', '{"when": "x = 1", "optional": true}')
    """
    rest = {name: part for name, part in step.items() if name != "name"}
    return str(rest["when"]) if set(rest) == {"when"} else written(rest)


def written(value: Any) -> str:
    """A value as an address holds it.

    >>> written("a"), written(None), written(True), written({"to": 3})
    ('a', 'null', 'true', '{"to": 3}')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
