"""The lake: commits with their position, schema that grows, versions that stay, SQL under lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from trackway.errors import QuestionError, WorkspaceError
from trackway.model.schema import ARROW, ENVELOPE, Kind
from trackway.store.identity import FACTS
from trackway.store.lake import REFUSED, Lake

T = 1_431_820_800_000_000
"""2015-05-17T00:00:00Z."""
SECOND = 1_000_000
DAY = 86_400 * SECOND


def events(*rows: dict[str, Any], **kinds: Kind) -> pa.Table:
    """Rows as the flow commits them; what is left out is null."""
    known = {**ENVELOPE, **kinds}
    filled = [
        {"time": T, "received_at": T, "source": "web", "event": "A", "actor": "u", "tie": 1, **row} for row in rows
    ]
    return pa.table({name: pa.array([row.get(name) for row in filled], ARROW[kind]) for name, kind in known.items()})


def fact(id_: str, owner: str, block: int, time: int = T) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "id": id_,
                "owner": owner,
                "alias": False,
                "time": time,
                "source": "web",
                "event_id": "e",
                "block": block,
                "row": 0,
            }
        ],
        schema=FACTS,
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_an_empty_lake_answers_with_nothing(lake: Lake) -> None:
    assert (lake.version(), lake.position(), lake.files(), lake.refused().num_rows) == (-1, 0, [], 0)
    assert lake.sql("select count(*) as n from events").to_pylist() == [{"n": 0}]
    assert lake.sql("select * from refused").schema.names == REFUSED.names
    assert lake.sql("select * from identities").num_rows == 0


def test_a_commit_moves_position_and_rows_together_and_an_empty_one_moves_the_position(lake: Lake) -> None:
    lake.commit(events({"event_id": "e1", "block": 4}), 4, {"counts": [["web", "stored", "", "", 1]]})
    lake.commit(events({"event_id": "e1"}).slice(0, 0), 9, {})
    assert lake.position() == 9
    commits = list(lake.commits(-1) or ())
    assert [(commit.position, len(commit.added)) for commit in commits] == [(4, 1), (9, 0)]
    assert commits[0].note == {"counts": [["web", "stored", "", "", 1]]}


def test_columns_are_added_and_older_files_read_as_null(lake: Lake) -> None:
    lake.commit(events({"event_id": "e1", "plan": "pro"}, plan="string"), 1, {})
    lake.commit(
        events(
            {"event_id": "e2", "address.city": "Ulm", "Über (x)": 2.0},
            **{"address.city": "string", "Über (x)": "number"},
        ),
        2,
        {},
    )
    assert lake.schema().properties == {"plan": "string", "address.city": "string", "Über (x)": "number"}
    rows = lake.sql('select event_id, plan, "address.city", "Über (x)" from events order by 1').to_pylist()
    assert [tuple(row.values()) for row in rows] == [("e1", "pro", None, None), ("e2", None, "Ulm", 2.0)]


def test_files_hold_one_day_each_in_the_order_of_arrival(lake: Lake) -> None:
    lake.commit(
        events(
            {"event_id": "1", "actor": "b", "time": T}, {"event_id": "2", "actor": "a", "time": T + DAY},
            {"event_id": "3", "actor": "a", "time": T + 5}, {"event_id": "4", "actor": "a", "time": T},
        ), 1, {},
    )  # fmt: skip
    first, second = lake.files()
    assert ids(first) == ["1", "3", "4"]
    assert ids(second) == ["2"]
    assert "date=2015-05-17" in first
    assert "date=2015-05-18" in second


def test_compacted_files_are_sorted_by_actor_time_and_tie(lake: Lake) -> None:
    rows = [
        {"event_id": "1", "actor": "b", "time": T}, {"event_id": "2", "actor": "a", "time": T + 4 * SECOND},
        {"event_id": "3", "actor": "a", "time": T + 5, "tie": 9},
        {"event_id": "4", "actor": "a", "time": T + 5, "tie": 2},
        *({"event_id": str(number), "actor": "c", "time": T + number} for number in range(5, 17)),
    ]  # fmt: skip
    for position, row in enumerate(rows, 1):
        lake.commit(events(row), position, {})
    lake.compact()
    (only,) = lake.files()
    assert ids(only) == ["4", "3", "2", "1", *map(str, range(5, 17))]


def ids(path: str) -> list[str]:
    return [event_id for (event_id,) in duckdb.connect().execute(f"select event_id from '{path}'").fetchall()]


def test_any_engine_that_reads_delta_reads_the_events(lake: Lake) -> None:
    lake.commit(events({"event_id": "e1", "plan": "pro"}, plan="string"), 1, {})
    table = DeltaTable(str(lake.folder / "events")).to_pyarrow_table()
    assert table.select(["event_id", "plan", "date"]).to_pylist() == [
        {"event_id": "e1", "plan": "pro", "date": "2015-05-17"}
    ]


def test_an_earlier_version_is_read_as_it_was_even_after_compaction_and_vacuum(lake: Lake) -> None:
    for number in range(1, 40):
        lake.commit(events({"event_id": f"e{number:02}", "block": number}), number, {})
    version = lake.version()
    added = lake.added(0, version)
    asked = "select count(*), max(event_id) from events"
    before = [lake.connect(v).sql(asked).fetchall() for v in (3, version)]
    assert lake.compact() > 0
    assert len(lake.files()) < 39
    assert lake.added(0, lake.version()) == added
    assert [lake.connect(v).sql(asked).fetchall() for v in (3, version)] == before
    assert lake.vacuum(hours=0) > 0
    assert [lake.connect(v).sql(asked).fetchall() for v in (3, version)] == before
    assert lake.added(0, lake.version()) is None
    assert lake.sql(asked).num_rows == 1


def test_a_version_that_never_was_is_an_error(lake: Lake) -> None:
    lake.commit(events({"event_id": "e1"}), 1, {})
    with pytest.raises(WorkspaceError, match="no version 77"):
        lake.files(77)


def test_refusals_and_facts_hold_only_once_their_blocks_are_committed(lake: Lake) -> None:
    refusal = dict.fromkeys(REFUSED.names) | {
        "source": "web",
        "reason": "unreadable",
        "block": 2,
        "row": 0,
        "raw": b"\xff",
    }
    lake.commit(events({"event_id": "e1", "actor": "phone", "block": 1}), 1, {})
    lake.refuse(pa.Table.from_pylist([refusal], schema=REFUSED))
    lake.add_identities(fact("phone", "ann", 2))
    assert (lake.refused().num_rows, lake.identities().num_rows) == (0, 0)
    lake.commit(events({"event_id": "e2", "block": 2}), 2, {})
    assert (lake.refused()["raw"].to_pylist(), lake.identities()["owner"].to_pylist()) == ([b"\xff"], ["ann"])
    assert lake.sql("select actor from events where event_id = 'e1'").to_pylist() == [{"actor": "ann"}]
    assert lake.connect(lake.version() - 1).sql("select actor from events").fetchall() == [("phone",)]


def test_what_a_dead_flow_left_is_removed(lake: Lake) -> None:
    lake.commit(events({"event_id": "e1", "block": 1}), 1, {})
    lake.add_identities(fact("phone", "ann", 2))
    lake.add_identities(fact("phone", "bob", 1))
    lake.recover()
    lake.commit(events({"event_id": "e2", "block": 2}), 2, {})
    assert lake.identities()["owner"].to_pylist() == ["bob"]


def test_sql_reads_nothing_but_the_lake_and_writes_nothing(lake: Lake, tmp_path: Path) -> None:
    lake.commit(events({"event_id": "e1"}), 1, {})
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    outside = tmp_path / "out.csv"
    for statement in (
        f"select * from '{secret}'", f"select * from read_csv('{secret}')", f"copy (select 1) to '{outside}'",
        f"attach '{tmp_path}/x.db'", "set memory_limit = '9TB'", "select 1; select 2", "drop view events",
        "insert into refused select * from refused", "install httpfs", "pragma database_list", "selec",
        f"select * from glob('{tmp_path}/*')", "", "create table x as select 1", "select * from lake",
    ):  # fmt: skip
        with pytest.raises(QuestionError):
            lake.sql(statement)
    assert not outside.exists()


def test_sql_stops_after_its_time_and_gives_at_most_so_many_rows(lake: Lake) -> None:
    lake.commit(events(*({"event_id": f"e{i}"} for i in range(50))), 1, {})
    assert lake.sql("with a as (select * from events) select * from a", 7).num_rows == 7
    with pytest.raises(QuestionError, match=r"no answer within 0\.2 s"):
        lake.sql("select count(*) from range(10000000000) a, range(1000) b", seconds=0.2)


def test_another_process_sees_each_commit(lake: Lake) -> None:
    other = Lake(lake.folder)
    assert other.version() == -1
    lake.commit(events({"event_id": "e1"}), 1, {})
    assert (other.position(), len(other.files())) == (1, 1)
    lake.commit(events({"event_id": "e2"}), 2, {})
    assert (other.position(), other.commit_of(2)) == (2, lake.commit_of(2))
