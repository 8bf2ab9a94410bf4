"""The ledger adds up at every instant, while others write, and after its own file was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

from houses import House
from trackway.flow.ledger import ledger
from trackway.store.control import Control
from trackway.store.lake import Lake

Make = Callable[..., House]


def test_it_adds_up_whenever_it_is_read_while_collector_and_flow_work(house: Make) -> None:
    one, stop = house(), threading.Event()

    def collect() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            one.receive(*({"event": "A", "user_id": "u", "event_id": f"{number // 2}-{i}"} for i in range(5)), b"bad")

    def flow() -> None:
        with one.flow() as runner:
            while not stop.is_set():
                runner.step(20)

    workers = [threading.Thread(target=collect), threading.Thread(target=flow)]
    for worker in workers:
        worker.start()
    other = Lake(one.lake.folder)
    control = Control(one.plan.data / "control.sqlite")
    seen = set()
    for _ in range(30):
        for account in ledger(one.journal, other, control):
            assert account.balanced, account
            seen.add(account.received)
        stop.wait(0.02)
    stop.set()
    for worker in workers:
        worker.join()
    control.close()
    assert len(seen) > 1


def test_it_is_summed_again_when_its_file_was_lost(house: Make) -> None:
    one = house()
    one.receive({"event": "A", "user_id": "u", "event_id": "e1"}, b"bad")
    one.run()
    before = one.account()
    one.control.close()
    for path in one.plan.data.glob("control.sqlite*"):
        path.unlink()
    one.control = Control(one.plan.data / "control.sqlite")
    assert one.account() == before


def test_it_is_summed_again_when_the_lake_was_made_anew(house: Make) -> None:
    one = house()
    one.receive({"event": "A", "user_id": "u", "event_id": "e1"})
    one.run()
    fresh = Lake(one.plan.data / "other")
    (account,) = ledger(one.journal, fresh, one.control)
    assert (account.stored, account.pending, account.balanced) == (0, 1, True)


def test_a_source_that_received_nothing_is_listed_when_asked_for(house: Make) -> None:
    one = house()
    (account,) = ledger(one.journal, one.lake, one.control, ["web"])
    assert account.as_json() == {
        "source": "web", "received": 0, "made": 0, "stored": 0, "duplicate": 0, "dropped": 0, "refused": 0,
        "pending": 0, "details": [], "balanced": True,
    }  # fmt: skip
