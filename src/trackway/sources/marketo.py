"""Leads of Marketo as they change, and their activities, by bulk exports.

    [sources.activities]
    type = "marketo"
    address = "https://123-ABC-456.mktorest.com"
    client_id = "4c1f..."
    client_secret = { env = "MARKETO_SECRET" }
    object = "activities"
    start = "2026-01-01"

An export is made for each slice of time, of at most thirty days; slices grow and shrink with what they hold. Its file
is fetched in parts, so that one that breaks off goes on where it was, and is read once its SHA-256 is what Marketo
says. An export that fails or is cancelled is made again, one for which the queue has no place waits. Each look goes
back by `overlap`; what it finds again is known.

An activity is an event by the name of its type, at its `activityDate`, of the lead (`leadId`); it is known by its
`marketoGUID`. What else it holds is in `attributes`. A lead as it was is one event at its `updatedAt`, known by its id
and by what it holds, since that time tells only of standard fields; changes between two looks are seen as one. Without
`fields` all fields of leads are read; numbers and truths are of their kind, and what is `null` is left out. Who did it
is the lead (`id`), unless `columns` names a `user_id` or `anonymous_id`.

The user of the API needs to read leads or activities. Exports take minutes, and Marketo gives 500 MB of them a day, so
that `every` is long here; when the day's are used up, it is asked again every ten minutes. One second whose records
make more than 64 MB is not read, and the source says so.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import blake2b, sha256
from typing import Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from trackway.errors import SourceError, suggest
from trackway.flow.admission import Admitted
from trackway.flow.calling import LARGEST, Answer, Busy, Caller, Refused
from trackway.flow.dumps import dumped
from trackway.flow.exporting import Overfull, Place, SlicedExport, SlicedVisit, moment
from trackway.flow.messages import Message
from trackway.model.schema import Kind
from trackway.model.secret import Secret
from trackway.model.time import Duration, iso
from trackway.plan.component import Finding

TOKENS = "/identity/oauth/token"
EVERY = 0.2
"""Seconds from one request to the next: a hundred are allowed in twenty."""
POLL = 30.0
"""Seconds between two questions whether an export is done, of which Marketo tells anew every minute."""
FULL, SPENT = 60.0, 600.0
"""Seconds to wait when the queue is full, and when the day's share is used up."""
PART = 8 << 20
"""Bytes of a file fetched at once."""
LONGEST = 30 * 86_400_000
NULLS = ("", "null")
STALE = ("601", "602")
AWAY = ("502", "604", "606", "608", "611", "614", "615", "713")
QUEUE, DAY = "1029", "607"
HINTS = {
    "603": "may the role of the user do this?",
    "1035": "this subscription does not export leads by their change; read activities",
}
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("integer", "float", "currency", "percent", "score"), "number"), "boolean": "boolean",
}  # fmt: skip


