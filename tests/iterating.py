"""Loggly's iterator of events, after its documentation: pages of 50 to 1,000, a `next` address until the last one,
searches that are forgotten after ten minutes."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from desks import Asked, Desk, Said


class Loggly(Desk):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.searches: dict[str, dict[str, Any]] = {}
        self.numbers = count(1)

    def put(self, *, time: float, raw: str = "", **told: Any) -> None:
        with self.lock:
            number = len(self.events)
            self.events.append({
                "id": str(UUID(int=number)), "timestamp": round(time * 1000), "raw": raw, "logmsg": raw,
                "unparsed": None, "tags": ["web"],
                "logtypes": ["json"] if told else [], "event": {"json": told} if told else {},
            })  # fmt: skip

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != "bearer t0k3n":
            return Said(401, {"detail": "Invalid token."})
        if asked.method != "GET" or asked.path != "/apiv2/events/iterate":
            return Said(404, {"detail": "Not found."})
        if set(asked.query) == {"next"}:
            search = self.searches.pop(asked.query["next"], None)
            if search is None or search["until"] < self.now():
                return Said(404, {"detail": "the iterator has expired"})
            return self.page(search["rest"], search["size"])
        if (
            set(asked.query) - {"q", "from", "until", "order", "size"}
            or not 50 <= int(asked.query.get("size", 50)) <= 1000
        ):
            return Said(400, {"detail": "size is from 50 to 1000"})
        begin, until = self.moment(asked.query["from"]), self.moment(asked.query["until"])
        found = [one for one in self.events if begin <= one["timestamp"] <= until]
        found.sort(key=lambda one: one["timestamp"], reverse=asked.query.get("order", "desc") == "desc")
        return self.page(found, int(asked.query.get("size", 50)))

    def moment(self, text: str) -> float:
        if text == "now" or text.startswith("-"):
            return (self.now() - (0 if text == "now" else int(text[1:-1]) * 60)) * 1000
        return datetime.fromisoformat(text).timestamp() * 1000

    def page(self, found: list[Any], size: int) -> Said:
        page, rest = found[:size], found[size:]
        if not rest:
            return Said(200, {"events": page})
        name = f"n{next(self.numbers)}"
        self.searches[name] = {"rest": rest, "size": size, "until": self.now() + 600}
        return Said(200, {"events": page, "next": f"https://acme.loggly.com/apiv2/events/iterate?next={name}"})
