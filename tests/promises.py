"""Promises for tests: any that can be made, and events that keep one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from trackway.model.contracts.promise import Node, Promise, Property

WORDS = ["free", "pro", "max"]
PLACES = ["address", "address.city", "address.zip", "address.at.lat"]
NAMES = ["plan", "seats", *PLACES, "user id", "2nd", "a_u20_b", "a b", "größe"]
KINDS = ["string", "number", "integer", "boolean", "time", "json"]
texts = st.sampled_from(["", "who pays", 'a "quoted" word', "two\nlines", "*/ end"])


@st.composite
def properties(draw: st.DrawFn) -> Property:
    kind = draw(st.sampled_from(KINDS))
    values = draw(st.lists(st.sampled_from(WORDS), unique=True, max_size=3)) if kind == "string" else []
    tags = draw(st.lists(st.sampled_from(["email", "personal"]), unique=True))
    return Property(kind=kind, values=sorted(values), description=draw(texts), tags=sorted(tags))


def flat(found: dict[str, Property]) -> dict[str, Property]:
    """Without what is inside of a value."""
    return {name: one for name, one in found.items() if not any(name.startswith(f"{other}.") for other in found)}


@st.composite
def promises(draw: st.DrawFn, names: list[str] = NAMES) -> Promise:
    found = draw(st.dictionaries(st.sampled_from(names), properties(), max_size=5))
    found = flat(found)
    needed = draw(st.sets(st.sampled_from(sorted(found)))) if found else set()
    return Promise.of("Signed Up", found, needed, closed=draw(st.booleans()), description=draw(texts))


@st.composite
def versions(draw: st.DrawFn) -> tuple[Promise, Promise]:
    """A promise, and one that differs from it in little."""
    old, other = draw(promises()), draw(promises())
    found = dict(old.properties)
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=2)):
        if name in found and draw(st.booleans()):
            del found[name]
        elif name in other.properties:
            found[name] = other.properties[name]
    closed = draw(st.sampled_from([old.closed, old.closed, other.closed]))
    found = flat(found)
    return old, Promise.of(old.event, found, old.required & set(found), closed=closed)


ANY = st.one_of(st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.sampled_from([*WORDS, "text"]), st.just([1]),
                st.just({"city": 1}))  # fmt: skip
OF_KIND: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from([*WORDS, "text", "2026-01-01T00:00:00Z"]),
    "number": st.floats(-2, 2) | st.integers(-2, 2),
    "integer": st.integers(-5, 5),
    "boolean": st.booleans(),
    "time": st.just("2026-01-01T00:00:00Z"),
    "json": ANY,
}


def keeping(promise: Promise) -> st.SearchStrategy[dict[str, Any]]:
    """Events that keep a promise."""
    return _object(promise.tree, closed=promise.closed)


@st.composite
def _object(draw: st.DrawFn, node: Node, closed: bool) -> dict[str, Any]:
    event = {}
    for key, one in node.inside.items():
        how = draw(st.sampled_from(["value"] if one.required else ["value", "value", "null", "absent"]))
        if how == "value":
            event[key] = draw(_value(one, closed))
        elif how == "null":
            event[key] = None
    if not closed:
        for name in draw(st.lists(st.sampled_from(["plan", "seats", "address", "city", "mood"]), max_size=2)):
            event.setdefault(name, draw(ANY)) if name not in node.inside else None
    return event


def _value(one: Node, closed: bool) -> st.SearchStrategy[Any]:
    if one.property is None:
        return _object(one, closed)
    return st.sampled_from(one.property.values) if one.property.values else OF_KIND[one.property.kind]
