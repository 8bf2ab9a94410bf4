"""Rows of an object in Salesforce, each change of a row as one event.

    [sources.leads]
    type = "salesforce"
    address = "https://acme.my.salesforce.com"
    client_id = "3MVG9..."
    client_secret = { env = "SALESFORCE_SECRET" }
    object = "Lead"
    event = "Lead Changed"
    columns = { user_id = "Email" }

Rows are fetched by query jobs of the Bulk API 2.0, slice by slice of the time they changed (`SystemModstamp`), from
the oldest row on; slices grow and shrink with what they hold. A job that fails, is aborted or forgotten is run again, a
page of its result that breaks off is fetched again, and jobs are deleted when they were read. Each look goes back by
`overlap`, since a row is seen only when its transaction is done. A row as it was at one time is known by its id and
that time, so that it is stored once; changes between two looks are seen as one.

Without `fields` all are read, except those that the Bulk API does not give (addresses, locations, files). Numbers and
checkboxes are of their kind, times and all else text. Who did it is the row itself (`Id`), unless `columns` names a
`user_id` or `anonymous_id`. With `deleted`, rows in the recycle bin are read too, and `IsDeleted` tells them.

The app needs the client credentials flow with the scope `api`, and its user the permission to read the object. A job
counts as one of 10,000 a day, so that `every` is longer here than elsewhere. When the limit of requests of a day is
reached, Salesforce is left alone and asked again every five minutes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from trackway.errors import SourceError, suggest
from trackway.flow.admission import Admitted
from trackway.flow.calling import LARGEST, Answer, Busy, Caller, Refused, TooLarge
from trackway.flow.dumps import dumped
from trackway.flow.exporting import Place, SlicedExport, SlicedVisit, beginning, moment
from trackway.flow.messages import Message
from trackway.model.schema import Kind
from trackway.model.secret import Secret
from trackway.model.time import Duration, iso
from trackway.plan.component import Finding

TOKENS = "/services/oauth2/token"
PAGE = 10_000
POLL = 2.0
"""Seconds between two questions whether a job is done."""
LIMITED = 300.0
"""Seconds after which Salesforce is asked again when too much was asked of it in a day."""
LONGEST = 366 * 86_400_000
LEFT_OUT = ("address", "location", "base64", "complexvalue")
"""Types that query jobs do not take."""
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("int", "long", "double", "currency", "percent"), "number"), "boolean": "boolean",
}  # fmt: skip
NAME = re.compile(r"[A-Za-z]\w*")
FIELD = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*")


class Salesforce(SlicedExport):
    """Reads the rows of an object as they change."""

    object: str
    """The name of the object in the API, such as `Lead`, `Opportunity` or `Visit__c`."""
    fields: list[str] = Field(default_factory=list)
    """What is read of a row, such as `Status` or `Account.Name`; every field of the object when left out."""
    where: str = ""
    """Which rows, in SOQL, such as `LeadSource = 'Web'`; all when left out."""
    deleted: bool = False
    """Read deleted rows too."""
    time: str = "SystemModstamp"
    """The field that says when a row changed; `CreatedDate` for objects that have no other, such as histories."""
    start: str = "earliest"
    """Where to begin if nothing was read yet: `earliest`, a date or time, or how long before now."""
    every: Duration = Duration("5m")
    """Time between two looks while nothing is new."""
    overlap: Duration = Duration("10m")
    """How much later than its time a change may be seen: as long as the longest transaction takes."""
    client_id: str = ""
    """The consumer key of the app that lets us in."""
    client_secret: Secret | None = None
    """The consumer secret of the app."""
    token: Secret | None = None
    """An access token, where there is no app; it is not renewed."""
    version: str = Field("62.0", pattern=r"^\d\d\.0$")
    """The version of the API."""

    @field_validator("start")
    @classmethod
    def _known_start(cls, value: str) -> str:
        if value != "earliest":
            beginning(value)
        return value

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if bool(self.token) == bool(self.client_id and self.client_secret):
            raise ValueError("give client_id and client_secret, or a token")
        if not NAME.fullmatch(self.object):
            raise ValueError(f"object is a name such as Lead or Visit__c, not '{self.object}'")
        for name in (self.time, *self.fields):
            if not FIELD.fullmatch(name):
                raise ValueError(f"'{name}' is no field: write a name such as Status or Account.Name")
        return self

    def connect(self, name: str, cursors: Mapping[str, str]) -> Reader:
        """A reader at the cursor."""
        return Reader(self, name, self.caller(), cursors)

    def examine(self) -> Iterator[Finding]:
        """The organisation, the object, and whether it has rows for us."""
        with closing(self.caller()) as caller:
            table = Table.ask(caller, self)
            yield Finding("connect", f"Salesforce at {self.address}, API {self.version}")
            where = f" WHERE {self.where}" if self.where else ""
            told = self.ask(caller, f"SELECT Id FROM {self.object}{where} LIMIT 1")
            there = "there are rows" if told["records"] else "there is no row yet"
            yield Finding("list", f"{self.object}: {there}, of which {len(table.fields)} fields are read")

    def caller(self) -> Organisation:
        """The organisation. Raises SourceError."""
        return Organisation(self)

    def ask(self, caller: Caller, soql: str) -> Any:
        """The answer to a short question. Raises Busy, Refused."""
        resource = "queryAll" if self.deleted else "query"
        return caller.ask("GET", f"{self.path}/{resource}", params={"q": soql}).json()

    @property
    def path(self) -> str:
        """Where the API is."""
        return f"/services/data/v{self.version}"


class Organisation(Admitted):
    """The API of an organisation."""

    def __init__(self, source: Salesforce) -> None:
        secrets = "`token`" if source.token else "`client_id`, `client_secret`, and what their user may read"
        super().__init__("Salesforce", source.address, ca=source.ca, secrets=secrets)
        self._source = source

    def admit(self) -> str:
        """The token that was given, or one for the credentials."""
        source = self._source
        if source.token:
            return str(source.token)
        told = {"grant_type": "client_credentials", "client_id": source.client_id}
        try:
            reply = self.plainly("POST", TOKENS, data={**told, "client_secret": str(source.client_secret)}).json()
        except Refused as error:
            if error.answer.status != 400:
                raise
            hint = "check `client_id` and `client_secret`, and that the app allows the client credentials flow"
            raise SourceError(f"Salesforce gives no token: {said(error)}", hint=hint) from error
        return str(reply["access_token"])

    def ask(self, method: str, path: str, *, most: int = LARGEST, **told: Any) -> Answer:
        """The whole answer. Raises Busy also when too much was asked for today."""
        try:
            return super().ask(method, path, most=most, **told)
        except Refused as error:
            if b"REQUEST_LIMIT_EXCEEDED" not in error.answer.body:
                raise
            raise Busy(f"too much was asked of Salesforce: {said(error)}", seconds=LIMITED) from error


class Table:
    """The object as it is described."""

    def __init__(self, fields: Sequence[str], kinds: Mapping[str, Kind]) -> None:
        """`fields` are those that are read."""
        self.fields, self.kinds = fields, kinds

    @classmethod
    def ask(cls, caller: Caller, source: Salesforce) -> Table:
        """Raises Busy, SourceError when there is no such object or field."""
        try:
            told = caller.ask("GET", f"{source.path}/sobjects/{source.object}/describe").json()
        except Refused as error:
            if error.answer.status != 404:
                raise
            names = [one["name"] for one in caller.ask("GET", f"{source.path}/sobjects").json()["sobjects"]]
            hint = suggest(source.object, names)
            raise SourceError(f"there is no object {source.object}", path="object", hint=hint) from error
        types = {one["name"]: one["type"] for one in told["fields"] if one["type"] not in LEFT_OUT}
        for path, name in (("time", source.time), *(("fields", name) for name in source.fields)):
            if "." not in name and name not in types:
                hint = suggest(name, list(types))
                raise SourceError(f"{source.object} has no field {name} to read", path=path, hint=hint)
        if types[source.time] != "datetime":
            raise SourceError(f"{source.time} is no time of day and date", path="time", hint="such as SystemModstamp")
        fields = list(dict.fromkeys(("Id", source.time, *(source.fields or types))))
        return cls(fields, {name: KINDS[type_] for name, type_ in types.items() if type_ in KINDS})


class Reader(SlicedVisit):
    """A session at some slice."""

    source: Salesforce
    WANTED = 20 * PAGE
    LONGEST = LONGEST

    def first(self) -> int:
        """The time of the oldest row, unless we are told one."""
        source = self.source
        if source.start != "earliest":
            return beginning(source.start)
        order = f"ORDER BY {source.time} ASC NULLS LAST LIMIT 1"
        rows = source.ask(self.caller, f"SELECT {source.time} FROM {source.object} {order}")["records"]
        micros = moment(str(rows[0][source.time])) if rows else None
        return beginning("0s") if micros is None else micros // 1000

    def pages(self, begin: int, until: int, most: int) -> Iterator[Sequence[Message]]:
        """The rows that changed in a slice, once a job has found them; what may still change in the second that it
        states is left for the next look."""
        source, until = self.source, min(until, int(time.time()) * 1000)
        if until <= begin:
            return
        table = Table.ask(self.caller, source)
        span = [f"{source.time} >= {iso(begin * 1000)}", f"{source.time} < {iso(until * 1000)}"]
        span += [f"({source.where})"] if source.where else []
        soql = f"SELECT {', '.join(table.fields)} FROM {source.object} WHERE {' AND '.join(span)}"
        told = {"operation": "queryAll" if source.deleted else "query", "query": soql}
        job = f"{source.path}/jobs/query/{self.caller.ask('POST', f'{source.path}/jobs/query', json=told).json()['id']}"
        try:
            yield from self._done(job)
            yield from self._results(job, table, most)
        finally:
            self._delete(job)

    def _done(self, job: str) -> Iterator[Sequence[Message]]:
        """Nothing, until the job is done."""
        while True:
            told = self._asked(job)
            if told is None:
                yield ()
                continue
            state = (answer := told.json())["state"]
            if state == "JobComplete":
                return
            if state in ("Failed", "Aborted"):
                why = answer.get("errorMessage") or "it does not say why"
                raise Busy(f"Salesforce ends the job ({state.lower()}): {why}", hint="is `where` right?")
            self.patience.rest(POLL)
            yield ()

    def _results(self, job: str, table: Table, most: int) -> Iterator[Sequence[Message]]:
        """The pages of a result; one that breaks off is fetched again."""
        size, locator = max(1, min(PAGE, most)), ""
        while locator != "null":
            params = {"maxRecords": str(size), **({"locator": locator} if locator else {})}
            try:
                answer = self._asked(f"{job}/results", params=params, headers={"Accept": "text/csv"})
            except TooLarge:
                if size == 1:
                    raise
                size //= 2
                continue
            page = None if answer is None else self._read(answer, table)
            if answer is not None and page is not None:
                locator = answer.headers.get("sforce-locator", "null")
            yield page or ()

    def _read(self, answer: Answer, table: Table) -> Sequence[Message] | None:
        """What a page holds; None, and patience, for one that does not hold what it says."""
        records, odd = dumped(answer.body, table.kinds)
        stated = int(answer.headers.get("sforce-numberofrecords", "-1"))
        if stated not in (-1, len(records) + len(odd)):
            there = len(records) + len(odd)
            self.patience.bear(Busy(f"Salesforce gives {there:,} of the {stated:,} rows of a page"))
            return None
        return [*map(self._message, records), *(self.source.ragged(self.source.object, row) for row in odd)]

    def _asked(self, path: str, **told: Any) -> Answer | None:
        """What is told of a job; None, and patience, when it cannot be told now. Raises Busy for a job that is gone."""
        try:
            return self.caller.ask("GET", path, **told)
        except Refused as error:
            if error.answer.status not in (400, 404, 410):
                raise
            raise Busy(f"Salesforce has dropped the job: {said(error)}") from error
        except Busy as busy:
            self.patience.bear(busy)
            return None

    def _delete(self, job: str) -> None:
        """A job that is not done must be aborted before; both are done by Salesforce itself in the end."""
        try:
            self.caller.ask("DELETE", job)
        except Refused:
            with suppress(SourceError):
                self.caller.ask("PATCH", job, json={"state": "Aborted"})
                self.caller.ask("DELETE", job)
        except SourceError:
            return

    def _message(self, record: Mapping[str, Any]) -> Message:
        stamp = str(record.get(self.source.time, ""))
        named, micros = f"{record.get('Id')}@{stamp}", moment(stamp)
        place = Place(self.source.object, named, 0 if micros is None else micros // 1000, stamp)
        return self.source.message(self.name, place, record, named, actor="Id")


def said(error: Refused) -> str:
    """What Salesforce complains of."""
    try:
        told = error.answer.json()
    except SourceError:
        return str(error.answer.status)
    one = told[0] if isinstance(told, list) and told else told
    if not isinstance(one, dict):
        return str(error.answer.status)
    return str(one.get("message") or one.get("error_description") or one.get("error") or error.answer.status)
