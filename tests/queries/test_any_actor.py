"""Any actor: each question by the values of any columns, by three ways; and what a reader must know of such actors."""

import json
import random
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journeys import OWNERS, QUICK, THOROUGH, commits, facts
from test_three_ways import QUESTIONS, assert_rows, expected

from people import MONDAY, event, identify, people, store, table
from trackway.errors import QuestionError
from trackway.plan.config import component
from trackway.store.columns import actors, keyed_file, rekey, shards
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

KEYS = [
    ["user_id"], ["country"], ["x"], ["event"], ["user_id", "country"], ["actor", "x"], ["country", "actor", "event"],
    ["actor"],
]  # fmt: skip
A_B = [f"event = '{name}'" for name in "AB"]


def named(value):
    """A value as the name of an actor."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def by_key(events, key, owned):
    """The events with a key, as `actor`; the actor of the workspace is the owner of the id, `user_id` the id itself."""
    kept = []
    for item in events:
        row = {**item, "user_id": item["actor"], "actor": owned.get(item["actor"], item["actor"])}
        values = [row[name] for name in key]
        if None not in values:
            texts = [named(float(value) if isinstance(value, int) else value) for value in values]
            joined = "|".join(text.replace("\\", "\\\\").replace("|", "\\|") for text in texts)
            kept.append({**row, "actor": joined if len(key) > 1 else texts[0]})
    return kept


def check(parts, known, question, key):
    folder = Path(tempfile.mkdtemp())
    try:
        lake = Lake(folder / "lake")
        columns = Columns(folder / "columns", lake)
        query = component("queries", question | {"actor": key}, "question")
        for part in parts:
            store(lake, part)
            ask(query, columns)
        identify(lake, [(id_, OWNERS[id_], "0m") for id_ in known])
        columns.close()
        folded, reference = (ask(query, columns, engine=engine) for engine in ("columns", "sql"))
        assert [folded.stands_on["engine"], reference.stands_on["engine"]] == ["columns", "sql"]
    finally:
        shutil.rmtree(folder)
    for name in ("rows", "totals", "notes"):
        assert json.dumps(getattr(folded, name)) == json.dumps(getattr(reference, name))
    everything = [item for part in parts for item in part]
    events = by_key(everything, key, {id_: OWNERS[id_] for id_ in known})
    for answer in (folded, reference):
        assert answer.stands_on["actors"] == len({item["actor"] for item in events})
        assert answer.stands_on["events"] == len(events)
    left_out = [note for note in folded.notes if note.endswith("left out.")]
    assert len(left_out) == (len(events) < len(everything))
    assert_rows(folded.rows, question, expected(question, events))


keys = st.sampled_from(KEYS)


@pytest.mark.parametrize("questions", QUESTIONS, ids=["funnel", "trend", "retention"])
def test_fold_reference_and_oracle_agree_by_any_actor(questions):
    settings(QUICK, max_examples=10)(given(commits(), facts, questions, keys)(check))()


@pytest.mark.long
@pytest.mark.parametrize("questions", QUESTIONS, ids=["funnel", "trend", "retention"])
def test_fold_reference_and_oracle_agree_by_any_actor_at_length(questions):
    THOROUGH(given(commits(), facts, questions, keys)(check))()


def test_an_account_converts_when_different_people_take_the_steps(asked):
    story = people(
        ann=[("A", "0m", {"account_id": "acme"})],
        bob=[("B", "1h", {"account_id": "acme"})],
        eve=[("A", "0m", {"account_id": None}), ("B", "1h", {"account_id": None})],
    )
    funnel = {"type": "funnel", "steps": A_B}
    assert [row["actors"] for row in asked(story, funnel).rows] == [2, 1]
    answer = asked([], funnel | {"actor": "account_id"})
    assert [row["actors"] for row in answer.rows] == [1, 1]
    assert (answer.stands_on["events"], answer.stands_on["actors"]) == (2, 1)
    assert answer.notes == ["2 events without account_id are left out."]


def test_a_pair_of_columns_holds_the_second_constant(asked):
    """Whoever searched for a shoe and bought a hat did not convert for either item."""
    story = people(
        ann=[("A", "0m", {"item": "shoe"}), ("B", "1h", {"item": "hat"})],
        bob=[("A", "0m", {"item": "shoe"}), ("B", "1h", {"item": "shoe"})],
    )
    answer = asked(story, {"type": "funnel", "steps": A_B, "actor": ["user_id", "item"]})
    assert [row["actors"] for row in answer.rows] == [2, 1]
    assert answer.stands_on["actors"] == 3


@pytest.mark.parametrize(
    ("value", "name"),
    [(42.0, "42"), (0.5, "0.5"), (-0.0, "0"), (1e17, "1e+17"), (True, "true"), ("ü|ñ", "ü|ñ"), ("", "")],
)
def test_actor_as_a_column_is_the_text_of_the_key(asked, value, name):
    story = people(ann=[("A", "0m", {"k": value})], bob=[("A", "1m", {"k": None})])
    answer = asked(story, {"type": "trend", "every": None, "by": "actor", "actor": "k"})
    assert [(row["actor"], row["value"]) for row in answer.rows] == [(name, 1)]
    only = asked([], {"type": "trend", "every": None, "where": f"actor = '{name}'", "actor": "k"})
    assert only.totals == {"value": 1}


def test_different_pairs_have_different_names(asked):
    pairs = [("a|b", "c"), ("a", "b|c"), ("a\\", "b"), ("a", "\\b"), ("a\\|b", "c"), ("", "a|b|c")]
    story = [
        event("ann", "A", MONDAY + n, {"k": first, "m": second}, f"e{n}") for n, (first, second) in enumerate(pairs)
    ]
    answer = asked(story, {"type": "trend", "every": None, "by": "actor", "actor": ["k", "m"]})
    assert len({row["actor"] for row in answer.rows}) == answer.stands_on["actors"] == len(pairs)
    assert "a\\|b|c" in {row["actor"] for row in answer.rows}


def test_a_whole_number_is_the_same_actor_in_every_commit(tmp_path):
    lake = Lake(tmp_path / "lake")
    columns = Columns(tmp_path / "columns", lake)
    query = component("queries", {"type": "trend", "measure": "actors", "every": None, "actor": "n"}, "q")
    for day in range(3):
        store(lake, [event("ann", "A", MONDAY + day, {"n": n}, f"{day}-{n}") for n in (1, 2, None)])
        answer = ask(query, columns)
        assert (answer.totals["value"], answer.stands_on["events"]) == (2, 2 * (day + 1))


def test_merged_identities_are_one_actor_of_a_pair_and_unmerged_ids_are_not(tmp_path):
    lake = Lake(tmp_path / "lake")
    columns = Columns(tmp_path / "columns", lake)
    store(lake, people(laptop=[("A", "0m", {"item": "shoe"})], ann=[("B", "1h", {"item": "shoe"})]))
    funnel = {"type": "funnel", "steps": A_B}

    def reached(key):
        query = component("queries", funnel | {"actor": key}, "q")
        folded, reference = (ask(query, columns, engine=engine) for engine in ("columns", "sql"))
        assert folded.rows == reference.rows
        return [row["actors"] for row in folded.rows]

    assert (reached(["actor", "item"]), reached(["user_id", "item"])) == ([1, 0], [1, 0])
    identify(lake, [("laptop", "ann", "1h")])
    store(lake, people(bob=[("A", "0m", {"item": "hat"})]))
    assert (reached(["actor", "item"]), reached(["user_id", "item"])) == ([2, 1], [2, 0])
    identify(lake, [("bob", "nobody-yet", "0m")])
    store(lake, people(zoe=[("B", "0m", {"item": "hat"})]))
    assert reached(["item", "actor"]) == [2, 1]


def test_a_heavy_actor_is_named_and_can_be_left_out(asked, monkeypatch):
    monkeypatch.setattr(actors, "HEAVY_EVENTS", 10)
    story = people(**{"o'bot": [("A", f"{n}m") for n in range(30)], "ann": [("A", "0m")]})
    trend = {"type": "trend", "every": None}
    answer = asked(story, trend)
    assert answer.notes == [
        "Of 31 events 'o'bot' has 30 (97%); ask where actor <> 'o''bot' to leave such heavy actors out."
    ]
    assert asked([], trend | {"where": "actor <> 'o''bot'"}).totals == {"value": 1}
    assert asked([], trend | {"actor": "event"}).notes[0].startswith("Of 31 events 'A' has 31 (100%)")


@pytest.mark.parametrize(
    ("actor", "message", "hint"),
    [
        ("acount", "unknown column 'acount'", "did you mean 'account'?"),
        ("time", "'time' is of one event", "account_id"),
        (["user_id", "event_id"], "'event_id' is of one event", "account_id"),
    ],
)
def test_what_cannot_be_an_actor_says_why(asked, actor, message, hint):
    with pytest.raises(QuestionError) as caught:
        asked(people(ann=[("A", "0m", {"account": "x"})]), {"type": "trend", "actor": actor})
    assert (caught.value.path, message in caught.value.message, hint in caught.value.hint) == ("actor", True, True)


@pytest.mark.parametrize("actor", [[], ["a", "b", "c", "d"], 7])
def test_a_wrong_actor_names_its_path(actor):
    with pytest.raises(Exception, match="actor"):
        component("queries", {"type": "trend", "actor": actor}, "q")


def test_a_column_nobody_has_gives_an_empty_answer(asked):
    answer = asked(people(ann=[("A", "0m")]), {"type": "trend", "actor": "anonymous_id"})
    assert (answer.rows, answer.totals, answer.stands_on["actors"]) == ([], {"value": 0}, 0)
    assert answer.notes == ["1 event without anonymous_id is left out."]
    assert [row["actors"] for row in asked([], {"type": "funnel", "steps": A_B, "actor": "anonymous_id"}).rows] == [
        0,
        0,
    ]


def test_many_runs_and_late_events_are_laid_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "FLUSH_FIRST", 1)
    monkeypatch.setattr(shards, "FLUSH", 1)
    monkeypatch.setattr(shards, "TIER", 0)
    lake = Lake(tmp_path / "lake")
    columns = Columns(tmp_path / "columns", lake)
    query = component("queries", {"type": "funnel", "steps": A_B, "within": "1h", "actor": ["account", "user_id"]}, "q")
    for round_ in range(4):
        times = [MONDAY + (n * 7 - round_ * 3) * 60_000_000 for n in range(40)]
        late = [
            event(f"u{n % 5}", "AB"[(n + round_) % 2], time, {"account": n % 3}, f"{round_}-{n}")
            for n, time in enumerate(times)
        ]
        store(lake, late)
        folded, reference = (ask(query, columns, engine=engine) for engine in ("columns", "sql"))
        assert (folded.rows, folded.totals) == (reference.rows, reference.totals)
    assert len(columns.view().runs) > 2


@pytest.mark.parametrize("key", [["token"], ["number"], ["user_id", "token"], ["token", "actor", "plan"]])
def test_a_column_of_mostly_distinct_values_is_an_actor_too(tmp_path, monkeypatch, key):
    """Its values are not kept as codes: they are read from the lake and brought to the rows."""
    monkeypatch.setattr(shards, "WIDE_FROM", 10)
    monkeypatch.setattr(shards, "WIDE_SHARE", 0.2)
    lake = Lake(tmp_path / "lake")
    columns = Columns(tmp_path / "columns", lake)
    funnel = component("queries", {"type": "funnel", "steps": A_B, "actor": key}, "q")
    trend = component("queries", {"type": "trend", "by": "actor", "every": None, "top": None, "actor": key}, "q")
    for round_ in range(3):
        tokens = [f"t{round_}-{n // 2}" if n % 7 else None for n in range(60)]
        story = [
            event(
                f"u{n % 4}", "AB"[n % 2], MONDAY + n * 60_000_000 - round_ * 30_000_000,
                {"token": token, "number": n // 2 + round_ / 4 if n % 5 else None, "plan": "pro"}, f"{round_}-{n}",
            )
            for n, token in enumerate(tokens)
        ]  # fmt: skip
        store(lake, story)
        identify(lake, [("u1", "u0", "0m")] if round_ else [])
        columns.close()
        for query in (funnel, trend):
            folded, reference = (ask(query, columns, engine=engine) for engine in ("columns", "sql"))
            assert [folded.stands_on["engine"], reference.stands_on["engine"]] == ["columns", "sql"]
            assert (folded.rows, folded.totals, folded.notes) == (reference.rows, reference.totals, reference.notes)
            assert folded.stands_on["actors"] == reference.stands_on["actors"]
    assert {"token", "number"} <= columns.view().wide
    first = ask(trend, columns, version=1)
    assert (first.rows, first.stands_on["engine"]) == (ask(trend, columns, version=1, engine="sql").rows, "columns")


QUERIES = [
    {"type": "trend", "measure": "actors", "by": "country"},
    {"type": "funnel", "steps": A_B, "within": "1d", "by": "country"},
    {"type": "retention", "start": A_B[0], "return": A_B[1], "every": "1d"},
    {"type": "lifecycle", "when": A_B[0], "every": "1d"},
    {"type": "stickiness", "when": A_B[0]},
    {"type": "distribution", "where": A_B[0], "by": "country", "zeros": True},
]


@pytest.mark.parametrize("question", QUERIES, ids=lambda question: question["type"])
def test_every_question_has_any_actor_also_as_of_an_earlier_version(tmp_path, question):
    lake = Lake(tmp_path / "lake")
    columns = Columns(tmp_path / "columns", lake)
    dice = random.Random(7)
    crowd = [
        event(
            f"u{dice.randrange(40)}", dice.choice("ABC"), MONDAY + dice.randrange(14 * 24) * 3_600_000_000,
            {"country": dice.choice(["de", "fr", None]), "account": f"acc {dice.randrange(9)}"}, f"e{n}",
        )
        for n in range(300)
    ]  # fmt: skip
    store(lake, crowd[:200], crowd[200:])
    for key in (["account"], ["actor", "country"]):
        query = component("queries", question | {"actor": key}, "q")
        for version in (None, lake.version() - 1):
            folded, reference = (ask(query, columns, engine=e, version=version) for e in ("columns", "sql"))
            assert (folded.rows, folded.totals, folded.notes) == (reference.rows, reference.totals, reference.notes)
            assert folded.stands_on["engine"] == "columns"
            assert folded.stands_on["actors"] == reference.stands_on["actors"] > 0


@pytest.fixture
def on_disk(monkeypatch):
    """Runs and their orders go to disk at once."""
    monkeypatch.setattr(shards, "FLUSH_FIRST", 1)
    monkeypatch.setattr(shards, "FLUSH", 1)
    monkeypatch.setattr(keyed_file, "WORTH", 1)


def funnel_by(columns, *key):
    """Actors by step, checked against the reference."""
    query = component("queries", {"type": "funnel", "steps": A_B, "within": "1h", "actor": list(key)}, "q")
    folded, reference = (ask(query, columns, engine=engine) for engine in ("columns", "sql"))
    assert (folded.rows, folded.totals, folded.notes) == (reference.rows, reference.totals, reference.notes)
    return [row["actors"] for row in folded.rows]


def accounts(round_):
    return [
        event(f"u{n % 5}", "AB"[n % 2], MONDAY + (n + round_) * 60_000_000, {"account": n % 3 or None}, f"{round_}-{n}")
        for n in range(30)
    ]


def test_another_process_reads_the_order_from_disk(tmp_path, on_disk, monkeypatch):
    lake = store(Lake(tmp_path / "lake"), accounts(0))
    identify(lake, [("u1", "u0", "0m")])
    found = [funnel_by(Columns(tmp_path / "columns", lake), *key) for key in (["account"], ["actor", "account"])]
    assert len(list((tmp_path / "columns").glob("*.keyed"))) == 2
    monkeypatch.setattr(rekey, "rekeyed", None)
    again = [funnel_by(Columns(tmp_path / "columns", lake), *key) for key in (["account"], ["actor", "account"])]
    assert again == found


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 5_000, b'{"format": 1, "key": ["event"], "places": {}}'])
def test_a_damaged_order_is_made_again(tmp_path, on_disk, damage):
    lake = store(Lake(tmp_path / "lake"), accounts(0))
    found = funnel_by(Columns(tmp_path / "columns", lake), "account")
    (path,) = (tmp_path / "columns").glob("*.keyed")
    path.write_bytes(damage)
    assert funnel_by(Columns(tmp_path / "columns", lake), "account") == found


def test_orders_go_with_their_run_and_few_are_kept(tmp_path, on_disk, monkeypatch):
    monkeypatch.setattr(keyed_file, "MOST_FILES", 2)
    lake = store(Lake(tmp_path / "lake"), accounts(0))
    columns = Columns(tmp_path / "columns", lake)
    for key in ("account", "user_id", "event"):
        funnel_by(columns, key)
    assert len(list(columns.folder.glob("*.keyed"))) == 2
    store(lake, accounts(1))
    monkeypatch.setattr(keyed_file, "WORTH", 1_000)
    columns.view()
    assert list(columns.folder.glob("*.keyed")) == []


def test_a_full_disk_keeps_the_order_in_memory(tmp_path, on_disk, monkeypatch):
    lake = store(Lake(tmp_path / "lake"), accounts(0))
    columns = Columns(tmp_path / "columns", lake)
    columns.view()
    monkeypatch.setattr(keyed_file, "create", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    assert funnel_by(columns, "account") == funnel_by(columns, "account")
    assert [path.suffix for path in columns.folder.iterdir() if path.suffix in (".keyed", ".draft")] == []


@pytest.mark.long
def test_one_actor_with_five_million_events_is_asked_like_any(tmp_path):
    """A bot with more events than all people together: processed, named and separable."""
    lake = Lake(tmp_path / "lake")
    some = [(n, MONDAY + n * 1_000_000, {"device": f"d{n % 500}"}) for n in range(2_000)]
    people_ = table([event(f"u{n}", "AB"[n % 2], time, properties, f"p{n}") for n, time, properties in some])
    count = 5_000_000
    bot = {name: pa.repeat(people_[name][0], count) for name in people_.column_names}
    ticks = np.random.default_rng(1).integers(0, 30 * 86_400, count) * 1_000_000 + MONDAY
    bot |= {
        "time": pa.array(ticks).cast(pa.timestamp("us", "UTC")), "tie": pa.array(np.arange(count)),
        "event_id": pa.array(np.arange(count)).cast(pa.string()), "device": pa.repeat("crawler", count),
    }  # fmt: skip
    lake.commit(people_, 1, {})
    lake.commit(pa.table(bot), 2, {})
    columns = Columns(tmp_path / "columns", lake)
    trend = {"type": "trend", "measure": "actors", "every": None, "actor": "device"}
    answer = ask(component("queries", trend, "q"), columns)
    assert (answer.totals["value"], answer.stands_on["events"]) == (501, count + 2_000)
    assert answer.notes[-1].startswith("Of 5,002,000 events 'crawler' has 5,000,000 (100%)")
    apart = ask(component("queries", trend | {"where": "actor <> 'crawler'"}, "q"), columns)
    assert apart.totals["value"] == 500
    funnel = component("queries", {"type": "funnel", "steps": A_B[:1], "actor": ["device", "user_id"]}, "q")
    assert ask(funnel, columns).rows[0]["actors"] == 1_001
