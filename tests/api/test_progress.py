"""Samples, streams, estimates and deadlines over HTTP."""

import json
import threading
import time

import pytest

import shop
from trackway.app import Workspace
from trackway.store.columns.limits import Limits

CROWD = [
    {"event": "Page Viewed" if k else "Signed Up", "event_id": f"{n}-{k}", "user_id": f"user-{n}", "path": "/",
     "time": f"2026-11-{1 + n % 20:02}T{k:02}:{n % 60:02}:00Z"}
    for n in range(1_200) for k in range(1 + n % 3)
]  # fmt: skip
FUNNEL = {"type": "funnel", "within": "1d", "steps": ["event = 'Signed Up'", "event = 'Page Viewed'"]}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    with shop.served(shop.fill(tmp_path_factory.mktemp("crowd"), CROWD)) as client:
        yield client


def test_a_sample_is_asked_in_the_address(crowded):
    answer = crowded.post("/api/ask?sample=50%25", json=FUNNEL).json()
    assert answer["stands_on"]["exact"] is False
    assert answer["stands_on"]["sampled_actors"] == 600
    low, high = answer["rows"][1]["intervals"]["actors"]
    assert low <= answer["rows"][1]["actors"] <= high
    by_address = crowded.get("/api/ask?type=trend&measure=actors&sample=600").json()
    assert by_address["stands_on"]["share"] == 0.5
    assert by_address["totals"]["intervals"]["value"][0] <= 1_200


def test_a_sample_of_a_small_crowd_is_refused(client):
    said = client.post("/api/ask?sample=50%25", json=shop.FUNNEL)
    assert (said.status_code, said.json()["hint"]) == (400, "sample at least 200 of the 4 actors, or ask exactly")
    wrong = client.get("/api/ask?type=trend&sample=lots").json()
    assert wrong["error"] == "sample: expected a share or a number of actors, got 'lots'"


def test_a_page_and_the_files_of_a_sample(crowded):
    page = crowded.get("/ask/trend?measure=actors&sample=600")
    assert page.status_code == 200
    assert "sampled" in page.text
    head = crowded.get("/ask/trend.csv?measure=actors&sample=600").text.splitlines()[0]
    assert head == "time,value,value_low,value_high"
    assert crowded.get("/ask/trend.svg?measure=actors&sample=600").text.startswith("<svg")


def test_better_and_better_answers_come_as_lines(crowded):
    exact = crowded.post("/api/ask", json=FUNNEL).json()
    response = crowded.post("/api/ask/stream", json=FUNNEL)
    assert response.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert lines[-1]["stands_on"]["exact"] is True
    assert (lines[-1]["rows"], lines[-1]["totals"]) == (exact["rows"], exact["totals"])


def test_the_same_as_server_sent_events(crowded):
    response = crowded.get("/api/ask/stream?type=trend", headers={"Accept": "text/event-stream"})
    assert response.headers["content-type"].startswith("text/event-stream")
    last = response.text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["stands_on"]["exact"] is True


@pytest.mark.parametrize("path", ["/api/ask/stream", "/api/estimate"])
def test_a_wrong_question_has_the_status_of_an_error(crowded, path):
    assert crowded.get(f"{path}?type=trned").status_code == 400
    assert crowded.get(path).json()["error"] == "type: which question?"
    response = crowded.post(path, json={"type": "trend", "where": "pth = '/'"})
    assert (response.status_code, response.json()["hint"]) == (400, "did you mean 'path'?")


def test_what_a_question_costs_is_told(crowded):
    cost = crowded.get("/api/estimate?type=trend&measure=actors").json()
    assert (cost["ok"], cost["engine"], cost["events"], cost["actors"]) == (True, "columns", len(CROWD), 1_200)
    assert crowded.post("/api/estimate", json=FUNNEL).json()["bytes"] > 8 * len(CROWD)
    unkept = crowded.get("/api/estimate?type=trend&where=event_id%20%3D%20%271-0%27").json()
    assert (unkept["engine"], unkept["seconds"]) == ("sql", None)
    assert unkept["bytes"] > 0


def test_a_deadline_ends_a_question(crowded):
    late = crowded.post("/api/ask?deadline=0ms", json=FUNNEL)
    assert (late.status_code, late.json()["error"]) == (504, "deadline: no answer within 0ms")
    wrong = crowded.get("/api/ask?type=trend&deadline=soon")
    assert (wrong.status_code, wrong.json()["error"][:25]) == (400, "deadline: expected a dura")


def test_hanging_up_cancels_a_question(crowded, monkeypatch):
    begun, ended = threading.Event(), threading.Event()

    def slow(_workspace, _question, *, limits: Limits, **_options):
        begun.set()
        while True:
            time.sleep(0.01)
            try:
                limits.check()
            except Exception:
                ended.set()
                raise

    monkeypatch.setattr(Workspace, "ask", slow)
    with pytest.raises(Exception, match="timed out"):
        crowded.post("/api/ask", json=FUNNEL, timeout=0.5)
    assert begun.is_set()
    assert ended.wait(10)


def test_hanging_up_ends_a_stream(crowded, monkeypatch):
    ended = threading.Event()
    answer = {"ok": True}

    class Said:
        rows = ()

        def as_json(self):
            return answer

    def endless(_workspace, _question, *, limits: Limits, **_options):
        try:
            while True:
                yield Said()
                time.sleep(0.01)
                limits.check()
        finally:
            ended.set()

    monkeypatch.setattr(Workspace, "answers", endless)
    with crowded.stream("POST", "/api/ask/stream", json=FUNNEL) as response:
        assert json.loads(next(response.iter_lines())) == answer
    assert ended.wait(10)
