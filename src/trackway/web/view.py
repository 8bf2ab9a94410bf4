"""Pages from templates: one place for the words in numbers, the theme, and the headers that keep a page safe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import trackway
from trackway.web.charts import scale
from trackway.web.charts.svg import element

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Nothing inline and nothing from outside may run in a page."""
HTML = "text/html; charset=utf-8"
THEMES = ("light", "dark")
PLACES = (("/ask", "Ask"), ("/events", "Events"), ("/ledger", "Ledger"), ("/refused", "Refused"),
          ("/inspect", "Inspect"))  # fmt: skip


@cache
def templates() -> Environment:
    """The templates, with the words of `charts.scale` as filters."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    env.filters |= {"full": scale.full, "share": scale.share, "day": scale.day, "lasting": scale.lasting}
    env.globals |= {"bars": bars, "version": trackway.__version__, "places": PLACES}
    return env


def render(request: Request, template: str, context: Mapping[str, Any], *, project: str, status: int = 200) -> Response:
    """A page for people."""
    return Response(text(template, {**around(request, project), **context}), status, HEADERS, media_type=HTML)


def around(request: Request, project: str) -> dict[str, Any]:
    """What the layout of every page needs."""
    theme = request.cookies.get("theme", "")
    return {"project": project, "theme": theme if theme in THEMES else "", "path": request.url.path}


def text(template: str, context: Mapping[str, Any]) -> str:
    """A template filled in: a page, or a part of one."""
    return templates().get_template(template).render(**context)


def bars(parts: list[tuple[float, str, str]], whole: float) -> Markup:
    """One bar of several parts, each (number, class, what it is), over the width of `whole`."""
    marks, at = "", 0.0
    for value, kind, said in parts:
        if value and whole:
            width = max(100 * value / whole, 0.25)
            title = element("title", Markup.escape(said))
            marks += element("rect", title, x=f"{at:.3f}%", y=0, width=f"{width:.3f}%", height="100%", class_=kind)
            at += width
    back = element("rect", x=0, y=0, width="100%", height="100%", class_="rest")
    return Markup(element("svg", back + marks, class_="bars", role="presentation"))  # noqa: S704 - escaped above
