"""An experiment as a forest plot: what each variant changes against the control, by metric, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from trackway.web.charts.lanes import Lanes, interval
from trackway.web.charts.scale import full, share, sure, ticks
from trackway.web.charts.svg import BOLD, Drawing, clip, element, slot, text

KINDS = {"better": "good", "worse": "bad", "unclear": "unsure"}
"""The class of a verdict."""
FARTHEST = 3.0
"""Largest change that is drawn, as a part of the control; what goes farther is cut."""


def compared(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that compare a variant with the control."""
    return [row for row in rows if row.get("difference") is not None]


def signed(change: float | None) -> str:
    """A change as per cent with its sign.

    >>> signed(0.1234), signed(-0.5), signed(None)
    ('+12.3 %', '-50.0 %', '—')
    """
    return "—" if change is None else f"{change * 100:+.1f} %"


def whenever(row: dict[str, Any]) -> tuple[float, float] | None:
    """The interval of the change that holds however often one looks, as a part of the control's mean; None for none.

    >>> whenever({"difference": 2.0, "lift": 0.2, "always_low": -1.0, "always_high": 5.0})
    (-0.1, 0.5)
    """
    low, high = row.get("always_low"), row.get("always_high")
    if low is None or high is None or not row["lift"]:
        return None
    control = row["difference"] / row["lift"]
    return (low / control, high / control) if control > 0 else (high / control, low / control)


def draw(rows: Sequence[dict[str, Any]], width: float, shares: Collection[str] = ()) -> Drawing:
    """The drawing of the rows of an experiment, `width` pixels wide; the means of metrics in `shares` are per cent."""
    lanes, shown = Lanes(width), compared(rows)
    seen = [abs(row[key]) for row in shown for key in ("lift_low", "lift_high") if row.get(key) is not None]
    seen += [abs(end) for row in shown for end in whenever(row) or ()]
    reach = min(max([0.02, *seen]) * 1.08, FARTHEST)
    centre, half = (lanes.left + lanes.right) / 2, (lanes.right - lanes.left) / 2

    def x(change: float) -> float:
        return centre + half * change / float(reach)

    rules = [step for step in ticks(reach, 4 if lanes.wide else 2) if step <= reach]
    sides = [-step for step in rules[:0:-1]] + rules
    marks, at = "", 8.0
    for metric in dict.fromkeys(row["metric"] for row in shown):
        mine = [row for row in shown if row["metric"] == metric]
        marks += title(
            mine[0], [row for row in rows if row["metric"] == metric], at, lanes, share if metric in shares else full
        )
        at += 25
        for row in mine:
            marks += lane(row, at, lanes, x)
            at += lanes.high
        at += 8
    below = lanes.rules([(x(step), f"{step * 100:+g} %" if step else "no change") for step in sides], 4, at, centre)
    verdicts = ", ".join(f"{row['metric']} {row['variant']}: {row['verdict']}" for row in shown[:12])
    return Drawing(width, at + 24, below + marks, "Experiment", f"Against the control. {verdicts}.")


def title(
    row: dict[str, Any], rows: Sequence[dict[str, Any]], at: float, lanes: Lanes, write: Callable[[Any], str]
) -> str:
    """The heading of a metric: its name, whether it is a guardrail, and what it is for the control."""
    control = next((one for one in rows if one.get("difference") is None), None)
    name = str(row["metric"]) + ("  · guardrail" if row["guardrail"] else "")
    if row["better"] == "lower":
        name += "  · lower is better"
    said = f"control {write(control['mean'])}" if control else ""
    marks = element("rect", x=0.0, y=at, width=lanes.width, height=21.0, rx=4.0, class_="ground")
    marks += text(6, at + 15, clip(name, lanes.width - 6.6 * len(said) - 24, BOLD), class_="strong")
    return marks + text(lanes.width - 6, at + 15, said, text_anchor="end", class_="muted")


def lane(row: dict[str, Any], at: float, lanes: Lanes, x: Any) -> str:
    """One variant: a diamond at its change, a line over its interval and a thinner one over that which holds however
    often one looks, in the colour of its verdict."""
    middle, kind = lanes.middle(at), KINDS[row["verdict"]]
    inner = element("rect", x=0.0, y=at, width=lanes.width, height=lanes.high, class_="hit")
    numbers = f"{signed(row['lift'])}  {row['verdict']}"
    inner += lanes.names(at, str(row["variant"]), numbers)
    if row["lift"] is not None:
        ends = (lanes.left, lanes.right)
        if (always := whenever(row)) is not None:
            marks = interval(*always, x, middle, ends)
            inner += marks.replace('class="whisker"', f'class="whisker {kind}ly always"')
        if row["lift_low"] is not None:
            marks = interval(row["lift_low"], row["lift_high"], x, middle, ends)
            inner += marks.replace('class="whisker"', f'class="whisker {kind}ly"')
        spot = min(max(x(row["lift"]), lanes.left), lanes.right)
        diamond = f"M{spot - 6:.1f} {middle}L{spot:.1f} {middle - 6}L{spot + 6:.1f} {middle}L{spot:.1f} {middle + 6}Z"
        inner += element("path", d=diamond, class_=kind)
    else:
        inner += text(lanes.left + 8, middle + 4, "the control has none, so there is no ratio", class_="muted")
    return slot(inner, told(row))


def told(row: dict[str, Any]) -> list[Any]:
    """The words of a comparison."""
    tip: list[Any] = [f"{row['metric']} · {row['variant']}", ["actors", sure(row, "actors"), -1],
                      ["mean", sure(row, "mean"), -1], ["change", signed(row["lift"]), -1]]  # fmt: skip
    if row["lift_low"] is not None:
        tip.append(["from … to", f"{signed(row['lift_low'])} to {signed(row['lift_high'])}", -1])
    if (always := whenever(row)) is not None:
        tip.append(["whenever one looks", f"{signed(always[0])} to {signed(always[1])}", -1])
    for key, said in (("p_corrected", "p, corrected"), ("p_value", "p"), ("always_p", "p, whenever one looks")):
        if row.get(key) is not None and not (key == "p_value" and row.get("p_corrected") is not None):
            tip.append([said, f"{row[key]:.2g}", -1])
    if row.get("chance_better") is not None:
        tip.append(["chance to be better", f"{row['chance_better'] * 100:.1f} %", -1])
    return [*tip, [row["verdict"], "guardrail" if row["guardrail"] else "", -1]]
