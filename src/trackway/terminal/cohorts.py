"""`trackway cohort`: lists of actors from elsewhere, kept in the workspace."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Cohorts that are lists of actors.", no_args_is_help=True)


@app.command()
def upload(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    file: Annotated[Path, typer.Argument(metavar="FILE")],
) -> None:
    """Keep the ids of a file (one on every line, or the first column of a CSV file) as `cohort.NAME`.

    An earlier list of this name is replaced.
    """
    from trackway.app import Workspace

    with closing(Workspace.open(context.obj)) as opened:
        count = opened.upload_cohort(name, file)
    sys.stdout.write(f"{name}: {count:,} {'actor' if count == 1 else 'actors'}\n")


@app.command("list")
def list_uploaded(context: typer.Context) -> None:
    """The uploaded cohorts and how many ids each has."""
    from trackway.app import Workspace

    with closing(Workspace.open(context.obj)) as opened:
        for name, count in opened.uploaded_cohorts().items():
            sys.stdout.write(f"{name} {count:,}\n")
