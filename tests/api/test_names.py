"""Expressions, sessions and cohorts of the file, of an upload and of an address, where people look for columns."""

import json

import pytest

import shop
from trackway.app import Workspace
from trackway.errors import QuestionError

TABLES = """
[expressions.size]
value = "case when length(path) > 1 then 'deep' else 'flat' end"

[expressions.broken]
value = "no_such_column + 1"

[sessions.visit]
timeout = "30m"

[cohorts.german]
did = "country = 'DE'"
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = shop.fill(tmp_path_factory.mktemp("names"))
    file = folder / "trackway.toml"
    file.write_text(file.read_text(encoding="utf-8") + TABLES, encoding="utf-8")
    (folder / "vip.txt").write_text("u1\nu1\nnobody\n", encoding="utf-8")
    opened = Workspace.open(folder)
    try:
        assert opened.upload_cohort("vip", folder / "vip.txt") == 2
        with pytest.raises(QuestionError, match="is defined in"):
            opened.upload_cohort("german", folder / "vip.txt")
        with pytest.raises(QuestionError, match="cannot be written in a condition"):
            opened.upload_cohort("v i p", folder / "vip.txt")
        assert opened.uploaded_cohorts() == {"vip": 2}
    finally:
        opened.close()
    return folder


@pytest.fixture(scope="module")
def client(workspace):
    with shop.served(workspace) as client:
        yield client


def test_names_are_among_the_columns_and_broken_ones_are_not(client):
    columns = client.get("/api/schema").json()["columns"]
    assert [columns[name] for name in ("size", "visit.number", "cohort.german", "cohort.vip")] == [
        "string", "integer", "boolean", "boolean",
    ]  # fmt: skip
    assert "broken" not in columns
    listed = {row["column"]: row["filled"] for row in client.get("/api/columns").json()["columns"]}
    assert listed["visit.entry"] is None


def test_their_values_are_offered_with_counts(client):
    sizes = client.get("/api/values", params={"column": "size"}).json()["values"]
    assert {row["value"]: row["events"] for row in sizes} == {"flat": 6, "deep": 1}
    members = client.get("/api/values", params={"column": "cohort.german"}).json()["values"]
    assert {row["value"] for row in members} == {True, False}


def test_a_condition_with_a_name_can_be_checked(client):
    assert client.get("/api/check", params={"condition": "size = 'deep' and visit.number = 1"}).json()["ok"]
    shape = client.get("/api/check", params={"condition": "broken = 1"}).json()
    assert shape["error"] == "expressions.broken: unknown column 'no_such_column'"
    shape = client.get("/api/check", params={"condition": "visit.numbr = 1"}).json()
    assert shape["hint"].startswith("did you mean 'visit.number'")


def test_a_question_of_an_address_brings_its_own_names(client):
    own = json.dumps({"where_from": {"measure": "first(country)"}})
    asked = {"type": "trend", "every": "null", "by": "where_from", "expressions": own}
    rows = client.get("/api/ask", params=asked).json()["rows"]
    assert sum(row["value"] for row in rows) == 7
    assert client.get("/ask/trend", params=asked).status_code == 200


def test_the_events_page_and_the_form_show_names(client):
    assert "cohort.german" in client.get("/events").text
