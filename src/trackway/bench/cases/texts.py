"""Lines, rows and loops of logs of applications and machines, and of tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pyarrow as pa

from trackway.bench.cases.servers import lined
from trackway.bench.cases.shop import Act, Case, Payload, Row, acts, instant

PAIR = re.compile(r'([\w.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
NUMBERS = frozenset({"amount", "quantity", "ms"})
SYSLOG = re.compile(r"<(\d+)>(\w{3} [ \d]\d \d\d:\d\d:\d\d) (\S+) ([^\s:\[]+)\[(\d+)\]: (.*)")
LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
FACILITIES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp")
ENTRY = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - (\S+) - (\w+) - (.*)")
FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


def _logfmt(act: Act) -> str:
    values = act.properties
    return (
        f'time={act.iso} event="{act.event}" user_id={act.user} anonymous_id={act.visitor} plan={values["plan"]} '
        f"amount={values['amount']} quantity={values['quantity']} product={values['product_id']} level=info "
        f'msg="{act.event} by {act.user}" ms={act.number % 90}.5 path={act.page["path"]} ip={act.ip} '
        f"ok={'true' if values['returning'] else 'false'}"
    )


def _read_logfmt(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for line in body.decode().splitlines():
        row: Row = {}
        for key, quoted, bare in PAIR.findall(line):
            row[key] = quoted or (float(bare) if key in NUMBERS else bare)
        row["time"], row["ok"] = instant(row["time"]), row["ok"] == "true"
        yield row


def _syslog(act: Act) -> str:
    host = f"host-{act.number % 40}"
    said = f"{act.event} by {act.user} from {act.ip}"
    return f"<{30 + act.number % 6}>{act.at:%b %e %H:%M:%S} {host} shop[{act.number % 9000}]: {said}"


def _read_syslog(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    for match in map(SYSLOG.match, body.decode().splitlines()):
        assert match is not None  # noqa: S101 - every line was made for it
        priority, when, host, app, pid, message = match.groups()
        time = datetime.strptime(f"2026 {when}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
        facility, level = divmod(int(priority), 8)
        yield {"event": "log", "time": time, "host": host, "app": app, "pid": pid, "message": message,
               "anonymous_id": host, "level": LEVELS[level], "facility": FACILITIES[facility]}  # fmt: skip


def _application(act: Act) -> str:
    line = f"{act.at:%Y-%m-%d %H:%M:%S},{act.millis % 1000:03d} - shop.{act.properties['category']} - "
    if act.number % 50:
        return f"{line}INFO - {act.event} by {act.user} for {act.properties['amount']} EUR"
    where = ("pay", "charge", "send")
    trace = "\n".join(f'  File "shop/{name}.py", line {act.number % 300}, in {name}' for name in where)
    last = f"ValueError: no money on {act.user}"
    return f"{line}ERROR - payment failed\nTraceback (most recent call last):\n{trace}\n{last}"


def _read_application(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    row: Row | None = None
    for line in body.decode().splitlines():
        match = ENTRY.match(line)
        if match is None and row is not None:
            row["stack"] = f"{row['stack']}\n{line}" if "stack" in row else line
            kind, colon, text = line.partition(": ")
            if colon and kind.isidentifier():
                row["exception.type"], row["exception.message"] = kind, text
        if match is not None:
            if row is not None:
                yield row
            when, logger, level, message = match.groups()
            time = datetime.strptime(when, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
            row = {"event": "log", "time": time, "logger": logger, "level": level, "message": message,
                   "anonymous_id": logger}  # fmt: skip
    if row is not None:
        yield row


def _record(act: Act) -> Row:
    return {"event": act.event, "time": act.at, "event_id": act.id, "user_id": act.user, "anonymous_id": act.visitor,
            **act.properties, "path": act.page["path"], "ip": act.ip}  # fmt: skip


HEADER = ",".join(_record(next(acts(1))))


def _csv(act: Act) -> str:
    values = {**_record(act), "time": act.iso, "returning": str(act.properties["returning"]).lower()}
    return ",".join(map(str, values.values()))


def _read_csv(body: bytes, headers: Mapping[str, str]) -> Iterator[Row]:
    for row in csv.DictReader(io.StringIO(body.decode()), headers["header"].split(",")):
        made: Row = dict(row)
        made |= {"time": instant(row["time"]), "returning": row["returning"] == "true"}
        made |= {name: float(row[name]) for name in ("amount", "quantity")}
        yield made


def _parquet(count: int) -> Iterator[Payload]:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist([_record(act) for act in acts(count)])
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    yield sink.getvalue().to_pybytes(), {}


def _read_parquet(body: bytes, _headers: Mapping[str, str]) -> Iterator[Row]:
    yield from pa.ipc.open_stream(body).read_all().to_pylist()


CASES = (
    lined("logfmt", _logfmt, _read_logfmt),
    lined("syslog", _syslog, _read_syslog),
    lined("application_log", _application, _read_application, format=FORMAT),
    lined("csv", _csv, _read_csv, header=HEADER, delimiter=","),
    Case("parquet", _parquet, _read_parquet),
)
