"""What semantics.md promises of expressions, sessions and cohorts, by stories small enough to check by hand."""

from pathlib import Path

import pytest

from people import identify, people, store
from trackway.errors import ConfigError, QuestionError, TrackwayError
from trackway.plan import config
from trackway.plan.config import component
from trackway.plan.naming import Cohort, Naming
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.derived.lists import lists, upload
from trackway.store.lake import Lake


class Asked:
    """Asks questions of one story by both engines, which must agree."""

    def __init__(self, folder: Path):
        self.lake = Lake(folder / "lake")
        self.columns = Columns(folder / "columns", self.lake)
        self.zone = "UTC"

    def tell(self, *commits):
        store(self.lake, *commits)

    def answer(self, naming=None, version=None, **question):
        asked = {"type": "trend", "every": None, "top": None} | question
        query = component("queries", asked if asked["type"] == "trend" else question, "question")
        options = {"naming": naming, "zone": self.zone, "version": version}
        folded, reference = (ask(query, self.columns, engine=each, **options) for each in ("columns", "sql"))
        assert (folded.rows, folded.totals, folded.notes) == (reference.rows, reference.totals, reference.notes)
        return folded

    def by(self, name, **question):
        """Events by the values of a name."""
        return {row[name]: row["value"] for row in self.answer(by=name, **question).rows}

    def complaint(self, **question):
        """The error both engines raise."""
        found = []
        for engine in ("columns", "sql"):
            query = component("queries", {"type": "trend", "every": None, **question}, "question")
            with pytest.raises(TrackwayError) as raised:
                ask(query, self.columns, engine=engine)
            found.append(raised.value)
        return found[0]


@pytest.fixture
def asked(tmp_path):
    return Asked(tmp_path)


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────


def test_a_pause_of_exactly_the_timeout_stays_in_the_session(asked):
    asked.tell(people(ann=[("A", "0m"), ("A", "30m"), ("A", "61m")]))
    assert asked.by("visit.number", sessions={"visit": {"timeout": "30m"}}) == {1: 2, 2: 1}


def test_midnight_cuts_nothing(asked):
    asked.tell(people(ann=[("A", "23h"), ("A", "25h")]))
    assert asked.by("visit.number", sessions={"visit": {"timeout": "2h"}}) == {1: 2}


def test_an_end_closes_its_session_and_a_start_opens_one(asked):
    asked.tell(people(ann=[("A", "0m"), ("Out", "1m"), ("A", "2m"), ("In", "3m"), ("A", "4m")]))
    visit = {"visit": {"timeout": "none", "start": "event = 'In'", "end": "event = 'Out'"}}
    assert asked.by("visit.id", sessions=visit) == {"ann/1": 2, "ann/2": 1, "ann/3": 2}


def test_a_missing_value_changes_no_session_and_a_new_one_does(asked):
    plain = [("A", "0m", {"ad": None}), ("A", "1m", {"ad": "x"}), ("A", "2m", {"ad": None}), ("A", "3m", {"ad": "x"})]
    asked.tell(people(ann=[*plain, ("A", "4m", {"ad": "y"})]))
    assert asked.by("visit.number", sessions={"visit": {"change": "ad"}}) == {1: 4, 2: 1}


def test_events_outside_of_where_have_no_session_and_do_not_prolong_one(asked):
    asked.tell(people(ann=[("A", "0m"), ("Ping", "20m"), ("A", "40m")]))
    visit = {"visit": {"timeout": "30m", "where": "event <> 'Ping'"}}
    assert asked.by("visit.number", sessions=visit) == {1: 1, 2: 1, None: 1}


def test_a_session_knows_its_first_and_last_event_and_its_length(asked):
    asked.tell(people(ann=[("Home", "0m"), ("Buy", "90s"), ("Bye", "2m"), ("Home", "5h")]))
    visit = {"visit": {}}
    assert asked.by("visit.entry", sessions=visit) == {"Home": 4}
    assert asked.by("visit.exit", sessions=visit) == {"Bye": 3, "Home": 1}
    assert asked.by("visit.seconds", sessions=visit) == {120: 3, 0: 1}
    assert asked.by("visit.position", sessions=visit) == {1: 2, 2: 1, 3: 1}


