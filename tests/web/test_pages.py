"""The pages as a browser gets them: whole, safe, and answering."""

import re
import tomllib
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from reference import example

import shop
from trackway.api import address
from trackway.plan import registry
from trackway.web.fields import HIDDEN

HTML = {"accept": "text/html"}
HOME, SIGNED_UP, LOGGED_IN = (quote(text) for text in ("path = '/'", "event = 'Signed Up'", "event = 'Logged In'"))
FUNNEL = f"/ask/funnel?name=Home&step={HOME}&name=&step={SIGNED_UP}&within=1d"
RETENTION = f"/ask/retention?start={SIGNED_UP}&return={LOGGED_IN}&every=7d&periods=2"
PAGES = [
    "/ask/trend?measure=events&every=1d", "/ask/trend?by=country&every=1d", "/ask/trend?where=country%20%3D%20%27XX%27",
    "/ask/funnel", FUNNEL, f"{FUNNEL}&by=country", "/ask/retention", RETENTION,
    "/events", "/ledger", "/refused", "/refused?reason=no_actor", "/trace/e2",
]  # fmt: skip


class Reader(HTMLParser):
    """Keeps every tag with its attributes, and checks that they close."""

    VOID = frozenset({"meta", "link", "input", "br", "path", "circle", "rect", "line"})

    def __init__(self, page):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            while self.open and self.open[-1] in {"p", "li", "option"} and self.open[-1] != tag:
                self.open.pop()
            assert self.open.pop() == tag


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_runs_nothing_inline(client, path):
    response = client.get(path, headers=HTML)
    assert response.status_code == 200
    assert "script-src 'self'" in response.headers["content-security-policy"]
    tags = Reader(response.text).tags
    assert not [tag for tag, attributes in tags if "style" in attributes or tag == "style"]
    assert all(attributes.get("src", "").startswith("/static/") for tag, attributes in tags if tag == "script")
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    addresses = [a.get("href") or a.get("src") or "/" for tag, a in tags if tag in {"link", "script", "img", "a"}]
    assert all(address.startswith(("/", "#")) for address in addresses), "nothing is fetched from outside"


@pytest.mark.parametrize("type_", registry.names("queries"))
def test_every_type_of_question_has_a_form_and_takes_its_own_example(client, type_):
    empty = client.get(f"/ask/{type_}", headers=HTML)
    tags = [a for tag, a in Reader(empty.text).tags if tag in {"input", "select"}]
    fields = {a["name"].partition(".")[0] for a in tags if "name" in a}
    options = set(address.fields(type_)) - HIDDEN - {"steps"}
    assert (empty.status_code, options - fields) == (200, set())
    (asked,) = tomllib.loads(example("queries", type_))["queries"].values()
    answered = client.get(f"/ask/{type_}?{address.query_string(asked)}", headers=HTML)
    assert answered.status_code == 200 or "unknown column" in answered.text
    Reader(answered.text)


def test_the_first_page_leads_to_the_first_question(client):
    response = client.get("/", headers=HTML)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/ask/trend?measure=actors&every=1d")


def test_an_answer_shows_its_numbers_its_table_and_what_it_stands_on(client):
    page = unescape(client.get(FUNNEL, headers=HTML).text)
    assert "Home → Signed Up within 1d" in page
    assert "66.7 %" in page
    assert "began" in page
    assert re.search(r"Stands on lake version \d+ · 7 events · 4 actors · exact", page)
    assert '{"type": "funnel", "within": "1d"' in page
    assert "trackway ask -" in page


def test_each_form_of_the_answer_is_linked_with_the_same_address(client):
    hrefs = [a["href"] for tag, a in Reader(client.get(FUNNEL, headers=HTML).text).tags if tag == "a"]
    query = FUNNEL.partition("?")[2]
    for form in ("json", "csv", "arrow", "svg", "png"):
        assert f"/ask/funnel.{form}?{query}" in hrefs


def test_the_form_holds_the_question_of_the_address(client):
    tags = Reader(client.get(f"{FUNNEL}&top=3", headers=HTML).text).tags
    inputs = [(a.get("name"), a.get("value")) for tag, a in tags if tag == "input"]
    assert ("step", "path = '/'") in inputs
    assert ("name", "Home") in inputs
    assert ("top", "3") in inputs, "what no field shows is kept"


