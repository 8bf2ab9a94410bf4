"""The bulk intake of Elasticsearch: what Beats, Logstash, rsyslog, syslog-ng, Vector and its clients ship to.

    [sources.logs]
    type = "http"
    codecs = ["elasticsearch"]
    write_keys = ["my-password-or-api-key"]

`/_bulk`, `/INDEX/_bulk` and single documents. A document is an event: `event`, `event.action` or another usual name
is its name, else it is `log`; `@timestamp` or another usual name its time; its actor is `user.id` or another usual
name, else the host (`host.name`, `host`, `hostname`) or the address that sent it. `INDEX/_id` is the event id, and
`_index` a column. The handshakes of shippers are answered as a cluster of the version that asks would; templates,
policies and pipelines are acknowledged and do nothing.

Every action is answered with `created` once all are on disk, one by one in their order; a document that cannot be
read is refused later, by itself. Too much at once is answered with 503 in plain text, which every shipper retries.
The write key is the password (or user) of Basic authentication, an API key, its secret half, or a bearer token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError, TrackwayError
from trackway.model.dialect import Dialect, put, revealed
from trackway.model.documents import HIDDEN, Records, column_or_nulls
from trackway.model.event import Block, Reason
from trackway.model.form import unbased
from trackway.model.gather import binary_column
from trackway.model.json_text import (
    DEEPEST,
    Bytes,
    Ints,
    as_array,
    complaint,
    find_member,
    is_value,
    skip,
    text_end,
    text_lines,
    value_end,
)  # fmt: skip
from trackway.model.kernels import kernel, leaf
from trackway.model.log_line import as_events, hosts, meant
from trackway.model.parcel import Parcel, records_of
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken, is_one_of

ACTIONS = ("index", "create", "update", "delete")
UPDATE, DELETE, BROKEN = 2, 3, 4
INDEX, ID = f"{HIDDEN}_index", f"{HIDDEN}_id"
WORDS = Dialect(meant(""))
ABOUT = Dialect(
    {INDEX: tuple(f"{action}._index" for action in ACTIONS), ID: tuple(f"{action}._id" for action in ACTIONS)},
    without=ACTIONS,
)
HOSTS = ("host.name", "host", "hostname", "HOST", "host.hostname")
SETUP = ("_index_template", "_template", "_component_template", "_ilm/policy", "_ingest/pipeline", "_data_stream",
         "_alias", "_logstash", "_nodes", "_cat", "_xpack", "_license", "_cluster")  # fmt: skip
OTHERS = "GET HEAD PUT POST DELETE"
PRODUCT = {"x-elastic-product": "Elasticsearch"}
LICENSE = {"license": {"status": "active", "type": "basic", "mode": "basic", "uid": "trackway",
                       "expiry_date_in_millis": 4_000_000_000_000}}  # fmt: skip
HEALTH = {"cluster_name": "trackway", "status": "green", "timed_out": False, "number_of_nodes": 1,
          "number_of_data_nodes": 1, "active_shards_percent_as_number": 100.0}  # fmt: skip
USUAL = "8.17.0"
SHIPPER = re.compile(r"(?:beat|logstash|agent)[\w-]*/(\d+\.\d+\.\d+)", re.IGNORECASE)
WANTED = re.compile(r"compatible-with=(\d+)")


class Elasticsearch(Codec):
    """Actions with their documents to records."""

    routes: ClassVar[tuple[str, ...]] = (
        "POST PUT /_bulk", "POST PUT /{index}/_bulk", "POST PUT /{index}/{type}/_bulk",
        "POST /{index}/_doc", "POST PUT /{index}/_doc/{id}", "POST PUT /{index}/_create/{id}", "GET HEAD /",
        *(f"{OTHERS} /{name}" for name in SETUP), *(f"{OTHERS} /{name}/{{rest*}}" for name in SETUP),
    )  # fmt: skip

    def greet(self, request: Request) -> Reply | None:
        """What a cluster says of itself; to what prepares one: done."""
        part = re.search(r"(?:^/in/[^/]+)?/?(_[a-z_]+(?:/[a-z_]+)?|$)", request.path)
        asked = part[1] if part else ""
        if request.method in ("GET", "HEAD") and not asked:
            return _said(200, _cluster(request.headers))
        if not asked.startswith(SETUP):
            return None
        if request.method in ("PUT", "POST", "DELETE"):
            return _said(200, {"acknowledged": True})
        if asked.startswith("_cat"):
            return Reply(200, b"green\n", "text/plain; charset=UTF-8", PRODUCT)
        known = {"_license": LICENSE, "_xpack": LICENSE, "_cluster/health": HEALTH}
        return _said(200, known.get(asked, {}))

    def shows(self, request: Request, keys: Sequence[str]) -> bool:
        """A bearer token, an API key or its secret, or either half of Basic authentication."""
        user, _, password = (request.authorization("basic") or "").partition(":")
        api_key = request.authorization("apikey") or ""
        try:
            secret = unbased(api_key.encode()).decode().partition(":")[2]
        except ValueError:
            secret = ""
        shown = (request.authorization("bearer"), api_key, secret, password, user)
        return any(is_one_of(key, keys) for key in shown if key)

    def take(self, request: Request) -> Taken:
        """The actions, or a document as one; the reply has an item for each."""
        body, single = request.body, "_bulk" not in request.path
        kept = {"path": request.path, "sender": request.sender}
        kept |= {"index": request.parts["index"]} if "index" in request.parts else {}
        if single:
            about = {name: request.parts[name] for name in ("id",) if name in request.parts}
            action = orjson.dumps({"create": {f"_{name}": value for name, value in about.items()}})
            body = action + b"\n" + body.translate(bytes.maketrans(b"\r\n", b"  ")) + b"\n"
        records = self.count(body, kept)
        items = list(_items(body, kept.get("index"), request.query.get("filter_path", "")))
        if single:
            return Taken(body, records, kept, Reply(201, items[0].partition(b":")[2][:-1], headers=PRODUCT))
        reply = b'{"took":1,"errors":false,"items":[' + b",".join(items) + b"]}"
        return Taken(body, records, kept, Reply(200, reply, headers=PRODUCT))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The actions in a body. Raises PayloadError for one without any."""
        kinds = _actions(body)[0]
        if not len(kinds) or bool((kinds == BROKEN).all()):
            raise PayloadError(f"no actions: {complaint(body)}", hint="send an action and a document a line")
        return len(kinds)

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every action."""
        cuts = [_actions(block.body) for block in blocks]
        whole = records_of(blocks, [Parcel(about.starts, document.ends) for _, about, document in cuts])
        about = ABOUT.table(records_of(blocks, [about for _, about, _ in cuts]), {})
        documents = _documents(records_of(blocks, [document for _, _, document in cuts]), cuts)
        table = WORDS.table(documents, known.properties)
        table = put(table, raw=binary_column(as_array(whole.data), whole.starts, whole.ends))
        place = np.searchsorted([block.seq for block in blocks], whole.block)
        given = pa.array([block.headers.get("index") for block in blocks], pa.string()).take(pa.array(place))
        index = pc.coalesce(column_or_nulls(about, INDEX), given)
        ids = pc.binary_join_element_wise(pc.coalesce(index, ""), column_or_nulls(about, ID), "/")
        table = put(table, _index=index, event_id=pc.coalesce(ids, column_or_nulls(table, "event_id")))
        table = _judged(table, np.concatenate([[0], *(kinds for kinds, _, _ in cuts)])[1:])
        return revealed(as_events(table, hosts(table, blocks, HOSTS)))

    def complain(self, request: Request, error: TrackwayError) -> Reply | None:  # noqa: ARG002
        """As a cluster says it; `busy` in the one way that every shipper retries."""
        if error.status == 503:
            text = f"{error.message}; nothing was kept, send it again\n"
            return Reply(503, text.encode(), "text/plain; charset=UTF-8", PRODUCT)
        types = {400: "illegal_argument_exception", 401: "security_exception", 413: "content_too_long_exception"}
        said = {"type": types.get(error.status, "exception"), "reason": error.message}
        return _said(error.status, {"error": {"root_cause": [said], **said}, "status": error.status})


def _said(status: int, value: Any) -> Reply:
    return Reply(status, orjson.dumps(value), "application/json", PRODUCT)


def _cluster(headers: Mapping[str, str]) -> dict[str, Any]:
    """The greeting of a cluster no older than the shipper that asks."""
    shipper = SHIPPER.search(headers.get("user-agent", ""))
    wanted = WANTED.search(headers.get("accept", ""))
    number = shipper[1] if shipper else f"{wanted[1]}.0.0" if wanted and wanted[1] != "8" else USUAL
    version = {"number": number, "build_flavor": "default", "build_type": "tar", "build_hash": "trackway",
               "build_date": "2026-01-01T00:00:00Z", "build_snapshot": False, "lucene_version": "10.0.0",
               "minimum_wire_compatibility_version": "7.17.0",
               "minimum_index_compatibility_version": "7.0.0"}  # fmt: skip
    return {"name": "trackway", "cluster_name": "trackway", "cluster_uuid": "trackway", "version": version,
            "tagline": "You Know, for Search"}  # fmt: skip


def _items(body: bytes, index: str | None, filters: str) -> Iterator[bytes]:
    """The item of every action that could be read, as JSON; equal actions have equal ones."""
    kinds, about, _ = _actions(body)
    made: dict[bytes, bytes] = {}
    for kind, start, end in zip(kinds.tolist(), about.starts.tolist(), about.ends.tolist(), strict=True):
        line = body[start:end]
        if kind != BROKEN:
            yield made.get(line) or made.setdefault(line, _item(ACTIONS[kind], line, index, filters))


def _item(action: str, line: bytes, index: str | None, filters: str) -> bytes:
    status = 200 if action in ("update", "delete") else 201
    if filters and "items.*._id" not in filters:
        return orjson.dumps({action: {"status": status}})
    try:
        about = orjson.loads(line)[action] or {}
        named = {"_index": about.get("_index", index), "_id": about.get("_id")}
    except (ValueError, KeyError, AttributeError):
        named = {"_index": index, "_id": None}
    shards = {"total": 1, "successful": 1, "failed": 0}
    result = {"update": "updated", "delete": "deleted"}.get(action, "created")
    return orjson.dumps({action: {**named, "_version": 1, "result": result, "_shards": shards, "_seq_no": 0,
                                  "_primary_term": 1, "status": status}})  # fmt: skip


def _documents(documents: Records, cuts: Sequence[tuple[Ints, Parcel, Parcel]]) -> Records:
    """The documents themselves: of an update, which wraps it, what stands in `doc`."""
    kinds = np.concatenate([[0], *(kinds for kinds, _, _ in cuts)])[1:]
    starts, ends = documents.starts.copy(), documents.ends.copy()
    data = as_array(documents.data)
    for row in np.flatnonzero(kinds == UPDATE).tolist():
        at = find_member(data, starts[row], ends[row], as_array(b"doc"))
        if at >= 0 and is_value(data, starts[row], ends[row]):
            starts[row], ends[row] = at, value_end(data, at, ends[row], np.empty(DEEPEST, dtype=np.uint8))
    return replace(documents, starts=starts, ends=ends)


def _judged(table: pa.Table, kinds: Ints) -> pa.Table:
    """The table with the actions refused that bring no event."""
    none = pa.scalar(None, pa.string())
    deleted, broken = pa.array(kinds == DELETE), pa.array(kinds == BROKEN)
    why = pc.if_else(deleted, Reason.NO_EVENT.value, pc.if_else(broken, Reason.UNREADABLE.value, none))
    said = pc.if_else(deleted, "a delete is no event", pc.if_else(broken, "not an action of a bulk request", none))
    return put(table, reason=pc.coalesce(why, table["reason"]), detail=pc.coalesce(said, table["detail"]))


def _actions(body: bytes) -> tuple[Ints, Parcel, Parcel]:
    """What every action is, where it stands and where its document does; a document it lacks is empty."""
    data = as_array(body)
    starts, ends = text_lines(data, 0, len(data))
    kinds, about, document = paired(data, starts, ends)
    first = np.where(about == document, ends[document], starts[document])
    return kinds, Parcel(starts[about], ends[about]), Parcel(first, ends[document])


@kernel
def paired(data: Bytes, starts: Ints, ends: Ints) -> tuple[Ints, Ints, Ints]:
    """Actions in lines: what each is (its place in ACTIONS, or BROKEN), and the lines of it and of its document, which
    are one line for an action alone.
    """
    kinds = np.empty(len(starts), dtype=np.int64)
    about = np.empty(len(starts), dtype=np.int64)
    document = np.empty(len(starts), dtype=np.int64)
    count, line = 0, 0
    while line < len(starts):
        kind = action_at(data, starts[line], ends[line])
        alone = kind >= DELETE or line + 1 == len(starts)
        kinds[count] = BROKEN if alone and kind != DELETE else kind
        about[count], document[count] = line, (line if alone else line + 1)
        line += 1 if alone else 2
        count += 1
    return kinds[:count], about[:count], document[:count]


@leaf
def action_at(data: Bytes, at: int, end: int) -> int:
    """Which action a line is, by its first member."""
    at = skip(data, at, end)
    if at >= end or data[at] != 123:
        return BROKEN
    at = skip(data, at + 1, end)
    if at >= end or data[at] != 34:
        return BROKEN
    close, _ = text_end(data, at + 1, end)
    size = close - at - 1
    if not 5 <= size <= 6:
        return BROKEN
    first, last = data[at + 1], data[close - 1]
    if size == 5:
        return 0 if first == 105 and last == 120 else BROKEN
    if last != 101:
        return BROKEN
    return 1 if first == 99 else 2 if first == 117 else 3 if first == 100 else BROKEN
