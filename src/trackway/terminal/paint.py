"""Answers and lists for people, with rich; what draws each type of answer is in `pictures`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from trackway.plan.query import Answer
from trackway.terminal.pictures import (
    distribution,
    drivers,
    experiment,
    funnel,
    lifecycle,
    paths,
    patterns,
    retention,
    trend,
)
from trackway.terminal.pictures.canvas import ACCENT, MOST, console, grid
from trackway.web.charts.distribution import histogram
from trackway.web.charts.scale import full

if TYPE_CHECKING:
    from trackway.terminal.rehearsal import Result

COLOURS = {"stored": "green", "duplicate": "blue", "dropped": "white", "refused": "red", "pending": "yellow"}


def answer(found: Answer, name: str) -> None:
    """One answer: its drawing, its notes, and what it stands on."""
    out = console()
    if not found.rows:
        out.print("No event matches this question.")
    elif (spread := histogram(found.type, found.rows, found.totals, most=20)) is not None:
        distribution.draw(spread, out)
    elif found.type in DRAWN:
        DRAWN[found.type](found, out)
    else:
        rows([sure(row) for row in found.rows])
    for note in found.notes:
        out.print(Text(note, "yellow"))
    said = found.stands_on
    exact = "exact" if said.get("exact", True) else f"from {full(said.get('sampled_actors'))} of them"
    read = f"{full(said.get('events'))} events · {full(said.get('actors'))} actors"
    asked = name if name != "-" else found.type
    out.print(
        Text(
            f"{asked} · lake version {said.get('lake_version')} · {read} · {exact} · {full(said.get('elapsed_ms'))} ms",
            "dim",
        )
    )


def sure(row: dict[str, Any]) -> dict[str, Any]:
    """A row, each number of a sample with the ends of its interval."""

    def ends(name: str, value: Any) -> Any:
        if name not in row.get("intervals", {}):
            return value
        between = row["intervals"][name]
        return f"{short(value)} ({'?' if between is None else f'{short(between[0])} to {short(between[1])}'})"

    return {name: ends(name, value) for name, value in row.items() if name != "intervals"}


def short(value: float) -> str:
    """A number in few digits.

    >>> short(1234567), short(0.12345)
    ('1,234,567', '0.123')
    """
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


DRAWN: dict[str, Callable[[Answer, Console], None]] = {
    "funnel": funnel.draw, "trend": trend.draw, "retention": retention.draw, "paths": paths.draw,
    "drivers": drivers.draw, "experiment": experiment.draw, "lifecycle": lifecycle.draw, "patterns": patterns.draw,
}  # fmt: skip
"""Type of question to what draws its answer; others are tables."""


def rows(found: Sequence[dict[str, Any]]) -> None:
    """Rows as they are."""
    out = console()
    if not found:
        out.print(Text("no rows", "dim"))
        return
    numbers = {
        name for name, value in found[0].items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    table = grid(*(f">{name}" if name in numbers else name for name in found[0]))
    for row in found[:MOST]:
        table.add_row(*(Text("—" if value is None else str(value)) for value in row.values()))
    out.print(table)
    if len(found) > MOST:
        out.print(Text(f"and {len(found) - MOST:,} more rows; --json has all of them", "dim"))


def facts(found: dict[str, Any]) -> None:
    """Names and values, one a line."""
    table = grid("", "")
    table.show_header = False
    for name, value in found.items():
        table.add_row(Text(name.replace("_", " "), "dim"), full(value))
    console().print(table)


def ledger(accounts: Sequence[dict[str, Any]]) -> None:
    """One line per source, and whether it balances."""
    out = console()
    if not accounts:
        out.print("Nothing was received yet.")
        return
    made = any(account["made"] for account in accounts)
    table = grid("source", ">received", *([">made"] if made else []), *(f">{name}" for name in COLOURS), "")
    for account in accounts:
        cells = [Text(full(account[name]), COLOURS[name] if account[name] else "dim") for name in COLOURS]
        balance = Text("balances", "green") if account["balanced"] else Text("does not balance", "bold red")
        came = [full(account[name]) for name in (("received", "made") if made else ("received",))]
        table.add_row(Text(account["source"], "bold"), *came, *cells, balance)
    out.print(table)


def loaded(found: dict[str, Any], root: Path) -> None:
    """What became of the records of a load, and what to ask next."""
    out = console()
    rate = found["received"] / found["seconds"] if found["seconds"] else 0
    out.print(
        f"{found['received']:,} records in {found['seconds']:.1f} s ({rate:,.0f} a second) through {found['source']}"
    )
    for name, colour in COLOURS.items():
        if found[name]:
            out.print(Text(f"  {found[name]:>12,} {name}", colour))
    at = "" if root == Path() else f" -C {root}"
    if found["refused"]:
        why = ", ".join(found["reasons"])
        out.print(Text(f"  refused because: {why}; trackway{at} refused shows them", "dim"))
    if not found["received"]:
        out.print(Text("  nothing new: what was read before is not read again", "dim"))
    if found["events"]:
        named = found["events"][0].replace("'", "''")
        asked = json.dumps({"type": "trend", "measure": "actors", "where": f"event = '{named}'"})
        out.print("\nAsk next:")
        out.print(Text(f"  trackway{at} ask - <<'END'\n  {asked}\n  END", "cyan"))
        out.print(Text(f"  trackway{at} run", "cyan"))


def refused(found: Sequence[dict[str, Any]]) -> None:
    """Each refusal: why and where, then the bytes."""
    out = console()
    if not found:
        out.print("Nothing was refused.")
    for row in found:
        where = f"{row['source']} · {str(row['received_at'])[:19]} · record {row['row']} of block {row['block']}"
        out.print(Text.assemble((row["reason"], "bold red"), "  ", row.get("detail") or "", "  ", (where, "dim")))
        out.print(Text("  " + row["raw"].replace("\n", "\n  ")), soft_wrap=True)


def way(lines: Sequence[dict[str, Any]]) -> None:
    """The verbs of one event's way."""
    out = console()
    for line in lines:
        verb, text = (str(line.get(key, "")) for key in ("verb", "text"))
        out.print(Text.assemble((f"{verb:>10}", f"bold {ACCENT}"), "  ", text), soft_wrap=True)


