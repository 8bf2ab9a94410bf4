"""Documents become typed columns, the same by the compiled pass and by orjson one at a time, in any order."""

import json
from datetime import UTC, datetime

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackway.model.documents import Records, property_name, tabulate
from trackway.model.event import DECODED

OWN_KINDS = {"time": "time", "event": "string", "user_id": "string"}


def records(documents: list[bytes], *, walked: bool = False) -> Records:
    """Documents one after the other; with `walked` all of them are read one at a time."""
    sizes = np.array([len(document) for document in documents], dtype=np.int64)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    rows = np.arange(len(documents))
    defaults = {row: {} for row in range(len(documents))} if walked else {}
    return Records(b"".join(documents), starts, ends, np.full(len(documents), 7), rows, defaults)


def named(path):
    return path[0] if path in {("time",), ("event",), ("user_id",)} else property_name(path)


def table(documents, known=None, *, walked=False, most=2000):
    raw = [document if isinstance(document, bytes) else json.dumps(document).encode() for document in documents]
    return tabulate(records(raw, walked=walked), {**OWN_KINDS, **(known or {})}, named, most=most)


def columns(documents, known=None, **options):
    """Column -> values, without those every decoded table has."""
    made = table(documents, known, **options)
    return {name: made[name].to_pylist() for name in made.column_names if name not in DECODED.names}


# ── kinds ───────────────────────────────────────────────────────────────────────────────────────────


def test_each_json_type_has_its_kind_and_objects_become_dotted_names():
    made = table(
        [{"plan": "pro", "price": 9.5, "count": 3, "new": True, "tags": [1, "a"], "address": {"city": "Bonn"}}]
    )
    assert made.schema.names[5:] == ["address.city", "count", "new", "plan", "price", "tags"]
    assert [str(made.schema.field(name).type) for name in made.schema.names[5:]] == [
        "string", "double", "bool", "string", "double", "string",
    ]  # fmt: skip
    assert made.to_pylist()[0] == {
        "block": 7, "row": 0, "raw": made["raw"][0].as_py(), "reason": None, "detail": None,
        "address.city": "Bonn", "count": 3.0, "new": True, "plan": "pro", "price": 9.5, "tags": '[1,"a"]',
    }  # fmt: skip


def test_nulls_and_empty_objects_are_no_values():
    assert columns([{"a": None, "b": {}, "c": 1}, {}]) == {"c": [1.0, None]}


def test_a_column_of_mixed_types_is_text_that_loses_nothing():
    values = ["x", 5, 5.0, 0.1, True, False, [1, {"a": 2.50}], -0.0, 1e300]
    texts = ["x", "5", "5", "0.1", "true", "false", '[1,{"a":2.5}]', "0", "1e+300"]
    assert columns([{"a": value} for value in values]) == {"a": texts}


def test_integers_that_a_double_cannot_hold_make_the_column_text():
    big = 2**53 + 1
    assert columns([{"n": big}, {"n": 7}]) == {"n": [str(big), "7"]}
    assert columns([{"n": 2**53}, {"n": -(2**53)}]) == {"n": [float(2**53), -float(2**53)]}
    assert columns([{"n": 123456789012345678901234567890}]) == {"n": ["123456789012345678901234567890"]}


@pytest.mark.parametrize(
    ("kind", "values", "fitting", "aside"),
    [
        ("number", [1, "1", True, [1], 2**53 + 1], [1.0, None, None, None, None], ["1", True, [1], 2**53 + 1]),
        ("integer", [1, 2.0, 2.5, 2**63 - 1, 2**63], [1, 2, None, 2**63 - 1, None], [2.5, 2**63]),
        ("boolean", [True, "true", 1], [True, None, None], ["true", 1]),
        ("string", ["a", 1, True], ["a", "1", "true"], []),
        ("json", ["a", 1, [1]], ['"a"', "1", "[1]"], []),
    ],
)
def test_values_that_do_not_fit_the_kind_the_lake_knows_go_to_more(kind, values, fitting, aside):
    made = columns([{"a": value} for value in values], {"a": kind})
    assert made["a"] == fitting
    more = [orjson.loads(text)["a"] if value != (2**63) else int(json.loads(text)["a"])
            for text, value in zip(made.get("more", []), values, strict=False) if text]  # fmt: skip
    assert more == aside


