"""What became of a number: one question as of two versions, the rows that changed, and what came in between.

But for replays, which are told, events are only ever added, and version v holds those of journal blocks up to its
position. So the difference between two answers is made by the events and identity facts of the blocks in between, and
by nothing else: compaction moves rows to other files and changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import QuestionError
from trackway.model.condition import Condition, literal
from trackway.model.time import iso
from trackway.plan.naming import Naming
from trackway.plan.query import Answer, Query
from trackway.store.columns.actors import DEFAULT, key_of, rekey
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.derived.lists import Membership
from trackway.store.derived.names import Names
from trackway.store.derived.reference import attach
from trackway.store.lake import Lake

LATENESS = ((3_600, "within 1h"), (86_400, "1h to 1d"), (604_800, "1d to 7d"), (2_592_000, "7d to 30d"))
"""Seconds between an event and its commit up to which it is so late."""
LATEST = "over 30d"
MOST_SAMPLES = 10
MOST_DAYS = 1_000
MOST_MERGED = 10
REPLAYED = ("changed", "new", "gone")

Row = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """Two answers, what changed, and what was stored in between."""

    before: Answer
    after: Answer
    rows: list[Row]
    """`row` (what names it), `status` (`changed added removed`), `before` and `after` (its other values), `change`."""
    totals: Row
    """`before`, `after` and `change` of the totals that are numbers."""
    stored: Row
    """The events stored in between: all of them, and those the question looks at, by source, lateness and day."""
    identities: Row
    """The identity facts stored in between, and the ids that have another actor since."""
    replays: list[Row]
    """The replays in between, which put other events in the place of stored ones: `version source changed new gone`."""

    @property
    def same(self) -> bool:
        """Whether both answers are equal."""
        return not self.rows and self.before.totals == self.after.totals

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {
            "ok": True, "type": self.after.type, "same": self.same, "rows": self.rows, "totals": self.totals,
            "stored": self.stored, "identities": self.identities, "replays": self.replays,
            "before": self.before.as_json(), "after": self.after.as_json(),
        }  # fmt: skip


def difference(  # noqa: PLR0913
    query: Query, columns: Columns, first: int, last: int, *, zone: str = "UTC", now: int = 0,
    naming: Naming | None = None,
) -> Difference:  # fmt: skip
    """A question as of two lake versions; `zone`, `now` and `naming` as for `ask`.

    Raises QuestionError when the second is the earlier one.
    """
    if last < first:
        raise QuestionError(
            f"version {last} is older than version {first}", path="to", hint="from the older to the newer"
        )
    lake = columns.lake
    before, after = (
        ask(query, columns, zone=zone, now=now, version=version, naming=naming) for version in (first, last)
    )
    names = labels(query)
    seen = Names((naming or Naming()).beside(query.naming), lake.schema(last), zone, now, Membership(lake, last))
    return Difference(
        before,
        after,
        list(changed(before.rows, after.rows, names)),
        {"before": before.totals, "after": after.totals, "change": change(before.totals, after.totals)},
        _stored(query, lake, first, last, seen),
        _identities(lake, first, last),
        [
            {"version": one.version, "source": one.source, **{name: one.found[name] for name in REPLAYED}}
            for one in lake.replays.every()
            if first < one.version <= last
        ],
    )


def labels(query: Query) -> frozenset[str]:
    """The keys by which a row of a question is known, beside those with text."""
    by: Sequence[str] = getattr(query, "by", ())
    return query.labels | {name for written in by for name in (written, written.removeprefix("properties."))}


def changed(before: Sequence[Row], after: Sequence[Row], names: frozenset[str]) -> Iterator[Row]:
    """The rows that are not the same in both answers, in the order of the second; those that are gone come last."""
    old, new = _by_name(before, names), _by_name(after, names)
    for key, (row, values) in new.items():
        if key not in old:
            yield {"row": row, "status": "added", "before": None, "after": values, "change": change({}, values)}
        elif (was := old[key][1]) != values:
            yield {"row": row, "status": "changed", "before": was, "after": values, "change": change(was, values)}
    for key, (row, was) in old.items():
        if key not in new:
            yield {"row": row, "status": "removed", "before": was, "after": None, "change": change(was, {})}


def change(before: Row, after: Row) -> Row:
    """The difference of every number that changed; what one of them lacks counts as 0."""
    found = {}
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        was, now = (0 if value is None else value for value in (was, now))
        if was != now and all(isinstance(value, int | float) and not isinstance(value, bool) for value in (was, now)):
            found[name] = now - was
    return found


def _by_name(rows: Sequence[Row], names: frozenset[str]) -> dict[tuple[Any, ...], tuple[Row, Row]]:
    """Rows by what names them: the labels and the rest; rows of one name are told apart by their order."""
    found: dict[tuple[Any, ...], tuple[Row, Row]] = {}
    seen: dict[tuple[Any, ...], int] = {}
    for row in rows:
        label = {name: value for name, value in row.items() if name in names or isinstance(value, str)}
        key = tuple((name, type(value).__name__, str(value)) for name, value in label.items())
        seen[key] = seen.get(key, 0) + 1
        found[*key, seen[key]] = label, {name: value for name, value in row.items() if name not in label}
    return found


# ── what was stored in between ──────────────────────────────────────────────────────────────────────


def _stored(query: Query, lake: Lake, first: int, last: int, names: Names) -> Row:
    """The events stored in between; of those for which `where` is true, whence, how late and of which day, and some."""
    where, zone = getattr(query, "where", None), names.zone
    asked = sorted({names.schema.resolve(name) for name in where.columns}) if isinstance(where, Condition) else []
    looked = where.sql(names.schema) if isinstance(where, Condition) else "true"
    since = lake.position(first) if first >= 0 else -1
    with lake.connect(last) as connection:
        connection.execute(f"set timezone = {literal(zone)}; set enable_progress_bar = false")
        run = connection.execute
        total = run(f"select count(*) from events where block > {since}").fetchall()[0][0]
        key, stored = key_of(query.actor, lake.schema(last)), lake.schema(last)
        if key != DEFAULT:
            rekey(connection, key, stored)
        attach(connection, names.closure(asked), stored)
        connection.execute(f"""create table late as select source, event_id, event, actor, time, stored_at,
            coalesce({looked}, false) as looked, epoch(stored_at) - epoch(time) as seconds
            from events where block > {since}""")
        seen = run("select count(*) from late where looked").fetchall()[0][0]
        sources = _rows(
            connection,
            """select source, count(*) as events, count(distinct actor) as actors,
            epoch_us(min(time)) as oldest, epoch_us(max(time)) as newest, max(seconds) as latest_seconds
            from late where looked group by source order by events desc, source""",
        )
        days = _rows(
            connection,
            f"""select time::date::varchar as day, count(*) as events from late where looked
            group by day order by day limit {MOST_DAYS}""",
        )
        samples = _rows(
            connection,
            f"""select event_id, source, event, actor, epoch_us(time) as time,
            epoch_us(stored_at) as stored_at, seconds from late where looked
            order by seconds desc, source, event_id limit {MOST_SAMPLES}""",
        )
        late = _lateness(connection)
    for row in (*sources, *samples):
        row |= {name: iso(row[name], zone) for name in ("oldest", "newest", "time", "stored_at") if name in row}
    return {"events": total, "looked_at": seen, "sources": sources, "lateness": late, "days": days, "samples": samples}


def _lateness(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """How many events are how late."""
    cases = " ".join(f"when seconds <= {limit} then {place}" for place, (limit, _) in enumerate(LATENESS))
    found = _rows(
        connection,
        f"""select case {cases} else {len(LATENESS)} end as place, count(*) as events
        from late where looked group by place order by place""",
    )
    names = [*(name for _, name in LATENESS), LATEST]
    return [{"late": names[row["place"]], "events": row["events"]} for row in found]


def _rows(connection: duckdb.DuckDBPyConnection, statement: str) -> list[Row]:
    return connection.sql(statement).to_arrow_table().to_pylist()  # type: ignore[no-any-return]


def _identities(lake: Lake, first: int, last: int) -> Row:
    """The identity facts stored in between, and the ids whose events belong to someone else since."""
    known = lake.identities(last)
    new = known.filter(pc.greater(known["block"], lake.position(first) if first >= 0 else -1))
    then, since = _owners(lake, first), _owners(lake, last)
    moved = sorted(id_ for id_ in then.keys() | since.keys() if then.get(id_, id_) != since.get(id_, id_))
    merged = [{"id": id_, "before": then.get(id_, id_), "after": since.get(id_, id_)} for id_ in moved[:MOST_MERGED]]
    return {"facts": new.num_rows, "ids": len(moved), "samples": merged}


def _owners(lake: Lake, version: int) -> dict[str, str]:
    mapping: pa.Table = lake.resolved(version)[1]
    return dict(zip(mapping["id"].to_pylist(), mapping["actor"].to_pylist(), strict=True))
