"""One actor alone: their events read from the lake, as a view of their own.

Any question folds over such a view as over the whole, also one that reads columns the fast copy does not keep, so
that what one actor adds to an answer comes from the same fold as the answer. It is small: everything about it is quick.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import UnknownActor
from trackway.model.condition import literal, quoted
from trackway.store.columns.actors import DEFAULT, Key, rekey
from trackway.store.columns.arrange import arrange
from trackway.store.columns.reading import encode
from trackway.store.columns.run import sort
from trackway.store.columns.view import View
from trackway.store.columns.words import Words
from trackway.store.lake import DAY, Lake

ALWAYS = ("event_id", "time", "tie", "actor", "event", "source", "block", "row")
"""Columns that are read whatever the question; further ones cost time, however few the events."""
NEAR = 3
"""Names suggested for one that is not known."""


@dataclass(frozen=True)
class Alone:
    """One actor."""

    actor: str
    asked: str
    """The id that was asked for; another than `actor` when it belongs to them."""
    events: pa.Table
    """Their events in order, as the lake has them."""
    view: View
    """The same as columns, in which they are the only actor."""


def alone(  # noqa: PLR0913, PLR0917
    lake: Lake, version: int, key: Key, name: str, needed: Collection[str], whole: View | None
) -> Alone:
    """An actor by any of their ids (with another `key`, by their name), as of a version.

    `whole` is the view of all actors, if there is one: it tells where to look. Raises UnknownActor.
    """
    actor, ids = _identified(lake, version, name) if key == DEFAULT else (name, [name])
    schema = lake.schema(version)
    columns = [one for one in schema if one in ALWAYS or one in needed]
    with lake.connect(version, _days(whole, actor)) as connection:
        source, condition = "stored", f"actor in ({', '.join(map(literal, ids))})"
        if key != DEFAULT:
            rekey(connection, key, schema)
            source, condition = "events", f"actor = {literal(name)}"
        shown = ", ".join(f"{literal(actor)} as actor" if one == "actor" else quoted(one) for one in columns)
        table = connection.sql(
            f"select {shown} from (select * from {source} where {condition}) order by time, tie"
        ).to_arrow_table()
        if not table.num_rows:
            raise UnknownActor(f"no event of an actor '{name}'", path="actor", hint=_suggested(connection, name, whole))
    words, rows = Words(), table.combine_chunks().to_batches()[0]
    run = sort(encode(rows, words.columns, schema), words.places())
    view = arrange(version, schema, [run], words, frozenset(), None)
    return Alone(actor, name, table, replace(view, key=key))


def _identified(lake: Lake, version: int, name: str) -> tuple[str, list[str]]:
    """The actor an id belongs to, and all their ids."""
    mapping = lake.resolved(version)[1]
    owner = mapping.filter(pc.equal(mapping["id"], name))["actor"].to_pylist()
    actor = owner[0] if owner else name
    return actor, [actor, *mapping.filter(pc.equal(mapping["actor"], actor))["id"].to_pylist()]


def _days(whole: View | None, actor: str) -> list[str] | None:
    """On which days (UTC) an actor has events; None when the columns do not know."""
    index = -1 if whole is None else pc.index(whole.dictionary("actor"), pa.scalar(actor, pa.string())).as_py()
    places = np.flatnonzero(whole.codes == index + 1) if whole is not None and index >= 0 else np.zeros(0, np.int64)
    if whole is None or not len(places):
        return None
    stretches = range(int(whole.first[places[0]]), int(whole.first[places[0] + 1]))
    times = np.concatenate([whole.runs[int(whole.run[at])].time[whole.lo[at] : whole.hi[at]] for at in stretches])
    days: list[str] = np.unique(times // DAY).astype("datetime64[D]").astype(str).tolist()
    return days


def _suggested(connection: duckdb.DuckDBPyConnection, name: str, whole: View | None) -> str:
    """The names of actors nearest to one."""
    source = "(select distinct actor from events)"
    if whole is not None:
        connection.register("known", pa.table({"actor": whole.names(whole.codes[whole.codes > 0])}))
        source = "known"
    text = literal(name.lower())
    far = f"damerau_levenshtein(lower(actor), {text})" if len(name) < 200 else "0"
    rows = connection.sql(
        f"select actor from {source} where actor is not null and (contains(lower(actor), {text}) or "
        f"jaro_winkler_similarity(lower(actor), {text}) > 0.75) order by {far}, actor limit {NEAR}"
    ).fetchall()
    near = " or ".join(f"'{one}'" for (one,) in rows)
    return f"did you mean {near}?" if near else "an actor is known by the ids in user_id and anonymous_id"
