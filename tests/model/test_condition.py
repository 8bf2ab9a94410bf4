"""The condition language: what it reads, what it refuses, and how it names columns."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.errors import ConditionError
from trackway.model.condition import Condition
from trackway.model.schema import Schema

SCHEMA = Schema({"path": "string", "status": "integer", "company_size": "number", "context.page.url": "string"})


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("path = '/'", "(\"path\" = '/')"),
        ("path like '/blog/%'", "(\"path\" LIKE '/blog/%')"),
        ("properties.company_size >= 200", '("company_size" >= 200)'),
        ("context.page.url is not null", '(NOT "context.page.url" IS NULL)'),
        ("status in (500, 502) or not path ilike '%x%'", '("status" IN (500, 502) OR NOT "path" ILIKE \'%x%\')'),
    ],
)
def test_a_condition_becomes_duckdb_text_over_quoted_columns(text, sql):
    assert Condition(text).sql(SCHEMA) == sql


@pytest.mark.parametrize(
    "text",
    [
        "path in (select path from other)",
        "read_csv('/etc/passwd') is not null",
        "getenv('HOME') = 'x'",
        "1 = 1; drop table events",
        "exists (select 1)",
        "path = (select 'a')",
        "current_date > '2020-01-01'",
        "random() < 0.5",
        "sum(status) > 1",
        "row_number() over () = 1",
        "path = $1",
        "status = ",
        "",
        "x" * 20_000,
    ],
)
def test_what_is_not_a_plain_expression_is_refused_with_a_hint(text):
    with pytest.raises(ConditionError):
        Condition(text).sql(SCHEMA)


def test_an_unknown_column_is_refused_with_a_suggestion():
    with pytest.raises(ConditionError) as caught:
        Condition("statsu >= 500").sql(SCHEMA)
    assert (caught.value.message, caught.value.hint) == ("unknown column 'statsu'", "did you mean 'status'?")


@given(st.text(min_size=1, max_size=60))
def test_any_text_either_reads_or_is_refused_never_anything_else(text):
    try:
        sql = Condition(text).sql(SCHEMA)
    except ConditionError:
        return
    assert sql.startswith("(")


@given(st.text(max_size=40))
def test_a_text_literal_means_itself_whatever_it_holds(value):
    if "\x00" in value:
        return
    escaped = value.replace("'", "''")
    condition = Condition(f"path = '{escaped}'").sql(SCHEMA)
    found = duckdb.connect().execute(f"select {condition} from (select ? as path)", [value]).fetchone()
    assert found == (True,)
