"""Whether a reader takes every event that a writer may send; where it does not, an event that shows it is made.

Two promises are walked at once. As JSON an event has whatever was sent, and a closed content refuses what it does not
know. As Avro a reader sees only its own fields, a value is one of the wire types, and lists of values are not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trackway.model.contracts.promise import Node, Promise, Property
from trackway.model.schema import Kind

Cause = Literal["kind", "required", "undeclared", "unknown", "content"]
"""A value that does not fit, one that is missing, one that the writer does not declare, one that the reader does not
know, one that neither knows."""
Path = tuple[str, ...]
SAMPLES: dict[Kind, Any] = {
    "string": "text", "number": 0.5, "integer": 1, "boolean": True, "time": "2026-01-01T00:00:00Z", "json": ["any"],
}  # fmt: skip
FITS: frozenset[tuple[Kind, Kind]] = frozenset({("integer", "number"), ("time", "string")})
"""Kinds whose every value, as JSON, is one of another kind; beside itself, and anything is `json`."""
WIRE: dict[Kind, str] = {
    "string": "string", "json": "string", "integer": "long", "time": "long", "number": "double", "boolean": "boolean",
}  # fmt: skip
"""The Avro type of a kind."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How events are read."""

    misfit: Callable[[Property | None, Property], Any]
    """A value that a property (None: an object) allows and another does not; None when there is none."""
    projects: bool
    """Whether a reader sees its own fields alone, whatever else was sent."""


@dataclass(frozen=True, slots=True)
class Break:
    """Why a reader cannot take every event of a writer, with one that it cannot take."""

    path: Path
    cause: Cause
    why: str
    event: dict[str, Any]


def breaks(writer: Promise, reader: Promise, reading: Reading) -> Iterator[Break]:
    """Every way in which an event that keeps the promise of `writer` may not keep that of `reader`."""
    smallest = least(writer.tree)
    walk = _Walk(reading.misfit, not writer.closed and not reading.projects, reader.closed and not reading.projects)
    for path, cause, why, value in walk.objects(writer.tree, reader.tree, ()):
        yield Break(path, cause, why, smallest if cause == "required" else placed(smallest, path, value))
    if walk.anything and walk.closed:
        declared = {*writer.tree.inside, *reader.tree.inside}
        name = next(name for number in range(len(declared) + 1) if (name := f"other_{number + 1}") not in declared)
        why = "an event may carry what is not declared, and the closed content refuses it"
        yield Break((), "content", why, {**smallest, name: 1})


Found = tuple[Path, Cause, str, Any]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Finds the places where a reader may refuse: the path, why, and a value for that place."""

    misfit: Callable[[Property | None, Property], Any]
    anything: bool
    """Whether the writer may send what it does not declare."""
    closed: bool
    """Whether the reader refuses what it does not know."""

    def objects(self, writer: Node, reader: Node, path: Path) -> Iterator[Found]:
        for key in sorted({*writer.inside, *reader.inside}):
            sent, wanted, here = writer.inside.get(key), reader.inside.get(key), (*path, key)
            if wanted is None:
                if sent is not None and self.closed:
                    why = f"'{'.'.join(here)}' may be sent, and the closed content refuses it"
                    yield here, "unknown", why, example(sent)
                continue
            if wanted.required and not (sent is not None and sent.required):
                yield from _lacking(sent, wanted, here)
            if sent is not None:
                yield from self.values(sent, wanted, here)
            elif self.anything and not (wanted.property is not None and wanted.property.kind == "json"):
                why = f"'{'.'.join(here)}' was not declared, and an event of open content may carry it with any value"
                yield here, "undeclared", why, unfit(wanted)

    def values(self, sent: Node, wanted: Node, path: Path) -> Iterator[Found]:
        """What may be sent at a place and does not fit what is wanted there."""
        name = ".".join(path)
        if wanted.property is None:
            if sent.property is None:
                yield from self.objects(sent, wanted, path)
            else:
                yield path, "kind", f"'{name}' may be {_said(sent.property)}, not an object", example(sent)
        elif (wrong := self.misfit(sent.property, wanted.property)) is not None:
            value = example(sent) if sent.property is None else wrong
            listed = sent.property is not None and wanted.property.values and wanted.property.kind == sent.property.kind
            said = repr(wrong) if listed else _said(sent.property)
            yield path, "kind", f"'{name}' may be {said}, not {_said(wanted.property)}", value


def _lacking(sent: Node | None, wanted: Node, path: Path) -> Iterator[Found]:
    """What is required at a place where nothing need be sent; of two objects, the walk through them finds it."""
    if wanted.property is not None:
        yield path, "required", f"'{'.'.join(path)}' is required, and an event may lack it", None
    elif sent is None or sent.property is not None:
        for key, one in wanted.inside.items():
            if one.required:
                yield from _lacking(None, one, (*path, key))


def _said(one: Property | None) -> str:
    if one is None:
        return "an object"
    if one.values:
        return "one of " + ", ".join(sorted(one.values))
    return {"json": "any value", "integer": "an integer"}.get(one.kind, f"a {one.kind}")


# ── which values fit ────────────────────────────────────────────────────────────────────────────────


def _as_json(sent: Property | None, wanted: Property) -> Any:
    if wanted.kind == "json":
        return None
    if sent is None:
        return {}
    if sent.values and wanted.kind == "string":
        return min({*sent.values} - {*wanted.values}, default=None) if wanted.values else None
    if sent.kind == wanted.kind or (sent.kind, wanted.kind) in FITS:
        return _other(wanted.values, SAMPLES[sent.kind]) if wanted.values else None
    return example(Node(sent))


def _as_avro(sent: Property | None, wanted: Property) -> Any:
    if sent is None:
        return {}
    fits = WIRE[sent.kind] == WIRE[wanted.kind] or (WIRE[sent.kind], WIRE[wanted.kind]) == ("long", "double")
    return None if fits else example(Node(sent))


def _other(values: list[str], sample: str) -> str:
    """A text like the sample, or a time when it is one, that is none of the values."""
    others = (f"2026-01-01T00:00:{second:02}Z" if sample.endswith("Z") else f"{sample}{second or ''}"
              for second in range(len(values) + 1))  # fmt: skip
    return next(other for other in others if other not in values)


JSON = Reading(_as_json, projects=False)
AVRO = Reading(_as_avro, projects=True)


# ── events that show something ──────────────────────────────────────────────────────────────────────


def example(node: Node) -> Any:
    """A value that fits a place; of an object everything that is declared."""
    if node.property is None:
        return {key: example(one) for key, one in node.inside.items()}
    return min(node.property.values) if node.property.values else SAMPLES[node.property.kind]


def unfit(node: Node) -> Any:
    """A value that does not fit a place."""
    return "text" if node.property is not None and node.property.kind == "boolean" else False


def least(node: Node) -> dict[str, Any]:
    """The smallest event that keeps a promise."""
    needed = {key: one for key, one in node.inside.items() if one.required}
    return {key: example(one) if one.property is not None else least(one) for key, one in needed.items()}


def placed(event: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """An event with a value at a place."""
    if len(path) == 1:
        return {**event, path[0]: value}
    return {**event, path[0]: placed(event.get(path[0]) or {}, path[1:], value)}
