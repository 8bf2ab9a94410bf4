"""The command line as people and scripts use it: what it prints, its exit codes, and never a traceback."""

import json
import re
import subprocess
import sys

import pytest

import shop


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    return shop.fill(tmp_path_factory.mktemp("cli"))


def test_a_new_workspace_runs_as_it_is_and_is_not_overwritten(trackway, tmp_path):
    code, out, _ = trackway("init", tmp_path / "new")
    assert code == 0
    assert "load FILE --source files" in out
    assert trackway("-C", tmp_path / "new", "check")[:2] == (
        0, "ok: 2 sources, 0 transforms, 0 contracts, 4 queries, 1 tests\n",
    )  # fmt: skip
    code, out, _ = trackway("-C", tmp_path / "new", "test", "--json")
    assert (code, json.loads(out)["tests"][0]["ok"]) == (0, True)
    code, _, err = trackway("init", tmp_path / "new")
    assert code == 2
    assert "exists already\nHint:" in err
    assert (tmp_path / "new" / ".gitignore").read_text().endswith("/data/\n")


def test_loading_a_file_says_what_became_of_its_records(trackway, tmp_path):
    shop.write_config(tmp_path)
    lines = [json.dumps(event) for event in shop.EVENTS[:7]]
    (tmp_path / "events.ndjson").write_text("\n".join([*lines, "{broken", ""]))
    code, out, _ = trackway("-C", tmp_path, "load", tmp_path / "events.ndjson", "--source", "files")
    assert code == 0
    assert "7 stored" in out
    assert "1 refused" in out
    assert "trackway" in out.split("Ask next:")[1]
    code, out, _ = trackway("-C", tmp_path, "ledger", "--json")
    (files,) = [source for source in json.loads(out)["sources"] if source["source"] == "files"]
    assert (code, files["received"], files["stored"], files["refused"], files["pending"]) == (0, 8, 7, 1, 0)
    code, out, _ = trackway("-C", tmp_path, "refused")
    assert "unreadable" in out
    assert "{broken" in out


def test_a_load_of_which_everything_was_refused_exits_with_one(trackway, tmp_path):
    shop.write_config(tmp_path)
    (tmp_path / "bad.ndjson").write_text('{"event": "Lost"}\n{"event": "Lost"}\n')
    code, out, _ = trackway("-C", tmp_path, "load", tmp_path / "bad.ndjson", "--source", "files", "--json")
    found = json.loads(out)
    assert (code, found["received"], found["refused"], found["reasons"]) == (1, 2, 2, ["no_actor"])


@pytest.mark.parametrize("form", ["name", "json file", "toml file", "standard input"])
def test_a_question_is_a_name_a_file_or_standard_input(trackway, filled, tmp_path, form):
    (tmp_path / "q.json").write_text(json.dumps(shop.FUNNEL))
    steps = "steps = [{name='Home', when=\"path = '/'\"}, {name='Signed up', when=\"event = 'Signed Up'\"}]"
    (tmp_path / "q.toml").write_text(f'type = "funnel"\nwithin = "1d"\n{steps}\n')
    typed = {
        "name": "signups",
        "json file": tmp_path / "q.json",
        "toml file": tmp_path / "q.toml",
        "standard input": "-",
    }
    code, out, _ = trackway("-C", filled, "ask", typed[form], "--json", stdin=json.dumps(shop.FUNNEL))
    answer = json.loads(out)
    assert (code, answer["ok"], answer["type"]) == (0, True, "funnel")
    assert [row["actors"] for row in answer["rows"]] == [3, 2]
    assert {"lake_version", "events", "actors", "exact", "elapsed_ms"} <= set(answer["stands_on"])


@pytest.mark.parametrize(
    ("question", "seen"),
    [
        (shop.FUNNEL, ["Signed up", "66.7 %", "█", "1 h 2 min"]),
        ({"type": "trend", "measure": "actors", "from": "2026-11-02", "to": "2026-11-05"}, ["3 Nov 2026", "█"]),
        ({"type": "trend", "by": ["event"], "from": "2026-11-02"}, ["Page Viewed", "█", "highest"]),
        (shop.RETENTION, ["2 Nov 2026", "50 %", "actors"]),
    ],
    ids=["funnel", "trend", "trend by event", "retention"],
)
def test_answers_are_drawn_for_people(trackway, filled, question, seen):
    code, out, _ = trackway("-C", filled, "ask", "-", stdin=json.dumps(question))
    assert code == 0
    assert [text for text in [*seen, "lake version", "exact"] if text not in out] == []


