"""Published contracts: every version once, never changed, and only with a version that says how much did change."""

from __future__ import annotations

import json
import threading

import pytest

from trackway.errors import ConfigError, StorageError
from trackway.model.contracts.promise import Promise, Property
from trackway.store.published import Shelf


def promise(required=(), **properties):
    return Promise.of("Signed Up", {name: Property(kind=kind) for name, kind in properties.items()}, required)


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "contracts")


def test_the_first_version_is_1_0_0_and_the_next_ones_follow_from_the_changes(shelf):
    steps = [promise(), promise(plan="string"), promise(["plan"], plan="string")]
    assert [str(shelf.publish("sign_ups", one)[0].version) for one in steps] == ["1.0.0", "1.1.0", "2.0.0"]
    assert [shelf.get("sign_ups", version).promise for version in ("1.0.0", "1.1.0", "")] == steps
    assert shelf.get("sign_ups", steps[1].hash).version == (1, 1, 0)
    assert shelf.names() == ["sign_ups"]


def test_publishing_the_same_again_changes_nothing(shelf):
    first, new = shelf.publish("sign_ups", promise(plan="string"))
    again, anew = shelf.publish("sign_ups", promise(plan="string"))
    assert (new, anew, again) == (True, False, first)


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        ("1.0.1", "1.0.0 to 1.0.1 is a patch bump, and the change is major"),
        ("1.1.0", "1.0.0 to 1.1.0 is a minor bump, and the change is major"),
        ("1.0.0", "1.0.0 does not come after 1.0.0"),
        ("0.9.0", "0.9.0 does not come after 1.0.0"),
        ("2", "expected a version such as 1.4.2, got '2'"),
    ],
)
def test_a_wrong_bump_is_refused(shelf, version, complaint):
    shelf.publish("sign_ups", promise(plan="string"))
    with pytest.raises(ConfigError) as refused:
        shelf.publish("sign_ups", promise(["plan"], plan="string"), version)
    assert refused.value.message == complaint
    assert [str(one) for one in shelf.versions("sign_ups")] == ["1.0.0"]


def test_the_complaint_says_what_would_be_right_and_why(shelf):
    shelf.publish("sign_ups", promise(plan="string"))
    with pytest.raises(ConfigError) as refused:
        shelf.publish("sign_ups", promise(["plan"], plan="string"), "1.1.0")
    assert refused.value.hint == "make it 2.0.0: plan required now"


def test_a_larger_bump_than_needed_is_right(shelf):
    shelf.publish("sign_ups", promise())
    assert str(shelf.publish("sign_ups", promise(plan="string"), "2.0.0")[0].version) == "2.0.0"


def test_a_file_that_was_changed_is_not_believed(shelf):
    shelf.publish("sign_ups", promise(plan="string"))
    path = shelf.folder / "sign_ups" / "1.0.0.json"
    said = json.loads(path.read_text())
    said["contract"]["properties"]["plan"]["kind"] = "number"
    path.write_text(json.dumps(said))
    with pytest.raises(StorageError, match="was changed"):
        shelf.get("sign_ups")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1, "version": "1.0.0", "contract": {}}', "\ud800"])
def test_a_file_that_is_no_contract_is_an_error(shelf, text):
    path = shelf.folder / "sign_ups" / "1.0.0.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(StorageError, match="no published contract"):
        shelf.get("sign_ups")


def test_of_many_publishers_of_one_version_one_is_first_and_the_others_are_told(shelf):
    told = []

    def publish(kind):
        try:
            told.append(shelf.publish("sign_ups", promise(plan=kind), "1.0.0")[0].hash)
        except ConfigError:
            told.append("")

    threads = [threading.Thread(target=publish, args=(kind,)) for kind in ("string", "number", "time", "json")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one for one in told if one] == [shelf.get("sign_ups").hash]


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a b"])
def test_a_name_that_is_no_part_of_an_address_is_refused(shelf, name):
    with pytest.raises(ConfigError, match="cannot be published"):
        shelf.publish(name, promise())
    assert shelf.versions(name) == []
