"""Elasticsearch, or OpenSearch, as far as exports need it: searches over documents in memory, strict in what it takes.

After the published API: `_pit` and `_search/point_in_time`, `_search` with `search_after`, `_search/scroll`, `_count`,
`_field_caps`, `_cat/indices`; ids of points in time change with every page; what expires is not found (404).
"""

from __future__ import annotations

import fnmatch
import json
import re
from datetime import UTC, datetime
from itertools import count
from typing import Any

from desks import Asked, Desk, Said

MILLI = 1_000_000
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
SEARCH = {"size", "query", "sort", "search_after", "pit", "track_total_hits", "_source", "docvalue_fields"}


class Elastic(Desk):
    content_type = "application/json"

    def __init__(self, version: str = "9.1.0", *, opensearch: bool = False, key: str = "") -> None:
        super().__init__()
        self.version, self.opensearch, self.key = version, opensearch, key
        self.indices: dict[str, dict[str, dict[str, Any]]] = {}
        self.contexts: dict[str, dict[str, Any]] = {}
        self.numbers = count(1)
        self.most_open = 0

    # ── what a test puts there ──────────────────────────────────────────────────────────────────────

    def put(self, index: str, id: str, **source: Any) -> None:  # noqa: A002
        with self.lock:
            self.indices.setdefault(index, {})[id] = {"source": source}

    def raw(self, index: str, id: str, text: str, at: str) -> None:  # noqa: A002
        """A document whose text is handed on as it was stored."""
        with self.lock:
            self.indices.setdefault(index, {})[id] = {"source": {"@timestamp": at}, "raw": text}

    def expire(self) -> None:
        """Every context is gone, as after the death of a node."""
        with self.lock:
            self.contexts.clear()

    # ── what it answers ─────────────────────────────────────────────────────────────────────────────

    def answer(self, asked: Asked) -> Said:
        if self.key and asked.headers.get("authorization") != f"ApiKey {self.key}":
            return self.wrong(401, "security_exception", "missing authentication credentials for REST request")
        said = self.route(asked)
        product = {} if self.opensearch else {"X-Elastic-Product": "Elasticsearch"}
        kind = asked.headers.get("accept", "").split(",")[0]
        typed = {"Content-Type": kind} if kind.startswith("application/vnd.elasticsearch+json") else {}
        return said._replace(headers={**product, **typed, **said.headers})

    def wrong(self, status: int, kind: str, reason: str) -> Said:
        cause = {"type": kind, "reason": reason}
        return Said(status, {"error": {"root_cause": [cause], **cause}, "status": status})

    def bad(self, reason: str) -> Said:
        return self.wrong(400, "illegal_argument_exception", reason)

    def route(self, asked: Asked) -> Said:  # noqa: C901, PLR0911
        method, path = asked.method, asked.path
        if (method, path) == ("GET", "/"):
            told = {"number": self.version, **({"distribution": "opensearch"} if self.opensearch else {})}
            return Said(200, {"name": "n", "cluster_name": "c", "version": told, "tagline": "You Know, for Search"})
        if (method, path) == ("GET", "/_cat/indices"):
            return Said(200, [{"index": name} for name in self.indices])
        opens = "/_search/point_in_time" if self.opensearch else "/_pit"
        if method == "DELETE" and path == opens:
            return self.closed(asked.told)
        if method == "DELETE" and path == "/_search/scroll":
            given = asked.told["scroll_id"]
            return self.forget(given if isinstance(given, list) else [given])
        if path == "/_search/scroll" and method in ("GET", "POST"):
            return self.scrolled(asked.told)
        if path == "/_search" and method in ("GET", "POST"):
            return self.searched("", asked)
        found = re.fullmatch(r"/([^/]+)(/_pit|/_search/point_in_time|/_search|/_count|/_field_caps)", path)
        if not found:
            return self.bad(f"no handler found for uri [{path}] and method [{method}]")
        missing = [n for n in found[1].split(",") if "*" not in n and not n.startswith("-") and n not in self.indices]
        if missing:
            return self.wrong(404, "index_not_found_exception", f"no such index [{missing[0]}]")
        if found[2] == opens and method == "POST":
            return self.opened(found[1], asked)
        if found[2] == "/_count":
            hits = self.select(self.documents(found[1]), asked.told.get("query"))
            return Said(200, {"count": len(hits), "_shards": self.shards()})
        if found[2] == "/_field_caps":
            return self.fields(found[1])
        return self.searched(found[1], asked) if found[2] == "/_search" else self.bad(f"unknown {path}")

    def shards(self, failed: int = 0) -> dict[str, int]:
        return {"total": 2, "successful": 2 - failed, "skipped": 0, "failed": failed}

    def fields(self, names: str) -> Said:
        found = {name for _, _, _, one in self.documents(names) for name in one["source"]}
        kinds = {name: "date" if name in ("@timestamp", "seen") else "keyword" for name in found}
        told = {name: {kind: {"type": kind, "searchable": True, "aggregatable": True}} for name, kind in kinds.items()}
        return Said(200, {"indices": list(self.indices), "fields": told})

    # ── contexts ────────────────────────────────────────────────────────────────────────────────────

    def keep(self, context: dict[str, Any], alive: str) -> None:
        number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", alive).groups()
        context["until"] = self.now() + int(number) * UNITS[unit]

    def context(self, id: str) -> dict[str, Any] | None:  # noqa: A002
        self.contexts = {name: one for name, one in self.contexts.items() if one["until"] > self.now()}
        return self.contexts.get(id.partition("#")[0])

    def gone(self, id: str) -> Said:  # noqa: A002
        return self.wrong(404, "search_context_missing_exception", f"No search context found for id [{id}]")

    def opened(self, names: str, asked: Asked) -> Said:
        old = (3, 3) if self.opensearch else (7, 10)
        if tuple(map(int, self.version.split(".")[:2])) < old and not self.opensearch:
            return self.bad("request [/_pit] contains unrecognized parameter")
        if asked.body or set(asked.query) - {"keep_alive", "ignore_unavailable", "expand_wildcards"}:
            return self.bad("a point in time takes keep_alive and no body")
        id = f"P{next(self.numbers)}"  # noqa: A001
        self.contexts[id] = {"documents": self.documents(names)}
        self.keep(self.contexts[id], asked.query["keep_alive"])
        self.most_open = max(self.most_open, len(self.contexts))
        return Said(
            200, {"pit_id": id, "_shards": self.shards(), "creation_time": 1} if self.opensearch else {"id": id}
        )

    def closed(self, told: Any) -> Said:
        wanted = "pit_id" if self.opensearch else "id"
        if set(told) != {wanted}:
            return self.bad(f"[{wanted}] is required")
        return self.forget(told[wanted] if isinstance(told[wanted], list) else [told[wanted]])

    def forget(self, ids: list[str]) -> Said:
        found = [self.contexts.pop(one.partition("#")[0], None) for one in ids]
        freed = sum(one is not None for one in found)
        return Said(200 if freed else 404, {"succeeded": True, "num_freed": freed})

    # ── searches ────────────────────────────────────────────────────────────────────────────────────

    def documents(self, names: str) -> list[tuple[int, str, str, dict[str, Any]]]:
        wanted = names.split(",")
        chosen = [name for name in self.indices if any(fnmatch.fnmatch(name, one) for one in wanted)
                  and not any(one.startswith("-") and fnmatch.fnmatch(name, one[1:]) for one in wanted)]  # fmt: skip
        found = [(name, id, one) for name in chosen for id, one in self.indices[name].items()]  # noqa: A001
        return [(number, *one) for number, one in enumerate(found)]

    def select(self, documents: list[Any], query: Any) -> list[Any]:
        return [one for one in documents if matches(one[3]["source"], query or {"match_all": {}})]

    def searched(self, names: str, asked: Asked) -> Said:  # noqa: C901, PLR0911
        told, scroll = asked.told, asked.query.get("scroll")
        if unknown := set(told) - SEARCH:
            return self.wrong(400, "parsing_exception", f"unknown key {sorted(unknown)}")
        if told.get("size", 10) > 10_000:
            return self.bad("Result window is too large, from + size must be less than or equal to: [10000]")
        if scroll and (told.get("search_after") or told.get("track_total_hits") is False or told.get("pit")):
            return self.bad("not in a scroll context")
        context, pit = None, told.get("pit")
        if pit:
            if names:
                return self.bad(
                    "[indices] cannot be used with point in time. Do not specify any index with point in time."
                )
            context = self.context(pit["id"])
            if context is None:
                return self.gone(pit["id"])
            self.keep(context, pit.get("keep_alive", "1m"))
        order = [next(iter(one.items())) if isinstance(one, dict) else (one, "asc") for one in told.get("sort", [])]
        tied = any(name == "_shard_doc" for name, _ in order)
        if tied and (not pit or (self.opensearch and tuple(map(int, self.version.split(".")[:2])) < (3, 3))):
            return self.bad("No mapping found for [_shard_doc] in order to sort on")
        if pit and not tied and not self.opensearch:
            order.append(("_shard_doc", "asc"))
        hits = self.select(context["documents"] if context else self.documents(names), told.get("query"))
        total = len(hits)
        keyed = sorted(((key(one, order), one) for one in hits), key=lambda pair: pair[0])
        if "search_after" in told:
            if len(told["search_after"]) != len(order):
                return self.bad(f"search_after has {len(told['search_after'])} value(s) but sort has {len(order)}.")
            keyed = [pair for pair in keyed if pair[0] > tuple(told["search_after"])]
        if scroll:
            id = f"S{next(self.numbers)}"  # noqa: A001
            self.contexts[id] = {"rest": keyed, "told": told, "total": total}
            self.keep(self.contexts[id], scroll)
            return self.scrolled({"scroll_id": id, "scroll": scroll})
        more = {"pit_id": f"{pit['id'].partition('#')[0]}#{next(self.numbers)}"} if pit else {}
        return self.page(keyed[: told.get("size", 10)], told, total, more)

    def scrolled(self, told: Any) -> Said:
        if set(told) - {"scroll", "scroll_id"}:
            return self.bad("a scroll takes scroll and scroll_id")
        context = self.context(told["scroll_id"])
        if context is None:
            return self.gone(told["scroll_id"])
        self.keep(context, told.get("scroll", "1m"))
        size = context["told"].get("size", 10)
        page, context["rest"] = context["rest"][:size], context["rest"][size:]
        return self.page(page, context["told"], context["total"], {"_scroll_id": told["scroll_id"]})

    def page(self, keyed: list[Any], told: Any, total: int, more: dict[str, Any]) -> Said:
        hits, raws = [], {}
        for sort, (_, index, id, one) in keyed:  # noqa: A001
            hit = {"_index": index, "_id": id, "_score": None, "sort": list(sort)}
            for wanted in told.get("docvalue_fields", []):
                if nanos(one["source"].get(wanted["field"])) is not None:
                    hit["fields"] = {wanted["field"]: [iso(nanos(one["source"][wanted["field"]]))]}
            if told.get("_source", True) is not False and one["source"].get("_stored", True):
                hit["_source"] = f"RAW{len(raws)}!" if "raw" in one else one["source"]
                raws |= {hit["_source"]: one["raw"]} if "raw" in one else {}
            hits.append(hit)
        counted = {"total": {"value": total, "relation": "eq"}} if told.get("track_total_hits", True) else {}
        answer = {"took": 1, "timed_out": False, "_shards": self.shards(), "hits": {**counted, "hits": hits}, **more}
        text = json.dumps(answer)
        for name, raw in raws.items():
            text = text.replace(f'"{name}"', raw)
        return Said(200, text.encode())


def nanos(value: Any) -> int | None:
    if not isinstance(value, str):
        return None
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", value)
    whole = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 10**9 + int((found[2] or "").ljust(9, "0"))


def iso(value: int) -> str:
    seconds, rest = divmod(value, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def key(document: Any, order: list[tuple[str, Any]]) -> tuple[Any, ...]:
    number, _, _, one = document
    return tuple(number if name in ("_shard_doc", "_doc") else (nanos(one["source"].get(name)) or 0) // MILLI
                 for name, _ in order)  # fmt: skip


def matches(source: dict[str, Any], query: Any) -> bool:
    ((kind, told),) = query.items()
    if kind == "match_all":
        return True
    if kind == "bool":
        every = [one for part in ("filter", "must") for one in listed(told.get(part, []))]
        return all(matches(source, one) for one in every) and not any(
            matches(source, one) for one in listed(told.get("must_not", []))
        )
    if kind == "exists":
        return told["field"] in source
    if kind == "query_string":
        name, value = told["query"].split(":")
        return str(source.get(name)) == value
    if kind == "range":
        ((name, span),) = told.items()
        at = nanos(source.get(name))
        return at is not None and at >= nanos(span["gte"])
    raise ValueError(f"unknown query {kind}")


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
