"""`trackway sources`: how the reading of sources goes, and whether a configuration works against the live system."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import Annotated, Any

import typer

from trackway.errors import ConfigError, TrackwayError

app = typer.Typer(help="Where events come from.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print the same object as the API.")]
COLOURS = {"reading": "green", "ended": "green", "held": "yellow", "failing": "bold red", "stopped": "dim"}


@app.command("list")
def list_sources(context: typer.Context, as_json: Json = False) -> None:
    """Every source with what it received; of those that pull also the lag and the last fault."""
    from trackway.app import Workspace
    from trackway.cli import say_json

    with closing(Workspace.open(context.obj)) as opened:
        found = opened.sources()
    say_json({"ok": True, "sources": found}) if as_json else _table(found)


@app.command("test")
def try_out(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")], as_json: Json = False
) -> None:
    """Try a source against the live system: connect, be let in, list, look at one record without taking it.

    Exit 1 when a step fails, with what is wrong and how to mend it.
    """
    from trackway.app import Workspace
    from trackway.cli import say_json

    proofs: list[dict[str, Any]] = []
    failed: TrackwayError | None = None
    with closing(Workspace.open(context.obj)) as opened:
        try:
            for proof in opened.prove(name):
                proofs.append(proof.as_json())
                if not as_json:
                    _step(proofs[-1])
        except ConfigError:
            raise
        except TrackwayError as error:
            failed = error
    if as_json:
        say_json({**(failed.as_json() if failed else {"ok": True}), "steps": proofs})
    elif failed:
        sys.stderr.write(f"failed: {failed}\n")
    if failed:
        raise typer.Exit(1)


def _step(proof: dict[str, Any]) -> None:
    """One line for what worked; the record that was seen below it."""
    from rich.text import Text

    from trackway.terminal.pictures.canvas import console, grid

    out = console()
    out.print(Text.assemble(("ok      ", "green"), (f"{proof['step']:<10}", "bold"), proof["text"]))
    if record := proof.get("record"):
        out.print(Text(record, "dim"))
    if refused := proof.get("refused"):
        out.print(Text(f"would be refused, {refused}", "yellow"))
    if columns := proof.get("columns"):
        table = grid("", "")
        table.show_header = False
        for key, value in columns.items():
            table.add_row(Text(key, "dim"), Text(str(value)))
        out.print(table)


def _table(found: list[dict[str, Any]]) -> None:
    from rich.text import Text

    from trackway.terminal.pictures.canvas import console, grid
    from trackway.web.charts.scale import full

    table = grid("source", "type", ">received", "state", ">lag", ">last kept", "")
    for source in found:
        health = source["health"] or {}
        state, kept = health.get("state", "listening"), health.get("kept_at")
        lag, said = health.get("lag"), health.get("said", "")
        table.add_row(
            Text(source["source"], "bold"), source["type"], full(source["received"]),
            Text(state, COLOURS.get(state, "green")), "" if lag is None else full(lag),
            f"{time.time() - kept:,.0f} s ago" if kept else "", Text(said.partition("\n")[0], "red"),
        )  # fmt: skip
    console().print(table)
