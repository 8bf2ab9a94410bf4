"""What to open and what to ask in the demo; and, for those who cannot look, the answers in the terminal."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from trackway.api.address import query_string
from trackway.plan.config import FILE
from trackway.plan.query import Answer
from trackway.terminal import paint

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
        console.print(f"\n[bold]{_title(question)}[/bold]")
        paint.answer(
            Answer(found["type"], found["rows"], found["stands_on"], found["notes"], found["totals"]), question.name
        )
        if not found["rows"]:
            wrong.append(f"{question.name} has no rows")
    accounts = get(url, "/api/ledger")["sources"]
    console.print("\n[bold]Where events went[/bold]")
    paint.ledger(accounts)
    wrong += [
        f"the ledger of {account['source']} does not balance, or nothing is stored"
        for account in accounts
        if not account["balanced"] or not account["stored"]
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
