"""Contracts in the words of others: what goes out comes back, and what comes in says what could not be kept."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from typing import Any

import fastavro
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator

from promises import promises
from trackway.errors import ConfigError
from trackway.model.contracts import avro, forms, iglu, json_schema
from trackway.model.contracts.promise import Promise, Property
from trackway.model.contracts.version import Version
from trackway.plan.component import Contract


@given(promises())
def test_a_canonical_form_comes_back_with_the_same_hash(promise):
    again = Promise.read(promise.document())
    assert (again, again.hash) == (promise, promise.hash)


def test_the_hash_does_not_depend_on_the_order_in_which_something_is_said():
    one = Promise.of("E", {"a": Property(kind="string", values=["x", "y"]), "b": Property(kind="json")}, ["a", "b"])
    other = Promise.of("E", {"b": Property(kind="json"), "a": Property(kind="string", values=["y", "x"])}, ["b", "a"])
    assert one.hash == other.hash
    assert one.hash == "sha256:36390808078b769015b1ded9534eb4934cf98cac5a9708984c8982b92d490bf2"


@given(promises())
def test_json_schema_comes_back_and_is_one(promise):
    schema = json_schema.written(promise)
    Draft202012Validator.check_schema(schema)
    found = json_schema.read(schema)
    assert (found.promise, found.notes) == (promise, ())


@given(promises())
def test_iglu_comes_back_and_is_a_schema_of_draft_4(promise):
    schema = iglu.written(promise, "signed_up", Version(1, 4, 2), "com.acme")
    Draft4Validator.check_schema(schema)
    found = iglu.read(schema)
    assert (found.promise, found.name, found.version, found.notes) == (promise, "signed_up", "1.4.2", ())


@given(promises())
def test_avro_comes_back_and_is_a_record_that_fastavro_takes(promise):
    schema = avro.written(promise, "signed_up")
    fastavro.parse_schema(schema)
    found = avro.read(schema)
    assert (found.promise, found.name, found.notes) == (promise, "signed_up", ())


def kinds(promise: Promise) -> dict[str, str]:
    return {name: one.kind for name, one in promise.properties.items()}


def test_a_json_schema_of_elsewhere_is_read_as_far_as_a_contract_goes():
    found = json_schema.read(
        {
            "title": "Order Completed", "type": "object", "required": ["order_id", "buyer", "note", "lines"],
            "properties": {
                "order_id": {"type": "string", "pattern": "^o-"}, "total": {"type": ["number", "null"], "minimum": 0},
                "currency": {"enum": ["EUR", "USD"]}, "buyer": {"$ref": "#/$defs/person"}, "at": {"type": "string",
                "format": "date-time"}, "lines": {"type": "array", "items": {"type": "object"}}, "mixed":
                {"type": ["string", "integer"]}, "gift": {"$ref": "#/$defs/person"},
                "note": {"type": ["string", "null"]},
            },
            "$defs": {"person": {"type": "object", "properties": {"email": {"type": "string", "format": "email"}},
                                 "required": ["email"]}},
            "additionalProperties": False,
        }
    )  # fmt: skip
    assert kinds(found.promise) == {
        "order_id": "string", "total": "number", "currency": "string", "buyer.email": "string", "at": "time",
        "lines": "json", "mixed": "json", "gift.email": "string", "note": "string",
    }  # fmt: skip
    assert found.promise.required == {"order_id", "buyer.email", "lines"}
    assert found.promise.closed
    assert found.promise.properties["currency"].values == ["EUR", "USD"]
    assert sorted(found.notes) == [
        "buyer.email: not kept: format", "gift.email: not kept: format",
        "gift.email: not kept: required inside of what is optional", "lines: not kept: items",
        "note: not kept: required, though it may be null", "order_id: not kept: pattern", "total: not kept: minimum",
    ]  # fmt: skip


def test_an_avro_record_of_elsewhere_is_read_as_far_as_a_contract_goes():
    person = {"type": "record", "name": "P", "fields": [{"name": "age", "type": "int"}]}
    found = avro.read(
        {
            "type": "record", "name": "Order", "namespace": "com.acme", "doc": "A purchase.",
            "fields": [
                {"name": "id", "type": "string"},
                {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
                {"name": "before", "type": ["null", "State"], "default": None},
                {"name": "lines", "type": {"type": "array", "items": "string"}},
                {"name": "buyer", "type": ["null", person]},
                {"name": "seller", "type": "P"}, {"name": "key", "type": ["int", "string"]},
            ],
        }
    )  # fmt: skip
    assert kinds(found.promise) == {
        "id": "string", "at": "time", "state": "string", "before": "string", "lines": "json", "buyer.age": "integer",
        "seller.age": "integer", "key": "json",
    }  # fmt: skip
    assert found.promise.required == {"id", "at", "state", "lines", "seller.age", "key"}
    assert found.promise.event == "Order"
    assert found.promise.properties["before"].values == ["NEW", "PAID"]
    assert len(found.notes) == 4


def bombs() -> dict[str, dict[str, Any]]:
    levels = {f"l{i}": {"type": "object", "properties": {key: {"$ref": f"#/$defs/l{i + 1}"} for key in "abcd"}}
              for i in range(40)}  # fmt: skip
    return {
        "itself": {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}},
        "a circle of references": {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
        "many": {"$ref": "#/$defs/l0", "$defs": {**levels, "l40": {"type": "string"}}},
        "no object": {"type": "string"},
    }


@pytest.mark.parametrize("schema", bombs().values(), ids=bombs())
def test_a_json_schema_that_is_none_of_an_event_is_an_error_and_ends(schema):
    with pytest.raises(ConfigError):
        json_schema.read(schema)


def test_an_avro_record_that_holds_itself_is_an_error():
    node = {"type": "record", "name": "N", "fields": [{"name": "a", "type": "N"}, {"name": "b", "type": "N"}]}
    with pytest.raises(ConfigError):
        avro.read({"type": "record", "name": "E", "fields": [{"name": "n", "type": node}]})


def test_a_property_cannot_be_a_value_and_an_object():
    with pytest.raises(ConfigError, match="inside of it"):
        Promise.of("E", {"a": Property(kind="json"), "a.b": Property(kind="string")})


@pytest.mark.parametrize(("version", "vendor"), [(Version(0, 1, 0), "com.acme"), (Version(1, 0, 0), "acme corp")])
def test_iglu_has_no_word_for_everything(version, vendor):
    with pytest.raises(ConfigError):
        iglu.written(Promise.of("E", {}), "e", version, vendor)


WORDS = [
    "type",
    "properties",
    "required",
    "enum",
    "const",
    "$ref",
    "fields",
    "name",
    "items",
    "default",
    "self",
    "title",
    "symbols",
    "logicalType",
    "content",
    "tags",
    "values",
    "x-tags",
    "additionalProperties",
    "version",
]
VALUES = [
    "object",
    "record",
    "string",
    "null",
    "array",
    "enum",
    "#",
    "#/properties/a",
    "1-0-0",
    "",
    "a.b",
    "a",
    1,
    None,
    True,
]
ANYTHING = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=6), st.sampled_from(["object", "record", None]))
def test_whatever_is_imported_is_a_contract_or_an_error(schema, type_):
    with suppress(ConfigError):
        found = forms.read(orjson.dumps({**schema, **({"type": type_} if type_ else {})}), "x.json")
        assert Promise.read(found.promise.document()) == found.promise


def test_what_is_no_json_at_all_is_an_error():
    for text in (b"", b"[1]", b"{", b"\xff"):
        with pytest.raises(ConfigError):
            forms.read(text, "x.json")


@given(promises(), st.sampled_from(["", "1.4.2"]))
def test_the_table_of_a_contract_is_the_contract(promise, version):
    table = tomllib.loads(forms.table("sign ups", promise, version))["contracts"]["sign ups"]
    assert Contract(**table).promise == promise
    assert Contract(**table).version == version
