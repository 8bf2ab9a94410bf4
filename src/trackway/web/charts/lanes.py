"""Rows of a chart that compare: a name at the left, a drawing on one scale in the middle, numbers at the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trackway.web.charts.svg import BOLD, clip, element, text


@dataclass(frozen=True)
class Lanes:
    """The columns of such a chart, in pixels; a narrow one writes names and numbers above the drawing."""

    width: float

    @property
    def wide(self) -> bool:
        """Whether names and numbers stand beside the drawing."""
        return self.width > 600

    @property
    def left(self) -> float:
        """Where the drawing begins."""
        return 232.0 if self.wide else 8.0

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.width - (206.0 if self.wide else 8.0)

    @property
    def high(self) -> float:
        """The height of a row."""
        return 27.0 if self.wide else 45.0

    def middle(self, at: float) -> float:
        """The middle of the drawing of a row that begins at a height."""
        return at + (self.high / 2 if self.wide else 30.0)

    def names(self, at: float, name: str, numbers: str, kind: str = "ink") -> str:
        """The name and the numbers of a row."""
        letter = BOLD if kind == "strong" else 6.5
        if self.wide:
            y = self.middle(at) + 4
            marks = text(0, y, clip(name, self.left - 16, letter), class_=kind)
            return marks + text(self.width, y, numbers, text_anchor="end", class_="muted")
        marks = text(0, at + 15, clip(name, self.width - 6.3 * len(numbers) - 14, letter), class_=kind)
        return marks + text(self.width, at + 15, numbers, text_anchor="end", class_="muted")

    def rules(self, marks: Sequence[tuple[float, str]], top: float, bottom: float, zero: float) -> str:
        """Lines down at round values, each with its words below; the one at `zero` is stronger."""
        drawn = ""
        for x, said in marks:
            kind = "axis" if abs(x - zero) < 0.5 else "grid"
            drawn += element("line", x1=round(x) + 0.5, x2=round(x) + 0.5, y1=top, y2=bottom, class_=kind)
            drawn += text(x, bottom + 16, said, text_anchor="middle", class_="muted")
        return drawn


def interval(low: float, high: float, x: Callable[[float], float], at: float, edges: tuple[float, float]) -> str:
    """A line with caps from one value to another, cut where the drawing ends."""
    begin, end = (min(max(x(value), edges[0]), edges[1]) for value in (low, high))
    marks = element("line", x1=begin, x2=end, y1=at, y2=at, class_="whisker")
    for value, place in ((low, begin), (high, end)):
        if edges[0] <= x(value) <= edges[1]:
            marks += element("line", x1=place, x2=place, y1=at - 4, y2=at + 4, class_="whisker")
    return marks