def test_a_text_and_an_object_of_one_name_are_two_columns():
    assert columns([{"a": "x"}, {"a": {"b": 1}}]) == {"a": ["x", None], "a.b": [None, 1.0]}


def test_two_paths_of_one_name_share_a_column_and_the_second_value_goes_to_more():
    made = columns([{"a.b": 1, "a": {"b": 2}}, {"a.b": 3}, {"a": {"b": 4}}, {"a.b": 5, "a": {"b": 5.0}}])
    assert made == {"a.b": [2.0, 3.0, 4.0, 5.0], "more": ['{"a.b":1}', None, None, None]}


def test_names_that_differ_only_in_case_are_one_column():
    assert columns([{"Plan": "a"}, {"plan": "b"}]) == {"Plan": ["a", "b"]}
    assert columns([{"Plan": "a"}, {"plan": "b"}], {"plan": "string"}) == {"plan": ["a", "b"]}


def test_names_with_another_meaning_get_a_prefix():
    assert list(columns([{"source": "ads", "Reason": "x", "raw": 1, "more": 2}])) == [
        "properties.Reason", "properties.more", "properties.raw", "properties.source",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 300, "a\x00"])
def test_a_name_no_column_can_have_goes_to_more(name):
    assert [orjson.loads(text) for text in columns([{name: 1}])["more"]] == [{name: 1}]


def test_a_property_cannot_pass_for_a_column_of_the_codec():
    assert columns([{"\x00type": "track"}]) == {"more": ['{"properties.\\u0000type":"track"}']}


def test_of_too_many_names_the_rarest_go_to_more():
    made = columns([{"a": 1, "b": 1, "c": 1}, {"b": 2, "c": 2}, {"z": 3, "c": 3}], {"z": "number"}, most=2)
    assert made == {"b": [1, 2, None], "c": [1, 2, 3], "z": [None, None, 3], "more": ['{"a":1}', None, None]}


def test_five_thousand_names_are_bounded_and_nothing_is_lost():
    documents = [{f"p{row * 100 + n}": n for n in range(100)} for row in range(50)]
    made = columns(documents)
    assert len(made) == 2001
    kept = sum(value is not None for name, values in made.items() if name != "more" for value in values)
    assert kept + sum(len(orjson.loads(text)) for text in made["more"] if text) == 5000


# ── ids and times ───────────────────────────────────────────────────────────────────────────────────


def test_an_id_is_a_text_or_a_number_and_never_empty():
    made = columns([{"user_id": value} for value in ("u1", 42, "", [1], True, None)])
    assert made == {"user_id": ["u1", "42", None, None, None, None],
                    "more": [None, None, None, '{"user_id":[1]}', '{"user_id":true}', None]}  # fmt: skip


