"""One actor taken apart: the sentence, why not more, and each event with what it is to the question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from trackway.terminal.pictures.canvas import ACCENT, console, grid
from trackway.web.charts.scale import full

if TYPE_CHECKING:
    from trackway.store.telling.explain import Explanation


def show(found: Explanation) -> None:
    """What a question makes of one actor."""
    out = console()
    out.print(Text.assemble((found.actor, f"bold {ACCENT}"), "  ", (found.sentence, "bold")), soft_wrap=True)
    for miss in found.why:
        out.print(Text(f"  • {miss.sentence}", "yellow"), soft_wrap=True)
    names = sorted({name for event in found.events for name, value in event["values"].items() if value is not None})
    table = grid("", "time", "event", "what it is to the question", *names, "event_id")
    for event in found.events:
        table.add_row(*_cells(event, names))
    out.print()
    out.print(table)
    for note in found.notes:
        out.print(Text(note, "yellow"))
    said = found.stands_on
    read = f"{full(said['events'])} events of {found.actor}"
    out.print(
        Text(f"{found.type} · lake version {said['lake_version']} · {read} · {full(said['elapsed_ms'])} ms", "dim")
    )
    out.print(Text("trackway trace EVENT_ID goes on from here", "dim"))


def _cells(event: dict[str, Any], names: list[str]) -> list[Text]:
    """One event, a dot before what counts."""
    look = "bold" if event["counts"] else "" if event["verdict"] else "dim"
    mark = Text("●" if event["counts"] else "○" if event["matches"] else "·", ACCENT if event["counts"] else "dim")
    values = [full(event["values"][name]) if event["values"].get(name) is not None else "" for name in names]
    shown = [event["time"], str(event["event"]), event["verdict"], *values, event["event_id"] or event["record"]]
    return [mark, *(Text(text, look) for text in shown)]