def test_merging_identities_merges_their_sessions(asked):
    asked.tell(people(ann=[("A", "0m")], laptop=[("A", "10m")]))
    identify(asked.lake, [("laptop", "ann", "0m")])
    assert asked.by("visit.id", sessions={"visit": {}}) == {"ann/1": 2}


def test_a_funnel_within_one_visit_needs_only_a_breakdown_of_visits(asked):
    asked.tell(people(ann=[("A", "0m"), ("B", "5m")], bob=[("A", "0m"), ("B", "3h")]))
    steps = ["event = 'A' and visit.events > 1", "event = 'B' and visit.number = 1"]
    rows = asked.answer(type="funnel", steps=steps, sessions={"visit": {}}).rows
    assert [row["actors"] for row in rows] == [1, 1]


# ── measures ────────────────────────────────────────────────────────────────────────────────────────


def test_a_measure_holds_for_all_events_of_the_actor(asked):
    asked.tell(people(ann=[("Order", "0m", {"price": 5}), ("Home", "1d")], bob=[("Home", "0m")]))
    spent = {"spent": {"measure": "sum(price)", "where": "event = 'Order'"}}
    assert asked.by("spent", expressions=spent) == {5: 2, 0: 1}
    assert asked.by("first", expressions={"first": {"measure": "first(price)"}}) == {5: 2, None: 1}


def test_days_are_those_of_the_calendar_also_when_clocks_change(asked):
    asked.zone = "Europe/Berlin"
    asked.tell(people(ann=[("A", "1990h"), ("A", "1994h"), ("A", "2013h"), ("A", "2015h")]))
    # in Berlin 2026-03-29 begins 1991 h after Monday in UTC and has 23 hours: it ends after 2014 h
    assert asked.by("days", expressions={"days": {"measure": "active_days", "from": "2026-03-29T00:00:00"}}) == {2: 4}


def test_late_events_move_what_is_first(asked):
    late = [{**event, "event_id": "late"} for event in people(ann=[("A", "1d", {"from": "mail"})])]
    asked.tell(people(ann=[("A", "2d", {"from": "ad"})]))
    before = asked.lake.version()
    asked.tell(late)
    first = {"came": {"measure": 'first("from")'}}
    assert asked.by("came", expressions=first) == {"mail": 2}
    earlier = asked.answer(by="came", expressions=first, version=before).rows
    assert [(row["came"], row["value"]) for row in earlier] == [("ad", 1)]


# ── cohorts ─────────────────────────────────────────────────────────────────────────────────────────

STORY = people(
    ann=[("Order", "0m"), ("Order", "1d"), ("Home", "2d")], bob=[("Home", "0m"), ("Order", "1h")], eve=[("Home", "0m")]
)


def members(asked, name, cohorts, naming=None):
    rows = asked.answer(naming, measure="actors", where=f"cohort.{name}", by="actor", cohorts=cohorts).rows
    return sorted(row["actor"] for row in rows)


def test_sets_of_actors_are_joined_cut_and_subtracted(asked):
    asked.tell(STORY)
    cohorts = {
        "buyers": {"did": "event = 'Order'"}, "loyal": {"did": "event = 'Order'", "at_least": 2},
        "visitors": {"did": "event = 'Home'"}, "either": {"when": "cohort.loyal or cohort.visitors"},
        "both": {"when": "cohort.buyers and cohort.visitors"}, "once": {"when": "cohort.buyers and not cohort.loyal"},
        "never": {"did": "event = 'Order'", "at_least": 0, "at_most": 0},
        "in_order": {"sequence": ["event = 'Home'", "event = 'Order'"], "within": "1h"},
    }  # fmt: skip
    found = {name: members(asked, name, cohorts) for name in cohorts}
    assert found == {
        "buyers": ["ann", "bob"], "loyal": ["ann"], "visitors": ["ann", "bob", "eve"], "either": ["ann", "bob", "eve"],
        "both": ["ann", "bob"], "once": ["bob"], "never": ["eve"], "in_order": ["bob"],
    }  # fmt: skip


