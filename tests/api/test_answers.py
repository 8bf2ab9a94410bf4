"""Asking over HTTP: the answer, its forms, and the one shape of everything that is wrong."""

import io

import pyarrow as pa
import pytest

import shop

TREND = {"type": "trend", "measure": "actors", "every": "1d", "from": "2026-11-02", "to": "2026-11-05"}


def test_a_question_is_asked_as_json_and_answered_with_what_it_stands_on(client):
    answer = client.post("/api/ask", json=TREND).json()
    assert [(row["time"], row["value"]) for row in answer["rows"]] == [
        ("2026-11-02T00:00:00Z", 1), ("2026-11-03T00:00:00Z", 2), ("2026-11-04T00:00:00Z", 1),
    ]  # fmt: skip
    assert answer["ok"] is True
    assert answer["type"] == "trend"
    assert (answer["stands_on"]["events"], answer["stands_on"]["actors"], answer["stands_on"]["exact"]) == (7, 4, True)
    assert answer["stands_on"]["lake_version"] >= 0


def test_the_same_question_in_the_address_has_the_same_rows(client):
    rows = client.post("/api/ask", json=shop.FUNNEL).json()["rows"]
    address = {
        "type": "funnel",
        "name": ["Home", "Signed up"],
        "step": ["path = '/'", "event = 'Signed Up'"],
        "within": "1d",
    }
    assert client.get("/api/ask", params=address).json()["rows"] == rows
    assert client.get("/api/ask", params={"saved": "signups"}).json()["rows"] == rows
    assert client.post("/api/ask", json="signups").json()["rows"] == rows
    assert [(row["step"], row["name"], row["actors"]) for row in rows] == [(1, "Home", 3), (2, "Signed up", 2)]
    assert rows[1]["rate"] == pytest.approx(2 / 3)
    assert rows[1]["median_seconds"] == 3750


def test_two_versions_of_an_answer_stand_side_by_side(client):
    question = {"type": "trend", "every": "null", "as_of_from": "0"}
    found = client.get("/api/diff", params=question).json()
    assert (found["ok"], found["totals"]["change"], found["stored"]["events"]) == (True, {"value": 7}, 7)
    posted = client.post("/api/diff?as_of_from=0&as_of_to=now", json={"type": "trend", "every": None}).json()
    assert (posted["rows"], posted["stored"]) == (found["rows"], found["stored"])
    then = client.get("/api/ask", params={"type": "trend", "every": "null", "as_of": "2100-01-01T12:00"}).json()
    assert then["totals"] == {"value": 7}


@pytest.mark.parametrize("asked", [TREND, shop.FUNNEL, shop.RETENTION], ids=["trend", "funnel", "retention"])
def test_the_reference_gives_the_same_rows(client, asked):
    assert (
        client.post("/api/ask?engine=sql", json=asked).json()["rows"]
        == client.post("/api/ask", json=asked).json()["rows"]
    )


def test_the_people_behind_a_cell_are_listed(client):
    params = {"saved": "signups", "people": "step=1,dropped"}
    listed = client.get("/api/people", params=params).json()
    assert (listed["type"], listed["totals"]["actors"], len(listed["rows"])) == ("people", 1, 1)
    assert set(listed["rows"][0]) == {"actor", "step_1", "step_2"}
    assert client.post("/api/ask", params=params, json="signups").json()["rows"] == listed["rows"]
    assert client.get("/api/people", params={"saved": "signups"}).json()["totals"]["actors"] == 3
    wrong = client.get("/api/people", params=params | {"people": "stage=1"}).json()
    assert (wrong["ok"], wrong["hint"]) == (False, "did you mean 'step'?")


def test_an_earlier_version_of_the_lake_can_be_asked(client):
    version = client.post("/api/ask", json=TREND).json()["stands_on"]["lake_version"]
    again = client.post(f"/api/ask?as_of={version}", json=TREND).json()
    assert again["stands_on"]["lake_version"] == version


