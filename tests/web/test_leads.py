"""Numbers of an answer lead to the actors behind them: as many as the number says."""

import re
from html import unescape
from urllib.parse import quote

import pytest

import shop
from trackway.plan.query import Answer
from trackway.web.charts.funnel import nowhere
from trackway.web.leads import called
from trackway.web.shown import leads_to

HTML = {"accept": "text/html"}
SIGNED_UP = "event%20=%20%27Signed%20Up%27"
METRICS = quote('[{"when": "true"}]')
QUESTIONS = {
    "lifecycle": "every=1d", "stickiness": "every=1d&window=7d", "stickiness ratio": "show=ratio&every=1d&window=7d",
    "retention": f"start={SIGNED_UP}&return=true&every=7d", "retention by": f"start={SIGNED_UP}&return=true&by=country",
    "trend": "measure=actors&every=7d", "trend by": "measure=actors&every=7d&by=country",
    "paths": "steps=3", "patterns": "pattern=any%20any&by=country", "distribution": "measure=events",
    "experiment": f"exposure=true&variant=country&control=DE&metrics={METRICS}",
    "drivers": f"step=path%20=%20%27/%27&step={SIGNED_UP}&least=1&properties=country",
}  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with shop.served(shop.fill(tmp_path_factory.mktemp("leads"))) as found:
        yield found


def linked(page):
    """The numbers of a page that lead to people, and where."""
    return [
        (unescape(text), unescape(href))
        for href, text in re.findall(r'href="(/ask/[^"]*people=[^"]*)"[^>]*>([^<]*)<', page)
    ]


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_number_leads_to_as_many_actors(client, name):
    address = f"/ask/{name.partition(' ')[0]}?{QUESTIONS[name]}"
    links = linked(client.get(address, headers=HTML).text)
    assert links
    for text, href in dict(links[:3]).items():
        page = client.get(href.partition("#")[0], headers=HTML)
        assert page.status_code == 200
        told = re.search(r"<h2>(\d+) actors? who ([^<]*)</h2>", page.text)
        assert told, href
        assert told[1] == text
        assert page.text.count('href="/explain/') >= int(text)


@pytest.mark.parametrize(("exact", "leads"), [(True, True), (False, False)])
def test_a_sample_leads_nowhere(exact, leads):
    row = {"time": "2026-01-05T00:00:00Z", "value": 3}
    answer = Answer("trend", [row], {"exact": exact})
    to = leads_to({"type": "trend"}, answer, [("measure", "actors")], nowhere)
    assert bool(to(row, "value")) == leads


@pytest.mark.parametrize(
    ("asked", "people", "words"),
    [
        ({"type": "lifecycle"}, '{"time":"2026-01-05T00:00:00Z","state":"new"}', "are new · time: 5 Jan 2026"),
        ({"type": "retention"}, '{"cohort":"2026-01-05T00:00:00Z"}', "are in it · cohort: 5 Jan 2026"),
        ({"type": "paths", "steps": 3}, '{"step":1,"from":"A","to":null}', "took it · step: 1 · from: A · to: (none)"),
        ({"type": "stickiness"}, '{"active_intervals":2,"at_least":true}',
         "were active at least so often · active_intervals: 2"),
        ({"type": "drivers", "steps": [{}, {}]}, '{"name":"country","value":null,"having":false,"converted":true}',
         "converted without it · name: country · value: (none)"),
        ({"type": "drivers", "steps": [{}, {}]}, '{"converted":true}', "converted"),
        ({"type": "trend"}, "time=2026", "time=2026"),
        ({"type": "trend"}, "[1]", "[1]"),
    ],
)  # fmt: skip
def test_a_cell_in_words(asked, people, words):
    assert called(asked, people) == words
