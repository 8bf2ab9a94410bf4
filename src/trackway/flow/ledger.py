"""The ledger: what became of every record, per source, adding up at every instant:

    received + made = stored + duplicate + dropped + refused + pending

Two independent witnesses: the journal counts what was received and what waits after a position; the
commits of the lake, each of which moves that position, count the bins. Nothing is derived from the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from trackway.errors import StorageError
from trackway.store.control import Control, Count, Totals
from trackway.store.journal import Journal
from trackway.store.lake import Lake

BINS = ("stored", "duplicate", "dropped", "refused")
ATTEMPTS = 1_000


@dataclass(frozen=True, slots=True)
class Account:
    """One source: everything received, and everything that a step made of it, is in exactly one of the five bins."""

    source: str
    received: int = 0
    made: int = 0
    """Events that nobody sent: where a step makes several of one, all but the first."""
    stored: int = 0
    duplicate: int = 0
    dropped: int = 0
    refused: int = 0
    pending: int = 0
    details: list[Count] = field(default_factory=list)
    """Per bin, step and reason; and the drift, which moves no record."""

    @property
    def balanced(self) -> bool:
        """Whether the bins add up to what was received."""
        return self.received + self.made == self.stored + self.duplicate + self.dropped + self.refused + self.pending

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        details = [
            {"bin": c.bin, "step": c.step, "reason": c.reason, "records": c.records} for c in self.details
        ]  # fmt: skip
        return {**asdict(self), "details": details, "balanced": self.balanced}


def ledger(journal: Journal, lake: Lake, control: Control, sources: Iterable[str] = ()) -> list[Account]:
    """The account of every source that ever received something, and of `sources`, sorted by name.

    Readings of journal and lake belong to one instant: while either moves, both are read again.
    """
    for _ in range(ATTEMPTS):
        before = journal.received()
        totals = caught_up(lake, control)
        waiting = journal.backlog(totals.position)
        if journal.received() == before:
            break
    names = sorted({*before, *sources, *(count.source for count in totals.counts)})
    received = {name: before[name].records for name in before}
    return [_account(name, received.get(name, 0), waiting.get(name, 0), totals) for name in names]


def caught_up(lake: Lake, control: Control) -> Totals:
    """The totals after every commit of the lake was added to them."""
    version = lake.version()
    covered = control.covered()
    if covered > version:
        control.forget()
        covered = -1
    if covered < version:
        commits = lake.commits(covered, version)
        if commits is None:
            raise StorageError(
                "the counts of the ledger are older than the log of the lake",
                hint="control.sqlite was deleted or restored; the events themselves are whole",
            )
        control.add(commits, version)
    return control.totals()


def _account(source: str, received: int, pending: int, totals: Totals) -> Account:
    details = [count for count in totals.counts if count.source == source]
    bins = {bin_: sum(count.records for count in details if count.bin == bin_) for bin_ in (*BINS, "made")}
    return Account(source=source, received=received, pending=pending, details=details, **bins)
