"""SVG as text: elements with escaped attributes, and pictures that stand alone.

Charts carry classes, not colours, so that one drawing follows the page's light or dark theme; a picture
for download gets the light colours as a style sheet of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

BOLD = 7.5
"""About the width in pixels of a letter of a strong text."""
SERIES = 8
"""Colours a chart has; groups beyond them share none and are left to the table."""

PICTURE_STYLE = """
text { font-family: "Liberation Sans", "DejaVu Sans", Helvetica, Arial, sans-serif; font-size: 12px; fill: #23211e }
.muted { fill: #77726a } .strong { font-weight: bold } .title { font-size: 17px; font-weight: bold }
.inverse { fill: #fff }
.paper { fill: #fdfcfa } .grid { stroke: #e5e1da } .axis { stroke: #b9b3a8 } .rest { fill: #ebe7e0 } .hit { fill: none }
.line { fill: none; stroke-width: 2; stroke-linejoin: round } .area { fill-opacity: .13 } .guide { stroke: none }
.dashed { stroke-dasharray: 2 5 } .spot { display: none } .heat { fill: #0f766e }
.open { fill: #0f766e; stroke: #0f766e; stroke-dasharray: 3 2 }
.flow { fill-opacity: .3 } .stub { fill: #b9b3a8 } .band { fill-opacity: .16 } .whisker { stroke: #23211e; fill: none }
.bad { fill: #b42318 } .good { fill: #0f766e } .unsure { fill: #77726a } .edge { fill: none }
.badly { stroke: #b42318 } .goodly { stroke: #0f766e } .unsurely { stroke: #77726a } .halo { fill: #23211e }
.always { stroke-opacity: .4 }
.s0 { stroke: #0f766e } .s1 { stroke: #c2670a } .s2 { stroke: #4f46e5 } .s3 { stroke: #be185d }
.s4 { stroke: #0284c7 } .s5 { stroke: #5b8c0a } .s6 { stroke: #7c5a2e } .s7 { stroke: #64748b }
.f0 { fill: #0f766e } .f1 { fill: #c2670a } .f2 { fill: #4f46e5 } .f3 { fill: #be185d }
.f4 { fill: #0284c7 } .f5 { fill: #5b8c0a } .f6 { fill: #7c5a2e } .f7 { fill: #64748b }
"""
"""The page's light theme for a drawing that leaves the page (static/style.css has the same names)."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Marks within a width and a height in pixels, and what they show in words."""

    width: float
    height: float
    marks: str
    title: str
    description: str

    def inline(self, name: str, room: float | None = None, mark: str = "") -> str:
        """An `<svg>` for the middle of a page, where `mark` (default: `name`, its classes) makes its ids unique.

        One wider than its `room` keeps its size, and is scrolled.
        """
        mark, wider = mark or name.replace(" ", "-"), room is not None and self.width > room
        head = element("title", escape(self.title), id=f"{mark}-title")
        head += element("desc", escape(self.description), id=f"{mark}-desc")
        return element(
            "svg", head + self.marks, viewBox=f"0 0 {number(self.width)} {number(self.height)}",
            width=self.width if wider else None, role="group" if "<a " in self.marks else "img",
            aria_labelledby=f"{mark}-title {mark}-desc", class_=f"chart {name}" + (" wider" if wider else ""),
        )  # fmt: skip

    def picture(self, caption: str, footer: str, legend: Sequence[tuple[int, str]] = ()) -> str:
        """An SVG file: the drawing under its caption and legend, over its footer, with colours of its own."""
        pad, top, bottom = 24, 84 if legend else 60, 34
        width, height = self.width + 2 * pad, self.height + top + bottom
        body = element("style", PICTURE_STYLE)
        body += element("rect", width=width, height=height, class_="paper")
        body += text(pad, 34, clip(caption, width - 2 * pad, 9.2), class_="title")
        at = float(pad)
        for place, name in legend:
            shown = clip(name, 150)
            body += element("rect", x=at, y=50.0, width=10.0, height=10.0, rx=3.0, class_=f"f{place}")
            body += text(at + 16, 59.5, shown)
            at += 36 + 6.4 * len(shown)
        body += element("g", self.marks, transform=f"translate({pad} {top})")
        body += text(pad, height - 14, clip(footer, width - 2 * pad), class_="muted")
        return element("svg", body, xmlns="http://www.w3.org/2000/svg", width=width, height=height)


def element(tag: str, content: str = "", **attributes: object) -> str:
    """One element; `class_` is `class`, other underscores are dashes, and None leaves an attribute out."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(number(value) if isinstance(value, float) else str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def text(x: float, y: float, content: str, **attributes: object) -> str:
    """One line of text with its baseline at y."""
    return element("text", escape(content), x=float(x), y=float(y), **attributes)


def slot(marks: str, tip: Sequence[Any], link: str = "") -> str:
    """Marks that answer the pointer: `tip` is a title, then lines of a name, a value, and a colour (or -1).

    Where scripts run they show the tip; elsewhere, and for those who listen, it is the title of the marks.
    """
    said = "\n".join([str(tip[0]), *(f"{name}: {value}" if value else str(name) for name, value, _ in tip[1:])])
    inner = element("title", escape(said)) + marks
    if link:
        inner = element("a", inner, href=link)
    return element("g", inner, class_="slot", data_tip=json.dumps(list(tip)))


def number(value: float) -> str:
    """A coordinate, to a hundredth of a pixel.

    >>> number(3.14159), number(2.0)
    ('3.14', '2')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def clip(content: str, width: float, letter: float = 6.3) -> str:
    """A text cut to about a width in pixels.

    >>> clip("a rather long name", 60)
    'a rather…'
    """
    most = max(3, int(width / letter))
    return content if len(content) <= most else content[: most - 1].rstrip() + "…"
