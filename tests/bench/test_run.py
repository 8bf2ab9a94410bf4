"""All engines that are installed give equal answers to every question; times are not tested."""

import importlib.util

import pytest

from trackway.bench import run
from trackway.bench.events import Traffic
from trackway.bench.questions import QUESTIONS
from trackway.bench.report import Document, as_text
from trackway.errors import QuestionError

INSTALLED = [name for name in run.OTHERS if importlib.util.find_spec(name)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return run.measure(Traffic(20_000), run.OTHERS, tmp_path_factory.mktemp("bench"), rounds=1)


def test_every_engine_gives_our_answers(measured) -> None:
    different = [(r["question"], r["engine"]) for r in measured["results"] if not r["equal"]]
    assert different == []


def test_there_is_a_result_for_every_question_and_engine(measured) -> None:
    found = {(r["question"], r["engine"]) for r in measured["results"]}
    assert found == {(q.name, engine) for q in QUESTIONS for engine in ["trackway", *INSTALLED]}


def test_our_own_row_is_the_measure_of_the_others(measured) -> None:
    assert {r["times_slower"] for r in measured["results"] if r["engine"] == "trackway"} == {1.0}


def test_answers_are_not_empty(measured) -> None:
    assert all(r["rows"] > 2 for r in measured["results"])


def test_an_engine_that_is_not_installed_is_left_out_with_the_reason(monkeypatch) -> None:
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None if name == "chdb" else object())
    names, skipped = run.available(["chdb", "duckdb"])
    assert names == ["trackway", "duckdb"]
    assert "trackway[bench]" in skipped["chdb"]


def test_an_unknown_engine_is_told_with_a_suggestion() -> None:
    with pytest.raises(QuestionError, match="duckdb"):
        run.available(["dukdb"])


def test_an_unknown_benchmark_is_told_with_a_suggestion() -> None:
    with pytest.raises(QuestionError, match="weblog"):
        run.bench("webblog", 1_000, [], json=False, keep=None, write=None)


def test_a_run_replaces_its_own_section_of_a_document(measured, tmp_path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Before\n\n<!-- questions -->\nNot measured yet.\n<!-- /questions -->\n\nAfter\n")
    Document(page).replace("questions", measured)
    text = page.read_text()
    assert "Not measured" not in text
    assert as_text(measured) in text
    assert text.startswith("# Before\n")
    assert text.endswith("After\n")
