"""Refused events as people look at them: when, from where, why, and the bytes as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trackway.model.condition import literal

if TYPE_CHECKING:
    from trackway.app import Workspace

MOST_BYTES = 4_000
"""Bytes of a record that are shown; the whole of it stays in the lake."""


def refusals(workspace: Workspace, reason: str = "", source: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """The latest refused events, newest first, with `raw` as text and `bytes` as its full length."""
    where = " and ".join(
        f"{column} = {literal(value)}" for column, value in (("reason", reason), ("source", source)) if value
    )
    rows = workspace.sql(
        f"select * from refused {'where ' + where if where else ''} order by block desc, row desc limit {int(limit)}"
    ).to_pylist()
    return [{**row, "raw": readable(row["raw"]), "bytes": len(row["raw"] or b"")} for row in rows]


def reasons(workspace: Workspace) -> list[dict[str, Any]]:
    """How many events each source refused, by reason, most frequent first."""
    return workspace.sql(  # type: ignore[no-any-return]
        "select source, reason, count(*) as events from refused group by all order by events desc, source, reason"
    ).to_pylist()


def readable(raw: bytes | None) -> str:
    """Bytes as text: what is not UTF-8, and what does not print, is escaped.

    >>> readable(b"caf\\xe9\\x00")
    'caf\\\\xe9\\\\x00'
    """
    text = (raw or b"")[:MOST_BYTES].decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)
