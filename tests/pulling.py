"""A workspace that pulls from a live server, and what must hold of every source that does.

`exactly_once_through_kills` runs the real flow in a process of its own, kills it at random instants while somebody
produces, and looks at what is stored in the end.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from brokers import until
from roles import Role
from trackway.app import Workspace
from trackway.flow.pulling import WAIT, Session
from trackway.model.secret import Secret
from trackway.plan.component import Payload
from trackway.plan.config import component

BINS = ("received", "stored", "duplicate", "dropped", "refused", "pending")


class Puller:
    """A workspace of one source, `orders`."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        self.configure(**options)

    def configure(self, **options: Any) -> None:
        """Write the file anew; an option given as `$NAME` is a secret."""
        lines = [f"{name} = {toml(value)}" for name, value in options.items()]
        (self.root / "trackway.toml").write_text("[sources.orders]\n" + "\n".join(lines) + "\n")

    def pull(self) -> None:
        """Read to the end (the source has `follow = false`), and store."""
        workspace = Workspace.open(self.root)
        try:
            stop = threading.Event()
            reader = threading.Thread(target=workspace.intakes()["orders"].run, args=(stop,))
            reader.start()
            reader.join(120)
            stop.set()
            assert not reader.is_alive()
            with workspace.flow() as runner:
                while runner.step():
                    pass
        finally:
            workspace.close()

    def asked(self, question: Callable[[Workspace], Any]) -> Any:
        workspace = Workspace.open(self.root)
        try:
            return question(workspace)
        finally:
            workspace.close()

    def rows(self, statement: str) -> list[dict[str, Any]]:
        return self.asked(lambda workspace: workspace.sql(statement, most_rows=1_000_000).to_pylist())

    def bins(self) -> dict[str, int]:
        """The bins that are not empty; they add up."""
        account = next(a for a in self.asked(Workspace.ledger) if a.source == "orders")
        assert account.balanced
        return {name: getattr(account, name) for name in BINS if getattr(account, name)}

    def health(self) -> dict[str, Any]:
        return self.asked(Workspace.sources)[0]["health"]

    def proofs(self) -> list[dict[str, Any]]:
        return self.asked(lambda workspace: [proof.as_json() for proof in workspace.prove("orders")])


def toml(value: Any) -> str:
    if isinstance(value, str):
        return f'{{ env = "{value[1:]}" }}' if value.startswith("$") else f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value).lower()


def persistently(
    act: Callable[[], Any], errors: type[Exception] | tuple[type[Exception], ...], again: Callable[[], Any]
) -> None:
    """Act until it works, with something between two attempts."""
    while True:
        try:
            act()
        except errors:
            again()
        else:
            return


def exactly_once_through_kills(
    puller: Puller, produce: Callable[[int], None], *, total: int, kills: int,
    disturb: Callable[[], None] | None = None, resent: bool = False,
) -> None:  # fmt: skip
    """Number 0 to `total` - 1 are produced, as `n` of events without an id, while the flow is killed and, now and
    then, the server disturbed. Every one of them is stored exactly once; copies are known when it is `resent`."""
    dice = random.Random(7)
    flow = Role(puller.root, "flow")
    producing = threading.Thread(target=lambda: [produce(n) for n in range(total)])
    producing.start()
    try:
        for kill in range(kills):
            time.sleep(dice.uniform(0.3, 1.5))
            flow.kill()
            if disturb is not None and kill % 2:
                disturb()
            flow.start()
        producing.join(120)
        assert not producing.is_alive()
        workspace = Workspace.open(puller.root)
        try:
            until("all to be stored", lambda: workspace.ledger()[0].stored >= total, 120)
            until("nothing to wait", lambda: workspace.ledger()[0].pending == 0, 60)
        finally:
            workspace.close()
    finally:
        producing.join(120)
        flow.stop()
    assert puller.rows("select count(*) as events, count(distinct n) as numbers from events") == [
        {"events": total, "numbers": total}
    ]
    bins = puller.bins()
    again = bins.pop("duplicate", 0)
    assert bins == {"received": total + again, "stored": total}
    assert resent or not again


def taken(source: Any, cursors: dict[str, str], happens: Callable[[], Any]) -> dict[str, str]:
    """The cursors that come with what happens once a session is open, which must be one record."""
    with closing(source.connect("orders", cursors)) as session:
        happens()
        while not (payloads := session.fetch(100, 0.5).payloads):
            pass
    assert sum(payload.records for payload in payloads) == 1
    return dict(payloads[-1].cursors)


@contextmanager
def sessions(options: Callable[..., dict[str, Any]], **secret: Secret) -> Iterator[Callable[..., Session]]:
    """Opens sessions of a source at a desk without a workspace, for the faults in the midst of one."""
    opened: list[Session] = []

    def of(desk: Any, cursors: dict[str, str] | None = None, **others: Any) -> Session:
        made: Any = component("sources", {**options(desk), **secret, **others}, "sources.o")
        opened.append(made.connect("orders", cursors or {}))
        return opened[-1]

    try:
        yield of
    finally:
        for session in opened:
            session.close()


def fetch(session: Session, most: int = 100, fetches: int = 1000) -> list[Payload]:
    """Every payload until nothing waits."""
    found: list[Payload] = []
    for _ in range(fetches):
        fetched = session.fetch(most, WAIT)
        found += fetched.payloads
        if fetched.lag == 0 and not fetched.payloads:
            break
    return found


def records(payloads: list[Payload]) -> int:
    return sum(payload.records for payload in payloads)
