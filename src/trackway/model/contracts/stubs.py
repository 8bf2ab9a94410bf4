"""Contracts as types for those who write the senders: `TypedDict`s for Python, interfaces for TypeScript.

A type checker then says which property is missing or of another kind before an event is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from trackway.model.contracts.promise import Node, Promise, Property
from trackway.model.schema import Kind

PYTHON: dict[Kind, str] = {
    "string": "str", "number": "float", "integer": "int", "boolean": "bool", "time": "datetime | str", "json": "Any",
}  # fmt: skip
TYPESCRIPT: dict[Kind, str] = {
    "string": "string", "number": "number", "integer": "number", "boolean": "boolean", "time": "Date | string",
    "json": "unknown",
}  # fmt: skip
NOTE = "Written by `trackway contracts stubs`; change the contracts instead."


def class_name(name: str) -> str:
    """The name of a contract as that of a class.

    >>> class_name("signed_up"), class_name("2nd order")
    ('SignedUp', 'Event2ndOrder')
    """
    made = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", name) if word)
    return made if made[:1].isalpha() else f"Event{made}"


def named(promises: Mapping[str, Promise]) -> dict[str, tuple[str, Promise]]:
    """Each contract with a class name of its own."""
    taken: dict[str, tuple[str, Promise]] = {}
    for name, promise in promises.items():
        made, number = class_name(name), 1
        while made in {one for one, _ in taken.values()}:
            number += 1
            made = f"{class_name(name)}{number}"
        taken[name] = (made, promise)
    return taken


def python(promises: Mapping[str, Promise]) -> str:
    """A module of Python with a type for each contract."""
    lines = [f'"""{NOTE}"""', "", "from __future__ import annotations", "", "from datetime import datetime",
             "from typing import Any, Final, Literal, NotRequired, Required, TypedDict"]  # fmt: skip
    for made, promise in named(promises).values():
        classes: list[str] = []
        _python_object(made, promise.tree, classes)
        said = promise.description or f"What '{promise.event}' promises."
        constant = re.sub(r"(?<!^)(?=[A-Z])", "_", made).upper()
        lines += ["", "", f"{constant}: Final = {json.dumps(promise.event)}", "", "\n\n".join(classes),
                  _text(said)]  # fmt: skip
    return "\n".join(lines) + "\n"


def _python_object(made: str, node: Node, classes: list[str]) -> None:
    """The class of an object, after those of the objects in it; functional, as keys need not be identifiers."""
    fields = []
    for key, one in sorted(node.inside.items()):
        if one.property is None:
            type_ = _inner(made, key, classes)
            _python_object(type_, one, classes)
        else:
            type_ = _python_value(one.property)
        whole = f"Required[{type_}]" if one.required else f"NotRequired[{type_} | None]"
        fields.append(f"    {json.dumps(key)}: {whole},{_comment(one.property, '  # ')}")
    body = "\n".join(["{", *fields, "}"]) if fields else "{}"
    classes.append(f"{made} = TypedDict({json.dumps(made)}, {body})")


def _inner(made: str, key: str, classes: list[str]) -> str:
    """A name for the class of an object inside of another, unlike those that there are."""
    whole = f"{made}_{class_name(key)}"
    taken = sum(one.startswith((f"{whole} ", f"{whole}_", f"export interface {whole} ")) for one in classes)
    return f"{whole}{taken + 1}" if taken else whole


def _python_value(one: Property) -> str:
    if one.values:
        return f"Literal[{', '.join(json.dumps(value) for value in sorted(set(one.values)))}]"
    return PYTHON[one.kind]


def _text(said: str) -> str:
    """A docstring below a definition."""
    return json.dumps(" ".join(said.split()), ensure_ascii=False)


def _comment(one: Property | None, opening: str, closing: str = "") -> str:
    said = " ".join(one.description.split()).replace("*/", "* /") if one is not None else ""
    return f"{opening}{said}{closing}" if said else ""


def typescript(promises: Mapping[str, Promise]) -> str:
    """A module of TypeScript with an interface for each contract, and `Events`: event name to interface."""
    lines, events = [f"// {NOTE}"], dict[str, str]()
    for made, promise in named(promises).values():
        classes: list[str] = []
        _typescript_object(made, promise.tree, promise, classes)
        described = " ".join(promise.description.split()).replace("*/", "* /")
        lines += ["", *classes[:-1], *([f"/** {described} */"] if described else []), classes[-1]]
        events.setdefault(promise.event, made)
    inside = [f"  {json.dumps(event)}: {made};" for event, made in events.items()]
    lines += ["", "/** What each event carries, as for `track<E extends keyof Events>(event: E, what: Events[E])`. */",
              "export interface Events {", *inside, "}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _typescript_object(made: str, node: Node, promise: Promise, classes: list[str]) -> None:
    fields = []
    for key, one in sorted(node.inside.items()):
        if one.property is None:
            type_ = _inner(made, key, classes)
            _typescript_object(type_, one, promise, classes)
        else:
            values = " | ".join(json.dumps(value) for value in sorted(set(one.property.values)))
            type_ = values or TYPESCRIPT[one.property.kind]
        optional = "" if one.required else "?"
        null = "" if one.required or type_ == "unknown" else " | null"
        if said := _comment(one.property, "  /** ", " */"):
            fields.append(said)
        fields.append(f"  {json.dumps(key)}{optional}: {type_}{null};")
    rest = [] if promise.closed else ["  [other: string]: unknown;"]
    classes.append("\n".join([f"export interface {made} {{", *fields, *rest, "}"]))


LANGUAGES: dict[str, Callable[[Mapping[str, Promise]], str]] = {"python": python, "typescript": typescript}
