"""The search jobs of Sumo Logic, after its documentation: cookies or 404, pauses at 100,000 messages, cancels what
nobody asks for, four requests a second, ten thousand messages a page."""

from __future__ import annotations

import base64
import json
from collections import deque
from itertools import count
from typing import Any

from desks import Asked, Desk, Said


class Sumo(Desk):
    def __init__(self, *, most: int = 100_000, gathers: int = 1, rate: int | None = None) -> None:
        """A job is paused at `most` messages and done after being asked about `gathers` times."""
        super().__init__()
        self.most, self.gathers, self.rate = most, gathers, rate
        self.messages: list[dict[str, Any]] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.numbers = count(1)
        self.times: deque[float] = deque(maxlen=rate or 1)

    def put(self, raw: str, *, time: float, received: float | None = None) -> None:
        with self.lock:
            number = len(self.messages)
            self.messages.append({
                "_blockid": "-92", "_messageid": str(-(2**63) + number), "_messagetime": str(round(time * 1000)),
                "_receipttime": str(round((time if received is None else received) * 1000)), "_raw": raw,
                "_sourcecategory": "prod/web", "_sourcehost": "w1", "_size": str(len(raw)),
            })  # fmt: skip

    def answer(self, asked: Asked) -> Said:  # noqa: PLR0911
        key = base64.b64encode(b"id:key").decode()
        if asked.headers.get("authorization") != f"Basic {key}":
            return self.wrong(401, "unauthorized", "Credential could not be verified.")
        if self.rate and len(self.times) == self.rate and self.now() - self.times[0] < 1:
            return self.wrong(429, "rate.limit.exceeded", "too many requests")
        self.times.append(self.now())
        root, _, rest = asked.path.partition("/search/jobs")
        if root not in ("/api/v1", "/v1"):
            return self.wrong(404, "notfound", "no such resource")
        if asked.method == "POST":
            return self.created(asked)
        name, _, part = rest.strip("/").partition("/")
        job = self.jobs.get(name)
        if job and job["until"] < self.now():
            job = self.jobs.pop(name) and None
        if job is None or f"session={name}" not in asked.headers.get("cookie", ""):
            return self.wrong(404, "jobid.invalid", "Job ID is invalid.")
        job["until"] = self.now() + 30
        if asked.method == "DELETE":
            del self.jobs[name]
            return Said(200, {"id": name})
        return self.page(job, asked.query) if part == "messages" else self.state(job)

    def wrong(self, status: int, code: str, said: str) -> Said:
        return Said(status, {"status": status, "id": "X", "code": code, "message": said})

    def created(self, asked: Asked) -> Said:
        if not asked.headers.get("content-type", "").startswith("application/json"):
            return self.wrong(415, "contenttype.invalid", "Invalid content type.")
        told = asked.told
        if set(told) - {"query", "from", "to", "timeZone", "byReceiptTime", "autoParsingMode"} or not told.get(
            "timeZone"
        ):
            return self.wrong(400, "generic", "unknown parameter")
        begin, until = int(told["from"]), int(told["to"])
        if begin > until:
            return self.wrong(400, "to.smaller.than.from", "The 'from' time cannot be larger than the 'to' time.")
        if "(" in told["query"]:
            return self.wrong(400, "parse.error", "Unable to parse query.")
        stamp = "_receipttime" if told.get("byReceiptTime") else "_messagetime"
        found = [one for one in self.messages if begin <= int(one[stamp]) < until]
        name = f"J{next(self.numbers)}"
        self.jobs[name] = {
            "found": found[: self.most],
            "paused": len(found) > self.most,
            "asked": 0,
            "until": self.now() + 30,
        }
        link = {"rel": "self", "href": f"{self.address}/api/v1/search/jobs/{name}"}
        return Said(
            202, {"id": name, "link": link}, {"Set-Cookie": f"session={name}; Path=/", "Location": link["href"]}
        )

    def state(self, job: dict[str, Any]) -> Said:
        job["asked"] += 1
        done = "FORCE PAUSED" if job["paused"] else "DONE GATHERING RESULTS"
        ready = job["asked"] > self.gathers
        told = {"pendingErrors": [], "pendingWarnings": [], "histogramBuckets": [], "recordCount": 0}
        state = done if ready else "GATHERING RESULTS"
        return Said(200, {"state": state, "messageCount": len(job["found"]) if ready else 0, **told})

    def page(self, job: dict[str, Any], query: dict[str, str]) -> Said:
        if "offset" not in query or "limit" not in query or not 0 < int(query["limit"]) <= 10_000:
            return self.wrong(400, "offset.missing", "Offset is missing.")
        offset = int(query["offset"])
        found = [{"map": one} for one in job["found"][offset : offset + int(query["limit"])]]
        return Said(200, json.dumps({"fields": [], "messages": found}).encode())
