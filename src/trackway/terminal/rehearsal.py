"""`trackway test`: each [[tests]] of the file goes through the whole flow, in a workspace that is thrown away.

    [[tests]]
    name   = "the monitor's pings are dropped"
    source = "web"
    given  = [{ event = "Ping", user_id = "u1" }, { event = "Signed Up", user_id = "u2", plan = "pro" }]
    then   = { dropped = 1, stored = 1, events = [{ event = "Signed Up", plan = "pro" }] }

`given` are events, or lines of text for a file source. `then` counts the bins, counts the `reasons` of refusals,
and names `events` that must have been stored, each by some of its columns.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trackway.app import Workspace
from trackway.errors import ConfigError, suggest
from trackway.model.event import Reason
from trackway.plan import registry
from trackway.plan.component import Payload
from trackway.plan.config import Plan
from trackway.sources.file import File

BINS = ("received", "made", "stored", "duplicate", "dropped", "refused")
KEYS = ("name", "source", "given", "then")


@dataclass(frozen=True)
class Result:
    """How one rehearsal went."""

    name: str
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all was as expected."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return {"ok": self.ok, "name": self.name, "problems": self.problems}


def rehearse(plan: Plan, case: Mapping[str, Any], number: int) -> Result:
    """Run one test. Raises ConfigError for one that says what cannot be."""
    source, given, then = checked(plan, case, f"tests[{number}]")
    with tempfile.TemporaryDirectory(prefix="trackway-test-") as folder:
        project = plan.project.model_copy(update={"data": "data"})
        workspace = Workspace(replace(plan, root=Path(folder), project=project))
        try:
            feed(workspace, source, given)
            return Result(str(case.get("name") or f"tests[{number}]"), compare(workspace, source, then))
        finally:
            workspace.close()


def checked(plan: Plan, case: Mapping[str, Any], path: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Source, given and then of a test. Raises ConfigError."""
    for key in case:
        if key not in KEYS:
            raise ConfigError("unknown option", path=f"{path}.{key}", hint=suggest(key, KEYS))
    source, given, then = str(case.get("source", "")), case.get("given"), case.get("then")
    if source not in plan.sources:
        raise ConfigError(f"unknown source '{source}'", path=f"{path}.source", hint=suggest(source, plan.sources))
    if not isinstance(given, list) or not given:
        raise ConfigError(
            "expected a list of events", path=f"{path}.given", hint='[{ event = "Ping", user_id = "u1" }]'
        )
    if not isinstance(then, dict) or not then:
        raise ConfigError("expected what becomes of them", path=f"{path}.then", hint="{ stored = 1, refused = 1 }")
    for key in then:
        if key not in (*BINS, "reasons", "events"):
            raise ConfigError(
                "unknown option", path=f"{path}.then.{key}", hint=suggest(key, (*BINS, "reasons", "events"))
            )
    for reason in then.get("reasons", {}):
        if reason not in set(Reason):
            raise ConfigError(
                f"unknown reason '{reason}'", path=f"{path}.then.reasons", hint=suggest(reason, set(Reason))
            )
    return source, given, then


def feed(workspace: Workspace, name: str, given: list[Any]) -> None:
    """Take the given in through its source, and run the flow until all of it is stored."""
    source = workspace.plan.sources[name]
    lines = [item if isinstance(item, str) else json.dumps(item, default=str) for item in given]
    if isinstance(source, File):
        path = workspace.plan.root / "given"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        workspace.load([path], name, lambda _stage, _done, _total: None)
        return
    body = "\n".join(lines).encode()
    workspace.journal.append([Payload(name, "json", body, registry.codec("json").count(body, {}))])
    with workspace.flow() as runner:
        while runner.step() is not None:
            pass


def compare(workspace: Workspace, source: str, then: Mapping[str, Any]) -> list[str]:
    """What is not as expected, in sentences."""
    account = next(account for account in workspace.ledger() if account.source == source)
    problems = [
        f"{name}: expected {then[name]}, got {getattr(account, name)}"
        for name in BINS
        if name in then and then[name] != getattr(account, name)
    ]
    refused = workspace.sql("select reason, detail from refused").to_pylist()
    for reason, count in then.get("reasons", {}).items():
        got = sum(row["reason"] == reason for row in refused)
        if got != count:
            problems.append(f"refused because of {reason}: expected {count}, got {got}")
    if problems:
        problems += [f"refused ({row['reason']}): {row['detail']}" for row in refused]
    stored = workspace.sql("select * from events order by time, block, row").to_pylist()
    for wanted in then.get("events", []):
        if not any(fits(wanted, row) for row in stored):
            seen = [{key: row.get(key) for key in wanted} for row in stored]
            problems.append(
                f"no stored event with {json.dumps(wanted, default=str)}; there are {json.dumps(seen, default=str)}"
            )
    return problems


def fits(wanted: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a stored event has all of these values; times are compared as text."""
    return all(row.get(key) == value or str(row.get(key)) == str(value) for key, value in wanted.items())
