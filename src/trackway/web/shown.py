"""What a page says of one answer: its numbers, pictures, table, notes, and where each number leads."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from trackway.model.mismatch import DOUBTFUL
from trackway.plan.query import Answer
from trackway.web import words
from trackway.web.charts import funnel
from trackway.web.charts.scale import counted, full, share
from trackway.web.fields import Items
from trackway.web.leads import Leads, Row, called, cell, nowhere, text
from trackway.web.panels import Panel, Scene, panels
from trackway.web.table import plain_table, table

WIDE, NARROW = 860.0, 350.0
"""Widths in pixels a picture is drawn for: a screen and a phone."""
FORMS = ("json", "csv", "arrow", "svg", "png")


def shown(scene: Scene, items: Items, number: int) -> dict[str, Any]:
    """What the template of an answer needs; `number` makes its ids unique in a page of several."""
    answer, asked = scene.answer, scene.asked
    found = panels(scene)
    drawable = [form for form in FORMS if found or form not in {"svg", "png"}]
    alerts, notes = told(answer)
    return {
        "sentence": words.sentence(asked),
        "answer": answer,
        "numbers": words.numbers(asked, answer, open_end=answer.type == "trend" and not scene.over(scene.every)),
        "panels": [pictured(panel, f"{number}-{place}") for place, panel in enumerate(found)],
        "alerts": alerts,
        "notes": notes,
        "sampled": sampled(answer),
        "exactly": address(asked["type"], "", [pair for pair in items if pair[0] != "sample"])
        if any(key == "sample" for key, _ in items)
        else "",
        "table": table(asked["type"], answer.rows, leads_to(asked, answer, items, scene.link)),
        "lists": lists(answer),
        "stands_on": stands_on(answer),
        "links": [(form, address(asked["type"], form, without_people(items))) for form in drawable],
        "command": words.command(asked),
    }


def pictured(panel: Panel, mark: str) -> dict[str, Any]:
    """One panel with its drawings for a screen and a phone."""
    drawn = "".join(
        panel.draw(width).inline(name, width, f"{name}-{mark}") for width, name in ((WIDE, "wide"), (NARROW, "narrow"))
    )
    chart = Markup(drawn)  # noqa: S704 - every text in a drawing is escaped by charts.svg
    return {"title": panel.title, "legend": panel.legend, "left": panel.left, "chart": chart}


def told(answer: Answer) -> tuple[list[str], list[str]]:
    """What a reader must know before believing anything, and the other notes."""
    p = answer.totals.get("mismatch_p")
    doubtful = answer.type == "experiment" and p is not None and p < DOUBTFUL
    alerts = [note for note in answer.notes if doubtful and "group sizes" in note]
    return alerts, [note for note in answer.notes if note not in alerts]


def sampled(answer: Answer) -> str:
    """How much of all a sample is, in a sentence; nothing for an exact answer."""
    said = answer.stands_on
    if said.get("exact", True):
        return ""
    who = f"{full(said.get('sampled_actors'))} of {full(said.get('actors'))} actors"
    sure = full((said.get("confidence") or 0) * 100)
    return f"From {share(said.get('share'))} of the actors ({who}); ± holds in {sure} of 100 samples"


def lists(answer: Answer) -> list[tuple[str, Any]]:
    """Lists of actors in the totals, as tables with a title."""
    rows = answer.totals.get("list")
    return [("Actors with most matches", plain_table(rows))] if rows else []


def stands_on(answer: Answer) -> str:
    """What an answer stands on, in one line."""
    said = answer.stands_on
    exact = "exact" if said.get("exact", True) else f"from {share(said.get('share'))} of the actors"
    return (
        f"lake version {full(said.get('lake_version'))} · {full(said.get('events'))} events · "
        f"{full(said.get('actors'))} actors · {exact} · {full(said.get('elapsed_ms'))} ms"
    )


def without_people(items: Items) -> list[tuple[str, str]]:
    """An address without the list of actors."""
    return [(key, value) for key, value in items if key != "people"]


def address(type_: str, form: str, items: Items) -> str:
    """The address of a question, in a form or as a page."""
    query = urlencode(items, quote_via=quote, safe="/:,")
    return f"/ask/{type_}" + (f".{form}" if form else "") + (f"?{query}" if query else "")


def link_to(asked: Any, answer: Answer, items: Items) -> funnel.Link:
    """Where the numbers of a funnel lead: to the list of the actors behind them. Of a sample there is none."""
    rows = answer.rows
    if answer.type != "funnel" or not items or not answer.stands_on.get("exact", True):
        return funnel.nowhere
    last = max((row["step"] for row in rows), default=0)
    optional = any(isinstance(step, dict) and step.get("optional") for step in asked.get("steps", []))
    over = {"complete": True} if rows and "time" in rows[0] and any(row["complete"] for row in rows) else {}

    def link(row: dict[str, Any], dropped: bool) -> str:
        if not row[counted(row)] or (dropped and (optional or row["step"] == last)):
            return ""
        named = {key: value for key, value in row.items() if key not in funnel.MEASURED}
        when = {"time": row["time"]} if "time" in row else over
        return people_at(asked, items, {"step": row["step"], **when, **named} | ({"dropped": True} if dropped else {}))

    return link


def leads_to(asked: Any, answer: Answer, items: Items, link: funnel.Link) -> Leads:
    """Where the numbers in the table of an answer lead: to the actors behind them. Of a sample there is no list."""
    if not items or not answer.stands_on.get("exact", True):
        return nowhere
    if answer.type == "funnel":
        return lambda row, name: link(dict(row), False) if name == counted(row) else ""

    def leads(row: Row, name: str) -> str:
        found = cell(asked, row, name)
        return "" if found is None else people_at(asked, items, found)

    return leads


def people_at(asked: Any, items: Items, found: Any) -> str:
    """The address of the actors of a cell."""
    return address(asked["type"], "", [*without_people(items), ("people", text(found))]) + "#people"


def listed(asked: Any, items: Items, answer: Answer) -> dict[str, Any]:
    """What the template of a list of actors needs."""
    people = next((value for key, value in items if key == "people"), "")
    question = without_people(items)

    def explained(row: Row, name: str) -> str:
        if name != "actor":
            return ""
        who = urlencode([*question, ("who", row["actor"])], quote_via=quote, safe="/:,")
        return f"/explain/{asked['type']}?{who}"

    return {
        "table": plain_table(answer.rows, explained), "totals": answer.totals, "rows": len(answer.rows),
        "cell": called(asked, people), "csv": address(asked["type"], "csv", items), "notes": answer.notes,
        "back": address(asked["type"], "", question),
    }  # fmt: skip
