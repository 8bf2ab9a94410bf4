"""Compatibility: every example of a change, and any two versions against what JSON Schema and Avro really take."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from promises import keeping, promises, versions
from trackway.model.contracts import avro, json_schema
from trackway.model.contracts.compatibility import compare
from trackway.model.contracts.promise import Promise, Property
from trackway.model.contracts.reading import AVRO, JSON, breaks

formats = FormatChecker(formats=())


@formats.checks("date-time")
def is_time(value: object) -> bool:
    return not isinstance(value, str) or value.startswith("2026-01-")


def promise(required: str = "", closed: bool = False, event: str = "Signed Up", **properties: Any) -> Promise:
    made = {name.replace("__", "."): Property.model_validate(one) for name, one in properties.items()}
    return Promise.of(event, made, required.split(), closed=closed)


def takes(reader: Promise, event: dict[str, Any]) -> bool:
    return Draft202012Validator(json_schema.written(reader), format_checker=formats).is_valid(event)


FEW = {"kind": "string", "values": ["free", "pro"]}
MANY = {"kind": "string", "values": ["free", "pro", "max"]}
EXAMPLES = {
    "nothing changed": (promise(plan="string"), promise(plan="string"), "full", "none"),
    "an optional property is added to open content": (promise(), promise(plan="string"), "forward", "minor"),
    "an optional property is added to closed content": (
        promise(closed=True), promise(closed=True, plan="string"), "backward", "minor"),
    "a required property is added": (promise(), promise("plan", plan="string"), "forward", "major"),
    "an optional property of any value is added": (promise(), promise(plan="json"), "full", "minor"),
    "an optional property is removed from open content": (promise(plan="string"), promise(), "backward", "major"),
    "an optional property is removed from closed content": (
        promise(closed=True, plan="string"), promise(closed=True), "forward", "major"),
    "a required property is removed": (promise("plan", plan="string"), promise(), "backward", "major"),
    "a property becomes required": (promise(plan="string"), promise("plan", plan="string"), "forward", "major"),
    "a property becomes optional": (promise("plan", plan="string"), promise(plan="string"), "backward", "major"),
    "a kind is widened": (promise(seats="integer"), promise(seats="number"), "backward", "major"),
    "a kind is narrowed": (promise(seats="number"), promise(seats="integer"), "forward", "major"),
    "a kind is another": (promise(seats="number"), promise(seats="string"), "none", "major"),
    "a time becomes a text": (promise(at="time"), promise(at="string"), "backward", "major"),
    "a value is added": (promise(plan=FEW), promise(plan=MANY), "backward", "major"),
    "a value is removed": (promise(plan=MANY), promise(plan=FEW), "forward", "major"),
    "open content is closed": (promise(plan="string"), promise(closed=True, plan="string"), "forward", "minor"),
    "closed content is opened": (promise(closed=True, plan="string"), promise(plan="string"), "backward", "minor"),
    "a value becomes an object": (promise(address="string"), promise(address__city="string"), "none", "major"),
    "an object becomes any value": (promise(address__city="string"), promise(address="json"), "backward", "major"),
    "another event": (promise(), promise(event="Signed Off"), "none", "major"),
    "other words": (promise(plan="string"), promise(plan={"kind": "string", "tags": ["billing"]}), "full", "patch"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "compatibility", "bump"), EXAMPLES.values(), ids=EXAMPLES)
def test_a_change_has_a_compatibility_and_a_bump(old, new, compatibility, bump):
    found = compare(old, new)
    assert (found.compatibility, found.bump) == (compatibility, bump)
    assert all(change.why for change in found.changes)


def test_a_contract_says_whom_it_protects():
    wider = promise(seats="integer"), promise(seats="number")
    assert [compare(*wider, keeps).bump for keeps in ("full", "backward", "forward", "none")] == [
        "major", "minor", "major", "minor",
    ]  # fmt: skip


def test_every_change_says_why_in_a_sentence_and_shows_an_event():
    found = compare(promise(plan="string", seats="integer"), promise("plan", plan="string", seats="string"))
    plan, seats = found.changes
    assert (plan.path, plan.what, seats.what) == ("plan", "required now", "integer is string now")
    assert plan.why == "not backward: 'plan' is required, and an event may lack it"
    assert "not backward: 'seats' may be an integer, not a string" in seats.why
    assert "not forward: 'seats' may be a string, not an integer" in seats.why
    assert [one.as_json().get("backward_event") for one in found.changes] == [{}, {"seats": 1}]


def test_the_words_of_schemaver():
    assert compare(promise(), promise("plan", plan="string")).schema_bump == "model"
    assert compare(promise(), promise(plan="string")).schema_bump == "revision"
    assert compare(promise(closed=True), promise(closed=True, plan="string")).schema_bump == "addition"


@given(promises(), promises(), st.data())
def test_what_is_called_compatible_is_taken_by_json_schema_and_what_is_not_is_shown_not_to_be(old, new, data):
    found = list(breaks(old, new, JSON))
    event = data.draw(keeping(old))
    assert takes(old, event)
    assert found or takes(new, event)
    for one in found:
        assert takes(old, one.event), one
        assert not takes(new, one.event), one


@given(versions(), st.data())
def test_minor_keeps_what_was_promised(pair, data):
    """Who sends only what was declared is still right, and who reads only what was declared still gets it."""
    old, new = pair
    assume(compare(old, new).bump in {"none", "patch", "minor"})
    sent = {**data.draw(keeping(Promise.of(old.event, old.properties, old.required, closed=True)))}
    assert takes(new, sent)
    got = cut(data.draw(keeping(new)), old.tree)
    assert takes(old, got)


def cut(event: Any, node: Any) -> Any:
    if node.property is not None or not isinstance(event, dict):
        return event
    return {key: cut(event[key], one) for key, one in node.inside.items() if key in event}


@given(promises(), promises())
def test_a_bump_is_the_largest_of_its_changes_and_nothing_is_blamed_on_nobody(old, new):
    found = compare(old, new)
    for name in ("backward", "forward"):
        blamed = {id(one) for change in found.changes for one in getattr(change, name)}
        assert blamed == {id(one) for one in getattr(found, name)}
    assert (found.bump == "none") == (old.hash == new.hash)


# ── Avro ────────────────────────────────────────────────────────────────────────────────────────────


def datum(event: Any, node: Any) -> Any:
    """An event as an Avro datum: times as epochs, any value as its JSON."""
    if event is None:
        return None
    if node.property is None:
        return {avro.named(key): datum(event.get(key), one) for key, one in node.inside.items()}
    if node.property.kind == "time":
        return 1_767_225_600_000_000
    return json.dumps(event) if node.property.kind == "json" else event


def reads(writer: Promise, reader: Promise, event: dict[str, Any]) -> bool:
    schemas = [fastavro.parse_schema(avro.written(one, "signed_up")) for one in (writer, reader)]
    file = io.BytesIO()
    fastavro.schemaless_writer(file, schemas[0], datum(event, writer.tree))
    file.seek(0)
    try:
        fastavro.schemaless_reader(file, schemas[0], schemas[1])
    except fastavro.read.SchemaResolutionError:
        return False
    return True


@given(promises(), promises(), st.data())
def test_what_is_called_readable_is_read_by_fastavro_and_what_is_not_fails_for_some_datum(old, new, data):
    found = list(breaks(old, new, AVRO))
    event = data.draw(keeping(Promise.of(old.event, old.properties, old.required, closed=True)))
    assert found or reads(old, new, event)
    for one in found:
        assert not reads(old, new, one.event), one
