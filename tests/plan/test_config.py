"""The file to a plan: what is wrong is named by its path, with a hint."""

import pytest

from trackway.errors import ConfigError, WorkspaceError
from trackway.plan.config import check, read


def wrong(table, root):
    with pytest.raises(ConfigError) as caught:
        check(table, root)
    return [(error.path, error.message, error.hint) for error in caught.value.errors]


def test_an_empty_file_is_a_workspace_with_defaults(tmp_path):
    plan = check({}, tmp_path)
    assert (plan.project.timezone, plan.project.listen, plan.data) == ("UTC", "127.0.0.1:8700", tmp_path / "data")


def test_a_directory_without_the_file_says_how_to_make_one(tmp_path):
    with pytest.raises(WorkspaceError, match=r"no trackway\.toml .*\nHint: trackway init"):
        read(tmp_path)


def test_broken_toml_names_the_line(tmp_path):
    (tmp_path / "trackway.toml").write_text("[project\n")
    with pytest.raises(ConfigError, match=r"trackway\.toml: not TOML: .*line 1"):
        read(tmp_path)


def test_every_error_is_reported_at_once_with_its_path_and_a_hint(tmp_path):
    table = {
        "project": {"timezne": "UTC"},
        "trasforms": {},
        "queries": {"q": {"type": "funel"}, "r": {"steps": []}},
    }
    found = wrong(table, tmp_path)
    assert ("trasforms", "unknown table 'trasforms'", "did you mean 'transforms'?") in found
    assert ("project.timezne", "unknown option", "did you mean 'timezone'?") in found
    assert ("queries.q.type", "unknown type 'funel' of queries", "did you mean 'funnel'?") in found
    assert ("queries.r.type", "needs a type") in {(path, message) for path, message, _ in found}


def test_an_unknown_time_zone_is_named(tmp_path):
    path, message, _ = wrong({"project": {"timezone": "Mars/Olympus"}}, tmp_path)[0]
    assert path == "project.timezone"
    assert "unknown time zone 'Mars/Olympus'" in message


def test_a_wrong_condition_is_reported_under_its_own_path(tmp_path):
    table = {"contracts": {}, "transforms": {"t": {"type": "drop_events", "where": "event = (select 1)"}}}
    path, message, _ = wrong(table, tmp_path)[0]
    assert path == "transforms.t.where"
    assert "select" in message.lower() or "queries" in message


def test_a_secret_comes_from_the_environment_and_a_missing_one_is_named(tmp_path, monkeypatch):
    table = {"sources": {"web": {"type": "http", "codecs": ["json"], "write_keys": [{"env": "TRACKWAY_TEST_KEY"}]}}}
    assert wrong(table, tmp_path)[0][:2] == (
        "sources.web.write_keys[0]",
        "environment variable TRACKWAY_TEST_KEY is not set",
    )
    monkeypatch.setenv("TRACKWAY_TEST_KEY", "wk_1")
    assert check(table, tmp_path).sources["web"].write_keys == ["wk_1"]


def test_a_transform_may_only_name_sources_that_exist(tmp_path):
    table = {
        "sources": {"web": {"type": "http", "codecs": ["json"]}},
        "transforms": {"t": {"type": "drop_columns", "columns": ["a"], "sources": ["wbe"]}},
    }
    assert ("transforms.t.sources[0]", "unknown source 'wbe'", "did you mean 'web'?") in wrong(table, tmp_path)
