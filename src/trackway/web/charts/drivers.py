"""What lifts a conversion to the right, what sinks it to the left: rates relative to those of the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from trackway.web.charts.lanes import Lanes, interval
from trackway.web.charts.scale import between, full, share, sure
from trackway.web.charts.svg import Drawing, element, slot, text

MOST = 30
"""Most drivers drawn; the table has all of them."""
FARTHEST = 64.0
"""Times a rate may differ before its bar is cut."""
MARKS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def named(row: dict[str, Any]) -> str:
    """What a row is about.

    >>> named({"kind": "event", "name": "event", "value": "Alias"})
    'did Alias'
    >>> named({"kind": "property", "name": "device", "value": None})
    'device: (none)'
    """
    value = "(none)" if row["value"] is None else str(row["value"])
    return f"did {value}" if row["kind"] == "event" else f"{row['name']}: {value}"


def ends(row: dict[str, Any], alpha: float) -> tuple[float, float] | None:
    """The interval of a lift: that of a sample if it is one, else by the logarithm of the ratio (Katz et al., 1978).

    >>> low, high = ends({"actors": 100, "converted": 30, "without_actors": 100, "without_converted": 20}, 0.05)
    >>> round(low, 2), round(high, 2)
    (0.92, 2.46)
    """
    if "intervals" in row:
        return between(row, "lift")
    done, other = row["converted"], row["without_converted"]
    if not done or not other:
        return None
    spread = math.sqrt(max(0.0, 1 / done - 1 / row["actors"] + 1 / other - 1 / row["without_actors"]))
    lift = (done / row["actors"]) / (other / row["without_actors"])
    far = NormalDist().inv_cdf(1 - alpha / 2) * spread
    return lift * math.exp(-far), lift * math.exp(far)


def ordered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The drivers drawn: what lifts first, the most first, down to what sinks the most."""
    return sorted(rows[:MOST], key=lambda row: -strength(row))


def strength(row: dict[str, Any]) -> float:
    """The logarithm of a lift, endless where one of the rates is 0."""
    if row["lift"] is None:
        return math.inf if row["converted"] else 0.0
    return math.log2(row["lift"]) if row["lift"] > 0 else -math.inf


def draw(rows: Sequence[dict[str, Any]], width: float, alpha: float = 0.05) -> Drawing:
    """The drawing of the rows of drivers, `width` pixels wide."""
    lanes, shown = Lanes(width), ordered(rows)
    finite = [abs(strength(row)) for row in shown if math.isfinite(strength(row))]
    reach = min(max([1.0, *finite]) * 1.15, math.log2(FARTHEST))
    centre, half = (lanes.left + lanes.right) / 2, (lanes.right - lanes.left) / 2

    def x(lift: float) -> float:
        return centre + half * max(-2.0, min(2.0, (math.log2(lift) if lift > 0 else -99.0) / reach))

    bottom = 24 + lanes.high * len(shown) + 4
    rules = [(x(mark), f"{mark:g}x" if mark >= 1 else f"1/{1 / mark:g}") for mark in MARKS]
    rules = [(at, said) for at, said in rules if lanes.left <= at <= lanes.right + 0.5]
    marks = lanes.rules(rules[:: 2 if len(rules) > 9 else 1], 20, bottom, centre)
    marks += text(centre - 10, 12, "← converts less", text_anchor="end", class_="muted")
    marks += text(centre + 10, 12, "converts more →", class_="muted")
    for index, row in enumerate(shown):
        marks += lane(row, 24 + lanes.high * index, lanes, x, (centre, half), alpha)
    many = sum(bool(row["significant"]) for row in shown)
    words = f"{len(shown)} drivers, {many} of them significant." + (f" The first: {named(shown[0])}." if shown else "")
    return Drawing(width, bottom + 26, marks, "Drivers", words)


def lane(  # noqa: PLR0913, PLR0917 - one row and where it stands
    row: dict[str, Any], at: float, lanes: Lanes, x: Any, across: tuple[float, float], alpha: float
) -> str:
    """One driver: a bar from 1 to its lift, its interval, the two rates and how many have it."""
    centre, half = across
    size = strength(row)
    far = centre + math.copysign(half, size) if math.isinf(size) else min(max(x(2.0**size), lanes.left), lanes.right)
    kind = "f0" if size >= 0 else "bad"
    middle, high = lanes.middle(at), 14.0
    inner = element("rect", x=0.0, y=at, width=lanes.width, height=lanes.high, class_="hit")
    inner += element(
        "rect", x=min(centre, far), y=middle - high / 2, width=max(1.5, abs(far - centre)), height=high, rx=2.0,
        class_=kind, fill_opacity=None if row["significant"] else 0.28,
    )  # fmt: skip
    if found := ends(row, alpha):
        inner += interval(*found, x, middle, (lanes.left, lanes.right))
    numbers = f"{share(row['rate'])} vs {share(row['without_rate'])}"
    inner += lanes.names(at, named(row), f"{numbers} · n {full(row['actors'])}" if lanes.wide else numbers,
                         "strong" if row["significant"] else "muted")  # fmt: skip
    return slot(inner, told(row, found))


def told(row: dict[str, Any], found: tuple[float, float] | None) -> list[Any]:
    """The words of a driver."""
    lift = "never without it" if row["lift"] is None and row["converted"] else full(row["lift"])
    tip: list[Any] = [named(row), ["who have it", sure(row, "actors"), -1], ["convert", sure(row, "rate", share), -1],
                      ["the others", sure(row, "without_rate", share), -1], ["lift", lift, -1]]  # fmt: skip
    if found:
        tip.append(["from … to", f"{found[0]:.3g} to {found[1]:.3g}", -1])
    return [*tip, ["p, corrected", f"{row['p_corrected']:.2g}", -1],
            ["significant" if row["significant"] else "may be chance", "", -1]]  # fmt: skip
