"""A workspace without a file: plan, journal, lake, control and a runner that can be killed and begun again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trackway.flow.ledger import Account, ledger
from trackway.flow.runner import Runner
from trackway.plan.component import Payload
from trackway.plan.config import Plan, Project
from trackway.store.control import Control
from trackway.store.journal import Journal
from trackway.store.lake import Lake

NOW = 1_790_000_000_000_000
"""2026-09-21T14:13:20Z: the clock of these tests stands still unless a test moves it."""


class House:
    """One workspace under test."""

    def __init__(self, root: Path, **options: Any) -> None:
        project = {key: options.pop(key) for key in list(options) if key in Project.model_fields}
        self.plan = Plan(root=root, project=Project(**project), **options)
        self.now = NOW
        self.journal = Journal(self.plan.data / "journal", clock=lambda: self.now)
        self.lake = Lake(self.plan.data / "lake")
        self.control = Control(self.plan.data / "control.sqlite")

    def receive(self, *events: Any, source: str = "web", codec: str = "json", **headers: str) -> int:
        """One payload of events (objects, or lines of any bytes) into the journal."""
        lines = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
        (seq,) = self.journal.append([Payload(source, codec, b"\n".join(lines) + b"\n", len(lines), headers)])
        return seq

    def flow(self) -> Runner:
        return Runner(self.plan, self.journal, self.lake, self.control, clock=lambda: self.now)

    def run(self, most_records: int | None = None) -> None:
        """Take all that waits to the lake."""
        with self.flow() as runner:
            while runner.step(most_records):
                pass

    def account(self, source: str = "web") -> Account:
        accounts = {account.source: account for account in ledger(self.journal, self.lake, self.control)}
        assert all(account.balanced for account in accounts.values()), accounts
        return accounts.get(source, Account(source))

    def bins(self, source: str = "web") -> dict[str, int]:
        account = self.account(source)
        names = ("received", "made", "stored", "duplicate", "dropped", "refused", "pending")
        return {name: getattr(account, name) for name in names if getattr(account, name)}

    def events(self, *columns: str, order: str = "time, event_id") -> list[dict[str, Any]]:
        return self.lake.sql(f"select {', '.join(columns) or '*'} from events order by {order}").to_pylist()

    def close(self) -> None:
        self.journal.close()
        self.control.close()