def components(found: Sequence[dict[str, str]]) -> None:
    """Types by kind."""
    table = grid("kind", "type", "what it is for")
    last = ""
    for one in found:
        table.add_row(
            Text(one["kind"] if one["kind"] != last else "", "dim"), Text(one["type"], "bold"), one["summary"]
        )
        last = one["kind"]
    console().print(table)


def component(found: dict[str, Any]) -> None:
    """One type with its options."""
    out = console()
    out.print(Text(f"{found['kind']}.{found['type']}", "bold"))
    out.print(Text(found["text"]), soft_wrap=True)
    if not found["options"]:
        return
    table = grid("option", "type", "default", "")
    for one in found["options"]:
        default = "required" if one["required"] else "—" if one["default"] is None else repr(one["default"])
        table.add_row(Text(one["name"], "bold"), Text(one["type"]), Text(default, "dim"), Text(one["text"]))
    out.print()
    out.print(table)


def tests(results: Sequence[Result]) -> None:
    """Passed and failed rehearsals."""
    out = console()
    for result in results:
        out.print(
            Text.assemble(
                ("ok    " if result.ok else "failed", "green" if result.ok else "bold red"), f"  {result.name}"
            )
        )
        for problem in result.problems:
            out.print(Text(f"        {problem}", "red"), soft_wrap=True)
    failed = sum(not result.ok for result in results)
    out.print(Text(f"{len(results)} tests, {failed} failed" if results else "no [[tests]] in trackway.toml", "dim"))