def test_every_answer_is_also_csv_arrow_svg_and_png(client):
    query = "?measure=actors&every=1d&from=2026-11-02&to=2026-11-05"
    assert client.get(f"/ask/trend.json{query}").json()["rows"][0]["value"] == 1
    assert client.get(f"/ask/trend.csv{query}").text.splitlines()[:2] == ["time,value", "2026-11-02T00:00:00Z,1"]
    table = pa.ipc.open_stream(io.BytesIO(client.get(f"/ask/trend.arrow{query}").content)).read_all()
    assert table["value"].to_pylist() == [1, 2, 1]
    assert client.get(f"/ask/trend.svg{query}").text.startswith("<svg xmlns=")
    picture = client.get(f"/ask/trend.png{query}")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content[:8] == b"\x89PNG\r\n\x1a\n"


WRONG = [
    ("GET", "/api/ask", None, 400),
    ("GET", "/api/ask?type=trned", None, 400),
    ("GET", "/api/ask?type=trend&evry=1d", None, 400),
    ("GET", "/api/ask?type=trend&where=contry%20%3D%20%27x%27", None, 400),
    ("GET", "/api/ask?type=trend&as_of=soon", None, 400),
    ("GET", "/api/ask?type=trend&as_of=4000", None, 409),
    ("GET", "/api/ask?type=trend&as_of=2020-01-01T12:00", None, 409),
    ("GET", "/api/diff?type=trend", None, 400),
    ("GET", "/api/diff?type=trend&as_of_from=soon", None, 400),
    ("POST", "/api/diff?as_of_from=4000", b'{"type": "trend"}', 409),
    ("GET", "/api/ask?type=trend&engine=magic", None, 400),
    ("GET", "/api/ask?saved=nothing", None, 400),
    ("GET", "/api/ask?type=trend&where=" + "x" * 20_000, None, 400),
    ("GET", "/api/ask?type=funnel&" + "step=a&" * 60, None, 400),
    ("POST", "/api/ask", b"{", 400),
    ("POST", "/api/ask", b"[1]", 400),
    ("POST", "/api/ask", b"\xff\xfe", 400),
    ("POST", "/api/ask", b" " * 300_000, 400),
    ("PUT", "/api/ask", b"{}", 405),
    ("GET", "/api/values", None, 400),
    ("GET", "/api/values?column=contry", None, 400),
    ("GET", "/api/check?condition=path%20%3D", None, 400),
    ("GET", "/api/refused?limit=0", None, 400),
    ("GET", "/api/trace/nobody", None, 404),
    ("GET", "/api/nothing", None, 404),
    ("GET", "/ask/trend.xlsx", None, 404),
    ("GET", "/ask/trned", None, 404),
    ("GET", "/ask/trend.json?every=often", None, 400),
    ("GET", "/static/nothing.js", None, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), WRONG, ids=[f"{m} {p[:50]}" for m, p, _, _ in WRONG])
def test_everything_wrong_has_the_one_error_shape(client, method, path, body, status):
    response = client.request(method, path, content=body)
    shape = response.json()
    assert response.status_code == status
    assert set(shape) == {"ok", "error", "errors", "hint", "status"}
    assert (shape["ok"], shape["status"]) == (False, status)
    assert shape["errors"][0]
    assert isinstance(shape["hint"], str)


def test_an_unknown_column_comes_with_a_suggestion(client):
    shape = client.post("/api/ask", json={"type": "trend", "where": "contry = 'DE'"}).json()
    assert "unknown column 'contry'" in shape["error"]
    assert shape["hint"] == "did you mean 'country'?"


def test_a_fault_of_ours_says_nothing_of_its_inside(client, monkeypatch):
    from trackway.app import Workspace

    def broken(*_arguments, **_options):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Workspace, "ledger", broken)
    response = client.get("/api/ledger")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.json()["ok"] is False
