"""Salesforce as far as exports need it, after its REST and Bulk API 2.0 guides: tokens for client credentials,
describe, short questions, and query jobs with their pages of CSV, in which every field has quotes and lines end in LF.

Of SOQL it understands what is asked of it: fields, one object, `>=`, `<` and `=` on literals, COUNT(), LIMIT 1.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from datetime import UTC, datetime
from itertools import count
from typing import Any

from desks import Asked, Desk, Said

TYPES = {
    "Id": "id", "IsDeleted": "boolean", "Name": "string", "Email": "email", "Status": "picklist", "n": "double",
    "HasOptedOut": "boolean", "Description": "textarea", "SystemModstamp": "datetime", "Address": "address",
    "Photo": "base64",
}  # fmt: skip
SOQL = re.compile(
    r"SELECT (?P<fields>.+?) FROM (?P<object>\w+)( WHERE (?P<where>.+?))?"
    r"( ORDER BY (?P<order>\w+) ASC NULLS LAST)?(?P<one> LIMIT 1)?"
)
TERM = re.compile(r"\(?(\w+) (>=|<|=) ('[^']*'|\S+?)\)?")


class Salesforce(Desk):
    def __init__(self, *, polls: int = 1, tokens: int = 10**9) -> None:
        """A job is done after being asked about `polls` times, a token is good for so many requests."""
        super().__init__()
        self.polls, self.tokens = polls, tokens
        self.rows: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.numbers = count(1)
        self.token, self.uses = "", 0
        self.queries: list[tuple[str, float]] = []
        """Of jobs, and when they were made."""

    def put(self, key: str, time: float, **fields: Any) -> None:
        """A row as it is from now on."""
        with self.lock:
            stamp = datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            old = self.rows.get(key, dict.fromkeys(TYPES, ""))
            self.rows[key] = {**old, "Id": key, "IsDeleted": "false", "SystemModstamp": stamp, **fields}

    def answer(self, asked: Asked) -> Said:  # noqa: PLR0911
        if asked.path == "/services/oauth2/token":
            return self.admitted(asked)
        self.uses += 1
        if asked.headers.get("authorization") != f"Bearer {self.token}" or not self.token or self.uses > self.tokens:
            return self.wrong(401, "INVALID_SESSION_ID", "Session expired or invalid")
        root, _, path = asked.path.rstrip("/").partition("/services/data/v62.0/")
        if root or not path:
            return self.wrong(404, "NOT_FOUND", "The requested resource does not exist")
        if path == "sobjects":
            return Said(200, {"sobjects": [{"name": "Lead"}, {"name": "Account"}]})
        if path == "sobjects/Lead/describe":
            return Said(200, {"name": "Lead", "fields": [{"name": n, "type": t} for n, t in TYPES.items()]})
        if path in ("query", "queryAll"):
            return self.short(asked.query["q"], deleted=path == "queryAll")
        if path == "jobs/query" and asked.method == "POST":
            return self.created(asked.told)
        name, _, part = path.removeprefix("jobs/query/").partition("/")
        job = self.jobs.get(name)
        if job is None or not path.startswith("jobs/query/"):
            return self.wrong(404, "NOT_FOUND", "The requested resource does not exist")
        return self.page(job, asked.query) if part == "results" else self.job(job, asked)

    def wrong(self, status: int, code: str, said: str) -> Said:
        return Said(status, [{"errorCode": code, "message": said}])

    def admitted(self, asked: Asked) -> Said:
        told, basic = asked.form, base64.b64encode(b"app:s3cret").decode()
        if told.get("grant_type") != "client_credentials":
            return Said(400, {"error": "unsupported_grant_type", "error_description": "grant type not supported"})
        given = told.get("client_id") == "app" and told.get("client_secret") == "s3cret"
        if not given and asked.headers.get("authorization") != f"Basic {basic}":
            return Said(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
        self.token, self.uses = f"00D!{next(self.numbers)}", 0
        return Said(200, {"access_token": self.token, "instance_url": self.address, "token_type": "Bearer"})

    def found(self, soql: str, *, deleted: bool) -> tuple[list[str], list[dict[str, Any]]] | str:
        """The fields and the rows of a question, or what is wrong with it."""
        asked = SOQL.fullmatch(soql)
        if asked is None or asked["object"] != "Lead":
            return "unexpected token"
        fields = asked["fields"].split(", ")
        for name in fields:
            if name != "COUNT()" and name not in TYPES:
                return f"No such column '{name}' on entity 'Lead'"
        rows = [row for row in self.rows.values() if deleted or row["IsDeleted"] == "false"]
        for term in asked["where"].split(" AND ") if asked["where"] else ():
            parts = TERM.fullmatch(term)
            if parts is None:
                return f"unexpected token: {term}"
            name, how, literal = parts.groups()
            value = literal.strip("'") if literal.startswith("'") else literal.replace("Z", ".000Z")
            rows = [row for row in rows if (row[name] >= value if how == ">=" else
                    row[name] < value if how == "<" else row[name] == value)]  # fmt: skip
        if asked["order"]:
            rows = sorted(rows, key=lambda row: row[asked["order"]])
        return fields, rows[:1] if asked["one"] else rows

    def short(self, soql: str, *, deleted: bool) -> Said:
        found = self.found(soql, deleted=deleted)
        if isinstance(found, str):
            return self.wrong(400, "MALFORMED_QUERY", found)
        fields, rows = found
        records = [] if fields == ["COUNT()"] else [{name: row[name] for name in fields} for row in rows]
        return Said(200, {"totalSize": len(rows), "done": True, "records": records})

    def created(self, told: dict[str, Any]) -> Said:
        if set(told) - {"operation", "query", "contentType", "columnDelimiter", "lineEnding"}:
            return self.wrong(400, "JSON_PARSER_ERROR", "Unrecognized field")
        self.queries.append((told["query"], self.now()))
        found = self.found(told["query"], deleted=told["operation"] == "queryAll")
        if isinstance(found, str):
            return self.wrong(400, "API_ERROR", found)
        if {"Address", "Photo"} & set(found[0]):
            return self.wrong(400, "FUNCTIONALITY_NOT_ENABLED", "Selecting compound data not supported in Bulk Query")
        name = f"750{next(self.numbers)}"
        self.jobs[name] = {"id": name, "found": found, "asked": 0, "state": "UploadComplete", "error": ""}
        return self.job(self.jobs[name], None)

    def job(self, job: dict[str, Any], asked: Asked | None) -> Said:
        over = ("JobComplete", "Failed", "Aborted")
        if asked and asked.method == "DELETE":
            if job["state"] not in over:
                return self.wrong(400, "INVALIDJOBSTATE", "The job is not in a state that can be deleted")
            del self.jobs[job["id"]]
            return Said(204)
        if asked and asked.method == "PATCH":
            job["state"] = asked.told["state"]
        elif asked and job["state"] not in over:
            job["asked"] += 1
            job["state"] = "JobComplete" if job["asked"] > self.polls else "InProgress"
        told = {"id": job["id"], "operation": "query", "object": "Lead", "state": job["state"], "contentType": "CSV"}
        return Said(200, told | ({"errorMessage": job["error"]} if job["error"] else {}))

    def page(self, job: dict[str, Any], query: dict[str, str]) -> Said:
        if job["state"] != "JobComplete":
            return self.wrong(400, "INVALIDJOBSTATE", "The job is not complete")
        fields, rows = job["found"]
        begin = int(base64.b64decode(query["locator"])) if "locator" in query else 0
        some = rows[begin : begin + int(query.get("maxRecords", "50000"))]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(fields)
        writer.writerows([row[name] for name in fields] for row in some)
        after = begin + len(some)
        locator = base64.b64encode(str(after).encode()).decode() if after < len(rows) else "null"
        headers = {"Sforce-Locator": locator, "Sforce-NumberOfRecords": str(len(some)), "Content-Type": "text/csv"}
        return Said(200, text.getvalue().encode("utf-8", "surrogateescape"), headers)