@pytest.mark.parametrize(
    ("given_", "time"),
    [
        ("2026-05-17T10:05:03Z", datetime(2026, 5, 17, 10, 5, 3, tzinfo=UTC)),
        ("2026-05-17T10:05:03.123456789Z", datetime(2026, 5, 17, 10, 5, 3, 123456, tzinfo=UTC)),
        ("2026-05-17 10:05:03.5", datetime(2026, 5, 17, 10, 5, 3, 500000, tzinfo=UTC)),
        ("2026-05-17T10:05:03+02:00", datetime(2026, 5, 17, 8, 5, 3, tzinfo=UTC)),
        ("2026-05-17T10:05:03-0530", datetime(2026, 5, 17, 15, 35, 3, tzinfo=UTC)),
        ("2024-02-29T23:59:59Z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
        ("2026-05-17", datetime(2026, 5, 17, tzinfo=UTC)),
        ("2026-05-17 10:05:03 UTC", datetime(2026, 5, 17, 10, 5, 3, tzinfo=UTC)),
        ("1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
        (1779012303, datetime(2026, 5, 17, 10, 5, 3, tzinfo=UTC)),
        (1779012303250, datetime(2026, 5, 17, 10, 5, 3, 250000, tzinfo=UTC)),
        (1779012303250001, datetime(2026, 5, 17, 10, 5, 3, 250001, tzinfo=UTC)),
        (1779012303250001000, datetime(2026, 5, 17, 10, 5, 3, 250001, tzinfo=UTC)),
        (1779012303.25, datetime(2026, 5, 17, 10, 5, 3, 250000, tzinfo=UTC)),
        ("1779012303", datetime(2026, 5, 17, 10, 5, 3, tzinfo=UTC)),
        (None, None),
    ],
)
def test_times_are_read_as_people_and_machines_write_them(given_, time):
    assert columns([{"time": given_, "a": 1}], walked=False).get("time", [None]) == [time]
    assert columns([{"time": given_, "a": 1}], walked=True).get("time", [None]) == [time]


@pytest.mark.parametrize("given_", ["yesterday", "", "2026-02-30T00:00:00Z", "2026-13-01", True, [1], 1e300, "1e300",
                                    "2026-05-17T25:00:00Z", "nan", 1e25])  # fmt: skip
def test_a_time_that_cannot_be_read_refuses_the_record_and_only_it(given_):
    made = table([{"time": given_}, {"time": 5}])
    assert made["reason"].to_pylist() == ["no_time", None]
    assert json.dumps(given_)[:80] in made["detail"][0].as_py()


# ── what is not a document ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("raw", "reason", "detail"),
    [
        (b'{"a": tru}', "unreadable", "not JSON"),
        (b'{"a": 1', "unreadable", "not JSON"),
        (b'{"a": 1} {"b": 2}', "unreadable", "not JSON"),
        (b'{"a": 01}', "unreadable", "not JSON"),
        (b'{"a": 1e999}', "unreadable", "infinity"),
        (b'{"a": [1e999]}', "unreadable", "infinity"),
        (b'{"a": "\\ud800"}', "unreadable", "surrogate"),
        (b'{"a": ["\\ud800"]}', "unreadable", "surrogate"),
        (b'{"a": "\x01"}', "unreadable", "not JSON"),
        (b"", "unreadable", "not JSON"),
        (b'{"a": "\xff"}', "encoding", "UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "encoding", "UTF-8"),
        (b"[1]", "no_event", "a list"),
        (b'"x"', "no_event", "a text"),
        (b"5", "no_event", "a number"),
        (b"null", "no_event", "null"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "unreadable", "nested deeper than 200"),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", "unreadable", "nested deeper than 200"),
        (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "unreadable", "nested deeper than 200"),
    ],
)
def test_a_bad_document_is_refused_with_its_bytes_and_the_others_go_through(raw, reason, detail):
    made = table([{"a": 1}, raw, {"a": 2}])
    assert made["reason"].to_pylist() == [None, reason, None]
    assert detail in made["detail"][1].as_py()
    assert made["raw"][1].as_py() == raw
    assert made["a"].to_pylist() == [1.0, None, 2.0]


def test_what_lies_deeper_than_twenty_objects_stays_one_value():
    deep = {"x": 1}
    for _ in range(25):
        deep = {"a": deep}
    ((name, value),) = orjson.loads(columns([deep])["more"][0]).items()
    assert name == ".".join("a" * 20)
    assert value == {"a": {"a": {"a": {"a": {"a": {"x": 1}}}}}}


def test_texts_keep_every_character():
    text = 'tab\t nul\x00 quote" slash/ back\\ ö € 😀 \x7f \u2028'
    for ascii_ in (True, False):
        assert columns([json.dumps({"a": text, "é": text}, ensure_ascii=ascii_).encode()]) == {"a": [text], "é": [text]}
    assert columns([b'{"a": "\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00"}']) == {"a": ["/\b\f\n\r\té😀"]}


def test_a_key_that_comes_twice_counts_the_last_time():
    assert columns([b'{"a": 1, "a": 2}', b'{"a": {"x": 1}, "a": {"y": 2}}']) == {"a": [2.0, None], "a.y": [None, 2.0]}


# ── laws ────────────────────────────────────────────────────────────────────────────────────────────

keys = st.sampled_from(["a", "A", "b", "a.b", "time", "user_id", "more", "é", 'q"', "", "c"]) | st.text(max_size=3)
numbers = st.sampled_from([0, -0.0, 1.5, 2**53, 2**53 + 1, -(2**63), 2**64, 10**25, 1e22, 1e23, 5e-324, 0.1, 1e16])
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | numbers
    | st.text(max_size=8) | st.sampled_from(["2026-05-17T10:05:03.25+02:00", "2026-05-17", "12", "true"])
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
objects = st.dictionaries(keys, values, max_size=6)
kinds = st.dictionaries(
    st.sampled_from(["a", "b", "a.b", "c"]), st.sampled_from(["string", "number", "integer", "boolean", "time", "json"])
)


@st.composite
def written(draw):
    """A document as some sender writes it, sometimes with a byte wrong."""
    document = draw(objects | scalars)
    raw = json.dumps(document, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1]))).encode()
    if draw(st.integers(0, 4)) == 0 and raw:
        place = draw(st.integers(0, len(raw) - 1))
        raw = (
            raw[:place]
            + draw(st.binary(max_size=2) | st.sampled_from([b'"', b"{", b"}", b",", b":", b"0", b"e"]))
            + raw[place + 1 :]
        )
    return raw


