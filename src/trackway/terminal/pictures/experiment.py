"""An experiment as a forest plot: what each variant changes, with its interval and its verdict."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trackway.model.mismatch import DOUBTFUL
from trackway.plan.query import Answer
from trackway.terminal.pictures.canvas import ACCENT, BAD, PALE, diverging, grid
from trackway.web.charts.forest import compared, signed, whenever
from trackway.web.charts.scale import sure

COLOURS = {"better": ACCENT, "worse": BAD, "unclear": PALE}


def draw(found: Answer, out: Console) -> None:
    """A line for each variant of each metric; the control is named with its mean."""
    p = found.totals.get("mismatch_p")
    if p is not None and p < DOUBTFUL:
        out.print(Text("Sample ratio mismatch: the group sizes are not what they should be (see below).", "bold red"))
    rows = compared(found.rows)
    seen = [abs(row[key]) for row in rows for key in ("lift_low", "lift_high") if row[key] is not None]
    reach = min(max([0.02, *seen]), 3.0)
    table = grid(
        "metric", "variant", ">actors", ">mean", ">change", "", ">from", ">to", ">whenever one looks", ">p", ""
    )
    last = None
    for row in found.rows:
        name = str(row["metric"]) + (" (guardrail)" if row["guardrail"] else "")
        sizes = (sure(row, "actors"), sure(row, "mean"))
        first = Text(name if name != last else "", "bold")
        last = name
        if row["lift"] is None or row["lift_low"] is None:
            table.add_row(first, str(row["variant"]), *sizes, "", "", "", "", "", "", row["verdict"] or "")
            continue
        always = whenever(row)
        low, at, high = (row[key] / reach for key in ("lift_low", "lift", "lift_high"))
        colour = COLOURS[row["verdict"]]
        p = row["p_corrected"] if row["p_corrected"] is not None else row["p_value"]
        table.add_row(
            first, str(row["variant"]), *sizes, signed(row["lift"]), diverging(low, at, high, 31, colour),
            signed(row["lift_low"]), signed(row["lift_high"]),
            "" if always is None else f"{signed(always[0])} to {signed(always[1])}", "" if p is None else f"{p:.2g}",
            Text(row["verdict"], colour),
        )  # fmt: skip
    out.print(table)
