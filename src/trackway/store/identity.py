"""Identity: which ids are one actor, from dated and sourced facts, resolved at read.

A fact says "this id belongs to that owner", since this time. For an id the owner of its earliest fact
holds (of equal times the smallest owner), and owners are followed: laptop → anna, anna (alias) → customer-7.
Nothing depends on the order in which facts arrived, and a fact taken away leaves no trace.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from trackway.store.scratch import scratch

FACTS = pa.schema(
    [
        ("id", pa.string()), ("owner", pa.string()), ("alias", pa.bool_()), ("time", pa.timestamp("us", "UTC")),
        ("source", pa.string()), ("event_id", pa.string()), ("block", pa.int64()), ("row", pa.int64()),
    ]
)  # fmt: skip
"""`alias` is true for a fact that was stated as such (Segment's alias), false for an event that carried both
ids. A user id is only ever given another owner by an alias: two people on one device stay two people."""

MAPPING = pa.schema([("id", pa.string()), ("actor", pa.string())])

EARLIEST = """
select id, arg_min(owner, (time, owner)) as owner, min(time) as time
from facts
where id <> owner and id is not null and owner is not null
  and (alias or id not in (select owner from facts where not alias and owner is not null))
group by id order by id
"""


def resolve(facts: pa.Table) -> pa.Table:
    """The table `id, actor`: every id whose events belong to another actor, sorted by id.

    Ids that are not in it are their own actor. A circle of aliases is opened at its latest fact.
    """
    if facts.num_rows == 0:
        return MAPPING.empty_table()
    with scratch() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("facts", facts.select(["id", "owner", "alias", "time"]))
        edges = connection.sql(EARLIEST).to_arrow_table()
    names = pa.chunked_array([*edges["id"].chunks, *edges["owner"].chunks], pa.string()).combine_chunks()
    codes = names.dictionary_encode()
    size = len(codes.dictionary)
    places = codes.indices.to_numpy()
    ids, owners = places[: edges.num_rows], places[edges.num_rows :]
    parent = np.arange(size)
    parent[ids] = owners
    stated = np.zeros(size, np.int64)
    stated[ids] = edges["time"].cast(pa.int64()).fill_null(0).to_numpy()
    _open_circles(parent, stated)
    root = _followed(parent)
    kept = ids[root[ids] != ids]
    return pa.table([codes.dictionary.take(kept), codes.dictionary.take(root[kept])], schema=MAPPING)


def _followed(parent: np.ndarray) -> np.ndarray:
    """The end of every chain, by doubling: chains of length n need log2(n) rounds."""
    for _ in range(max(1, len(parent).bit_length())):
        parent = parent[parent]
    return parent


def _open_circles(parent: np.ndarray, stated: np.ndarray) -> None:
    """Make the id of the latest fact of every circle its own actor."""
    ends = _followed(parent)
    for start in np.unique(ends[parent[ends] != ends]):
        circle = [int(start)]
        while int(parent[circle[-1]]) not in (circle[0], circle[-1]):
            circle.append(int(parent[circle[-1]]))
        if len(circle) > 1:
            latest = max(circle, key=lambda member: (stated[member], member))
            parent[latest] = latest
