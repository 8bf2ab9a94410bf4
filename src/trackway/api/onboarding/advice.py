"""What to do with a file, as tables ready for trackway.toml, and what to log for better analysis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from trackway.model import toml_text
from trackway.model.condition import quoted

ENVELOPE = frozenset({"time", "event", "event_id", "user_id", "anonymous_id"})
MAPPED = frozenset({"csv", "parquet"})
"""Codecs whose source says which column is what."""
VISITOR = re.compile(r"(anon\w*|visitor|device|cookie)[._ -]?id$", re.IGNORECASE)
CERTAIN = 0.4
"""From this score on a column is suggested for a role."""


def tables(name: str, path: str, facts: Mapping[str, Any]) -> list[str]:
    """The tables `[sources.…]` and `[transforms.…]` that a file asks for."""
    roles = {role: best["column"] for role, best in facts["roles"].items()}
    own = {role: column for role, column in roles.items() if column not in ENVELOPE}
    mapped = {("user_id" if role == "actor" else role): column for role, column in own.items()}
    source = {
        "type": "file", "codec": facts["codec"], "paths": [path],
        "columns": mapped if facts["codec"] in MAPPED else None,
        "precision": "1s" if facts["times"]["whole_seconds"] else None,
    }  # fmt: skip
    made = [toml_text.table(f"sources.{toml_text.key(name)}", source)]
    for step, options in steps(name, own, facts).items():
        head = {"type": options.pop("type"), "sources": [name]}
        made.append(toml_text.table(f"transforms.{toml_text.key(f'{name}_{step}')}", head | options))
    return made


def steps(name: str, own: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Transforms by name: who, what and when where the source itself cannot say it (`own`), parts, and what to drop."""
    columns = {one["column"]: one for one in facts["columns"]}
    made = {} if facts["codec"] in MAPPED else _named(own, columns)
    if "event" not in columns and "event" not in own:
        words = re.sub(r"[_-]+", " ", name).strip().title().replace("'", "''")
        made["event"] = {"type": "set", "values": {"event": f"'{words}'"}}
    known = [one for one in ("ip", "user_agent") if one in columns]
    if "actor" not in facts["roles"] and known:
        made["who"] = {"type": "identify", "hash": known}
    if "user_agent" in columns:
        made["browser"] = {"type": "expand_user_agent"}
    for column in columns.values():
        if str(column["example"] or "").startswith(("http://", "https://")):
            made[f"{_word(column['column'])}_parts"] = {"type": "expand_url", "column": column["column"]}
    secret = [one["column"] for one in columns.values() if any(p["sort"] == "card" for p in one["personal"])]
    return made | ({"no_cards": {"type": "drop_columns", "columns": secret}} if secret else {})


def _named(own: Mapping[str, str], columns: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Steps that tell who, what and when for a codec whose source cannot."""
    made: dict[str, dict[str, Any]] = {}
    if "event_id" in own:
        made["copies"] = {"type": "rename", "columns": {own["event_id"]: "event_id"}}
    if "time" in own:
        made["when"] = {"type": "time", "column": own["time"]}
    if "event" in own:
        made["event"] = {"type": "set", "values": {"event": quoted(own["event"])}}
    if "actor" in own:
        visitor = next((one for one in columns if VISITOR.search(one)), None)
        made["who"] = {"type": "identify", "user_id": [own["actor"]] if own["actor"] != visitor else None,
                       "anonymous_id": [visitor] if visitor else None}  # fmt: skip
    return made


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "column"


def said(facts: Mapping[str, Any]) -> list[str]:
    """What would make these events better, and what to look at before they are loaded."""
    columns = {one["column"]: one for one in facts["columns"]}
    return [*_who(facts, columns), *_when(facts), *_what(facts, columns), *_private(columns)]


def _who(facts: Mapping[str, Any], columns: Mapping[str, Any]) -> Iterator[str]:
    if "actor" not in facts["roles"]:
        yield (
            "Nothing says who did it. Log the id of the user, and of the visitor before they log in: without it there "
            "are counts, but no funnels, retention or paths."
        )
    elif facts["roles"]["actor"]["column"] == "anonymous_id" and not columns.get("user_id", {}).get("filled"):
        yield (
            "No user_id: a visitor who logs in cannot be known again. Log the user's id where there is one, and both "
            "ids once at the login."
        )


def _when(facts: Mapping[str, Any]) -> Iterator[str]:
    times = facts["times"]
    if "time" not in facts["roles"]:
        yield "Nothing says when it happened: the time of loading would stand for it. Log the time, with its zone."
        return
    if facts["zoneless"]:
        yield 'Times do not say their zone and are read as UTC; zone = "Europe/Berlin" under the source says another.'
    if times["ahead"]:
        count = f"{times['ahead']:,} of the sampled records"
        yield f"{count} are more than a day ahead and will be refused: is the zone another, or the format of dates?"
    if times["whole_seconds"]:
        yield "Times are of whole seconds: what happens within one second has no order. Log milliseconds."
    if times["disordered"] > DISORDER:
        yield f"{times['disordered']:.0%} of the records are older than the one before; that is no harm here."
    for gap in times["gaps"][:1]:
        yield f"Nothing was logged for {_lasting(gap['seconds'])} from {gap['from']:%Y-%m-%d %H:%M}: is data missing?"


def _what(facts: Mapping[str, Any], columns: Mapping[str, Any]) -> Iterator[str]:
    if "event_id" not in facts["roles"] and not columns.get("event_id", {}).get("filled"):
        yield "No event_id: copies are known by their content alone. Log an id with each event, made where it happens."
    if facts["codec"] == "access_log":
        yield (
            "An access log says what was asked for, not what was done. Log what matters as events of its own, such as "
            "a sign-up with its plan."
        )
    bare = [name for name, one in columns.items() if 0 < one["filled"] < RARE]
    if bare:
        yield f"Hardly ever filled: {', '.join(bare[:5])}."
    if facts["refused"]:
        count = f"{facts['refused']:,} of the {facts['sampled']:,}"
        yield f"{count} sampled records cannot be read and will be refused, one by one."


def _private(columns: Mapping[str, Any]) -> Iterator[str]:
    for name, column in columns.items():
        for one in column["personal"]:
            then = WHAT.get(one["sort"], ".")
            yield f"{name} holds {SORTS[one['sort']]} in {one['records']:,} of the sampled records{then}"


DISORDER, RARE = 0.01, 0.02
SORTS = {
    "email": "e-mail addresses", "phone": "telephone numbers", "card": "numbers of payment cards", "ip": "IP addresses",
    "name": "names or addresses of people",
}  # fmt: skip
WHAT = {"card": ". Do not log them; the suggested step leaves the column out."}


def _lasting(seconds: float) -> str:
    for size, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} seconds"
