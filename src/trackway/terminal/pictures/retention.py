"""Retention as a grid of shares, of several groups one for each; and the survival curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from trackway.plan.query import Answer
from trackway.terminal.pictures.canvas import MOST, bar, grid
from trackway.web.charts.retention import cohorts, grouped, overall, titled
from trackway.web.charts.scale import day, full, lasting, share, sure


def draw(found: Answer, out: Console) -> None:
    """The grid of each group, and how many are still there after how long."""
    for name, some in grouped(found.rows).items():
        if name:
            out.print(Text(name, "bold"))
        triangle(some, out)
    survival = found.totals.get("survival")
    if survival:
        table = grid("still there after", ">share", "", ">from", ">to", ">watched")
        for row in survival["curve"]:
            ends = (share(row["low"]), share(row["high"])) if row["low"] is not None else ("", "")
            drawn = bar(row["survival"] or 0, 30)
            table.add_row(lasting(row["seconds"]), share(row["survival"]), drawn, *ends, full(row["at_risk"]))
        out.print(table)


def triangle(rows: Sequence[dict[str, Any]], out: Console) -> None:
    """A line for each cohort, below one for all of them."""
    found = cohorts(rows)
    periods = sorted({row["period"] for row in rows})
    called = {row["period"]: titled(row) for row in rows}
    table = grid("cohort", ">actors", *(f">{called[period]}" for period in periods))
    whole = overall(found)
    table.add_row("all", full(sum(next(iter(c.values()))["actors"] for c in found.values())),
                  *(heat(whole.get(period)) for period in periods))  # fmt: skip
    for cohort, cells in list(found.items())[-MOST:]:
        actors = sure(next(iter(cells.values())), "actors")
        table.add_row(day(cohort), actors, *(told(cells[p]) if p in cells else Text("") for p in periods))
    out.print(table)


def told(row: Mapping[str, Any]) -> Text:
    """The rate of a cell, of a sample with how sure it is."""
    return heat(row["rate"], sure(row, "rate", share) if "intervals" in row else "")


def heat(rate: float | None, said: str = "") -> Text:
    """A share on a ground that is darker the larger it is."""
    if rate is None:
        return Text("")
    red, green, blue = (round(low + (high - low) * rate) for low, high in ((214, 15), (236, 118), (232, 110)))
    ink = "white" if rate > 0.5 else "black"
    return Text(said or f"{rate * 100:4.0f} %", f"{ink} on #{red:02x}{green:02x}{blue:02x}")
