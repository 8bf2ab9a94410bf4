"""Two answers side by side: the rows that changed, and what was stored in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from trackway.terminal.pictures.canvas import MOST, console, grid
from trackway.web.charts.scale import full

if TYPE_CHECKING:
    from trackway.store.difference import Difference


def show(found: Difference) -> None:
    """What changed between two versions, and which late records changed it."""
    out = console()
    first, last = (answer.stands_on["lake_version"] for answer in (found.before, found.after))
    if found.same:
        out.print(f"The answer is the same as of lake versions {first} and {last}.")
    _rows(found)
    stored, identities = found.stored, found.identities
    out.print(Text(f"stored from lake version {first} to {last}: {_events(stored['events'])}", "dim"))
    if stored["events"]:
        out.print(f"{stored['looked_at']:,} of them are looked at by the question")
    for source in stored["sources"]:
        out.print(f"  {_events(source['events'])} from {source['source']}, {source['oldest']} to {source['newest']}")
    for late in stored["lateness"]:
        out.print(f"  {_events(late['events'])} {late['late']} late")
    if identities["facts"]:
        out.print(f"{identities['facts']:,} identity facts, by which {identities['ids']:,} ids have another actor now")
    for one in found.replays:
        numbers = f"{one['changed']:,} events changed, {one['new']:,} new, {one['gone']:,} gone"
        out.print(f"lake version {one['version']} is a replay of {one['source']}: {numbers}")
    if stored["samples"]:
        table = grid("event_id", "source", "event", "time", "stored_at")
        for event in stored["samples"]:
            table.add_row(*(str(event[name]) for name in ("event_id", "source", "event", "time", "stored_at")))
        out.print(table)


def _rows(found: Difference) -> None:
    table = grid("", "", ">before", ">after", ">change")
    for row in found.rows[:MOST]:
        named = " ".join(str(value) for value in row["row"].values())
        for name, by in row["change"].items():
            was, now = ((row[side] or {}).get(name) for side in ("before", "after"))
            table.add_row(named, name, _number(was), _number(now), _number(by, sign="+"))
    if found.rows:
        console().print(table)
    if len(found.rows) > MOST:
        console().print(Text(f"and {len(found.rows) - MOST:,} more rows", "dim"))


def _events(count: int) -> str:
    return f"{count:,} events" if count != 1 else "1 event"


def _number(value: Any, sign: str = "") -> str:
    """A number for people, with its sign when asked."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:{sign},.4g}"
    return f"{value:{sign},.0f}" if isinstance(value, int | float) else full(value)
