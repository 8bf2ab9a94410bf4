"""Paths step by step: the nodes of each, the largest first, with what most do next."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trackway.plan.query import Answer
from trackway.terminal.pictures.canvas import bar, grid
from trackway.web.charts.flows import called
from trackway.web.charts.scale import share, sure

NEXT = 3
"""Edges told of each node."""


def draw(found: Answer, out: Console) -> None:
    """A table of the nodes of every step."""
    nodes = found.totals["nodes"]
    backward = any(node["step"] < 0 for node in nodes)
    near, far = ("to", "from") if backward else ("from", "to")
    out.print(f"{sure(found.totals, 'journeys')} journeys of {sure(found.totals, 'actors')} actors")
    table = grid("step", "node", ">journeys", ">share", "", "came from" if backward else "went on to")
    last = None
    for node in nodes:
        at = node["step"] - 1 if backward else node["step"]
        edges = [row for row in found.rows if row["step"] == at and row[near] == node["node"]]
        edges = sorted(edges, key=lambda row: -row["value"])[:NEXT]
        part = node["value"] or 1
        told = ", ".join(f"{called(row[far])} {share(row['value'] / part)}" for row in edges)
        table.add_row(
            str(node["step"]) if node["step"] != last else "", Text(called(node["node"]), "bold"), sure(node, "value"),
            sure(node, "share", share), bar(node["share"] or 0, max(8, min(24, out.width - 100))), Text(told, "dim"),
        )  # fmt: skip
        last = node["step"]
    out.print(table)
