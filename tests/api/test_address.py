"""Every question is an address, and comes back from it unchanged."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.api.address import query_string, question
from trackway.errors import QuestionError

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).map(str.strip).filter(bool)
trends = st.fixed_dictionaries(
    {"type": st.just("trend")},
    optional={"where": text, "every": st.sampled_from(["1h", "1d", None]), "by": st.lists(text, min_size=1, max_size=3),
              "from": text, "top": st.one_of(st.none(), st.integers(1, 99))},
)  # fmt: skip
steps = st.lists(st.fixed_dictionaries({"when": text}, optional={"name": text}), min_size=1, max_size=6)
funnels = st.fixed_dictionaries({"type": st.just("funnel"), "steps": steps}, optional={"within": text, "where": text})


@given(st.one_of(trends, funnels).filter(lambda asked: "null" not in asked.values()))
def test_a_question_survives_its_address(asked):
    pairs = parse_qsl(query_string(asked), keep_blank_values=True)
    again = question(asked["type"], pairs)
    expected = {key: value for key, value in asked.items() if value != []}
    numeric = {"top"}
    assert {k: v for k, v in again.items() if k not in numeric} == {
        k: v for k, v in expected.items() if k not in numeric
    }
    assert again.get("top", 0) == expected.get("top", 0)


def test_steps_pair_with_the_name_before_them_and_empty_rows_are_left_out():
    pairs = [
        ("name", "Home"),
        ("step", "path = '/'"),
        ("name", ""),
        ("step", ""),
        ("name", ""),
        ("step", "event = 'A'"),
    ]
    assert question("funnel", pairs)["steps"] == [{"name": "Home", "when": "path = '/'"}, {"when": "event = 'A'"}]


def test_an_address_has_a_longest_length():
    with pytest.raises(QuestionError) as caught:
        question("trend", [("where", "x" * 20_000)])
    assert "POST /api/ask" in caught.value.hint