def test_the_form_offers_only_what_the_question_has(client):
    assert 'name="measure"' in client.get("/ask/trend", headers=HTML).text
    assert 'name="measure"' not in client.get(RETENTION, headers=HTML).text


def test_saved_questions_are_addresses(client):
    tags = Reader(client.get("/ask/trend", headers=HTML).text).tags
    saved = next(a["href"] for tag, a in tags if tag == "a" and a.get("href", "").startswith("/ask/funnel?"))
    assert "66.7 %" in client.get(saved, headers=HTML).text


def test_tabs_keep_what_both_questions_know(client):
    tags = Reader(client.get("/ask/trend?where=country%20%3D%20%27DE%27&measure=actors", headers=HTML).text).tags
    tab = next(a["href"] for tag, a in tags if tag == "a" and a.get("href", "").startswith("/ask/funnel?where"))
    assert tab == "/ask/funnel?where=country+%3D+%27DE%27"


def test_a_wrong_condition_stays_in_its_field_with_a_hint_on_the_page(client):
    response = client.get("/ask/trend?where=contry%20%3D%20%27DE%27", headers=HTML)
    page = unescape(response.text)
    assert response.status_code == 400
    assert "This cannot be asked" in page
    assert "did you mean 'country'?" in page
    assert ("where", "contry = 'DE'") in [(a.get("name"), a.get("value")) for _, a in Reader(response.text).tags]


def test_a_question_without_events_says_so(client):
    page = client.get("/ask/trend?where=country%20%3D%20%27XX%27&by=country", headers=HTML).text
    assert "No event matches this question" in page


def test_what_is_not_there_is_a_page_for_people_and_json_for_programs(client):
    assert "no event &#39;nobody&#39;" in client.get("/trace/nobody", headers=HTML).text
    assert client.get("/trace/nobody").json()["status"] == 404


def test_text_from_events_is_never_markup(client):
    page = client.get("/refused", headers=HTML).text
    assert "Lost &lt;b&gt;" in page
    assert "Lost <b>" not in page
    wild = client.get(f"/ask/trend?where={quote('<script>alert(1)</script>')}", headers=HTML).text
    assert "<script>alert" not in wild


def test_markup_in_a_group_is_escaped_in_charts_tables_and_pictures(tmp_path):
    hostile = '"><script>alert(1)</script>'
    events = [{"event": hostile, "event_id": str(i), "user_id": "u", "time": "2026-11-02T10:00:00Z"} for i in range(2)]
    other = {"event": "Other", "event_id": "x", "user_id": "u", "time": "2026-11-03T10:00:00Z"}
    with shop.served(shop.fill(tmp_path / "hostile", [*events, other])) as client:
        pages = [
            client.get(path, headers=HTML).text
            for path in (
                "/ask/trend?by=event",
                "/ask/funnel?step=event%20is%20not%20null&by=event",
                "/events",
                "/ask/funnel",
            )
        ]
        pages.append(client.get("/ask/trend.svg?by=event").text)
        assert client.get("/ask/trend.png?by=event").content[:4] == b"\x89PNG"
    assert all("<script>alert" not in page for page in pages)


def test_an_empty_workspace_shows_how_to_send_the_first_event(tmp_path):
    with shop.served(shop.write_config(tmp_path / "empty")) as client:
        page = unescape(client.get("/", headers=HTML).text)
        assert "No events yet" in page
        assert f"curl {str(client.base_url).rstrip('/')}/v1/events" in page
        for path in ("/events", "/ledger", "/refused", "/ask/trend", "/ask/funnel", "/ask/retention"):
            assert client.get(path, headers=HTML).status_code == 200, path


def test_the_theme_of_the_cookie_is_the_theme_of_the_page(client):
    assert '<html lang="en" data-theme="dark">' in client.get("/ledger", headers={**HTML, "cookie": "theme=dark"}).text
    assert '<html lang="en">' in client.get("/ledger", headers={**HTML, "cookie": 'theme="><b>'}).text


def test_the_collector_role_collects_and_answers_no_questions(tmp_path):
    with shop.served(shop.write_config(tmp_path / "collector"), asks=False) as client:
        assert client.get("/healthz").json() == {"ok": True}
        assert client.post("/v1/events", json={"event": "A", "user_id": "u"}).status_code == 200
        assert client.get("/ask/trend").status_code == 404
        assert client.post("/api/ask", json={}).status_code == 404
