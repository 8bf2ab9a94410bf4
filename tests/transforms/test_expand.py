"""expand_url and expand_user_agent."""

import pytest

from trackway.errors import ConfigError
from trackway.plan.config import component

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def test_a_url_is_taken_apart(run):
    url = "https://Shop.example:8443/a%20b?utm_source=news&ref=x%C3%A4&ref=y#top"
    options = {
        "type": "expand_url", "prefix": "page.", "parameters": ["utm_*", "ref"],
        "parts": ["scheme", "host", "port", "path", "query", "fragment"],
    }  # fmt: skip
    assert run(options, [{"url": url}]).stay == [{
        "url": url, "page.scheme": "https", "page.host": "shop.example", "page.port": "8443", "page.path": "/a%20b",
        "page.query": "utm_source=news&ref=x%C3%A4&ref=y", "page.fragment": "top", "page.utm_source": "news",
        "page.ref": "xä",
    }]  # fmt: skip


def test_all_parameters_together_are_one_json_object(run):
    options = {"type": "expand_url", "column": "link", "parts": ["path"], "parameters": ["*"]}
    done = run(options, [{"link": "/p?b=2&a=1"}, {"link": "/p"}])
    assert [event.get("link.parameters") for event in done.stay] == ['{"a":"1","b":"2"}', None]
    assert done.kinds["link.parameters"] == "json"


@pytest.mark.parametrize("url", ["http://[half", "http://x:port/", "", "\x00", "http://x/%ff\ud7ff"])
def test_what_is_no_url_is_null_parts_and_never_an_error(run, url):
    assert run({"type": "expand_url", "parameters": ["*"]}, [{"url": url}, {"url": None}]).stay[1] == {}


def test_parameters_are_named_one_by_one():
    with pytest.raises(ConfigError, match="name each parameter"):
        component("transforms", {"type": "expand_url", "parameters": ["mc_*"]}, "t")


def test_a_user_agent_is_described(run):
    done = run({"type": "expand_user_agent"}, [{"user_agent": CHROME}, {"user_agent": GOOGLEBOT}, {"user_agent": None}])
    assert [{k: v for k, v in event.items() if k != "user_agent"} for event in done.stay] == [
        {"browser": "Chrome", "browser_version": "120.0", "os": "Windows", "os_version": "10", "is_bot": False},
        {"browser": "Googlebot", "browser_version": "2.1", "device": "Spider", "is_bot": True},
        {},
    ]