@settings(max_examples=400, deadline=None)
@given(st.lists(written(), max_size=6), kinds)
def test_the_compiled_pass_and_orjson_agree(documents, known):
    fast, slow = table(documents, known), table(documents, known, walked=True)
    assert fast.schema == slow.schema
    assert fast.to_pylist() == slow.to_pylist()
    fast.validate(full=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(written(), min_size=2, max_size=6), kinds, st.randoms())
def test_the_order_of_documents_does_not_matter(documents, known, dice):
    order = list(range(len(documents)))
    dice.shuffle(order)
    one, other = table(documents, known), table([documents[place] for place in order], known)
    assert one.schema == other.schema
    expected = one.drop_columns(["row"]).take(pa.array(order))
    assert other.drop_columns(["row"]).to_pylist() == expected.to_pylist()


@settings(max_examples=200, deadline=None)
@given(st.lists(objects, max_size=5))
def test_no_value_is_lost(documents):
    """Every leaf is in its column or in `more`; numbers and texts of a text column as their JSON text."""
    made = table([json.dumps(document).encode() for document in documents], {"user_id": "string", "time": "json"})
    for row, document in zip(made.to_pylist(), documents, strict=True):
        more = json.loads(row.get("more") or "{}")
        found = [value for name, value in row.items() if name not in DECODED.names and value is not None]
        leaves = [leaf for leaf in flat(document) if leaf is not None]
        texts = {canonical(value) for value in found} | {canonical(value) for value in more.values()}
        texts |= {value for value in found if isinstance(value, str)}
        texts |= {canonical(json.loads(value)) for value in found if isinstance(value, str) and is_json(value)}
        assert [leaf for leaf in leaves if canonical(leaf) not in texts and leaf != ""] == []


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def flat(value):
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in flat(inner)]
    return [value]


def canonical(value):
    """One text for equal values: 1, 1.0 and -0.0 are written as whole numbers."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(inner) for inner in value) + "]"
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{canonical(inner)}" for key, inner in value.items())
            + "}"
        )
    return json.dumps(value, ensure_ascii=False)
