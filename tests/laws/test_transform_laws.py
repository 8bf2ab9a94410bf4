"""Laws every transform keeps, whatever its options are: shown on the example in its own docstring."""

import json
import re
import tomllib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from applying import Runner, prepared, table_of
from trackway.plan import registry
from trackway.plan.config import check

TYPES = registry.names("transforms")
TEXTS = st.none() | st.sampled_from(
    ["", "a", "/shop/shoes/red?x=1", "https://x.example/?utm_source=n", "12", "12.5", "2015-05-17", "17.05.2015 10:05",
     "Mozilla/5.0 (X11; Linux x86_64)", "Signed Up", "ä\u0000\n\"'", "Order Completed", '[{"sku": "a"}, 1, null]',
     '{"a": {"b": [1]}, "event": "\\ud800", "more": 1}', "[1,", '["\\ud800"]', "203.0.113.77"]
) | st.text(max_size=20)  # fmt: skip
PROCESSES = ("python",)
"""Transforms that start a process."""
COLUMNS = ["event", "event_id", "user_id", "anonymous_id", "path", "url", "plan", "created", "amount", "email", "zip",
           "context.page.url", "user_agent", "ip", "order_id", "userId", "cookie_id", "password", "payload",
           "products", "context.details"]  # fmt: skip
EVENTS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, TEXTS)), max_size=8)


@pytest.fixture(scope="module", autouse=True)
def _files(tmp_path_factory):
    """The files that examples name, in the folder that they are looked for from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(prepared(tmp_path_factory.mktemp("examples")))
        yield


def example(type_: str) -> dict[str, object]:
    """The TOML in a transform's docstring, as a file would hold it."""
    doc = registry.load("transforms", type_).__module__
    text = __import__(doc, fromlist=["x"]).__doc__
    return tomllib.loads(
        re.sub(r"^    ", "", "\n".join(re.findall(r"^    .*$", text, re.MULTILINE)), flags=re.MULTILINE)
    )


def options(type_: str) -> list[dict[str, object]]:
    return list(example(type_)["transforms"].values())


@pytest.mark.parametrize("type_", TYPES)
def test_the_example_of_every_transform_loads(type_):
    plan = check(example(type_), Path())
    assert plan.transforms
    assert all(type(transform) is registry.load("transforms", type_) for transform in plan.transforms.values())


@pytest.mark.parametrize("type_", [type_ for type_ in TYPES if type_ not in PROCESSES])
@settings(max_examples=25, deadline=None)
@given(events=EVENTS)
def test_same_in_same_out_and_nothing_lost(type_, events):
    same_in_same_out(type_, events)


@pytest.mark.parametrize("type_", PROCESSES)
@settings(max_examples=2, deadline=None)
@given(events=EVENTS)
def test_same_in_same_out_of_a_process(type_, events):
    same_in_same_out(type_, events)


def same_in_same_out(type_, events):
    run = Runner()
    table = table_of(events, dict.fromkeys(COLUMNS[4:], "string"))
    before = table.combine_chunks()
    for table_options in options(type_):
        first, second = run.on_table(table_options, table), run.on_table(table_options, table)
        assert first.rows == second.rows
        assert len(first.stay) + len(first.left("dropped")) + len(first.left("refused")) == len(events) + first.made
        assert all(row.get("more") is None or json.loads(row["more"]) for row in first.rows)
    assert table.equals(before)
    run.connection.close()


@pytest.mark.parametrize("type_", TYPES)
def test_a_column_that_is_absent_is_null_and_never_an_error(run, type_):
    for table_options in options(type_):
        done = run.on_table(table_options, table_of([{"something": "else"}]))
        assert len(done.rows) == 1
        assert done.left("refused") == []


@pytest.mark.parametrize("type_", TYPES)
def test_order_of_events_does_not_matter(run, type_):
    events = [
        {"event": name, "path": f"/shop/{name}/1", "order_id": name, "created": "17.05.2015 10:05"} for name in "abcd"
    ]
    table = table_of(events)
    for table_options in options(type_):
        forward = run.on_table(table_options, table).rows
        backward = run.on_table(table_options, pa.Table.from_pylist(table.to_pylist()[::-1], table.schema)).rows
        strip = [{k: v for k, v in row.items() if k != "\x01at"} for row in backward[::-1]]
        assert [{k: v for k, v in row.items() if k != "\x01at"} for row in forward] == strip
