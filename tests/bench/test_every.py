"""Every type of question is measured; times are not tested."""

import pytest

from trackway.bench import every
from trackway.bench.kinds import KINDS
from trackway.bench.report import as_text
from trackway.plan import registry
from trackway.plan.config import component


def test_every_type_of_question_is_among_them():
    assert {asked["type"] for asked in KINDS.values()} == set(registry.names("queries"))
    for name, asked in KINDS.items():
        assert component("queries", asked, name)


@pytest.mark.long
def test_every_question_is_timed_at_every_size_and_told(tmp_path, monkeypatch):
    some = {name: KINDS[name] for name in ("funnel, any order", "retention", "a cohort")}
    monkeypatch.setattr(every, "KINDS", some)
    measured = every.measure([2_000, 6_000], tmp_path, rounds=1)
    assert [result["question"] for result in measured["results"]] == list(some)
    for result in measured["results"]:
        assert len(result["seconds_by_size"]) == 2
        assert result["times_limit"] == pytest.approx(result["seconds"] / result["memory_limit_seconds"])
    assert "funnel, any order" in as_text(measured)
    assert "6,000 events" in as_text(measured)
