"""A collector on a loopback port for real clients, with a road to it that can fail, and the flow behind it.

`faults` say what becomes of the next requests that bring events: `busy` (the collector asks for patience),
`reset` (the connection ends before it is read), `lost` (taken in, but the connection ends before the answer),
`502` (somebody in front answers), or `ok`.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from houses import House
from trackway.api.collect import routes
from trackway.plan.config import check

CLIENTS = Path(__file__).parent / "clients"


FAULTS = ("busy", "lost", "reset", "502")
"""Faults for those who try again at once."""


def roads(*faults):
    """Parameters of a test: a good road, and one with these faults, which takes as long as the client is patient."""
    return [pytest.param((), id="good"), pytest.param(faults, id="failing", marks=pytest.mark.long)]


class Road:
    """The way to an application, on which requests that bring events meet faults."""

    def __init__(self, app, faults):
        self.app, self.faults, self.met, self.transports = app, list(faults), [], {}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT"):
            await self.app(scope, receive, send)
            return
        fault = self.faults.pop(0) if self.faults else "ok"
        self.met.append(fault)
        transport = self.transports.get(scope["client"])
        if fault == "reset":
            transport.abort()
        elif fault == "502":
            while (await receive()).get("more_body"):
                pass
            body = b"<html>bad gateway</html>"
            head = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 502, "headers": head})
            await send({"type": "http.response.body", "body": body})
        elif fault == "lost":

            async def nothing(_message):
                transport.abort()

            await self.app(scope, receive, nothing)
        else:
            scope["fault"] = fault
            await self.app(scope, receive, send)


class Pressure:
    """Too much waits when the road says so."""

    def __init__(self, road):
        self.road = road

    async def high(self):
        return bool(self.road.met) and self.road.met[-1] == "busy"

    def add(self, records):
        pass


@contextmanager
def serving(folder, *codecs, faults=(), keys=("wk",), tls=False, **options):
    """A collector of one source `web`, whose records `stored` takes to the lake."""
    table = {"type": "http", "codecs": list(codecs), "write_keys": list(keys), **options}
    house = House(folder, sources=check({"sources": {"web": table}}, folder).sources)
    house.now = time.time_ns() // 1_000
    app = FastAPI()
    made = routes(SimpleNamespace(plan=house.plan, journal=house.journal, lake=SimpleNamespace(position=lambda: 0)))
    app.router.routes[:0] = made
    road = Road(app, faults)
    made[0]._pressure = Pressure(road)

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            road.transports[self.client] = transport
            road.loop = self.loop

    certificate = self_signed(folder) if tls else None
    settings = uvicorn.Config(
        road, http=Protocol, ws="none", log_level="critical", access_log=False, lifespan="off",
        ssl_certfile=certificate, ssl_keyfile=folder / "key.pem" if tls else None,
    )  # fmt: skip
    server = uvicorn.Server(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = listener.getsockname()[1]
        try:
            url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
            yield SimpleNamespace(port=port, url=url, house=house, road=road, certificate=certificate)
        finally:
            for transport in road.transports.values():
                road.loop.call_soon_threadsafe(transport.abort)
            server.should_exit = True
            thread.join()
            house.close()


def self_signed(folder):
    """A certificate for this machine, and its key in `key.pem` beside it."""
    certificate = folder / "certificate.pem"
    asked = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    named = [
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "-keyout",
        folder / "key.pem",
        "-out",
        certificate,
    ]
    subprocess.run([*asked, *named], check=True, capture_output=True)
    return certificate


def stored(served, *columns, order="time, event_id"):
    """Everything that came, through the flow, from the lake; the ledger balances and nothing was refused."""
    served.house.run()
    bins = served.house.bins()
    assert bins.get("refused", 0) == bins.get("pending", 0) == 0, served.house.lake.sql(
        "select * from refused"
    ).to_pylist()
    return served.house.events(*(f'"{name}"' for name in columns), order=order)


def send(served, path, body=b"", headers=None, method="POST"):
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def deliver(served, path, body, headers=None):
    """Sends as webhooks do: again and again until it is accepted."""
    while True:
        try:
            status = send(served, path, body, headers)[0]
        except (OSError, http.client.HTTPException):
            continue
        if status < 300:
            return status
        assert status in (429, 502, 503), status
        time.sleep(0.02)


def node(script, *arguments, **environment):
    """Runs a script in tests/clients with Node.js and gives what it printed as JSON; the test is skipped without."""
    if not (CLIENTS / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.skip("no Node.js clients: npm install --prefix tests/clients --no-package-lock")
    command = ["node", "--no-deprecation", CLIENTS / script, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
