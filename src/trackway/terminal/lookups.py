"""`trackway lookup`: rows beside the events, loaded from dumps; first what a dump would change."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trackway.store.lookups import Change

app = typer.Typer(help="What is known of accounts, products or people beside the events.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print the same object as the API.")]


@app.command()
def load(  # noqa: PLR0913, PLR0917 - the options of a verb
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    at: Annotated[str | None, typer.Option(help="When the dump was made, such as 2026-01-31 or -2h.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it is kept.")] = False,
    as_json: Json = False,
) -> None:
    """Keep what dumps (CSV, JSON, Parquet) say of a lookup: rows that are new, changed or gone.

    Says first what would change, then asks. Several files are loaded in the order given. A dump was made on the day in
    its name, else when it was last written, unless --at says when. With --json nothing is kept without --yes.
    """
    from trackway.app import Workspace
    from trackway.cli import say_json
    from trackway.errors import ConfigError

    if at is not None and len(files) > 1:
        raise ConfigError("--at is of one dump, and there are several", hint="load them one by one")
    told: list[dict[str, Any]] = []
    with closing(Workspace.open(context.obj)) as opened:
        for path in files:
            loading = opened.load_lookup(name, path, at)
            kept = not dry_run and yes
            if not as_json:
                show(loading.change)
                kept = kept or (not dry_run and typer.confirm("Keep it?"))
            if kept:
                loading.commit()
            told.append({**loading.change.as_json(), "kept": kept})
            if not kept:
                break
    if as_json:
        say_json({"ok": True, "dumps": told})
    else:
        sys.stdout.write("Kept.\n" if told[-1]["kept"] else "Nothing was kept.\n")


def show(change: Change) -> None:
    """What a dump would change, for people."""
    from rich.text import Text

    from trackway.model.time import iso
    from trackway.terminal.pictures.canvas import console, grid
    from trackway.web.charts.scale import full

    out = console()
    out.print(Text(f"{change.file}, of {iso(change.dump)}: {full(change.rows)} rows of {change.lookup}"))
    renamed = {name: header for name, header in change.columns.items() if name != header}
    if renamed:
        table = grid("column", "found under")
        for name, header in renamed.items():
            table.add_row(name, header)
        out.print(table)
    remarks = {"repeated": "a later row has the same key", "unnamed": "no key, or no time; left out",
               "gone": "this dump lacks them"}  # fmt: skip
    table = grid("rows", ">", "")
    for what, number in change.counts.items():
        if what != "rows" and (number or what in ("new", "changed", "same")):
            table.add_row(Text(what, "bold"), full(number), remarks.get(what, "") if number else "")
    out.print(table)
    table = grid("for example", "key", "before", "after")
    for sample in change.samples:
        before, after = sample["before"] or {}, sample["after"] or {}
        torn = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        shown = [Text(", ".join(f"{name} {row[name]}" for name in torn if name in row)) for row in (before, after)]
        table.add_row(sample["what"], Text(" ".join(sample["key"])), *shown)
    if change.samples:
        out.print(table)


@app.command("list")
def list_lookups(context: typer.Context, as_json: Json = False) -> None:
    """Every lookup: how many rows it has, how many versions of them, and its columns."""
    from rich.text import Text

    from trackway.app import Workspace
    from trackway.cli import say_json
    from trackway.terminal.pictures.canvas import console, grid
    from trackway.web.charts.scale import full

    with closing(Workspace.open(context.obj)) as opened:
        told = opened.lookups()
    if as_json:
        say_json({"ok": True, "lookups": told})
        return
    table = grid("lookup", "key", ">rows", ">versions", "columns")
    for one in told:
        columns, number = Text(", ".join(one["columns"])), full(one["versions"])
        table.add_row(Text(one["lookup"], "bold"), ", ".join(one["key"]), full(one["rows"]), number, columns)
    console().print(table)


@app.command("show")
def show_row(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    key: Annotated[list[str], typer.Argument(metavar="KEY...")],
    as_json: Json = False,
) -> None:
    """All versions of one row, by its key: since when each holds."""
    from rich.text import Text

    from trackway.app import Workspace
    from trackway.cli import say_json
    from trackway.errors import QuestionError
    from trackway.terminal.pictures.canvas import console, grid

    with closing(Workspace.open(context.obj)) as opened:
        rows = opened.row_of(name, key)
    if not rows:
        raise QuestionError(
            f"{name} has no row {' '.join(key)}", hint="trackway lookup list says how many rows there are"
        )
    if as_json:
        say_json({"ok": True, "lookup": name, "key": key, "versions": rows})
        return
    table = grid("since", "row")
    for one in rows:
        row = "gone" if one["row"] is None else ", ".join(f"{k} {v}" for k, v in one["row"].items() if v is not None)
        table.add_row(one["since"] or "ever", Text(row))
    console().print(table)
