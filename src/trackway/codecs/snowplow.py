"""The tracker protocol of Snowplow: what its trackers post (`tp2`) or put into the address of a pixel (`/i`).

    [sources.web]
    type = "http"
    codecs = ["snowplow"]
    write_keys = ["shop-web"]

The write key is the application id (`aid`) of the tracker, since the protocol has no other. `e` names the event
(`page_view`, `page_ping`, `struct`, `transaction`), a self-describing one the name of its schema (`link_click`).
Parameters have the names of Snowplow's own table (`page_url`, `se_action`); the data of a self-describing event stands
outside, that of a context under its name (`contexts.web_page.id`; a list where it comes twice). `eid` is the event
id, `uid` the user id, and the anonymous id is `duid`, else `nuid`. The time is `ttm`, else `dtm`, by the clock
of the device; `stm` is kept as `sent_at`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError
from trackway.model.dialect import Dialect, called, only, put, revealed
from trackway.model.documents import HIDDEN, Records, column_or_nulls
from trackway.model.event import Block, Reason
from trackway.model.form import PIXEL, unbased
from trackway.model.json_text import complaint
from trackway.model.parcel import Parcel, aside, below, objects, opened
from trackway.model.schema import Schema, kind_of
from trackway.plan.component import Codec, Reply, Request, Taken

TYPE, NAME = f"{HIDDEN}e", f"{HIDDEN}name"
DESCRIBED = {"ue_pr": f"{HIDDEN}ue_pr", "ue_px": f"{HIDDEN}ue_px", "co": f"{HIDDEN}co", "cx": f"{HIDDEN}cx"}
EVENTS = {"pv": "page_view", "pp": "page_ping", "se": "struct", "tr": "transaction", "ti": "transaction_item",
          "ue": "unstruct", "ad": "ad_impression"}  # fmt: skip
PARAMETERS = {
    "aid": "app_id", "p": "platform", "tna": "name_tracker", "tv": "v_tracker", "url": "page_url", "page": "page_title",
    "refr": "page_referrer", "sid": "domain_sessionid", "vid": "domain_sessionidx", "ip": "user_ipaddress",
    "ua": "useragent", "lang": "br_lang", "cookie": "br_cookies", "tz": "os_timezone", "cs": "doc_charset",
    "ds": "doc_size", "vp": "br_view_size", "res": "dvce_screen", "cd": "br_colordepth", "fp": "user_fingerprint",
    "se_ca": "se_category", "se_ac": "se_action", "se_la": "se_label", "se_pr": "se_property", "se_va": "se_value",
    "pp_mix": "pp_xoffset_min", "pp_max": "pp_xoffset_max", "pp_miy": "pp_yoffset_min", "pp_may": "pp_yoffset_max",
    "tr_id": "tr_orderid", "tr_af": "tr_affiliation", "tr_tt": "tr_total", "tr_tx": "tr_tax", "tr_sh": "tr_shipping",
    "tr_ci": "tr_city", "tr_st": "tr_state", "tr_co": "tr_country", "tr_cu": "tr_currency", "ti_id": "ti_orderid",
    "ti_sk": "ti_sku", "ti_nm": "ti_name", "ti_ca": "ti_category", "ti_pr": "ti_price", "ti_qu": "ti_quantity",
    "ti_cu": "ti_currency",
}  # fmt: skip
NUMBERS = ("domain_sessionidx", "se_value", "pp_xoffset_min", "pp_xoffset_max", "pp_yoffset_min", "pp_yoffset_max",
           "tr_total", "tr_tax", "tr_shipping", "ti_price", "ti_quantity")  # fmt: skip
NUMBER = r"^-?\d{1,15}(\.\d{1,15})?$"
WORDS = Dialect(
    {
        "event_id": "eid", "time": ("ttm", "dtm"), "sent_at": "stm", "user_id": "uid",
        "anonymous_id": ("duid", "nuid", "tnuid"), TYPE: "e", **{f"{HIDDEN}{name}": name for name in DESCRIBED},
        **{column: name for name, column in PARAMETERS.items()},
    },
    kinds={"sent_at": "time"},
)  # fmt: skip
DATA = Dialect({**dict.fromkeys(WORDS.own, ()), NAME: "name"}, inside={"data": ""})
"""Of `{"name": …, "data": {…}, "contexts": {…}}`, without taking the names of parameters."""
AT = "/com.snowplowanalytics.snowplow/tp2"


class Snowplow(Codec):
    """Payloads of trackers to records."""

    routes: ClassVar[tuple[str, ...]] = (f"POST {AT}", "GET /i", "GET /ice.png")

    def key(self, request: Request) -> str | None:
        """The application id of the first event."""
        found: Any = request.query.get("aid")
        parcel = opened(request.body, b"data") if found is None else None
        if parcel is not None:
            found = next(objects(request.body, parcel), {}).get("aid")
        return found if isinstance(found, str) else None

    def take(self, request: Request) -> Taken:
        """What was posted, or the address as if it had been."""
        kept = {"path": request.path}
        if request.method == "GET":
            body = orjson.dumps({"data": [request.query]})
            return Taken(body, self.count(body, kept), kept, Reply(200, PIXEL, "image/gif"))
        return Taken(request.body, self.count(request.body, kept), kept, Reply(200, b"ok", "text/plain"))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events in a body. Raises PayloadError for one without."""
        parcel = opened(body, b"data")
        if parcel is None:
            raise PayloadError(f"not JSON with a list `data`: {complaint(body)}", hint="send a payload_data")
        return len(parcel)

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event, with what its self-describing parts say."""
        parcels = [
            opened(block.body, b"data") or Parcel(np.zeros(0, np.int64), np.zeros(0, np.int64)) for block in blocks
        ]
        table = WORDS.read(blocks, parcels, known.properties)
        table = _with_numbers(table)
        texts, wrong = _described(table)
        if texts is not None:
            named = {name: kind_of(table[name].type) for name in table.column_names[5:]}
            table = below(table, DATA.table(_one_each(texts), {**known.properties, **named}), np.arange(len(texts)))
        kind = column_or_nulls(table, TYPE)
        usual = pa.array(EVENTS.values()).take(pc.index_in(kind, pa.array(EVENTS)))
        event = pc.coalesce(column_or_nulls(table, NAME), usual, kind)
        return revealed(called(_broken(table, wrong), event, "without the type of an event"))


def _with_numbers(table: pa.Table) -> pa.Table:
    """The table with numbers for the texts that are some; what is none goes to `more`."""
    for name in NUMBERS:
        texts = column_or_nulls(table, name)
        if texts.null_count < len(texts):
            good = pc.match_substring_regex(texts, NUMBER)
            misfits = only(texts, pc.invert(good))
            table = put(table, **{name: only(texts, good).cast(pa.float64())})
            table = aside(table, name, misfits) if misfits.null_count < len(misfits) else table
    return table


def _described(table: pa.Table) -> tuple[list[bytes] | None, dict[int, str]]:
    """For every row a document of what its self-describing parts say, and the rows in which one cannot be read."""
    if not any(name in table.column_names for name in DESCRIBED.values()):
        return None, {}
    parts = {name: column_or_nulls(table, column).to_pylist() for name, column in DESCRIBED.items()}
    made, wrong = [], {}
    for row, (ue_pr, ue_px, co, cx) in enumerate(zip(*parts.values(), strict=True)):
        try:
            made.append(_document(_text(ue_pr, ue_px), _text(co, cx)))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            made.append(b"{}")
            wrong[row] = f"a self-describing part cannot be read: {error}"[:200]
    return made, wrong


def _text(plain: str | None, coded: str | None) -> bytes | None:
    if plain is not None:
        return plain.encode()
    return None if coded is None else unbased(coded.encode())


def _document(event: bytes | None, contexts: bytes | None) -> bytes:
    """What DATA reads: the name and data of a self-describing event, and contexts by name."""
    made: dict[str, Any] = {}
    if event is not None:
        inner = orjson.loads(event)["data"]
        made = {"name": _schema(inner["schema"]), "data": inner["data"]}
    said: dict[str, list[Any]] = {}
    for context in orjson.loads(contexts)["data"] if contexts is not None else ():
        said.setdefault(_schema(context["schema"]), []).append(context["data"])
    if said:
        made["contexts"] = {name: values[0] if len(values) == 1 else values for name, values in said.items()}
    return orjson.dumps(made)


def _schema(address: str) -> str:
    """The name in `iglu:vendor/name/format/version`."""
    return address.removeprefix("iglu:").split("/")[1]


def _one_each(texts: Sequence[bytes]) -> Records:
    """Documents one after the other, a row each."""
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    ends, number = np.cumsum(sizes), np.arange(len(texts))
    return Records(b"".join(texts), ends - sizes, ends, number, number)


def _broken(table: pa.Table, wrong: Mapping[int, str]) -> pa.Table:
    """The table with the rows refused that have a part that cannot be read."""
    details = pa.array([wrong.get(row) for row in range(len(table))], pa.string())
    reasons = pc.if_else(details.is_valid(), Reason.UNREADABLE.value, pa.scalar(None, pa.string()))
    return put(table, reason=pc.coalesce(table["reason"], reasons), detail=pc.coalesce(table["detail"], details))
