"""Line templates: the statements of a program are found in what it logs, and reading with them is a pure function."""

import io
import logging
import random
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from houses import House
from trackway.codecs.template import Template
from trackway.errors import ConfigError
from trackway.flow.templates import called, learn
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.plan.config import check

STATEMENTS = {
    "user %s logged in from %s": ("user <user> logged in from <ip>", "name ip"),
    "user %s logged out": ("user <user> logged out", "name"),
    "cart %d of %s paid %.2f EUR in %dms": (
        "cart <cart> of <value> paid <paid> EUR in <number>ms",
        "int name float int",
    ),
    'search for "%s" found %d items': ('search for "<text>" found <found> items', "phrase int"),
    "state=%s retries=%d": ("state=<state> retries=<retries>", "name int"),
    "read %s (%d bytes)": ("read <read> (<number> bytes)", "path int"),
    "cache miss": ("cache miss", ""),
    "order %s sent at %s %s": ("order <order> sent at <date> <clock>", "uuid date clock"),
    "job took %d%%, %d errors": ("job took <number>%, <number_2> errors", "int int"),
}
"""What a developer writes, and the event it should become."""


def value(kind, dice):
    return {
        "name": lambda: "".join(dice.choices("abcdefgh", k=5)),
        "ip": lambda: ".".join(str(dice.randrange(256)) for _ in range(4)),
        "int": lambda: dice.randrange(10_000),
        "float": lambda: dice.uniform(1, 500),
        "phrase": lambda: " ".join(dice.choices(["red", "shoes", "size", "big"], k=dice.randrange(1, 4))),
        "path": lambda: f"/srv/{dice.randrange(99)}/{dice.choice('abc')}.csv",
        "uuid": lambda: f"{dice.getrandbits(32):08x}-0000-4000-8000-{dice.getrandbits(48):012x}",
        "date": lambda: f"2026-11-{dice.randrange(1, 28):02d}",
        "clock": lambda: f"{dice.randrange(24):02d}:{dice.randrange(60):02d}:07",
    }[kind]()


def logged(lines, form, seed=1):
    """What Python's logging writes of the statements, in random order, and the statement of each line."""
    dice, out = random.Random(seed), io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter(form))
    logger = logging.getLogger("shop.cart")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    written = dice.choices(list(STATEMENTS), k=lines)
    for statement in written:
        logger.info(statement, *(value(kind, dice) for kind in STATEMENTS[statement][1].split()))
    return out.getvalue(), [STATEMENTS[statement][0] for statement in written]


@pytest.mark.parametrize(
    "form", ["%(asctime)s %(levelname)s [%(name)s] %(message)s", "%(levelname)s:%(name)s:%(message)s", "%(message)s"]
)
def test_the_statements_of_a_program_are_found_in_its_log(tmp_path, form):
    text, expected = logged(600, form)
    (tmp_path / "shop.log").write_text(text)
    table = {"type": "file", "paths": [str(tmp_path / "shop.log")], "codec": "template", "block": "10KB"}
    source = check({"sources": {"shop": table}}, tmp_path).sources["shop"]
    house = House(tmp_path)
    house.now = time.time_ns() // 1_000
    for _ in source.read("shop", house.journal.append, {}, threading.Event()):
        pass
    house.run()
    found = [row["event"] for row in house.events("event", order='"block", "row"')]
    assert found == expected
    prices = house.lake.sql("select min(paid), max(paid) from events where event like '%EUR%'").to_pylist()
    assert 1 <= prices[0]["min(paid)"] < prices[0]["max(paid)"] <= 500
    house.close()


def test_a_template_needs_to_come_more_than_once_and_to_say_something():
    assert learn(["started", "1 2 3", "4 5 6", "bye now", "bye now"]) == ["bye now"]


def test_what_varies_is_named_by_what_stands_before_it():
    [template] = learn(["port 80 of web=a1 is up: 5 s", "port 81 of web=b2 is up: 7 s"])
    assert template == "port <port:number> of web=<web:text> is up: <number:number> s"
    assert called(template) == "port <port> of web=<web> is up: <number> s"


def test_names_of_columns_that_a_line_has_already_are_not_taken():
    [template] = learn(["pid 7 level 3 pid 4 ended", "pid 8 level 4 pid 5 ended"])
    assert template == "pid <pid_2:number> level <level_2:number> pid <pid_3:number> ended"


def test_the_order_of_the_lines_does_not_decide_what_is_found():
    lines = logged(400, "%(message)s")[0].splitlines()
    shuffled = random.Random(3).sample(lines, len(lines))
    assert {called(one) for one in learn(lines)} == {called(one) for one in learn(shuffled)}


def test_templates_that_are_told_go_before_those_that_would_be_learned(tmp_path):
    (tmp_path / "a.log").write_text("2026-01-01 10:00:00 INFO user ann came\n2026-01-01 10:00:01 INFO user bob came\n")
    told = "%d %p %m\n<who:text> <name:text> came"
    table = {"type": "file", "paths": [str(tmp_path / "a.log")], "codec": "template", "format": told}
    source = check({"sources": {"a": table}}, tmp_path).sources["a"]
    kept = []
    for _ in source.read("a", lambda p: kept.extend(p) or [0], {}, threading.Event()):
        pass
    rows = [row for payload in kept for row in rows_of(payload.body, payload.headers)]
    assert [(row["event"], row["name"], row["level"]) for row in rows] == [
        ("<who> <name> came", "ann", "INFO"), ("<who> <name> came", "bob", "INFO"),
    ]  # fmt: skip


def test_a_template_in_which_two_variables_touch_is_refused(tmp_path):
    table = {"type": "file", "codec": "template", "format": "user <a:text><b:text> came"}
    with pytest.raises(ConfigError, match="nothing stands between a and b"):
        check({"sources": {"a": table}}, tmp_path)


def rows_of(body, headers):
    codec = Template()
    block = Block(1, "a", 0, "template", body, codec.count(body, headers), headers)
    table = codec.decode([block], Schema())
    table.validate(full=True)
    assert table["row"].to_pylist() == list(range(block.records))
    return table.to_pylist()


WORDS = ["user", "ann", "7", "1.5", "a=b", '"x y"', "/a/b", "<n>", "%d", "é", "\0", "::", "10.0.0.1"]
LINES = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=12)


@settings(max_examples=150)
@given(LINES)
def test_whatever_was_learned_from_some_lines_reads_any(lines):
    body = "\n".join(lines).encode()
    headers = Template().learn(body.split(b"\n"), {"format": ""})
    rows = rows_of(body, headers)
    assert all(row["reason"] is None for row in rows)
    assert {row["event"] for row in rows} <= {"log", *map(called, headers["templates"].split("\n"))}


def test_the_log_of_dpkg_is_understood():
    path = Path("/var/log/dpkg.log")
    text = path.read_bytes() if path.is_file() else (Path(__file__).parent / "template/dpkg.in").read_bytes() * 3
    headers = Template().learn(text.split(b"\n"), {"format": "%d{yyyy-MM-dd HH:mm:ss} %m"})
    rows = rows_of(text, headers)
    general = sum(row["event"] == "log" for row in rows)
    assert general <= 0.01 * len(rows)
    assert len({row["event"] for row in rows}) < 40