def test_the_people_behind_a_cell_are_listed_and_drawn(trackway, filled):
    code, out, _ = trackway("-C", filled, "ask", "signups", "--people", '{"step": 1, "dropped": true}', "--json")
    assert (code, json.loads(out)["totals"]) == (0, {"actors": 1, "rows": 1})
    name = json.loads(out)["rows"][0]["actor"]
    _, drawn, _ = trackway("-C", filled, "ask", "signups", "--people", "step=1,dropped")
    assert name in drawn


def test_an_answer_can_be_csv_and_asked_of_the_reference_and_of_an_earlier_version(trackway, filled):
    question = json.dumps(shop.RETENTION)
    _, csv, _ = trackway("-C", filled, "ask", "-", "--csv", stdin=question)
    assert csv.splitlines()[0].startswith("cohort,actors,period,returned,rate")
    _, columns, _ = trackway("-C", filled, "ask", "-", "--json", stdin=question)
    _, sql, _ = trackway("-C", filled, "ask", "-", "--json", "--engine", "sql", stdin=question)
    version = json.loads(columns)["stands_on"]["lake_version"]
    _, then, _ = trackway("-C", filled, "ask", "-", "--json", "--as-of", version, stdin=question)
    assert json.loads(columns)["rows"] == json.loads(sql)["rows"] == json.loads(then)["rows"]


def test_the_same_question_as_of_two_versions_says_what_changed(trackway, filled):
    question = json.dumps(shop.RETENTION)
    code, out, _ = trackway("-C", filled, "diff", "-", "--from", "0", "--json", stdin=question)
    found = json.loads(out)
    assert (code, found["ok"], found["same"], found["before"]["rows"]) == (0, True, False, [])
    assert {row["status"] for row in found["rows"]} == {"added"}
    assert found["stored"]["events"] == sum(source["events"] for source in found["stored"]["sources"]) == 7
    _, out, _ = trackway("-C", filled, "diff", "-", "--from", "0", stdin=question)
    assert [text for text in ("stored from lake version 0", "7 events", "actors", "+") if text not in out] == []
    _, out, _ = trackway("-C", filled, "diff", "-", "--from", "now", stdin=question)
    assert "The answer is the same" in out


