"""The form of a question, derived from its options: a new option or type of question has its field at once.

Fields are filled from the address as written, not from the checked question, so that a wrong condition
stays in its field beside what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trackway.api import address
from trackway.model.condition import Condition
from trackway.plan import registry
from trackway.plan.query import Query

Items = Sequence[tuple[str, str]]
FormKind = Literal["steps", "condition", "choice", "number", "columns", "tables", "rows", "text"]

EVERY = {
    "trend": (("1h", "hour"), ("1d", "day"), ("1w", "week"), ("1mo", "month")),
    "": (("1d", "day"), ("7d", "week"), ("1mo", "month")),
}
WITHIN = (("30m", "30 minutes"), ("1h", "1 hour"), ("1d", "1 day"), ("7d", "7 days"), ("14d", "14 days"),
          ("30d", "30 days"), ("90d", "90 days"))  # fmt: skip
COLUMNS = frozenset({"by", "hold", "properties", "actor"})
"""Options that name columns of events."""
FIRST = ("steps", "start", "end", "return", "when", "measure", "within", "every", "periods", "where", "by")
"""Options that are always shown, in this order; from and to come after them as one field."""
RANGE = ("from", "to")
HIDDEN = frozenset({"top"})
"""Options that stay in the address unseen."""
LABELS = {
    "measure": "Show", "within": "Done within", "start": "First they", "return": "and come back when they",
    "where": "Only where", "by": "Split by", "periods": "for", "when": "Those who",
}  # fmt: skip
OWN = {
    ("paths", "start"): "Starting with", ("paths", "end"): "Ending with", ("paths", "by"): "A node is the",
    ("paths", "steps"): "Nodes of a journey", ("paths", "within"): "All within", ("funnel", "every"): "Over time, by",
    ("experiment", "within"): "Counted for", ("experiment", "variant"): "Variant, a column",
}  # fmt: skip
"""What an option is called in one type of question."""
EXAMPLES = {"return": "event = 'Logged In'", "where": "country = 'DE' and status < 400"}
ONE_EXAMPLE = "event = 'Signed Up'"


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    kind: FormKind
    label: str
    value: Any
    """A text; lists for `columns`, `tables` and `steps`; lists of fields for `rows`."""
    hint: str = ""
    options: list[tuple[str, str]] = field(default_factory=list)
    """What a choice offers, or a text among other things: value and words."""
    example: str = ""
    top: bool = True
    """Whether it is shown without being asked for."""


def fields(type_: str, items: Items) -> list[Field]:
    """The fields of a type of question, the first ones first; `from` and `to` are not among them."""
    infos = {info.alias or name: info for name, info in registry.load("queries", type_).model_fields.items()}
    rest = sorted((name for name in infos if name not in FIRST), key=lambda name: name in Query.model_fields)
    shown = [name for name in FIRST if name in infos] + rest
    return [_field(type_, name, infos[name], items) for name in shown if name not in HIDDEN and name not in RANGE]


def _field(type_: str, name: str, info: FieldInfo, items: Items) -> Field:
    kind, values = form_kind(name, info.annotation), [value for key, value in items if key == name and value]
    fallback = "" if info.default is None or info.is_required() or kind in {"columns", "tables"} else written(info)
    label = OWN.get((type_, name)) or LABELS.get(name, name.replace("_", " ").capitalize())
    if name == "every" and "measure" in registry.load("queries", type_).model_fields:
        label = "each"
    value: Any = values[-1] if values else fallback
    if kind == "steps":
        rows = [{"name": step.get("name", ""), "text": address.step_text(step)} for step in address.steps(items)]
        value = rows + [{"name": "", "text": ""}] * max(0, 2 - len(rows))
    elif kind in {"columns", "tables"}:
        value = values
    elif address.holds(info.annotation, list):
        value = ", ".join(values)
    options = offered(type_, name, info, value) if kind == "choice" else examples(info)
    hint = "" if name in LABELS or name in FIRST else sentence(info.description or "")
    top = name in FIRST or info.is_required()
    example = EXAMPLES.get(name, ONE_EXAMPLE) if kind == "condition" else fallback
    return Field(name, kind, label, value, hint, options, example, top)


def sentence(text: str) -> str:
    """The first sentence of a description, without marks.

    >>> sentence("Columns to break\\ndown by. At most `three`.")
    'Columns to break down by.'
    """
    first, end, _ = " ".join(text.replace("`", "").split()).partition(". ")
    return first + end.rstrip()


def examples(info: FieldInfo) -> list[tuple[str, str]]:
    """What a text of a kind with examples may say."""
    return [(text, text) for text in getattr(info.annotation, "examples", ())]


def written(info: FieldInfo) -> str:
    """The default of an option, as an address holds it; nothing for a list without items."""
    default = info.get_default(call_default_factory=True)
    return "" if default == [] else address.written(default if isinstance(default, bool | int) else str(default))


def form_kind(name: str, annotation: Any) -> FormKind:
    """Which field an option has.

    >>> form_kind("where", Condition | None), form_kind("order", Literal["ordered"])
    ('condition', 'choice')
    """
    if name == "steps" and address.holds(annotation, BaseModel):
        return "steps"
    if address.holds(annotation, BaseModel, dict):
        return "tables"
    if address.holds(annotation, list):
        return "text" if address.holds(annotation, float) else "columns"
    if address.holds(annotation, Condition):
        return "condition"
    if name in {"every", "within"} or literals(annotation) or bool in {annotation, *get_args(annotation)}:
        return "choice"
    return "number" if int in {annotation, *get_args(annotation)} else "text"


def literals(annotation: Any) -> list[str]:
    """The texts an option may be, when they are listed."""
    if get_origin(annotation) is Literal:
        return [str(item) for item in get_args(annotation)]
    return [text for part in get_args(annotation) for text in literals(part)]


def offered(type_: str, name: str, info: FieldInfo, value: str) -> list[tuple[str, str]]:
    """What a choice offers; a value written in the address is among it."""
    if name in {"every", "within"}:
        found = list(WITHIN if name == "within" else EVERY.get(type_, EVERY[""]))
    elif bool in {info.annotation, *get_args(info.annotation)}:
        found = [("false", "no"), ("true", "yes")]
    else:
        found = [(text, text.replace("_", " ")) for text in literals(info.annotation)]
    if info.default is None:
        found = [("", "not over time" if name == "every" else "—"), *found]
    return found if not value or value in dict(found) else [*found, (value, value)]
