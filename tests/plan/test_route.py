"""Routes: methods in front, holes in the path."""

import pytest

from trackway.plan.route import Route


@pytest.mark.parametrize(
    ("text", "path", "parts"),
    [
        ("/v1/track", "/v1/track", {}),
        ("POST PUT /{index}/_bulk", "/web-2026.11/_bulk", {"index": "web-2026.11"}),
        ("/inputs/{token}.gif", "/inputs/ab-c.gif", {"token": "ab-c"}),
        ("GET /_template/{rest*}", "/_template/a/b", {"rest": "a/b"}),
        ("/api/{project}/batch", "/in/web/api/7/batch", None),
        ("/{index}/_bulk", "/a/b/_bulk", None),
        ("/a.b/{x}", "/acb/1", None),
        ("/{x}", "/", None),
    ],
)
def test_a_route_answers_its_paths_and_no_others(text, path, parts):
    assert Route.read(text).match(path) == parts


def test_methods_stand_in_front_and_a_prefix_before_the_path():
    assert Route.read("/v1/t/") == Route(frozenset({"POST"}), "/v1/t")
    assert Route.read("GET HEAD /").under("/in/web") == Route(frozenset({"GET", "HEAD"}), "/in/web")
    assert [Route.read(text).exact for text in ("/v1/t", "/{x}/t")] == [True, False]