WRONG = [
    (["-C", "{filled}", "ask", "signups", "--as-of", "2020-01-01"], "nothing was stored yet at 2020-01-01"),
    (["-C", "{filled}", "diff", "signups", "--from", "999"], "from: the lake has no version 999 yet"),
    (["-C", "{empty}", "ledger"], "no trackway.toml"),
    (["-C", "{filled}", "ask", "singups"], "did you mean 'signups'?"),
    (["-C", "{filled}", "ask", "-"], "not JSON"),
    (["-C", "{filled}", "ask", "signups", "--engine", "magic"], "engine: no engine 'magic'"),
    (["-C", "{filled}", "load", "nothing.log", "--source", "files"], "no file nothing.log"),
    (["-C", "{filled}", "load", "{filled}/trackway.toml", "--source", "web"], "does not read files"),
    (["-C", "{filled}", "sql", "drop table events"], "only SELECT"),
    (["-C", "{filled}", "sql", "select nothing from events"], "nothing"),
    (["-C", "{filled}", "run", "--role", "flwo"], "did you mean 'flow'?"),
    (["-C", "{filled}", "run", "--listen", "here"], "expected an address"),
    (["show", "sources.flie"], "did you mean 'file'?"),
    (["show", "file"], "KIND.TYPE"),
    (["list", "source"], "did you mean 'sources'?"),
    (["inspect", "{filled}/nothing.log"], "nothing.log"),
    (["nothing"], "nothing"),
    (["-C", "{filled}", "ask"], "QUESTION"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[" ".join(words[-2:]) for words, _ in WRONG])
def test_wrong_use_is_told_in_a_sentence_and_exits_with_two(trackway, filled, tmp_path, words, said):
    code, out, err = trackway(*[word.format(filled=filled, empty=tmp_path) for word in words], stdin="{")
    assert code == 2
    assert said in err
    assert out == ""


def test_with_json_a_mistake_is_the_one_error_shape_on_standard_output(trackway, filled):
    question = json.dumps({"type": "trend", "where": "contry = 'DE'"})
    code, out, err = trackway("-C", filled, "ask", "-", "--json", stdin=question)
    shape = json.loads(out)
    assert (code, err) == (2, "")
    assert set(shape) == {"ok", "error", "errors", "hint", "status"}
    assert shape["hint"] == "did you mean 'country'?"


def test_check_lists_everything_wrong_and_exits_with_one(trackway, tmp_path):
    shop.write_config(tmp_path, '[project]\ntimezone = "Mars"\n[sources.web]\ntype = "htpp"\n')
    code, _, err = trackway("-C", tmp_path, "check")
    assert code == 1
    assert "project.timezone" in err
    assert "sources.web.type: unknown type 'htpp'" in err
    assert "Hint: did you mean 'http'?" in err


def test_a_rehearsal_that_does_not_go_as_expected_says_how(trackway, tmp_path):
    case = """
[[tests]]
name   = "all of it is stored"
source = "web"
given  = [{ event = "A", user_id = "u", plan = "pro" }, { event = "B" }]
then   = { stored = 2, reasons = { no_actor = 0 }, events = [{ event = "A", plan = "free" }] }
"""
    shop.write_config(tmp_path, shop.CONFIG + case)
    code, out, _ = trackway("-C", tmp_path, "test", "--json")
    (result,) = json.loads(out)["tests"]
    assert code == 1
    assert result["problems"][:2] == ["stored: expected 2, got 1", "refused because of no_actor: expected 0, got 1"]
    assert "no stored event with" in result["problems"][-1]
    assert not (tmp_path / "data").exists(), "the real data is not touched"


def test_a_trace_prints_the_sentence(trackway, filled):
    code, out, _ = trackway("-C", filled, "trace", "e2")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line.strip()][:3] == ["arrived", "kept", "read"]
    assert trackway("-C", filled, "trace", "nobody")[0] == 1


def test_sql_lists_rows_and_status_the_workspace(trackway, filled):
    statement = "select event, count(*) as n from events group by 1 order by 2 desc"
    _, out, _ = trackway("-C", filled, "sql", statement, "--json")
    assert json.loads(out)["rows"][0] == {"event": "Page Viewed", "n": 4}
    assert "Page Viewed" in trackway("-C", filled, "sql", statement)[1]
    _, out, _ = trackway("-C", filled, "status", "--json")
    assert json.loads(out)["stored"] == 7


def test_the_registry_is_shown_with_options_defaults_and_schema(trackway):
    assert "Events, actors or any other measure over time." in trackway("list", "queries")[1]
    _, out, _ = trackway("show", "queries.trend")
    assert "over time" in out
    _, out, _ = trackway("show", "queries.trend", "--json")
    found = json.loads(out)
    assert found["schema"]["properties"]["every"]["default"] == "1d"
    assert {"name", "type", "default", "required", "text"} == set(found["options"][0])


def test_a_file_is_profiled_before_it_is_loaded(trackway, tmp_path):
    line = '10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "Mozilla/5.0"\n'
    (tmp_path / "access.log").write_text(line * 3 + "not a line\n")
    code, out, _ = trackway("inspect", tmp_path / "access.log", "--json")
    found = json.loads(out)
    columns = {column["column"]: column for column in found["columns"]}
    assert (code, found["codec"], found["sampled"], found["refused"]) == (0, "access_log", 4, 1)
    assert (columns["status"]["kind"], columns["path"]["example"]) == ("integer", "/a")
    assert found["events"][0]["method"] == "GET"
    assert "expand_user_agent" in trackway("inspect", tmp_path / "access.log")[1]


