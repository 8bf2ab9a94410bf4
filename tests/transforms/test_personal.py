"""hide and drop_columns by the tags of contracts."""

from pathlib import Path

import pytest

from trackway.errors import ConfigError
from trackway.plan.config import check

CONTRACTS = {
    "signed_up": {
        "event": "Signed Up",
        "properties": {"email": {"kind": "string", "tags": ["personal", "email"]}, "plan": "string"},
    },
    "moved": {"event": "Moved", "properties": {"address": {"kind": "json", "tags": ["personal"]}}},
}


def settled(**options):
    """The options of a transform as its workspace has them."""
    plan = check({"contracts": CONTRACTS, "transforms": {"t": options}}, Path())
    return plan.transforms["t"]


EVENT = {
    "event": "Other", "email": "a@x", "address.city": "Utrecht", "plan": "pro",
    "more": '{"email":["b@x"],"address":1,"size":2}',
}  # fmt: skip


def test_what_a_contract_tags_is_dropped_from_all_events_and_from_more(run):
    columns = settled(type="drop_columns", tags=["personal"]).columns
    done = run({"type": "drop_columns", "columns": columns}, [EVENT])
    assert done.stay == [{"event": "Other", "plan": "pro", "more": '{"size":2}'}]


def test_what_a_contract_tags_is_hidden_with_what_lies_in_it(run):
    columns = settled(type="hide", tags=["personal"], how="mask").columns
    assert columns == ["address", "email"]
    done = run({"type": "hide", "columns": columns, "how": "mask"}, [EVENT])
    assert done.stay == [{**EVENT, "email": "a@x", "address.city": "U******", "more": '{"size":2}'}]


@pytest.mark.parametrize("type_", ["hide", "drop_columns"])
def test_a_tag_that_no_contract_has_is_an_error_with_a_hint(type_):
    with pytest.raises(ConfigError, match="no contract has the tag 'emial'") as told:
        settled(type=type_, tags=["personal", "emial"])
    assert told.value.path == "transforms.t.tags[1]"
    assert told.value.hint == "did you mean 'email'?"
    with pytest.raises(ConfigError, match="needs columns or tags"):
        settled(type=type_)