def test_an_empty_cohort_answers_as_for_no_events(asked):
    asked.tell(STORY)
    nobody = {"nobody": {"ids": []}}
    assert members(asked, "nobody", nobody) == []
    assert asked.by("cohort.nobody", cohorts=nobody) == {False: 6}


def test_an_id_of_a_merged_identity_means_its_actor(asked):
    asked.tell(people(ann=[("A", "0m")], laptop=[("A", "10m")]))
    identify(asked.lake, [("laptop", "ann", "0m")])
    assert members(asked, "listed", {"listed": {"ids": ["laptop"]}}) == ["ann"]


def test_an_uploaded_list_is_a_cohort_until_the_next_upload(asked):
    asked.tell(STORY)
    assert upload(asked.lake, "vip", ["ann", "eve", "ann"]) == 2
    assert members(asked, "vip", {}) == ["ann", "eve"]
    upload(asked.lake, "vip", [])
    assert members(asked, "vip", {}) == []
    assert {name: len(ids) for name, ids in lists(Lake(asked.lake.folder)).items()} == {"vip": 0}


def test_a_list_of_the_file_is_read_when_asked(asked, tmp_path):
    asked.tell(STORY)
    (tmp_path / "vip.csv").write_text("customer,since\nann,2020\n eve ,2021\n\n", encoding="utf-8")
    naming = Naming(cohorts={"vip": Cohort(file="vip.csv"), "gone": Cohort(file="gone.txt")}, root=tmp_path)
    assert members(asked, "vip", {}, naming) == ["ann", "eve"]
    with pytest.raises(QuestionError, match=r"cohorts.gone.*cannot read gone.txt"):
        members(asked, "gone", {}, naming)


# ── names ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_broken_name_harms_only_those_who_use_it(asked):
    asked.tell(STORY)
    broken = {"bad": {"value": "no_such_column > 1"}, "good": {"value": "lower(event)"}}
    assert asked.by("good", expressions=broken) == {"order": 3, "home": 3}
    error = asked.complaint(by="bad", expressions=broken)
    assert (error.path, error.message) == ("expressions.bad", "unknown column 'no_such_column'")


def test_a_name_goes_before_a_column_and_the_question_before_the_file(asked):
    asked.tell(STORY)
    naming = config.check({"expressions": {"kind": {"value": "'file'"}}}, Path()).naming
    assert asked.answer(naming, by="kind").rows[0]["kind"] == "file"
    assert asked.answer(naming, by="kind", expressions={"kind": {"value": "'own'"}}).rows[0]["kind"] == "own"


