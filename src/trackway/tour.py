"""What to open and what to ask in the demo; and, for those who cannot look, the answers in the terminal."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from trackway.api.address import query_string
from trackway.plan.config import FILE

SHOWN = 8
"""Rows of an answer in the terminal."""

COMMANDS = (
    "ledger",
    'sql "select event, count(*) from events group by 1 order by 2 desc limit 10"',
    'sql "select reason, detail, count(*) from refused group by all"',
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the file, as an address and as a command."""

    name: str
    type: str
    options: dict[str, Any]

    @property
    def path(self) -> str:
        """The page that answers it."""
        return f"/ask/{self.type}?{query_string(self.options)}"


def questions(root: Path) -> list[Question]:
    """The questions of the workspace, in the order of its file."""
    raw = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    return [
        Question(name, table["type"], {key: value for key, value in table.items() if key != "type"})
        for name, table in raw.get("queries", {}).items()
    ]


def show(asked: list[Question], url: str, root: Path, console: Console) -> None:
    """The tour: pages first, then commands."""
    console.print(f"\n[bold]Trackway is up: {url}[/bold]\n")
    console.print("Open")
    for question in asked:
        console.print(f"  {_title(question):<22}", end="")
        console.print(f"{url}{question.path}", soft_wrap=True, highlight=False, style="blue")
    console.print(f"  {'Where events went':<22}[blue]{url}/ledger[/blue]")
    console.print(f"  {'What was refused':<22}[blue]{url}/refused[/blue]")
    console.print("\nAsk")
    for rest in (f"ask {asked[0].name}", *COMMANDS):
        console.print(f"  trackway -C {root} {rest}", soft_wrap=True, highlight=False)


def _title(question: Question) -> str:
    return question.name.replace("_", " ").capitalize()


def answer(asked: list[Question], url: str, console: Console) -> int:
    """Ask every question of the tour and print the answers; 0 when all had rows and the ledger balances."""
    wrong = []
    for question in asked:
        found = get(url, "/api/ask", saved=question.name)
        stands = found["stands_on"]
        console.print(f"\n[bold]{_title(question)}[/bold]  ({stands['events']:,} events in {stands['elapsed_ms']} ms)")
        console.print(_table(found["rows"]))
        if not found["rows"]:
            wrong.append(f"{question.name} has no rows")
    accounts = get(url, "/api/ledger")["sources"]
    console.print("\n[bold]Where events went[/bold]")
    console.print(_table(accounts))
    bins = ("stored", "duplicate", "dropped", "refused", "pending")
    wrong += [
        f"the ledger of {account['source']} does not balance"
        for account in accounts
        if account["received"] != sum(account[name] for name in bins) or not account["stored"]
    ]
    for sentence in wrong:
        console.print(f"[red]{sentence}[/red]")
    return 1 if wrong else 0


def get(url: str, path: str, **query: str) -> dict[str, Any]:
    """One JSON object of the API."""
    reply = httpx.get(url + path, params=query, timeout=60, trust_env=False)
    reply.raise_for_status()
    found: dict[str, Any] = reply.json()
    return found


def _table(rows: list[dict[str, Any]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for name in rows[0] if rows else ():
        shown.add_column(name)
    for row in rows[:SHOWN]:
        shown.add_row(*("" if value is None else str(value) for value in row.values()))
    if len(rows) > SHOWN:
        shown.add_row("…")
    return shown
