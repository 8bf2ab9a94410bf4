"""Splunk as far as exports need it: `search/v2/jobs/export` as newline-separated JSON, after its REST reference.

Events come in the reverse order of their time; index times are whole seconds, from inclusive and until exclusive; what
goes wrong in a search is told within an answer of status 200.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from desks import Asked, Desk, Said

TAKEN = {
    "search", "output_mode", "preview", "earliest_time", "latest_time", "adhoc_search_level", "index_earliest",
    "index_latest", "segmentation",
}  # fmt: skip
INFO = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:s="http://dev.splunk.com/ns/rest"><entry>
<title>server-info</title><content type="text/xml"><s:dict><s:key name="version">{}</s:key>
<s:key name="instance_type">download</s:key></s:dict></content></entry></feed>"""


class Splunk(Desk):
    def __init__(self, version: str = "9.4.0", token: str = "t0k3n") -> None:
        super().__init__()
        self.version, self.token = version, token
        self.events: list[dict[str, Any]] = []

    def put(self, raw: str, *, time: float, indexed: float | None = None, **fields: str) -> None:
        with self.lock:
            number = len(self.events)
            moment = datetime.fromtimestamp(time, UTC)
            self.events.append({
                "_bkt": "web~1~0F00", "_cd": f"1:{number}", "_raw": raw, "_serial": "0", "_si": ["idx-1", "web"],
                "_indextime": str(int(time if indexed is None else indexed)), "_sourcetype": "checkout",
                "_time": moment.isoformat(timespec="milliseconds"), "host": "w1", "index": "web", "source": "app.log",
                "sourcetype": "checkout", "splunk_server": "idx-1", **fields,
            })  # fmt: skip

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") not in (f"Bearer {self.token}", f"Splunk {self.token}"):
            return self.wrong(401, "call not properly authenticated", "WARN")
        path = asked.path.removeprefix("/servicesNS/-/-").removeprefix("/services")
        if asked.method == "GET" and path in ("/server/info", "/server/info/"):
            if asked.query.get("output_mode") != "json":
                return Said(200, INFO.format(self.version).encode(), {"Content-Type": "text/xml"})
            return Said(200, {"entry": [{"name": "server-info", "content": {"version": self.version}}]})
        if path in ("/search/parser", "/search/v2/parser"):
            return Said(200, {}) if "[" not in asked.query["q"] else self.wrong(400, "Unbalanced brackets.", "FATAL")
        paths = ["/search/jobs/export", *(["/search/v2/jobs/export"] if self.version >= "9" else [])]
        if path not in paths or asked.method != "POST":
            return self.wrong(404, "Not Found", "ERROR")
        return self.exported(asked.form)

    def wrong(self, status: int, text: str, kind: str) -> Said:
        return Said(status, {"messages": [{"type": kind, "text": text}]})

    def exported(self, told: dict[str, str]) -> Said:
        if unknown := set(told) - TAKEN:
            return self.wrong(400, f"Argument {sorted(unknown)} is not supported", "ERROR")
        if not told["search"].startswith(("search ", "|")):
            return self.wrong(400, f"Unknown search command '{told['search'].split()[0]}'.", "FATAL")
        if told.get("output_mode") != "json":
            return self.wrong(400, "this desk speaks JSON only", "ERROR")
        begin, until = (int(told.get(name, default)) for name, default in
                        (("index_earliest", "0"), ("index_latest", "99999999999")))  # fmt: skip
        word = told["search"].split()[-1]
        found = [one for one in self.events if begin <= int(one["_indextime"]) < until
                 and (word == "index=web" or word in one["_raw"])]  # fmt: skip
        found.sort(key=lambda one: one["_time"], reverse=True)
        rows: list[dict[str, Any]] = []
        if told.get("preview", "true") in ("true", "1"):
            rows += [{"preview": True, "offset": n, "result": one} for n, one in enumerate(found[:3])]
        for number, one in enumerate(found):
            last = {"lastrow": True} if number == len(found) - 1 else {}
            rows.append({"preview": False, "offset": number, **last, "result": one})
        return Said(
            200, "".join(json.dumps(row) + "\n" for row in rows or [{"preview": False, "lastrow": True}]).encode()
        )
