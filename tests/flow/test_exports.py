"""What a product exports, a record a line, read with the codec of its protocol: history comes in as live events do."""

import json
from datetime import UTC, datetime

import pytest

from houses import House

AT = datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)
EXPORTS = {
    "mixpanel": {"event": "Signed Up", "properties": {
        "time": 1431857103, "distinct_id": "ann", "$insert_id": "one", "plan": "pro"}},
    "amplitude": {"event_type": "Signed Up", "user_id": "ann", "event_time": "2015-05-17 10:05:03.000000",
                  "$insert_id": "one", "uuid": "u1", "event_properties": {"plan": "pro"}, "country": "Germany"},
    "posthog": {"uuid": "one", "event": "Signed Up", "distinct_id": "ann", "timestamp": "2015-05-17T10:05:03.000Z",
                "properties": {"plan": "pro", "$lib": "web"}},
    "segment": {"type": "track", "event": "Signed Up", "userId": "ann", "messageId": "one",
                "timestamp": "2015-05-17T10:05:03.000Z", "properties": {"plan": "pro"}},
}  # fmt: skip


def another(text):
    return text.replace('"one"', '"two"')


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("codec", EXPORTS)
def test_an_export_is_read_a_record_a_line_and_a_bad_line_costs_itself(house, codec):
    line = json.dumps(EXPORTS[codec])
    house.receive(line.encode(), b"garbage", another(line).encode(), b'{"half":', codec=codec)
    house.run()
    event = {"event": "Signed Up", "time": AT, "user_id": "ann", "plan": "pro"}
    assert house.events("event", "time", "event_id", "user_id", "plan") == [
        {**event, "event_id": "one"}, {**event, "event_id": "two"},
    ]  # fmt: skip
    assert house.bins() == {"received": 4, "stored": 2, "refused": 2}


@pytest.mark.parametrize("codec", EXPORTS)
def test_of_lines_of_which_none_can_be_read_each_is_kept(house, codec):
    house.receive(b"a", b"b", b"c", codec=codec)
    house.run()
    assert house.bins() == {"received": 3, "refused": 3}
    assert house.lake.sql("select raw from refused order by raw").to_pylist() == [
        {"raw": one} for one in (b"a", b"b", b"c")
    ]
