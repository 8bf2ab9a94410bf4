"""clean_url, coalesce, convert, decode, decompress, hide, join, keep_columns, map_values, replace, route_url, sample,
shorten, split."""

import base64
import gzip
import hashlib
import hmac
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from applying import Runner
from trackway.errors import ConfigError
from trackway.model.secret import Secret
from trackway.plan.config import component


def test_coalesce_takes_the_first_value_and_counts_empty_texts_as_none(run):
    options = {"type": "coalesce", "columns": ["email", "mail", "nowhere"], "into": "email", "default": "-"}
    done = run(options, [{"email": "", "mail": "b@x"}, {"email": "a@x", "mail": "b@x"}, {"email": None, "mail": None}])
    assert [event["email"] for event in done.stay] == ["b@x", "a@x", "-"]


def test_coalesce_keeps_the_kind_that_all_have_in_common(run):
    done = run({"type": "coalesce", "columns": ["a", "b"], "into": "c"}, [{"a": None, "b": 2.5}, {"a": 1.0, "b": 2.5}])
    assert done.kinds["c"] == "number"
    assert [event["c"] for event in done.stay] == [2.5, 1.0]
    mixed = run({"type": "coalesce", "columns": ["a", "b"], "into": "c"}, [{"a": None, "b": "x"}, {"a": 7.0, "b": "x"}])
    assert [event["c"] for event in mixed.stay] == ["x", "7"]


def test_join_leaves_no_separator_behind_what_is_absent(run):
    options = {"type": "join", "columns": ["first", "middle", "last"], "separator": " ", "into": "name"}
    done = run(options, [
        {"first": "Ada", "middle": "", "last": "Byron"}, {"first": None, "middle": None, "last": "Byron"},
        {"first": "", "middle": None, "last": None},
    ])  # fmt: skip
    assert [event.get("name") for event in done.stay] == ["Ada Byron", "Byron", None]


def test_split_makes_a_column_of_each_part(run):
    options = {"type": "split", "column": "place", "separator": ",", "into": ["city", "country"]}
    done = run(options, [{"place": "Köln, DE, EU"}, {"place": "Köln"}, {"place": ", DE"}, {"place": None}])
    assert [(event.get("city"), event.get("country")) for event in done.stay] == [
        ("Köln", "DE"), ("Köln", None), (None, "DE"), (None, None),
    ]  # fmt: skip


def test_split_into_one_name_makes_a_list(run):
    options = {"type": "split", "column": "labels", "separator": ";", "into": "tags"}
    done = run(options, [{"labels": 'a; b;;"c"'}, {"labels": ""}, {"labels": None}])
    assert done.kinds["tags"] == "json"
    assert [json.loads(event["tags"]) if "tags" in event else None for event in done.stay] == [
        ["a", "b", '"c"'],
        [],
        None,
    ]


def test_replace_rewrites_all_that_the_pattern_finds(run):
    options = {"type": "replace", "columns": ["path", "nowhere"], "pattern": r"/(\d+)", "by": r"/<\1>"}
    done = run(options, [{"path": "/a/1/b/22"}, {"path": "/a"}, {"path": None}])
    assert [event.get("path") for event in done.stay] == ["/a/<1>/b/<22>", "/a", None]
    assert "nowhere" not in done.kinds


def test_replace_says_what_is_wrong_with_a_pattern():
    with pytest.raises(ConfigError, match="cannot read the pattern"):
        component("transforms", {"type": "replace", "columns": ["a"], "pattern": "("}, "t")


def test_map_values_keeps_or_leaves_out_the_others(run):
    options = {"type": "map_values", "column": "plan", "values": {"1": "free", "it's": "pro"}, "into": "tier"}
    events = [{"plan": "1"}, {"plan": "it's"}, {"plan": "x"}, {"plan": None}]
    assert [event.get("tier") for event in run(options, events).stay] == ["free", "pro", "x", None]
    options["otherwise"] = "null"
    assert [event.get("tier") for event in run(options, events).stay] == ["free", "pro", None, None]
    assert run(options, [{"plan": 1.0}]).stay[0]["tier"] == "free"


