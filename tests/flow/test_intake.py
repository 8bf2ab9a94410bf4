"""Reading a source for as long as the flow runs: faults are waited out, the flow is not run over, and it shows."""

import threading
import time
from collections.abc import Iterator, Mapping

import pytest
from pydantic import Field

from brokers import until
from houses import House
from trackway.errors import SourceError
from trackway.flow.intake import FIRST, LONGEST, SILENT, Health, Intake, health
from trackway.flow.messages import Message
from trackway.flow.pulling import Fetched, Pace, Puller
from trackway.model.rate import Rate
from trackway.plan.component import Finding

BODY = b'{"event": "Order", "user_id": "ann"}'


class Numbers(Puller):
    """Messages 0, 1, 2 … up to `end`, of which fetching number `fails` fails a few times."""

    end: int = 10
    fails: int = -1
    failures: list[str] = Field(default=[])

    def connect(self, name: str, cursors: Mapping[str, str]) -> "Session":
        return Session(self, name, int(cursors.get("numbers", 0)))

    def examine(self) -> Iterator[Finding]:
        yield Finding("connect", "always there")


class Session:
    """Two messages a fetch."""

    def __init__(self, source, name, at):
        self.source, self.name, self.at, self.acknowledged, self.closed = source, name, at, 0, False

    def fetch(self, most, seconds):
        until_ = min(self.source.end, self.at + min(2, most))
        if self.at <= self.source.fails < until_ and self.source.failures:
            raise SourceError(self.source.failures.pop(), hint="wait")
        messages = [Message("numbers", n, BODY) for n in range(self.at, until_)]
        self.at = until_
        payloads = self.source.packed(self.name, messages, {"numbers": str(self.at)})
        return Fetched(payloads, self.source.end - self.at)

    def kept(self):
        self.acknowledged = self.at

    def close(self):
        self.closed = True


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.close()


def run(house, source, *, most_waiting=1_000_000, stop=None):
    intake = Intake("web", source, house.journal, house.lake, house.control, most_waiting=most_waiting)
    intake.run(stop or threading.Event(), jitter=lambda: 0.0)


def test_it_ends_with_everything_once_and_says_so(house):
    run(house, Numbers(follow=False))
    run(house, Numbers(follow=False, end=12))
    house.run()
    assert house.bins() == {"received": 12, "stored": 12}
    assert health(house.control, "web").state == "ended"
    assert health(house.control, "web").lag == 0


def test_faults_are_waited_out_and_nothing_is_read_twice(house, monkeypatch):
    monkeypatch.setattr("trackway.flow.intake.FIRST", 0.01)
    run(house, Numbers(follow=False, fails=5, failures=["gone", "gone again"]))
    house.run()
    assert house.bins() == {"received": 10, "stored": 10}
    assert health(house.control, "web").failures == 0


def test_waits_grow_and_a_fault_can_be_seen_meanwhile(house):
    waits, stop = [], threading.Event()
    intake = Intake("web", Numbers(fails=0, failures=["gone"] * 9), house.journal, house.lake, house.control,
                    most_waiting=9)  # fmt: skip
    intake._sleep = lambda state, seconds: (waits.append(seconds), len(waits) == 9 and stop.set())
    intake.run(stop, jitter=lambda: 1.0)
    assert waits[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert max(waits) == LONGEST
    found = health(house.control, "web")
    assert (found.failures, found.said) == (9, "gone\nHint: wait")


def test_a_source_that_raises_what_nobody_expects_is_read_again_too(house, monkeypatch):
    monkeypatch.setattr("trackway.flow.intake.FIRST", 0.01)
    real, raised = Session.fetch, []

    def fetch(self, most, seconds):
        if not raised:
            raised.append(True)
            raise ZeroDivisionError("a driver with a fault")
        return real(self, most, seconds)

    monkeypatch.setattr(Session, "fetch", fetch)
    run(house, Numbers(follow=False))
    house.run()
    assert house.bins() == {"received": 10, "stored": 10}


def test_it_waits_for_a_flow_that_does_not_keep_up(house, monkeypatch):
    monkeypatch.setattr("trackway.flow.intake.LOOK", 0.02)
    stop = threading.Event()
    reading = threading.Thread(target=run, args=(house, Numbers(end=100_000)), kwargs={"most_waiting": 5, "stop": stop})
    reading.start()
    try:
        until("it to hold", lambda: health(house.control, "web").state == "held")
        held = house.journal.received()["web"].records
        time.sleep(0.2)
        assert house.journal.received()["web"].records == held
        house.run()
        until("it to go on", lambda: house.journal.received()["web"].records > held)
    finally:
        stop.set()
        reading.join(10)
    assert not reading.is_alive()


def test_a_source_nobody_reads_any_more_is_stopped(house):
    house.control.set("health/web", '{"state": "reading", "lag": 3, "at": 1000.0}')
    assert health(house.control, "web", now=1000 + SILENT).state == "reading"
    assert health(house.control, "web", now=1001 + SILENT).state == "stopped"
    assert health(house.control, "other") == Health()


def test_messages_without_an_id_are_known_by_their_place_however_they_are_fetched(house):
    """The same two messages alone and together: two events, since their places differ; and the same two each time."""
    source = Numbers()
    one, two = (Message("t/0", n, BODY) for n in (1, 2))
    for some in ([one, two], [one], [two], [two, one]):
        house.journal.append(source.packed("web", some, {}))
    house.run()
    assert house.bins() == {"received": 6, "stored": 2, "duplicate": 4}


def test_a_place_that_is_given_anew_is_another_event(house):
    source = Numbers()
    for body in (BODY, BODY.replace(b"ann", b"bob")):
        house.journal.append(source.packed("web", [Message("t/0", 1, body)], {}))
    house.run()
    assert house.bins() == {"received": 2, "stored": 2}


def test_a_time_of_the_origin_is_that_of_an_event_without_one(house):
    when = 1_780_000_000_123
    house.journal.append(Numbers().packed("web", [Message("t/0", 1, BODY, when)], {}))
    house.receive({"event": "Order", "user_id": "bob"})
    house.run()
    times = [int(row["time"].timestamp() * 1000) for row in house.events("time")]
    assert times == [when, house.now // 1000]


def test_a_rate_is_kept():
    pace, stop, began = Pace(Rate("200/s")), threading.Event(), time.monotonic()
    assert pace.most == 200
    for _ in range(6):
        list(pace.spend(50, stop))
    assert 0.3 < time.monotonic() - began < 3
    assert Pace(Rate("30/m")).most == 1
    assert Rate("600/m").per_second == 10
    for wrong in ("fast", "0/s", "5", "5/y"):
        with pytest.raises(ValueError, match="a rate such as"):
            Rate(wrong)


def test_a_trial_of_a_file_tells_its_format_and_of_a_listener_that_it_listens(tmp_path):
    from trackway.app import Workspace

    (tmp_path / "a.log").write_text('{"event": "a"}\n{"event": "b"}\n')
    (tmp_path / "trackway.toml").write_text(
        f'[sources.files]\ntype = "file"\npaths = ["{tmp_path}/a.log"]\n[sources.web]\ntype = "http"\n'
    )
    workspace = Workspace.open(tmp_path)
    assert [proof.text for proof in workspace.prove("files")] == ["1 file", f"{tmp_path}/a.log: json"]
    assert "nothing to connect to" in next(iter(workspace.prove("web"))).text
    workspace.close()