class Marketo(SlicedExport):
    """Reads leads or activities."""

    client_id: str
    """The client id of the API's user."""
    client_secret: Secret
    """The secret to it."""
    object: Literal["leads", "activities"] = "leads"
    """What is read."""
    fields: list[str] = Field(default_factory=list)
    """The API names of the fields of leads that are read, such as `leadScore`; all when left out."""
    activity_types: list[int] = Field(default_factory=list)
    """The ids of the types of activities that are read; all when left out."""
    start: str = "31d"
    """Where to begin if nothing was read yet: a date or time, or how long before now."""
    every: Duration = Duration("15m")
    """Time between two looks while nothing is new."""
    overlap: Duration = Duration("10m")
    """How much later than it happened a record may be found there."""

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if self.fields and self.object != "leads":
            raise ValueError("fields are those of leads")
        if self.activity_types and self.object != "activities":
            raise ValueError("activity_types are those of activities")
        return self

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader at the cursor."""
        return Reader(self, name, self.caller(), cursors)

    def prove(self, name: str) -> Iterator[Finding]:
        """What can be told without an export."""
        yield from self.examine()
        yield Finding("look", f"{name} is read by exports, which take minutes and count, so that none is made here")

    def examine(self) -> Iterator[Finding]:
        """The account, and what it lets us read."""
        with closing(self.caller()) as caller:
            described = Described.ask(caller, self)
            yield Finding("connect", f"Marketo at {self.address}")
            what = "fields" if self.object == "leads" else "types"
            yield Finding("list", f"{self.object}: {len(described.fields or described.types):,} {what}")

    def caller(self) -> Subscription:
        """The account. Raises SourceError."""
        return Subscription(self)


class Subscription(Admitted):
    """The API of an account, which tells with a good status what went wrong."""

    def __init__(self, source: Marketo) -> None:
        secrets = "`client_id`, `client_secret`, and the role of their user"
        super().__init__("Marketo", source.address, ca=source.ca, secrets=secrets, every=EVERY)
        self._source = source

    def admit(self) -> str:
        """A token for the credentials."""
        secret = str(self._source.client_secret)
        told = {"grant_type": "client_credentials", "client_id": self._source.client_id, "client_secret": secret}
        return str(self.plainly("GET", TOKENS, params=told).json()["access_token"])

    def plainly(self, method: str, path: str, *, most: int = LARGEST, **told: Any) -> Answer:
        """An answer that is one. Raises Busy, Refused."""
        answer = super().plainly(method, path, most=most, **told)
        if not answer.headers.get("content-type", "").startswith("application/json"):
            return answer
        reply = answer.json()
        if not isinstance(reply, dict) or reply.get("success", True):
            return answer
        wrong = (reply.get("errors") or [{}])[0]
        code, said = str(wrong.get("code", "")), str(wrong.get("message", ""))
        if code in STALE:
            raise Refused(f"Marketo does not take its token: {code} {said}", answer=replace(answer, status=401))
        if code == DAY or (code == QUEUE and "quota" in said):
            raise Busy(f"what Marketo gives in a day is used up: {said}", seconds=SPENT)
        if code == QUEUE:
            raise Busy(f"the queue of Marketo is full: {said}", seconds=FULL)
        if code in AWAY:
            raise Busy(f"Marketo is busy: {code} {said}")
        raise Refused(f"Marketo refuses: {code} {said}", hint=HINTS.get(code, ""), answer=answer)


class Described:
    """What there is to read."""

    def __init__(self, fields: Sequence[str], kinds: Mapping[str, Kind], types: Mapping[str, str]) -> None:
        """`types` are the names of activities by their id."""
        self.fields, self.kinds, self.types = fields, kinds, types

    @classmethod
    def ask(cls, caller: Caller, source: Marketo) -> Described:
        """Raises Busy, SourceError when there is no such field or type."""
        if source.object == "activities":
            told = caller.ask("GET", "/rest/v1/activities/types.json").json()["result"]
            names = {str(one["id"]): str(one["name"]) for one in told}
            for number in source.activity_types:
                if str(number) not in names:
                    raise SourceError(f"there is no type of activities {number}", path="activity_types")
            return cls((), dict.fromkeys(("leadId", "activityTypeId", "campaignId"), "number"), names)
        told = caller.ask("GET", "/rest/v1/leads/describe.json").json()["result"]
        types = {one["rest"]["name"]: one["dataType"] for one in told if "rest" in one}
        for name in source.fields:
            if name not in types:
                hint = suggest(name, list(types))
                raise SourceError(f"leads have no field {name}", path="fields", hint=hint)
        fields = list(dict.fromkeys(("id", "updatedAt", *(source.fields or types))))
        return cls(fields, {name: KINDS[type_] for name, type_ in types.items() if type_ in KINDS}, {})


class Reader(SlicedVisit):
    """A session at some slice."""

    source: Marketo
    LONGEST = LONGEST

    def pages(self, begin: int, until: int, most: int) -> Iterator[Sequence[Message]]:
        """The records of a slice, once an export has gathered them."""
        described = Described.ask(self.caller, self.source)
        path = f"/bulk/v1/{self.source.object}/export"
        told = {"format": "CSV", "filter": self._filter(begin, until)}
        told |= {"fields": described.fields} if described.fields else {}
        made = self.caller.ask("POST", f"{path}/create.json", json=told).json()["result"][0]
        job, over = f"{path}/{made['exportId']}", False
        try:
            while self._asked("POST", f"{job}/enqueue.json") is None:
                yield ()
            status = yield from self._done(job)
            over = True
            body = yield from self._file(job, status)
        finally:
            if not over:
                with suppress(SourceError):
                    self.caller.ask("POST", f"{job}/cancel.json")
        records, odd = dumped(body, described.kinds, NULLS)
        messages = [
            *(self._message(one, described) for one in records),
            *(self.source.ragged(self.source.object, row) for row in odd),
        ]
        size = max(1, most)
        for first in range(0, len(messages), size):
            yield messages[first : first + size]

    def _filter(self, begin: int, until: int) -> dict[str, Any]:
        """Which records, in the words of an export."""
        span = {"startAt": iso(begin * 1000), "endAt": iso(until * 1000)}
        if self.source.object == "leads":
            return {"updatedAt": span}
        kinds = self.source.activity_types
        return {"createdAt": span, **({"activityTypeIds": kinds} if kinds else {})}

    def _done(self, job: str) -> Generator[Sequence[Message], None, Mapping[str, Any]]:
        """What is told of an export that is done; nothing until then."""
        while True:
            answer = self._asked("GET", f"{job}/status.json")
            if answer is not None:
                told: Mapping[str, Any] = answer.json()["result"][0]
                state = told["status"]
                if state == "Completed":
                    return told
                if state not in ("Created", "Queued", "Processing"):
                    said = told.get("errorMsg") or "it does not say why"
                    raise Busy(f"Marketo ends the export ({state.lower()}): {said}")
                self.patience.rest(POLL)
            yield ()

    def _file(self, job: str, status: Mapping[str, Any]) -> Generator[Sequence[Message], None, bytes]:
        """The file of an export, part by part, and from the beginning if it is not what Marketo says."""
        size, sum_ = int(status.get("fileSize") or 0), str(status.get("fileChecksum", "")).removeprefix("sha256:")
        if not size and status.get("numberOfRecords"):
            raise Busy("Marketo does not say how large the file of an export is")
        if size > LARGEST:
            raise Overfull(f"a second with more than {LARGEST >> 20} MB", hint="name fewer `fields`")
        body = bytearray()
        while len(body) < size:
            last = min(size, len(body) + PART) - 1
            answer = self._asked("GET", f"{job}/file.json", headers={"Range": f"bytes={len(body)}-{last}"})
            if answer is not None:
                if answer.status != 206:
                    body.clear()
                body += answer.body
            if len(body) >= size and sum_ and sha256(body).hexdigest() != sum_.lower():
                self.patience.bear(Busy("a file of Marketo is not what its checksum says"))
                body.clear()
            yield ()
        return bytes(body)

    def _asked(self, method: str, path: str, **told: Any) -> Answer | None:
        """What is told of an export; None, and patience, when it cannot be told now. Raises Busy for one that is
        gone."""
        try:
            return self.caller.ask(method, path, **told)
        except Refused as error:
            if error.answer.status not in (404, 410):
                raise
            raise Busy("Marketo has dropped the export") from error
        except Busy as busy:
            self.patience.bear(busy)
            return None

    def _message(self, record: dict[str, Any], described: Described) -> Message:
        if self.source.object == "leads":
            held = repr(sorted(record.items())).encode("utf-8", "backslashreplace")
            named = f"{record.get('id')}@{blake2b(held, digest_size=16).hexdigest()}"
            return self._placed(record, named, "updatedAt", "id")
        kind = str(record.get("activityTypeId"))
        with suppress(orjson.JSONDecodeError, UnicodeEncodeError):
            record["attributes"] = orjson.loads(record.get("attributes", "{}"))
        record["event"] = described.types.get(kind, f"Activity {kind}")
        return self._placed(record, str(record.get("marketoGUID")), "activityDate", "leadId")

    def _placed(self, record: Mapping[str, Any], named: str, time: str, actor: str) -> Message:
        stamp = str(record.get(time, ""))
        micros = moment(stamp)
        place = Place(self.source.object, named, 0 if micros is None else micros // 1000, stamp)
        return self.source.message(self.name, place, record, named, actor=actor)
