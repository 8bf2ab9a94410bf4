"""`trackway replay`: it says what would change, asks, and leaves a ledger that balances."""

import json

CONFIG = """
[sources.files]
type = "file"
codec = "json"
paths = []
"""
MENDED = """
[transforms.plans]
type = "map_values"
column = "plan"
values = { p1 = "free" }
"""


def test_a_replay_says_what_would_change_asks_and_replaces(trackway, tmp_path):
    config, events = tmp_path / "trackway.toml", tmp_path / "events.ndjson"
    config.write_text(CONFIG)
    events.write_text('{"event": "A", "user_id": "ann", "plan": "p1"}\n{"event": "A", "user_id": "bob"}\n{broken\n')
    asked = ("-C", tmp_path, "replay", "--source", "files", "--from", "-1h")
    code, _, err = trackway(*asked)
    assert (code, "holds nothing" in err) == (2, True)
    assert trackway("-C", tmp_path, "load", events, "--source", "files")[0] == 0
    assert trackway(*asked, "--yes")[1].endswith("Nothing changes.\n")
    config.write_text(CONFIG + MENDED)
    code, out, _ = trackway(*asked, "--dry-run")
    assert (code, "plan p1 → free" in out, "Replaced" in out) == (0, True, False)
    code, out, _ = trackway(*asked, stdin="n\n")
    assert (code, "Nothing was replaced." in out) == (0, True)
    told = json.loads(trackway(*asked, "--json")[1])
    assert (told["changed"], told["same"], told["replayed"], told["version"]) == (1, 1, False, None)
    done = json.loads(trackway(*asked, "--json", "--yes")[1])
    assert (done["changed"], done["replayed"]) == (1, True)
    code, out, _ = trackway("-C", tmp_path, "sql", "select plan from events order by 1", "--json")
    assert [row["plan"] for row in json.loads(out)["rows"]] == ["free", None]
    code, out, _ = trackway("-C", tmp_path, "ledger", "--json")
    (account,) = json.loads(out)["sources"]
    assert (account["stored"], account["refused"], account["balanced"]) == (2, 1, True)


def test_what_cannot_be_replayed_is_said(trackway, tmp_path):
    (tmp_path / "trackway.toml").write_text(CONFIG)
    begin = ("-C", tmp_path, "replay", "--dry-run")
    for words, message in [
        (("--source", "fils", "--from", "-1h"), "no source 'fils'"),
        (("--source", "files", "--from", "soon"), "expected a date, a time"),
        (("--source", "files", "--from", "2026-01-02", "--to", "2026-01-01"), "before it begins"),
    ]:
        code, _, err = trackway(*begin, *words)
        assert (code, message in err) == (2, True)
