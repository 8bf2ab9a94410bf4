"""What pages and programs look up: events, columns, values, the ledger, refusals, traces, status."""


def test_events_come_with_counts_the_most_frequent_first(client):
    found = client.get("/api/events").json()["events"]
    assert [(e["event"], e["events"], e["actors"]) for e in found] == [
        ("Page Viewed", 4, 4), ("Signed Up", 2, 2), ("Logged In", 1, 1),
    ]  # fmt: skip
    assert found[0]["first"].startswith("2026-11-02T10:00:00")


def test_values_that_begin_with_the_text_come_first_then_those_that_contain_it(client):
    values = client.get("/api/values", params={"column": "path", "prefix": "/"}).json()["values"]
    assert values == [{"value": "/", "events": 3}, {"value": "/pricing", "events": 1}]
    assert client.get("/api/values", params={"column": "plan", "prefix": "RE"}).json()["values"] == [
        {"value": "free", "events": 1}
    ]


def test_a_quote_in_a_prefix_is_only_text(client):
    assert client.get("/api/values", params={"column": "plan", "prefix": "' or 1=1 --"}).json()["values"] == []


def test_columns_say_in_how_many_events_they_have_a_value(client):
    columns = {c["column"]: (c["kind"], c["filled"]) for c in client.get("/api/columns").json()["columns"]}
    assert columns["country"] == ("string", 4)
    assert columns["event"] == ("string", 7)
    assert "tie" not in columns


def test_the_ledger_balances_per_source(client):
    sources = {s["source"]: s for s in client.get("/api/ledger").json()["sources"]}
    web = {name: sources["web"][name] for name in ("received", "stored", "duplicate", "dropped", "refused", "pending")}
    assert web == {"received": 9, "stored": 7, "duplicate": 1, "dropped": 0, "refused": 1, "pending": 0}
    assert sources["web"]["balanced"] is True


def test_a_refused_record_is_shown_with_its_reason_and_its_bytes(client):
    (row,) = client.get("/api/refused").json()["refused"]
    assert (row["reason"], row["source"]) == ("no_actor", "web")
    assert '"Lost <b>"' in row["raw"]
    assert client.get("/api/refused?reason=unreadable").json()["refused"] == []


def test_a_trace_tells_the_way_of_an_event_in_verbs(client):
    verbs = [line["verb"] for line in client.get("/api/trace/e2").json()["lines"]]
    assert verbs[:3] == ["arrived", "kept", "read"]
    assert "stored" in verbs


def test_a_condition_can_be_checked_before_it_is_asked(client):
    assert client.get("/api/check", params={"condition": "path = '/' and country = 'DE'"}).json() == {
        "ok": True, "columns": ["path", "country"],
    }  # fmt: skip
    shape = client.get("/api/check", params={"condition": "contry = 'DE'"}).json()
    assert (shape["ok"], shape["hint"]) == (False, "did you mean 'country'?")


def test_status_sums_the_bins_and_health_is_cheap(client):
    status = client.get("/api/status").json()
    assert (status["project"], status["received"], status["stored"], status["pending"]) == ("Shop & Co", 9, 7, 0)
    assert client.get("/healthz").json() == {"ok": True}


def test_every_address_of_the_api_is_documented():
    from trackway.api.surface import documented

    assert {"/api/ask", "/api/ledger", "/api/events", "/healthz"} <= {route.path for route in documented()}
    assert all(route.endpoint.__doc__ for route in documented())
