"""Reading patterns, and saying where one cannot be read."""

import pytest

from trackway.errors import ConditionError
from trackway.model.automaton import automaton
from trackway.model.condition import Condition
from trackway.model.pattern import SKIP, Choice, Edge, Letter, Pattern, Repeat, Series, Timed

A, B, C = (Letter((name,)) for name in "ABC")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("A B", Series((A, B))),
        ("A .. B within 1h", Timed(Series((A, SKIP, B)), 3_600_000_000)),
        ("A | B C", Choice((A, Series((B, C))))),
        ("(A|B)+", Repeat(Choice((A, B)), 1, None)),
        ("A{2} B{2,} C{1,3}", Series((Repeat(A, 2, 2), Repeat(B, 2, None), Repeat(C, 1, 3)))),
        ("not A*", Repeat(Letter(("A",), True), 0, None)),
        ("not (A | B | A)", Letter(("A", "B"), True)),
        ("^any$", Series((Edge(True), Letter((), True), Edge(False)))),
        ("'it''s' 'Ü b'", Series((Letter(("'it''s'",)), Letter(("'Ü b'",))))),
        ("(A B within 90s)? C", Series((Repeat(Timed(Series((A, B)), 90_000_000), 0, 1), C))),
        ("größe", Letter(("größe",))),
    ],
)
def test_a_pattern_is_read(text, tree):
    assert Pattern(text).tree == tree


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "an empty pattern", "such as"),
        ("A (B", "a '(' without its ')' at character 3", ""),
        ("A )", "a ')' without its '(' at character 3", ""),
        ("A || B", "expected a letter, got '|' at character 4", "a name"),
        ("* A", "'*' has nothing before it at character 1", "repeats"),
        ("A{3,2}", "repeats nothing at character 2", "smaller number"),
        ("A{,}", "cannot read '{,}'", "{2,5}"),
        ("A{99}", "too many at character 2", "at most 60"),
        ("A 'x", 'cannot read "\'x" at character 3', "quotes"),
        ("A & B", "cannot read '& B' at character 3", "`..`"),
        ("A within", "needs a duration at character 3", "15m"),
        ("A within 1x", "needs a duration at character 3", "15m"),
        ("A within 1h B", "nothing can follow `within` at character 13", "(…)"),
        ("A within 1h within 2h", "a second `within` at character 13", "end of all"),
        ("not any", "`not` needs a letter", ""),
        ("not (A B)", "`not` needs a letter", ""),
        ("(" * 50 + "A" + ")" * 50, "too many parentheses", "40"),
        ("A" * 3_000, "3,000 characters", "2,000"),
    ],
)
def test_what_cannot_be_read_says_where(text, message, hint):
    with pytest.raises(ConditionError) as caught:
        Pattern(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A*", "without any event"),
        ("^ $", "without any event"),
        ("A? | B", "without any event"),
        ("A{40} B{40}", "more than 62 letters"),
        ("((A B within 1m) C within 2m) D", "inside another"),
        (" ".join(f"a{i}" for i in range(16)), "more than 15 different names"),
    ],
)
def test_what_cannot_be_looked_for_says_why(text, message):
    pattern = Pattern(text)
    with pytest.raises(ConditionError, match=message):
        automaton(pattern, pattern.names)


def test_names_are_bound_or_quoted():
    let = {"View": Condition("event = 'Viewed'")}
    assert Pattern("View 'Paid'").letters(let) == {"View": let["View"], "'Paid'": Condition("event = 'Paid'")}
    with pytest.raises(ConditionError, match="unknown name 'Veiw'") as caught:
        Pattern("Veiw").letters(let)
    assert "did you mean 'View'?" in caught.value.hint
    with pytest.raises(ConditionError, match="does not use 'View'"):
        Pattern("'Paid'").letters(let)


def test_positions_with_one_future_are_one():
    made = automaton(Pattern("A .. B"), ["A", "B"])
    assert made.forward[2].tolist() == [0, 0, 2]
    assert made.still == 0b001
