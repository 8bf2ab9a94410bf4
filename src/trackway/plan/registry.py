"""The folder is the registry: `type = "file"` under `[sources.x]` is the one class in `sources/file.py`.

Other packages add components by an entry point `trackway.sources` (or codecs, transforms, queries …)
whose name is the type and whose value is the class.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from trackway.errors import ConfigError, optional, suggest
from trackway.plan.component import Codec, Component, Source, Transform
from trackway.plan.query import Query

KINDS: dict[str, type[Component]] = {
    "sources": Source,
    "codecs": Codec,
    "transforms": Transform,
    "queries": Query,
}


@cache
def names(kind: str) -> tuple[str, ...]:
    """The types of a kind, sorted; nothing is imported but the folder."""
    folder = importlib.import_module(f"trackway.{kind}")
    own = {module.name for module in pkgutil.iter_modules(folder.__path__)}
    return tuple(sorted(own | {point.name for point in entry_points(group=f"trackway.{kind}")}))


@cache
def load(kind: str, name: str) -> type[Component]:
    """The class of a type. Raises ConfigError with a suggestion, or MissingDriver naming the extra."""
    if kind not in KINDS:
        raise ConfigError(f"unknown kind '{kind}'", hint=suggest(kind, KINDS))
    if name not in names(kind):
        raise ConfigError(f"unknown type '{name}' of {kind}", hint=suggest(name, names(kind)))
    for point in entry_points(group=f"trackway.{kind}", name=name):
        return point.load()  # type: ignore[no-any-return]
    with optional(f"{kind}.{name}", name):
        module = importlib.import_module(f"trackway.{kind}.{name}")
    return component_in(module, KINDS[kind])


@cache
def codec(name: str) -> Codec:
    """The codec of a name, with its usual options. Raises ConfigError when there is none."""
    made = load("codecs", name)()
    if not isinstance(made, Codec):
        raise TypeError(f"{name} is not a codec")
    return made


def component_in(module: object, parent: type[Component]) -> type[Component]:
    """The one component class that a module defines."""
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, parent) and value.__module__ == module.__name__  # type: ignore[attr-defined]
        and not value.__name__.startswith("_")
    ]  # fmt: skip
    if len(found) != 1:
        raise ConfigError(f"{module.__name__} must define one {parent.__name__}, has {len(found)}")  # type: ignore[attr-defined]
    return found[0]
