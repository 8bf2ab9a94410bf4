"""Contracts for people: lists, what one promises, and what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from trackway.model.contracts.compatibility import Comparison
from trackway.model.contracts.version import Version
from trackway.terminal.pictures.canvas import console, grid

COLOURS = {"none": "dim", "patch": "green", "minor": "yellow", "major": "bold red"}
COMPATIBLE = {
    "full": "each reads the events of the other", "backward": "the new reads the events of the old",
    "forward": "the old reads the events of the new", "none": "neither reads the events of the other",
}  # fmt: skip


def listed(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each contract."""
    if not rows:
        console().print("No contracts yet; [contracts.NAME] in trackway.toml makes one.", markup=False)
        return
    table = grid("contract", "event", "published", "state", "next")
    for row in rows:
        colour = COLOURS.get(row["state"].partition(" ")[0], "dim")
        cells = (row["event"], row["published"], row["state"], row["next"])
        table.add_row(Text(row["name"], "bold"), *(Text(str(cell or "—"), colour if cell == row["state"] else "")
                                                   for cell in cells))  # fmt: skip
    console().print(table)


def shown(found: Mapping[str, Any]) -> None:
    """What one promises."""
    out, promise = console(), found["contract"]
    version = f" {found['version']}" if found["version"] else ""
    out.print(Text(f"{found['name']}{version}", "bold"), Text(f"{promise['event']} · {promise['content']} content"))
    if promise.get("description"):
        out.print(Text(promise["description"]))
    table = grid("property", "kind", "", "")
    for name, one in promise["properties"].items():
        said = [
            ", ".join(one.get("values", [])),
            one.get("description", ""),
            " ".join(f"#{tag}" for tag in one.get("tags", [])),
        ]
        needed = "required" if name in promise["required"] else "optional"
        table.add_row(Text(name), Text(one["kind"]), Text(needed, "" if needed == "required" else "dim"),
                      Text(" · ".join(part for part in said if part), "dim"))  # fmt: skip
    out.print(table)
    published = ", ".join(found["versions"]) or "never"
    out.print(Text(f"{found['hash']}\npublished: {published}", "dim"))


def compared(found: Comparison, before: str = "") -> None:
    """What changed, why it matters, and the version it asks for."""
    out = console()
    if found.bump == "none":
        out.print("Nothing changed.")
        return
    changes([change.as_json() for change in found.changes])
    following = f", from {before} to {Version.read(before).after(found.bump)}" if before else ""
    said = f"{found.compatibility}: {COMPATIBLE[found.compatibility]}; a {found.bump} version{following}"
    out.print(Text(said, COLOURS[found.bump]), soft_wrap=True)


def changes(found: Sequence[Mapping[str, Any]]) -> None:
    """One line for each change, and its reason below it."""
    out = console()
    for change in found:
        colour = COLOURS[change["bump"]]
        place = (change["path"] or "the event", "bold")
        out.print(Text.assemble((f"{change['bump']:<6}", colour), " ", place, " ", change["what"]), soft_wrap=True)
        out.print(Text(f"       {change['why']}", "dim"), soft_wrap=True)


def checked(rows: Sequence[Mapping[str, Any]]) -> None:
    """Whether each contract can be published as it stands."""
    out = console()
    for row in rows:
        mark = ("ok   ", "green") if row["ok"] else ("wrong", "bold red")
        moved = row["published"] or "not published"
        moved += f" → {row['version']}" if row["state"] != "as published" else ""
        said = f" {moved}: {row['error'] or row['state']}"
        out.print(Text.assemble(mark, " ", (row["name"], "bold"), said), soft_wrap=True)
        changes(row["changes"])
        if row["hint"]:
            out.print(Text(f"       {row['hint']}", "yellow"), soft_wrap=True)
