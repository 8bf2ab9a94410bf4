"""The registry for people: which types there are, and what one of them takes."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

from trackway.errors import ConfigError, suggest
from trackway.plan import registry


def listed(kind: str = "") -> list[dict[str, str]]:
    """Every type of a kind (or of all) with its summary; read from the files, nothing is imported.

    Raises ConfigError for an unknown kind.
    """
    if kind and kind not in registry.KINDS:
        raise ConfigError(f"unknown kind '{kind}'", hint=suggest(kind, registry.KINDS))
    return [
        {"kind": one, "type": name, "summary": summary(one, name)}
        for one in ([kind] if kind else registry.KINDS)
        for name in registry.names(one)
    ]


def summary(kind: str, name: str) -> str:
    """The first paragraph of a component's docstring, in one line; empty for one of another package."""
    folder = importlib.import_module(f"trackway.{kind}").__path__
    own = {module.name for module in pkgutil.iter_modules(folder)}
    if name not in own:
        return ""
    text = (Path(next(iter(folder))) / f"{name}.py").read_text(encoding="utf-8")
    return " ".join((ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].split())


def described(name: str) -> dict[str, Any]:
    """One type: `kind type text options schema`. Raises ConfigError."""
    kind, _, type_ = name.partition(".")
    if not type_:
        raise ConfigError(f"expected KIND.TYPE, got '{name}'", hint="such as sources.file; trackway list has all")
    cls = registry.load(kind, type_)
    module = inspect.getmodule(cls)
    return {
        "kind": kind,
        "type": type_,
        "text": inspect.cleandoc((module and module.__doc__) or cls.__doc__ or ""),
        "options": [option(key, field) for key, field in cls.model_fields.items()],
        "schema": cls.model_json_schema(by_alias=True),
    }


def option(key: str, field: Any) -> dict[str, Any]:
    """One option: name, type, default and what it says."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return {
        "name": field.alias or key,
        "type": said(field.annotation),
        "default": default if isinstance(default, str | int | float | bool | list | dict | None) else str(default),
        "required": field.is_required(),
        "text": " ".join((field.description or "").split()),
    }


def said(annotation: Any) -> str:
    """A type in words.

    >>> said(list[str] | None), said(dict[str, int])
    ('list of text', 'text to integer')
    """
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(map(str, parts))
    if origin is Annotated:
        return said(parts[0])
    if origin is list:
        return f"list of {said(parts[0])}"
    if origin is dict:
        return f"{said(parts[0])} to {said(parts[1])}"
    if parts:
        return " or ".join(dict.fromkeys(said(part) for part in parts if part is not type(None)))
    name = getattr(annotation, "__name__", str(annotation))
    return {"str": "text", "int": "integer", "float": "number", "bool": "true or false"}.get(name, name.lower())