@pytest.mark.parametrize(
    ("tables", "name", "says"),
    [
        ({"expressions": {"a": {"value": "b + 1"}, "b": {"value": "a - 1"}}}, "a", "in a circle: a → b → a"),
        ({"cohorts": {"a": {"when": "not cohort.a"}}}, "cohort.a", "in a circle"),
        ({"sessions": {"v": {"start": "v.number = 1"}}}, "v.number", "in a circle"),
        ({"expressions": {"a": {"value": "event", "scope": "actor"}}}, "a", "its scope is event, not actor"),
        ({"expressions": {"a": {"measure": "sum(event)"}}}, "a", "event is a string, not a number"),
        ({"expressions": {"a": {"measure": "count", "session": "vist"}}}, "a", "no sessions named 'vist'"),
        ({"expressions": {"a": {"measure": "distinct(time)"}}}, "a", "cannot be measured"),
        ({"expressions": {"a": {"measure": "count", "from": "2026-02-01", "to": "2026-01-01"}}}, "a", "before it"),
        ({"expressions": {"a": {"value": "interval '1 day'"}}}, "a", "not a value an event can have"),
        ({"expressions": {"a": {"value": "event || 'x' > 3"}}}, "a", "cannot be worked out"),
        ({"expressions": {"a": {"value": "length(event) % 0"}}}, "a", "division by zero"),
        ({"expressions": {"a": {"value": "cast(event as integer)"}}}, "a", "cannot be answered"),
        ({"expressions": {"time": {"value": "1"}}}, "time", "a column every event has"),
        ({"expressions": {"a b": {"value": "1"}}}, "a b", "cannot be written in a condition"),
        ({"expressions": {"cohort.a": {"value": "1"}}}, "cohort.a", "begins the columns of cohorts"),
        ({"cohorts": {"a": {"when": "event = 'Home'"}}}, "cohort.a", "may differ between the events"),
        ({"cohorts": {"a": {"file": "passwords"}}}, "cohort.a", "only trackway.toml names files"),
        ({"cohorts": {"ab": {"ids": []}}}, "cohort.abc", "unknown column 'cohort.abc'"),
        ({"sessions": {"v": {"change": "tim"}}}, "v.number", "unknown column 'tim'"),
    ],
)
def test_what_cannot_be_is_said_where_it_stands(asked, tables, name, says):
    asked.tell(STORY)
    error = asked.complaint(by=name, **tables)
    assert says in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"expressions": {"a": {}}}, "expressions.a: either a value or a measure"),
        ({"expressions": {"a": {"value": "1", "where": "true"}}}, "'where' goes with a measure"),
        ({"expressions": {"a": {"measure": "summ(x)"}}}, "did you mean 'sum(x)'"),
        ({"expressions": {"a": {"measure": "sum"}}}, "sum of what?"),
        ({"expressions": {"order by": {"value": "1"}}}, "cannot be written in a condition"),
        ({"sessions": {"a": {"timeout": "none"}}}, "nothing ends a session"),
        ({"sessions": {"a.b": {}}}, "cannot be written in a condition"),
        ({"sessions": {"a": {}}, "expressions": {"a.id": {"value": "1"}}}, "this is a column of the session"),
        ({"cohorts": {"a": {}}}, "who belongs to it?"),
        ({"cohorts": {"a": {"did": "true", "at_least": 3, "at_most": 2}}}, "nobody has that"),
        ({"cohorts": {"a": {"ids": [], "within": "1d"}}}, "'within' goes with a sequence"),
        ({"cohorts": {"a": {"didd": "true"}}}, "did you mean 'did'?"),
    ],
)
def test_a_file_with_such_names_does_not_load(table, says):
    with pytest.raises(ConfigError) as raised:
        config.check(table, Path())
    assert says in str(raised.value)


def test_names_work_before_there_are_events(asked):
    tables = {"expressions": {"n": {"measure": "active_days"}}, "sessions": {"v": {}}}
    assert asked.answer(by=["n", "v.entry", "cohort.c"], cohorts={"c": {"ids": ["x"]}}, **tables).rows == []


def test_what_has_a_value_of_its_own_for_every_event_is_answered_by_the_lake(asked):
    asked.tell(STORY)
    own = {"own": {"value": "event_id"}}
    query = component("queries", {"type": "trend", "every": None, "by": "own", "expressions": own}, "question")
    answer = ask(query, asked.columns)
    assert (answer.stands_on["engine"], len(answer.rows)) == ("sql", 6)


def test_ten_thousand_values_of_unicode_are_groups_like_any_other(asked):
    asked.tell(people(ann=[("Größe 大", f"{n}s", {"n": n}) for n in range(10_000)]))
    each = {"ärger": {"value": "event || ' ' || cast(n as integer)"}}
    answer = asked.by("ärger", expressions=each)
    assert len(answer) == 10_000
    assert answer["Größe 大 7"] == 1
