"""The page that takes one actor apart: as HTML, and in a browser."""

import re
from urllib.parse import quote

import pytest
from browser import CHROMIUM, Browser
from test_pages import HTML, Reader

HOME, SIGNED_UP = quote("path = '/'"), quote("event = 'Signed Up'")
STEPS = f"name=Home&step={HOME}&name=&step={SIGNED_UP}"
BOB = f"/explain/funnel?{STEPS}&within=1h&who=bob"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (BOB, 200, "too late"),
        (f"/explain/funnel?{STEPS}", 200, "Who?"),
        (f"/explain/funnel?{STEPS}&who=bib", 404, "did you mean"),
        ("/explain/trend?by=contry&who=ann", 400, "unknown column"),
        ("/explain/trend?who=ann", 200, "counts in 2026-11-02"),
        ("/explain/lifecycle?who=%3Cb%3E", 404, "&lt;b&gt;"),
    ],
)
def test_the_page_is_whole_and_says_what_is_so(client, path, status, said):
    response = client.get(path, headers=HTML)
    assert response.status_code == status
    assert said in response.text
    tags = Reader(response.text).tags
    assert not [tag for tag, attributes in tags if "style" in attributes or tag == "style"]


def test_events_lead_to_their_way_and_actors_to_their_page(client):
    page = client.get(BOB, headers=HTML).text
    links = re.findall(r'href="([^"]+)"', page)
    assert "/trace/e3" in links
    assert [link for link in links if "who=ann" in link]
    people = [link.replace("&amp;", "&") for link in links if "who=" in link]
    assert all(client.get(link, headers=HTML).status_code == 200 for link in people)


def test_the_actors_behind_a_number_lead_to_what_is_made_of_them(client):
    page = client.get(f"/ask/funnel?{STEPS}&within=1d&people=step%3D2", headers=HTML).text
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(/explain/[^"]+)"', page)]
    assert [link.rpartition("who=")[2] for link in links] == ["bob", "ann"]
    assert all("Converted" in client.get(link, headers=HTML).text for link in links)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_from_an_answer_to_one_actor_and_on_to_one_event(client):
    browser = Browser()
    try:
        base = str(client.base_url).rstrip("/")
        browser.go(f"{base}/ask/funnel?{STEPS}&within=1h")
        browser.type("#who", "bob")
        browser.run("document.querySelector('.explain button').click()")
        browser.until("document.querySelector('.told') !== null")
        assert browser.run("document.querySelector('h1').textContent") == "bob"
        assert browser.run("document.querySelector('.line .counts .verdict').textContent") == "step 1: Home"
        assert browser.run("document.querySelectorAll('.why li').length") == 1
        browser.run("[...document.querySelectorAll('.chips a')].find((a) => a.textContent === 'ann').click()")
        browser.until("document.querySelector('h1').textContent === 'ann'")
        browser.run("document.querySelector('.line .trace').click()")
        browser.until("location.pathname === '/trace/e1'")
        for width, dark in ((1400, False), (390, True)):
            browser.resize(width, 900, dark=dark)
            browser.go(base + BOB)
            assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.said == []
    finally:
        browser.close()
