"""Marketo as far as exports need it, after its documentation: tokens that expire, errors told with status 200, and bulk
exports that are created, enqueued, asked about and fetched, by parts if wanted, with a place for ten in the queue."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from datetime import UTC, datetime
from itertools import count
from typing import Any

from desks import Asked, Desk, Said

FIELDS = {"id": "integer", "email": "email", "leadScore": "score", "unsubscribed": "boolean", "updatedAt": "datetime"}
ACTIVITY = (
    "marketoGUID",
    "leadId",
    "activityDate",
    "activityTypeId",
    "campaignId",
    "primaryAttributeValue",
    "attributes",
)
TYPES = {1: "Visit Webpage", 2: "Fill Out Form"}
JOB = re.compile(r"/bulk/v1/(leads|activities)/export/([\w-]+?)(/(enqueue|status|file|cancel))?\.json")


def stamp(time: float) -> str:
    return datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Marketo(Desk):
    def __init__(self, *, tokens: int = 10**9, polls: int = 1) -> None:
        """A token is good for so many requests; an export is done after being asked about `polls` times."""
        super().__init__()
        self.tokens, self.polls, self.token, self.uses = tokens, polls, "", 0
        self.leads: dict[int, dict[str, Any]] = {}
        self.activities: list[dict[str, Any]] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.numbers = count(1)

    def lead(self, key: int, time: float, **fields: Any) -> None:
        """A lead as it is from now on; of which `updatedAt` is told unless it is among the fields."""
        with self.lock:
            old = self.leads.get(key, dict.fromkeys(FIELDS, "null"))
            self.leads[key] = {**old, "id": key, "updatedAt": stamp(time), **fields, "_changed": stamp(time)}

    def act(self, time: float, lead: int, kind: int = 1, **attributes: Any) -> None:
        with self.lock:
            self.activities.append({
                "marketoGUID": str(len(self.activities) + 1), "leadId": lead, "activityDate": stamp(time),
                "activityTypeId": kind, "campaignId": "null", "primaryAttributeValue": "home",
                "attributes": json.dumps(attributes), "_changed": stamp(time),
            })  # fmt: skip

    def answer(self, asked: Asked) -> Said:  # noqa: PLR0911
        if asked.path == "/identity/oauth/token":
            if (asked.query.get("client_id"), asked.query.get("client_secret")) != ("app", "s3cret"):
                return Said(401, {"error": "invalid_client", "error_description": "Bad client credentials"})
            self.token, self.uses = f"t{next(self.numbers)}", 0
            told = {"access_token": self.token, "token_type": "bearer", "expires_in": 3599, "scope": "api@example.com"}
            return Said(200, told)
        self.uses += 1
        if "access_token" in asked.query or asked.headers.get("authorization") != f"Bearer {self.token}":
            return self.wrong("601", "Access token invalid")
        if self.uses > self.tokens:
            return self.wrong("602", "Access token expired")
        if asked.path == "/rest/v1/leads/describe.json":
            return self.right(*({"id": 1, "displayName": name, "dataType": kind, "rest": {"name": name}}
                                for name, kind in FIELDS.items()))  # fmt: skip
        if asked.path == "/rest/v1/activities/types.json":
            return self.right(*({"id": key, "name": name} for key, name in TYPES.items()))
        found = JOB.fullmatch(asked.path)
        if found is None:
            return self.wrong("610", "Requested resource not found")
        if found[2] == "create" and asked.method == "POST":
            return self.created(found[1], asked.told)
        job = self.jobs.get(found[2])
        return self.wrong("1013", "Object not found") if job is None else self.job(job, found[4], asked)

    def wrong(self, code: str, said: str) -> Said:
        return Said(200, {"requestId": "e42b#1", "success": False, "errors": [{"code": code, "message": said}]})

    def right(self, *result: Any) -> Said:
        return Said(200, {"requestId": "e42b#1", "success": True, "result": list(result)})

    def created(self, what: str, told: dict[str, Any]) -> Said:
        key = "updatedAt" if what == "leads" else "createdAt"
        span = told["filter"].get(key)
        if span is None or (what == "leads" and not told.get("fields")) or told.get("format", "CSV") != "CSV":
            return self.wrong("1035", "Unsupported filter type for target subscription")
        begin, until = (datetime.fromisoformat(span[name]) for name in ("startAt", "endAt"))
        if (until - begin).days >= 31 or "." in span["startAt"]:
            return self.wrong("1001", "Invalid value for range")
        name = f"ce45a7a1-{next(self.numbers)}"
        self.jobs[name] = {"id": name, "what": what, "told": told, "status": "Created", "asked": 0, "file": b""}
        return self.right(self.shown(self.jobs[name]))

    def shown(self, job: dict[str, Any]) -> dict[str, Any]:
        told = {"exportId": job["id"], "format": "CSV", "status": job["status"], "createdAt": stamp(self.now())}
        if job["status"] == "Completed":
            sum_ = hashlib.sha256(job["file"]).hexdigest()
            told |= {"fileSize": len(job["file"]), "fileChecksum": f"sha256:{sum_}", "numberOfRecords": job["records"]}
        return told

    def job(self, job: dict[str, Any], step: str | None, asked: Asked) -> Said:
        if step == "file":
            if job["status"] != "Completed":
                return self.wrong("1003", "Export is not completed")
            return self.part(job["file"], asked.headers.get("range", ""))
        if step == "enqueue":
            if sum(one["status"] in ("Queued", "Processing") for one in self.jobs.values()) >= 10:
                return self.wrong("1029", "Too many jobs in queue")
            job["status"] = "Queued"
        elif step == "cancel":
            job["status"] = "Cancelled"
        elif job["status"] in ("Queued", "Processing"):
            job["asked"] += 1
            job["status"] = "Processing"
            if job["asked"] > self.polls:
                job["status"] = "Completed"
                self.write(job)
        return self.right(self.shown(job))

    def write(self, job: dict[str, Any]) -> None:
        told, text = job["told"], io.StringIO()
        span = told["filter"].get("updatedAt") or told["filter"]["createdAt"]
        begin, until = (stamp(datetime.fromisoformat(span[name]).timestamp()) for name in ("startAt", "endAt"))
        kinds = told["filter"].get("activityTypeIds", list(TYPES))
        names = told["fields"] if job["what"] == "leads" else ACTIVITY
        rows = list(self.leads.values()) if job["what"] == "leads" else self.activities
        some = [
            row for row in rows if begin <= row["_changed"] <= until and row.get("activityTypeId", kinds[0]) in kinds
        ]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row[name] for name in names] for row in some)
        job["file"], job["records"] = text.getvalue().encode(), len(some)

    def part(self, body: bytes, wanted: str) -> Said:
        kind = {"Content-Type": "text/csv"}
        if not wanted:
            return Said(200, body, kind)
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        some = body[first : last + 1]
        return Said(206, some, {**kind, "Content-Range": f"bytes {first}-{first + len(some) - 1}/{len(body)}"})
