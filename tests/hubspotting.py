"""The CRM objects of HubSpot, after its documentation: lists by id, searches with filters and a sort that give 10,000
results at most and five answers a second, batches of a hundred. Properties are handed out as texts, and as null."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any

from desks import Asked, Desk, Said

TYPES = {
    "email": "string", "lifecyclestage": "enumeration", "n": "number", "hs_email_optout": "bool",
    "hs_object_id": "number", "lastmodifieddate": "datetime", "createdate": "datetime", "company": "string",
}  # fmt: skip
USUAL = ("createdate", "email", "hs_object_id", "lastmodifieddate")
CAP = 10_000


class HubSpot(Desk):
    def __init__(self, *, rate: int | None = None, cap: int = CAP) -> None:
        super().__init__()
        self.rate, self.cap = rate, cap
        self.objects: dict[int, dict[str, str | None]] = {}
        self.searches: deque[float] = deque(maxlen=rate or 1)
        self.refused = 0

    def put(self, key: int, time: float, **properties: str | None) -> None:
        """An object as it is from now on."""
        with self.lock:
            stamp = datetime.fromtimestamp(round(time * 1000) / 1000, UTC).isoformat(timespec="milliseconds")
            old = self.objects.get(key, dict.fromkeys(TYPES))
            now = {"lastmodifieddate": stamp.replace("+00:00", "Z"), "hs_object_id": str(key)}
            self.objects[key] = {"createdate": now["lastmodifieddate"], **old, **now, **properties}

    def answer(self, asked: Asked) -> Said:  # noqa: PLR0911
        if asked.headers.get("authorization") != "Bearer pat-1":
            return self.wrong(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
        if asked.path.startswith("/crm/v3/properties/"):
            if not asked.path.endswith("/contacts"):
                return self.wrong(400, "VALIDATION_ERROR", "Unable to infer object type")
            return Said(200, {"results": [self.described(name, kind) for name, kind in TYPES.items()]})
        path = asked.path.removeprefix("/crm/v3/objects/contacts")
        if path == "" and asked.method == "GET":
            return self.listed(asked.query)
        if path == "/batch/read" and asked.method == "POST":
            return self.batch(asked.told)
        if path == "/search" and asked.method == "POST":
            if self.rate and len(self.searches) == self.rate and self.now() - self.searches[0] < 1:
                self.refused += 1
                return Said(429, {"status": "error", "errorType": "RATE_LIMIT", "policyName": "SECONDLY"})
            self.searches.append(self.now())
            return self.search(asked.told)
        return self.wrong(404, "OBJECT_NOT_FOUND", "no such resource")

    def wrong(self, status: int, category: str, said: str) -> Said:
        return Said(status, {"status": "error", "message": said, "category": category, "correlationId": "x"})

    def described(self, name: str, kind: str) -> dict[str, Any]:
        return {"name": name, "type": kind, "label": name, "fieldType": "text", "groupName": "g", "description": "",
                "options": []}  # fmt: skip

    def shown(self, key: int, wanted: Any) -> dict[str, Any]:
        held = self.objects[key]
        names = dict.fromkeys([*(wanted or USUAL), "createdate", "hs_object_id", "lastmodifieddate"])
        return {
            "id": str(key), "properties": {name: held[name] for name in names if name in held}, "archived": False,
            "createdAt": held["createdate"], "updatedAt": held["lastmodifieddate"],
        }  # fmt: skip

    def listed(self, query: dict[str, str]) -> Said:
        limit, after = int(query.get("limit", "10")), int(query.get("after", "0"))
        if limit > 100:
            return self.wrong(400, "VALIDATION_ERROR", "limit")
        keys = sorted(key for key in self.objects if key > after)
        wanted = query["properties"].split(",") if query.get("properties") else None
        page: dict[str, Any] = {"results": [self.shown(key, wanted) for key in keys[:limit]]}
        if len(keys) > limit:
            page["paging"] = {"next": {"after": str(keys[limit - 1]), "link": "?"}}
        return Said(200, page)

    def batch(self, told: dict[str, Any]) -> Said:
        keys = [int(one["id"]) for one in told["inputs"]]
        if len(keys) > 100:
            return self.wrong(400, "VALIDATION_ERROR", "inputs")
        found = [self.shown(key, told["properties"]) for key in reversed(keys) if key in self.objects]
        return Said(200, {"status": "COMPLETE", "results": found, "startedAt": "2026-01-01T00:00:00Z",
                          "completedAt": "2026-01-01T00:00:00Z"})  # fmt: skip

    def search(self, told: dict[str, Any]) -> Said:
        limit, after = int(told.get("limit", 10)), int(told.get("after") or 0)
        if limit > 200 or after + limit > self.cap or len(told.get("sorts", [])) > 1:
            return self.wrong(400, "VALIDATION_ERROR", "There was a problem with the request.")
        groups = told.get("filterGroups") or [{"filters": []}]
        keys = [key for key in self.objects if any(self.fits(key, one["filters"]) for one in groups)]
        for sort in told.get("sorts", [])[:1]:
            keys.sort(key=lambda key: self.number(key, sort["propertyName"]))
        found = [self.shown(key, told.get("properties")) for key in keys[after : after + limit]]
        page: dict[str, Any] = {"total": len(keys), "results": found}
        if len(keys) > after + limit:
            page["paging"] = {"next": {"after": str(after + limit)}}
        return Said(200, page)

    def fits(self, key: int, filters: list[dict[str, str]]) -> bool:
        return all(
            {"GTE": there >= asked, "LT": there < asked, "EQ": there == asked, "GT": there > asked}[one["operator"]]
            for one in filters
            for there, asked in [(self.number(key, one["propertyName"]), float(one["value"]))]
        )

    def number(self, key: int, name: str) -> float:
        value = self.objects[key][name] or "0"
        return round(datetime.fromisoformat(value).timestamp() * 1000) if "T" in value else float(value)
