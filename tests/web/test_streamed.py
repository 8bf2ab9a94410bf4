"""A page is sent as its answers come: a sample first, then the exact answer, then who is behind a number."""

import re
import threading
import time
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import quote

import pytest
from browser import CHROMIUM, Browser

import shop
from trackway.errors import Cancelled
from trackway.store.columns import ask

HTML = {"accept": "text/html"}
HOME, SIGNED = quote("path = '/'"), quote("event = 'Signed Up'")
STEPS = f"name=Home&step={HOME}&name=Signed&step={SIGNED}&within=1d"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A thousand people, a third of whom sign up, behind a real server."""
    begin = datetime(2026, 11, 2, tzinfo=UTC)
    events = []
    for number in range(1000):
        when = begin + timedelta(minutes=number)
        who = {"user_id": f"u{number:04d}", "country": "de" if number % 2 else "fr"}
        events.append({"event": "Page", "path": "/", "event_id": f"p{number}", "time": when.isoformat(), **who})
        if number % 3 == 0:
            after = (when + timedelta(seconds=30)).isoformat()
            events.append({"event": "Signed Up", "event_id": f"s{number}", "time": after, **who})
    with shop.served(shop.fill(tmp_path_factory.mktemp("crowd"), events)) as client:
        yield client


@pytest.fixture
def in_two(monkeypatch):
    """Every question is answered from half of the actors first."""
    whole = ask.answers
    monkeypatch.setattr("trackway.app.answers", lambda *given, **how: whole(*given, **how, shares=[0.5]))


def test_the_first_answer_of_a_page_is_a_sample_and_the_last_is_exact(crowd, in_two):
    page = unescape(crowd.get(f"/ask/funnel?{STEPS}", headers=HTML).text)
    first, last = page.split('<section class="answer"')[1:]
    assert "From 50.0 % of the actors (500 of 1,000 actors); ± holds in 95 of 100 samples. Refining…" in first
    assert re.search(r"<dd>3\d\.\d % ± \d\.?\d* %</dd>", first)
    assert "people=" not in first, "a sample has no list of actors"
    assert "Refining" not in last
    assert "<dd>33.4 %</dd>" in last
    assert page.count('id="wide-0-0-title"') == page.count('id="wide-1-0-title"') == 1


def test_a_sample_that_was_asked_for_says_how_to_ask_exactly(crowd):
    page = unescape(crowd.get("/ask/trend?measure=actors&every=1d&sample=50%25", headers=HTML).text)
    assert "Refining" not in page
    assert '<a href="/ask/trend?measure=actors&every=1d">Ask exactly</a>' in page


def test_a_number_of_a_funnel_leads_to_exactly_so_many_actors(crowd):
    page = unescape(crowd.get(f"/ask/funnel?{STEPS}&by=country", headers=HTML).text)
    cells = re.findall(r'<td class="num"><a href="([^"]+)">(\d+)</a>', page)
    assert [int(count) for _, count in cells] == [500, 167, 500, 167]
    for address, count in cells:
        people = unescape(crowd.get(address.partition("#")[0], headers=HTML).text)
        assert f"<h2>{count} actors who reached" in people
        assert 'href="/ask/funnel.csv?' in people


def test_who_was_lost_is_a_list_that_can_be_kept_as_csv(crowd):
    page = unescape(crowd.get(f"/ask/funnel?{STEPS}", headers=HTML).text)
    (lost,) = {found for found in re.findall(r'<a href="([^"]+)#people"', page) if "dropped" in found}
    listed = unescape(crowd.get(lost, headers=HTML).text)
    assert "<h2>666 actors who went no further than Home</h2>" in listed
    assert "the CSV has all of them" in listed
    csv = crowd.get(re.search(r'href="(/ask/funnel\.csv[^"]+)" download', listed)[1]).text
    assert len(csv.splitlines()) == 667
    assert listed.count('<section class="answer"') == 1, "the answer itself stays"
    explained = crowd.get(re.search(r'<a href="(/explain/funnel\?[^"]+who=[^"]+)"', listed)[1], headers=HTML)
    assert (explained.status_code, "Home" in explained.text) == (200, True), "and each of them can be explained"


def test_a_list_that_there_is_not_is_told_below_the_answer(crowd):
    page = crowd.get(f"/ask/funnel?{STEPS}&people=step%3D9", headers=HTML)
    assert page.status_code == 200
    assert "<dd>33.4 %</dd>" in page.text
    assert 'class="failure"' in page.text.partition('<section class="failed">')[2]


@pytest.mark.parametrize("path", ["/events", "/ledger", "/refused", "/ask/trend", "/ask/funnel", "/ask/trend.csv"])
def test_pages_answer_a_head_request_without_a_body(crowd, path):
    answer = crowd.head(path, headers=HTML)
    assert (answer.status_code, answer.content) == (200, b"")


def test_whoever_leaves_the_page_cancels_the_question(crowd, monkeypatch):
    whole, cancelled = ask.answers, threading.Event()

    def slow(*given, **how):
        yield next(whole(*given, **how, shares=[0.5]))
        try:
            for _ in range(400):
                how["limits"].check()
                time.sleep(0.05)
        except Cancelled:
            cancelled.set()
            raise

    monkeypatch.setattr("trackway.app.answers", slow)
    with crowd.stream("GET", f"/ask/funnel?{STEPS}", headers=HTML) as page:
        seen = ""
        for part in page.iter_text():
            seen += part
            if "Refining" in seen:
                break
        assert not cancelled.is_set()
    assert cancelled.wait(10)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_only_the_last_answer_with_and_without_scripts(crowd, in_two):
    browser = Browser()
    try:
        for disabled in (True, False):
            browser.call("Emulation.setScriptExecutionDisabled", value=disabled)
            browser.go(f"{str(crowd.base_url).rstrip('/')}/ask/funnel?{STEPS}")
            assert browser.said == []
            sections = "[...document.querySelectorAll('.answer')]"
            assert browser.run(f"{sections}.length") == (2 if disabled else 1)
            seen = f"{sections}.filter((one) => one.getClientRects().length).map((one) => one.innerText)"
            (text,) = browser.run(seen)
            assert "33.4 %" in text
            assert "Refining" not in text
    finally:
        browser.close()
