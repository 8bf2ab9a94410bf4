"""Matches of a pattern by group, how long they take, and the actors with most."""

from __future__ import annotations

from rich.console import Console

from trackway.plan.query import Answer
from trackway.terminal.pictures.canvas import bar, grid
from trackway.web.charts.bars import MEASURED
from trackway.web.charts.scale import day, full, lasting, share, sure
from trackway.web.charts.trend import group


def draw(found: Answer, out: Console) -> None:
    """A line for each group, one for each length of time, and the list if there is one."""
    totals = found.totals
    who = f"{sure(totals, 'matched')} of {sure(totals, 'actors')} actors"
    out.print(f"{who} ({sure(totals, 'rate', share)}), {sure(totals, 'matches')} matches")
    table = grid("group", ">actors", ">share", "", ">matches", ">median")
    for row in found.rows:
        numbers = (
            sure(row, "actors"), sure(row, "share", share), bar(row["share"] or 0, 30), sure(row, "matches"),
        )  # fmt: skip
        table.add_row(group(row, MEASURED) or "all", *numbers, sure(row, "median_seconds", lasting))
    out.print(table)
    bars = totals["histogram"]
    highest = max((one["matches"] for one in bars), default=0) or 1
    table = grid(">took", "", ">matches")
    for one in bars:
        span = f"{lasting(one['from'])} to {lasting(one['to'])}"
        table.add_row(span, bar(one["matches"] / highest, 30), full(one["matches"]))
    out.print(table)
    if totals.get("list"):
        table = grid("actor", ">matches", "first", ">took")
        for one in totals["list"]:
            table.add_row(one["actor"], full(one["times"]), day(one["first"]), lasting(one["first_seconds"]))
        out.print(table)