def test_help_is_quick_since_engines_are_imported_by_the_verb_that_needs_them():
    heavy = ["numpy", "pyarrow", "duckdb", "numba", "deltalake", "fastapi", "pydantic", "sqlglot", "rich.table"]
    script = f"import sys, trackway.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    done = subprocess.run([sys.executable, "-m", "trackway", "--help"], capture_output=True, text=True, check=True)
    assert "ask " in done.stdout


def test_a_question_asked_on_the_command_line_waits_for_no_server_and_no_flow():
    imports = "import sys, trackway.terminal.questions, trackway.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "sqlalchemy", "trackway.flow.runner"} & set(loaded)


def test_a_question_can_be_estimated_sampled_refined_and_ended(trackway, filled, tmp_path):
    crowd = [
        {"event": "A", "event_id": f"{n}", "user_id": f"user-{n}", "time": f"2026-11-{1 + n % 20:02}T00:00:00Z"}
        for n in range(900)
    ]
    root = shop.fill(tmp_path / "crowd", crowd)
    code, out, _ = trackway("-C", root, "ask", "visitors", "--estimate", "--json")
    assert (code, json.loads(out)["actors"]) == (0, 900)
    assert "seconds to expect" in trackway("-C", root, "ask", "visitors", "--estimate")[1]
    code, out, _ = trackway("-C", root, "ask", "visitors", "--sample", "50%", "--json")
    assert (code, json.loads(out)["stands_on"]["sampled_actors"]) == (0, 450)
    code, out, _ = trackway("-C", root, "ask", "visitors", "--sample", "450")
    assert "from 450 of them" in out
    assert "█" in out
    assert "±" in out or " to " in out
    assert trackway("-C", root, "ask", "visitors", "--sample", "450", "--csv")[1].startswith("time,value,value_low")
    code, out, _ = trackway("-C", root, "ask", "visitors", "--progress", "--json")
    assert json.loads(out.splitlines()[-1])["stands_on"]["exact"] is True
    code, out, err = trackway("-C", filled, "ask", "visitors", "--sample", "50%")
    assert (code, "too small to say anything" in err) == (2, True)
    code, out, err = trackway("-C", root, "ask", "visitors", "--deadline", "0ms")
    assert (code, "no answer within 0ms" in err) == (2, True)


# ── one actor ───────────────────────────────────────────────────────────────────────────────────────

PRINTED = """\
bob  Reached step 1 of 2, 'Home', at 2026-11-03 10:00; 'Signed Up' at 2026-11-03 12:00: too late: 'Signed up' came 2h \
after step 1, the window is 1h.
  • Window: 'Signed Up' at 2026-11-03 12:00 would complete the funnel, 2h after its step 1; the window is 1h.

   time                  event        what it is to the question                                    path  event_id
●  2026-11-03T10:00:00Z  Page Viewed  step 1: Home                                                  /     e3
○  2026-11-03T12:00:00Z  Signed Up    too late: 'Signed up' came 2h after step 1, the window is 1h        e4
funnel · lake version 1 · 2 events of bob · ? ms
trackway trace EVENT_ID goes on from here
"""


def test_an_actor_is_printed_with_the_sentence_the_rules_and_each_event(trackway, filled, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    question = json.dumps(shop.FUNNEL | {"within": "1h"})
    code, out, _ = trackway("-C", filled, "explain-actor", "-", "bob", stdin=question)
    steady = re.sub(r"[\d.,]+ ms", "? ms", re.sub(r"lake version \d+", "lake version 1", out))
    lines = [line.rstrip() for line in steady.splitlines()]
    assert code == 0
    assert lines == PRINTED.splitlines()


def test_json_is_the_object_of_the_api(trackway, filled):
    code, out, _ = trackway("-C", filled, "explain-actor", "signups", "ann", "--json", "--events", "1")
    found = json.loads(out)
    assert (code, found["ok"], found["actor"], len(found["events"])) == (0, True, "ann", 1)
    assert list(found) == [
        "ok", "type", "actor", "asked", "sentence", "why", "rows", "totals", "events", "notes", "stands_on",
    ]  # fmt: skip


def test_whom_nobody_knows_ends_in_a_hint(trackway, filled):
    code, _, err = trackway("-C", filled, "explain-actor", "signups", "bib")
    assert (code, err) == (2, "actor: no event of an actor 'bib'\nHint: did you mean 'bob'?\n")
