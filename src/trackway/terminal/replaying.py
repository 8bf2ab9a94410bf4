"""`trackway replay`: the raw bytes of a span once more through the pipeline of today; first what would change."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trackway.app import Workspace
    from trackway.flow.compared import Comparison
    from trackway.flow.replay import Replay

Json = Annotated[bool, typer.Option("--json", help="Print the same object as the API.")]


def replay(  # noqa: PLR0913, PLR0917 - the options of a verb
    context: typer.Context,
    source: Annotated[str, typer.Option(help="The source whose payloads are read again.")],
    first: Annotated[str, typer.Option("--from", help="What was received at or after this, such as -2d.")],
    last: Annotated[str, typer.Option("--to", help="What was received before this.")] = "now",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before events are replaced.")] = False,
    as_json: Json = False,
) -> None:
    """Read the raw payloads of a span again through transforms and contracts as they are now.

    Says first what would change, then asks, and replaces what is stored and refused of them, all at once. The span is
    one of receipt and is taken to whole batches. With --json nothing is replaced without --yes.
    """
    from trackway.app import Workspace
    from trackway.cli import say_json

    writes = not dry_run and (yes or not as_json)
    with closing(Workspace.open(context.obj)) as opened, opened.replaying(writes=writes) as replaying:
        found = _compared(opened, replaying, (source, first, last), quiet=as_json)
        if not as_json:
            show(found.as_json())
        asked = writes and not found.nothing
        if asked and not yes and not typer.confirm("Replace them?"):
            sys.stdout.write("Nothing was replaced.\n")
            return
        version = replaying.commit() if asked else None
    if as_json:
        say_json({"ok": True, **found.as_json(), "replayed": version is not None, "version": version})
    elif version is not None:
        sys.stdout.write(f"Replaced, in lake version {version}.\n")


def _compared(opened: Workspace, replaying: Replay, asked: tuple[str, str, str], *, quiet: bool) -> Comparison:
    from rich.console import Console
    from rich.progress import Progress

    span = opened.received_in(*asked)
    console = Console(file=sys.stderr)
    with Progress(console=console, disable=quiet or not console.is_terminal, transient=True) as bars:
        bar = bars.add_task("reading again", total=None)
        return replaying.compare(asked[0], *span, lambda done, total: bars.update(bar, completed=done, total=total))


def show(found: dict[str, Any]) -> None:
    """What would change, for people."""
    from rich.text import Text

    from trackway.terminal.pictures.canvas import console, grid
    from trackway.web.charts.scale import full

    out = console()
    what = f"{full(found['records'])} record{'' if found['records'] == 1 else 's'}"
    out.print(f"{what} that {found['source']} received from {found['from']} to {found['to']}")
    told = [
        ("the same", found["same"], ""),
        ("changed", found["changed"], ""),
        ("new", found["new"], f"{full(found['newly_accepted'])} of them were refused before"),
        ("gone", found["gone"], f"{full(found['newly_refused'])} of them are refused now"),
    ]
    table = grid("events", ">", "")
    for name, number, remark in told:
        table.add_row(Text(name, "bold"), full(number), remark if number else "")
    out.print(table)
    if found["properties"]:
        table = grid("changed property", ">events")
        for name, number in found["properties"].items():
            table.add_row(name, full(number))
        out.print(table)
    moved = [way for way in found["bins"] if way["before"] != way["after"]]
    if moved:
        table = grid("bin", "step", "reason", ">before", ">after")
        for way in moved:
            table.add_row(way["bin"], way["step"], way["reason"], full(way["before"]), full(way["after"]))
        out.print(table)
    for sample in found["samples"]:
        changes = ", ".join(f"{name} {old} → {new}" for name, (old, new) in sample["changes"].items())
        out.print(Text(f"{sample['event']} {sample['event_id']}: {changes}", "dim"))
    if found["nothing_changes"]:
        out.print("Nothing changes.")
