"""A file that was looked at, for people: what it is, its columns, its first events, and what to do with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from trackway.terminal.pictures.canvas import console, grid
from trackway.web.charts.scale import full, share

MOST = 40
"""Columns shown."""
ROLES = {"time": "when", "event": "what", "actor": "who", "event_id": "id"}


def show(found: Mapping[str, Any]) -> None:
    """All of it, the tables for trackway.toml last but one."""
    out = console()
    out.print(Text(found["file"], "bold"))
    for line in summary(found):
        out.print(Text(line), soft_wrap=True)
    table = grid("column", "kind", ">filled", ">distinct", "for example", "")
    meant = {best["column"]: ROLES[role] for role, best in found["roles"].items()}
    shown = [one for one in found["columns"] if one["filled"]][:MOST]
    for one in shown:
        sorts = " ".join(part["sort"] for part in one["personal"])
        marks = Text.assemble((meant.get(one["column"], ""), "green"), " ", (sorts, "yellow"))
        sample = Text(str(one["example"])[:50])
        cells = (one["kind"], share(one["filled"]), full(one["distinct"]), sample, marks)
        table.add_row(Text(one["column"], "bold"), *cells)
    out.print()
    out.print(table)
    if len(found["columns"]) > len(shown):
        out.print(Text(f"and {len(found['columns']) - len(shown)} more, or empty ones; --json has all", "dim"))
    out.print()
    out.print(Text(found["toml"], "cyan"))
    for hint in found["advice"]:
        out.print(Text(f"• {hint}", "yellow"), soft_wrap=True)


def summary(found: Mapping[str, Any]) -> list[str]:
    """What the file is, in a few lines."""
    packed = "" if found["compression"] == "none" else f", packed with {found['compression']}"
    lines = [f"codec {found['codec']} ({share(found['confidence'])} of the sampled records can be read){packed}"]
    if found["alternatives"]:
        others = ", ".join(f"{one['codec']} {share(one['share'])}" for one in found["alternatives"])
        lines.append(f"could also be {others}")
    about = "" if found["whole"] else "about "
    count = "more" if found["records"] is None else f"{about}{full(found['records'])}"
    read = f"{full(found['sampled'])} looked at ({', '.join(found['parts'])})"
    lines.append(f"{count} records in {full(found['size'])} bytes; {read}")
    times = found["times"]
    if times["from"] is not None:
        lines.append(f"from {times['from']:%Y-%m-%d %H:%M} to {times['to']:%Y-%m-%d %H:%M}")
    return lines