@pytest.mark.parametrize(
    ("alphabet", "given", "found"),
    [
        ("base64", "U2lnbmVkIFVw", "Signed Up"), ("base64", "w6Q", "ä"), ("base64", "_-8", "_-8"), ("base64", "a", "a"),
        ("hex", "0x5570", "Up"), ("hex", "xyz", "xyz"), ("url", "a%20b+c%C3%A4", "a b cä"), ("url", "%ff", "%ff"),
        ("html", "Tom &amp; &#74;erry", "Tom & Jerry"),
    ],
)  # fmt: skip
def test_decode_reads_what_is_written_so_and_leaves_the_rest(run, alphabet, given, found):
    assert run({"type": "decode", "columns": ["x"], "alphabet": alphabet}, [{"x": given}]).stay == [{"x": found}]


def test_keep_columns_keeps_what_makes_an_event_and_what_is_named(run):
    options = {"type": "keep_columns", "columns": ["plan", "context.page.*"]}
    event = {"event": "A", "user_id": "u", "plan": "p", "secret": "s", "context.page.url": "/", "context.ip": "1.1.1.1"}
    assert run(options, [event]).stay == [{"event": "A", "user_id": "u", "plan": "p", "context.page.url": "/"}]


def test_sample_keeps_whole_actors_and_about_the_share(run):
    events = [{"event": name, "user_id": f"u{n}"} for n in range(2_000) for name in ("A", "B")]
    options = {"type": "sample", "share": 0.25}
    done = run(options, events)
    kept = [event["user_id"] for event in done.stay]
    assert 420 < len(set(kept)) < 580
    assert len(kept) == 2 * len(set(kept))
    assert len(done.left("dropped")) == len(events) - len(kept)
    assert {event["user_id"] for event in run({**options, "seed": "2"}, events).stay} != set(kept)
    assert {event["user_id"] for event in run({**options, "share": 0.5}, events).stay} > set(kept)


def test_sample_leaves_events_without_an_id(run):
    assert run({"type": "sample", "share": 0.000001}, [{"event": "A"}, {"user_id": ""}]).left("dropped") == []


def test_route_url_takes_the_first_rule_and_generalises_the_rest(run):
    options = {"type": "route_url", "rules": ["/shop/:category/:product", "/blog/*", "/shop/*"]}
    paths = {
        "/shop/shoes/red?x=1": "/shop/:category/:product", "/shop/shoes/red/": "/shop/:category/:product",
        "/blog/2015/05/a": "/blog/*", "/shop/a/b/c": "/shop/*", "/p/123": "/p/:id",
        "https://x.example/p/7#top": "/p/:id",
        "/u/0b2c8a52-6cf0-4d7b-8b9c-3d1f0a2b4c5d/edit": "/u/:uuid/edit", "/d/2015-05-17": "/d/:date",
        "/c/9f86d081884c7d65": "/c/:token", "/about": "/about", "": "/", "/deadbeefcafe": "/deadbeefcafe",
    }  # fmt: skip
    done = run(options, [{"path": path} for path in paths])
    assert [event["route"] for event in done.stay] == list(paths.values())


def test_route_url_may_keep_or_leave_out_what_fits_no_rule(run):
    options = {"type": "route_url", "rules": ["/p/:id"], "otherwise": "keep"}
    assert run(options, [{"path": "/x/1?y"}]).stay[0]["route"] == "/x/1"
    assert "route" not in run({**options, "otherwise": "null"}, [{"path": "/x/1"}]).stay[0]
    with pytest.raises(ConfigError, match="begins with a slash"):
        component("transforms", {"type": "route_url", "rules": ["p/:id"]}, "t")


def test_hide_puts_a_hash_in_place_of_a_value(run):
    done = run({"type": "hide", "columns": ["email", "nowhere"]}, [{"email": "a@x"}, {"email": None}])
    assert done.stay == [{"email": hashlib.sha256(b"a@x").hexdigest()}, {}]


def test_hide_with_a_key_needs_the_key_to_be_found_again(run):
    options = {"type": "hide", "columns": ["email"], "key": Secret("grain")}
    expected = hmac.new(b"grain", b"a@x", hashlib.sha256).hexdigest()
    assert run(options, [{"email": "a@x"}]).stay == [{"email": expected}]
    with pytest.raises(ConfigError, match="does not stand in the file"):
        component("transforms", {"type": "hide", "columns": ["email"], "key": "grain"}, "t")


