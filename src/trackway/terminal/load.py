"""Loading files with a progress bar, and what became of their records."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from trackway.app import Workspace

BINS = ("received", "stored", "duplicate", "dropped", "refused", "pending")


def load_files(workspace: Workspace, files: list[Path], source: str, *, quiet: bool) -> dict[str, Any]:
    """Load files through a source; the bins that their records went to, and the seconds it took."""
    before = counts(workspace, source)
    begun = time.monotonic()
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bars:
        tasks = {stage: bars.add_task(stage, total=None) for stage in ("reading", "storing")}

        def progress(stage: str, done: int, total: int | None) -> None:
            bars.update(tasks[stage], completed=done, total=total)

        workspace.load(files, source, progress)
    seconds = time.monotonic() - begun
    after = counts(workspace, source)
    return {
        "source": source,
        **{name: after[name] - before[name] for name in BINS},
        "seconds": round(seconds, 3),
        "reasons": reasons(workspace, source) if after["refused"] > before["refused"] else [],
        "events": frequent(workspace, source),
    }


def counts(workspace: Workspace, source: str) -> dict[str, int]:
    """The bins of one source."""
    for account in workspace.ledger():
        if account.source == source:
            return {name: int(getattr(account, name)) for name in BINS}
    return dict.fromkeys(BINS, 0)


def reasons(workspace: Workspace, source: str) -> list[str]:
    """The reasons for which a source refused records, the most frequent first."""
    details = [
        detail for a in workspace.ledger() if a.source == source for detail in a.details if detail.bin == "refused"
    ]
    return list(dict.fromkeys(d.reason for d in sorted(details, key=lambda d: -d.records)))


def frequent(workspace: Workspace, source: str) -> list[str]:
    """The most frequent event names of a source: what there is to ask about."""
    from trackway.model.condition import literal

    rows = workspace.sql(
        f"select event from events where source = {literal(source)} group by 1 order by count(*) desc, 1 limit 5"
    ).to_pylist()
    return [row["event"] for row in rows]
