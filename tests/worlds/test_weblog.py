"""The made-up access log: the combined format, the same for the same seed, one line cut off."""

from __future__ import annotations

import re
from collections import Counter

from trackway.worlds.weblog import access_log

COMBINED = re.compile(
    r'^\S+ - - \[\d\d/May/2015:[\d:]+ \+0000\] "(\S+) (\S+) HTTP/1\.1" (\d+) (\d+|-) "[^"]*" "[^"]*"$'
)


def test_all_lines_but_one_are_of_the_combined_format():
    lines = [line.decode().rstrip("\n") for line in access_log(3_000, seed=4)]
    assert [bool(COMBINED.match(line)) for line in lines].count(False) == 1
    statuses = Counter(match[3] for line in lines if (match := COMBINED.match(line)))
    assert statuses["200"] > statuses["404"] > 0
    assert statuses["503"] > 0


def test_the_same_seed_gives_the_same_log():
    assert list(access_log(500, seed=4)) == list(access_log(500, seed=4))
    assert list(access_log(500, seed=4)) != list(access_log(500, seed=5))
