"""A schema registry as its API documents it, in memory: enough for Confluent's own serializers to be its client."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Registry:
    """Schemas by number and by subject."""

    def __init__(self, user="", password=""):
        self.by_number, self.subjects, self.asked, self.broken = {}, {}, [], False
        self.user, self.password = user, password

    def put(self, subject, told):
        number = next((n for n, known in self.by_number.items() if known == told), len(self.by_number) + 1)
        self.by_number[number] = told
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    def answer(self, method, path, body):  # noqa: PLR0911
        self.asked.append((method, path))
        if self.broken:
            return 500, {"error_code": 50001, "message": "down"}
        if path == "/subjects":
            return 200, sorted(self.subjects)
        if found := re.fullmatch(r"/schemas/ids/(\d+)", path):
            told = self.by_number.get(int(found[1]))
            return (200, told) if told else (404, {"error_code": 40403, "message": "Schema not found"})
        if found := re.fullmatch(r"/subjects/([^/]+)/versions(/\d+)?", path):
            if method == "POST":
                return 200, {"id": self.put(found[1], {k: v for k, v in json.loads(body).items() if v})}
            number = self.subjects[found[1]][int(found[2][1:]) - 1]
            return 200, {"subject": found[1], "version": int(found[2][1:]), "id": number, **self.by_number[number]}
        if found := re.fullmatch(r"/subjects/([^/]+)", path):
            told = {k: v for k, v in json.loads(body).items() if v}
            number = next((n for n in self.subjects.get(found[1], []) if self.by_number[n] == told), None)
            return (200, {"subject": found[1], "version": 1, "id": number, **told}) if number else (
                404, {"error_code": 40403, "message": "Schema not found"})  # fmt: skip
        return 404, {"error_code": 404, "message": "no such path"}


@contextmanager
def served(registry):
    """Its address."""

    class Desk(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            key = "Basic " + b64encode(f"{registry.user}:{registry.password}".encode()).decode()
            if registry.user and self.headers.get("Authorization") != key:
                status, answer = 401, {"error_code": 401, "message": "Unauthorized"}
            else:
                status, answer = registry.answer(self.command, self.path.partition("?")[0], body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