@pytest.mark.parametrize(
    ("how", "given", "found"),
    [
        ("mask", "ann.lee@mail.example", "a**.l**@m***.e******"), ("mask", "+49 221 555", "+4* 2** 5**"),
        ("truncate_ip", "203.0.113.77", "203.0.113.0"), ("truncate_ip", "2001:db8:1:2::7", "2001:db8:1::"),
        ("truncate_ip", "nobody", None),
    ],
)  # fmt: skip
def test_hide_keeps_the_form_or_the_network(run, how, given, found):
    assert run({"type": "hide", "columns": ["x"], "how": how}, [{"x": given}]).stay[0].get("x") == found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://x.example/a/?b=2&utm_source=n&q=1#top", "https://x.example/a?q=1&utm_source=n"), ("/a?x=1", "/a"),
        ("/", "/"), ("https://x.example", "https://x.example"), ("/s?q=a%20b&q=", "/s?q=&q=a%20b"),
        ("http://[", "http://["), ("http://x:99999999/", "http://x:99999999/"),
    ],
)  # fmt: skip
def test_clean_url_keeps_what_is_on_the_list_in_one_order(run, given, found):
    options = {"type": "clean_url", "columns": ["url"], "keep": ["utm_*", "q"]}
    assert run(options, [{"url": given}]).stay == [{"url": found}]


def test_convert_brings_amounts_to_one_currency(run):
    options = {
        "type": "convert",
        "column": "amount",
        "unit": "currency",
        "factors": {"EUR": 1.5, "USD": 1},
        "into": "usd",
    }
    done = run(options, [
        {"amount": "10", "currency": "eur "}, {"amount": "2.5", "currency": "USD"}, {"amount": "3", "currency": "CHF"},
        {"amount": "much", "currency": "EUR"}, {"amount": None, "currency": None},
    ])  # fmt: skip
    assert done.kinds["usd"] == "number"
    assert [event.get("usd") for event in done.stay] == [15.0, 2.5, None, None, None]


def test_convert_of_one_unit_needs_a_factor_alone(run):
    options = {"type": "convert", "column": "ms", "factor": 0.001, "into": "seconds"}
    assert run(options, [{"ms": 2500.0}]).stay[0]["seconds"] == 2.5
    for wrong in ({}, {"unit": "u"}, {"unit": "u", "factors": {"a": 1}, "factor": 2}, {"factors": {"a": 1}}):
        with pytest.raises(ConfigError, match="either a factor, or a unit"):
            component("transforms", {"type": "convert", "column": "a", "into": "b", **wrong}, "t")


@pytest.mark.parametrize(
    ("how", "packed"),
    [("gzip", gzip.compress(b"{}\xc3\xa4")), ("gzip", zlib.compress(b"{}\xc3\xa4")),
     ("zlib", zlib.compress(b"{}\xc3\xa4")), ("deflate", zlib.compress(b"{}\xc3\xa4", wbits=-15))],
)  # fmt: skip
@pytest.mark.parametrize("alphabet", ["base64", "hex"])
def test_decompress_unpacks(run, how, packed, alphabet):
    text = base64.b64encode(packed).decode() if alphabet == "base64" else packed.hex()
    done = run({"type": "decompress", "columns": ["x"], "how": how, "alphabet": alphabet}, [{"x": text}, {"x": None}])
    assert done.stay == [{"x": "{}ä"}, {}]


@pytest.mark.parametrize(
    "packed",
    [
        b"plain",
        gzip.compress(b"cut off")[:-4],
        gzip.compress(b"\xff"),
        gzip.compress(b"x" * 101),
        zlib.compress(b"a")[2:],
    ],
)
def test_decompress_leaves_what_is_broken_or_too_large(run, packed):
    given = base64.b64encode(packed).decode()
    assert run({"type": "decompress", "columns": ["x"], "most": "100B"}, [{"x": given}]).stay == [{"x": given}]


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.lists(st.none() | st.integers() | st.text(max_size=3), max_size=5), max_size=4),
    count=st.integers(1, 4), end=st.sampled_from(["first", "last"]),
)  # fmt: skip
def test_shorten_cuts_lists_and_texts_as_slices_do(values, count, end):
    run = Runner()
    cut = slice(count) if end == "first" else slice(-count, None)
    options = {"type": "shorten", "columns": ["x"], end: count}
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    lists = run({**options, "of": "items"}, [{"x": text} for text in texts]).stay
    assert [json.loads(event["x"]) for event in lists] == [value[cut] for value in values]
    plain = run(options, [{"x": text} for text in texts]).stay
    assert [event["x"] for event in plain] == [text[cut] for text in texts]
    run.connection.close()


def test_shorten_cuts_at_one_end():
    for wrong in ({}, {"first": 1, "last": 1}):
        with pytest.raises(ConfigError, match="either first or last"):
            component("transforms", {"type": "shorten", "columns": ["x"], **wrong}, "t")
