"""What codecs are measured with: the plain loop makes of every payload what the codec makes of it."""

import pytest

from trackway.bench import codecs, steps
from trackway.errors import QuestionError
from trackway.plan import registry


@pytest.mark.parametrize("case", codecs.CASES, ids=lambda case: case.codec)
def test_the_loop_and_the_codec_give_equal_events(case):
    payloads = list(case.payloads(250))
    mine, other = codecs.ours(case.codec, payloads), codecs.theirs(case, payloads)
    assert len(mine) == 250
    assert codecs.difference(mine, other, case.apart) == ""


def test_every_codec_is_measured_but_those_that_no_sender_speaks_or_that_learn_first():
    assert set(registry.names("codecs")) - {case.codec for case in codecs.CASES} <= {"refused", "avro", "template"}


def test_a_difference_is_told_by_the_column_and_the_event():
    [case] = [case for case in codecs.CASES if case.codec == "json"]
    payloads = list(case.payloads(10))
    mine, other = codecs.ours("json", payloads), codecs.theirs(case, payloads)
    wrong = other.set_column(other.column_names.index("plan"), "plan", other["currency"])
    assert codecs.difference(mine, wrong).startswith("plan of event 0: ")
    assert codecs.difference(mine, other.drop_columns("plan")) == "columns of one side: ['plan']"
    assert codecs.difference(mine, other.slice(1)) == "10 events and 9"


def test_a_run_prints_a_line_for_every_codec_asked_for(capsys):
    assert codecs.run(["json", "csv"], 300, rounds=1) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.endswith("yes   |")] == [
        "json",
        "csv",
    ]


def test_a_run_tells_what_a_step_costs(capsys):
    assert steps.run(["rename"], 300, rounds=1) == 0
    assert "| rename" in capsys.readouterr().out


def test_what_is_not_measured_is_said_with_a_suggestion():
    with pytest.raises(QuestionError, match="no codec 'segmnt' to measure"):
        codecs.run(["segmnt"])
    with pytest.raises(QuestionError, match="no transform 'renam' to measure"):
        steps.run(["renam"])
