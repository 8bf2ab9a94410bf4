"""The app: opens a workspace and ties the floors together; holds nothing itself.

Doors talk to `Workspace` and to nothing below it. What only some verbs need is imported by them, so that a
question does not wait for the flow.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from trackway.errors import ConfigError, QuestionError, StorageError, TrackwayError, WorkspaceError, suggest
from trackway.model.moment import as_moment, micros
from trackway.model.schema import Schema
from trackway.model.time import Duration, instant, iso
from trackway.plan.config import Plan, component, read
from trackway.plan.lookup import Lookup
from trackway.plan.naming import Cohort, Naming
from trackway.plan.query import Answer, Query
from trackway.sources.file import File
from trackway.store.as_of import version_of
from trackway.store.columns.ask import Asking, How, answers, ask, estimate
from trackway.store.columns.cost import Cost
from trackway.store.columns.limits import Limits
from trackway.store.columns.people import Cell
from trackway.store.columns.shards import Columns
from trackway.store.columns.view import View
from trackway.store.columns.whereabouts import whereabouts
from trackway.store.derived.build import derive
from trackway.store.derived.lists import Membership
from trackway.store.derived.names import Names
from trackway.store.journal import Journal
from trackway.store.lake import Lake
from trackway.store.published import Shelf

if TYPE_CHECKING:
    import pyarrow as pa

    from trackway.flow.intake import Intake
    from trackway.flow.ledger import Account
    from trackway.flow.loading import Loading
    from trackway.flow.proof import Proof
    from trackway.flow.replay import Replay
    from trackway.flow.runner import Runner
    from trackway.flow.trace import Line
    from trackway.store.control import Control
    from trackway.store.difference import Difference
    from trackway.store.telling.explain import Explanation

FORMAT = 1
"""Layout of the data folder; a larger number on disk was written by a newer version."""

POLL = 0.05
"""Seconds between two looks at the lake while files are loaded."""
MANY = 100_000
"""Records from which on a load brings the columns along; fewer are read by the first question in no time."""

Engine = TypeVar("Engine")
Progress = Callable[[str, int, int | None], None]
"""Told the stage (`reading`, `storing`), what is done and what there is in all, when known."""


class Workspace:
    """One directory with a trackway.toml, open. Engines open on first use; `close` ends them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.data = plan.data
        self._engines: dict[str, Any] = {}
        self._opening = threading.RLock()
        check_format(self.data)

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """The workspace of a directory. Raises WorkspaceError or ConfigError."""
        return cls(read(root))

    def _engine(self, name: str, make: Callable[[], Engine]) -> Engine:
        """An engine that is opened once, whichever thread comes first."""
        with self._opening:
            if name not in self._engines:
                self._engines[name] = make()
            return cast("Engine", self._engines[name])

    @property
    def journal(self) -> Journal:
        """Raw payloads."""
        return self._engine("journal", lambda: Journal(self.data / "journal"))

    @property
    def lake(self) -> Lake:
        """Events, refusals, identities."""
        return self._engine("lake", lambda: Lake(self.data / "lake"))

    @property
    def control(self) -> Control:
        """Ledger totals and other small facts."""
        from trackway.store.control import Control

        return self._engine("control", lambda: Control(self.data / "control.sqlite"))

    @property
    def columns(self) -> Columns:
        """The fast copy of the lake."""
        return self._engine("columns", lambda: Columns(self.data / "columns", self.lake))

    @property
    def contracts(self) -> Shelf:
        """Published contracts."""
        return Shelf(self.data / "contracts")

    def flow(self) -> Runner:
        """The flow of this workspace. Raises WorkspaceError when another process runs it."""
        from trackway.flow.runner import Runner

        return Runner(self.plan, self.journal, self.lake, self.control)

    def replaying(self, *, writes: bool) -> Replay:
        """A replay, to be closed. Raises WorkspaceError when it is to write and another process runs the flow."""
        from trackway.flow.replay import Replay

        return Replay(self.plan, self.journal, self.lake, self.control, writes=writes)

    def received_in(self, source: str, first: str, last: str) -> tuple[int, int]:
        """A span of time as people write it, in microseconds. Raises ConfigError for a source that is not known, and
        QuestionError for what is no span.
        """
        if source not in self.plan.sources and source not in self.journal.received():
            raise ConfigError(f"no source '{source}'", hint=suggest(source, self.plan.sources))
        now, zone = time.time_ns() // 1_000, self.plan.project.timezone
        try:
            begin, end = (micros(as_moment(text), now, zone) for text in (first, last))
        except ValueError as error:
            raise QuestionError(str(error), hint="such as 2026-01-05, 2026-01-05T12:00 or -2h") from error
        if end <= begin:
            raise QuestionError(f"the span ends at {iso(end, zone)}, before it begins", hint="--to comes after --from")
        return begin, end

    def schema(self) -> Schema:
        """The columns events have now."""
        return self.lake.schema()

    def names(self) -> Names:
        """The expressions, sessions and cohorts of the file and the uploads, over the columns events have now."""
        lists = Membership(self.lake, self.lake.version(), self.plan.root)
        return Names(self.plan.naming, self.schema(), self.plan.project.timezone, time.time_ns() // 1_000, lists)

    def view(self, column: str) -> View | None:
        """The columns with one that may be derived; None when it is not kept as codes. Raises ConditionError."""
        view, names = self.columns.view(), self.names()
        if view is None or column not in names:
            return view
        return derive(view, names.closure([column]), names.schema, names.zone)

    def question(self, question: Mapping[str, Any] | str) -> Query:
        """A question from its name in the file or from its options with `type`. Raises with a hint."""
        if isinstance(question, str):
            if question not in self.plan.queries:
                raise QuestionError(f"no question named '{question}'", hint=suggest(question, self.plan.queries))
            return self.plan.queries[question]
        if not isinstance(question, Mapping):
            raise QuestionError("a question is a JSON object", hint='such as {"type": "trend", "measure": "actors"}')
        try:
            made = component("queries", dict(question), "question")
        except ConfigError as error:
            raise QuestionError(error.message, path=error.path.removeprefix("question."), hint=error.hint) from error
        if not isinstance(made, Query):
            raise QuestionError(f"{question.get('type')!r} is not a question")
        return made

    def ask(  # noqa: PLR0913
        self, question: Mapping[str, Any] | str, *, engine: str = "columns", as_of: str | int | None = None,
        people: Mapping[str, Any] | str | None = None, sample: str | float | None = None, limits: Limits | None = None,
    ) -> Answer:  # fmt: skip
        """The answer to a question, by the columns or by the reference SQL (`engine="sql"`), as it was known as of a
        lake version or a moment. Of all actors, or of a `sample` such as `10%`, which gives every number an interval.
        With `people`, the actors behind one of its cells, such as `step=2,dropped`, instead.
        """
        query, how = self.question(question), self._how(as_of, limits)
        cell = None if people is None else Cell.read(people)
        return ask(query, self.columns, engine=engine, sample=sample, cell=cell, **how)

    def answers(
        self, question: Mapping[str, Any] | str, *, as_of: str | int | None = None, limits: Limits | None = None
    ) -> Iterator[Answer]:
        """Better and better answers to a question, the first quick and from a sample, the last one exact."""
        return answers(self.question(question), self.columns, **self._how(as_of, limits))

    def explain(
        self, question: Mapping[str, Any] | str, actor: str, *, as_of: str | int | None = None,
        limits: Limits | None = None, most: int | None = None,
    ) -> Explanation:  # fmt: skip
        """What a question makes of one actor, named by any of their ids: the rows they add, each of their events (at
        most so many), one sentence, and the rules that kept them from getting further. Raises UnknownActor."""
        from trackway.store.telling.explain import SHOWN, explain

        how = self._how(as_of, limits)
        return explain(Asking.of(self.question(question), self.columns, **how), actor, most or SHOWN)

    def estimate(self, question: Mapping[str, Any] | str, *, as_of: str | int | None = None) -> Cost:
        """What it will cost to ask a question exactly."""
        return estimate(self.question(question), self.columns, **self._how(as_of, None))

    def limits(self, deadline: str | None = None) -> Limits:
        """The limits of a question asked now; a deadline instead of that of the file. Raises QuestionError."""
        project = self.plan.project
        try:
            chosen = Duration(deadline) if deadline else project.deadline
        except ValueError as error:
            raise QuestionError(str(error), path="deadline") from error
        return Limits(project.memory.bytes if project.memory else None, self.data, chosen)

    def _how(self, as_of: str | int | None, limits: Limits | None) -> How:
        """As of when, in which calendar and within which limits a question is asked."""
        now, zone = time.time_ns() // 1_000, self.plan.project.timezone
        version = version_of(self.lake, as_of, zone=zone, now=now)
        precisions = {name: s.precision.micros for name, s in self.plan.sources.items() if s.precision is not None}
        return {
            "zone": zone, "now": now, "version": version, "naming": self.plan.naming, "precisions": precisions,
            "limits": limits or self.limits(),
        }  # fmt: skip

    def difference(
        self, question: Mapping[str, Any] | str, before: str | int, after: str | int | None = None
    ) -> Difference:
        """A question as of two versions or moments (`after`: now), and which late records make the difference."""
        from trackway.store.difference import difference

        query, now, zone = self.question(question), time.time_ns() // 1_000, self.plan.project.timezone
        first = version_of(self.lake, before, zone=zone, now=now, path="from")
        last = version_of(self.lake, after, zone=zone, now=now, path="to")
        last = self.lake.version() if last is None else last
        first = -1 if first is None else first
        return difference(query, self.columns, first, last, zone=zone, now=now, naming=self.plan.naming)

    def upload_cohort(self, name: str, path: Path) -> int:
        """Keep the ids of a file as the cohort `name`; returns how many there are. Raises QuestionError."""
        from trackway.store.derived.lists import read as ids_of
        from trackway.store.derived.lists import upload

        if name in self.plan.naming.cohorts:
            raise QuestionError(f"cohort '{name}' is defined in trackway.toml", hint="choose another name")
        Naming(cohorts={name: Cohort(ids=[])}).checked()
        return upload(self.lake, name, ids_of(path))

    def uploaded_cohorts(self) -> dict[str, int]:
        """How many ids each uploaded cohort has, by name."""
        from trackway.store.derived.lists import lists

        return {name: len(ids) for name, ids in sorted(lists(self.lake).items())}

    def load_lookup(self, name: str, path: Path, at: str | None = None) -> Loading:
        """What a dump changes of a lookup, to be kept with `commit`. Raises ConfigError, TrackwayError."""
        from trackway.flow.loading import Loading

        return Loading(self.lake, name, self._lookup(name), path, at, self.plan.project.timezone)

    def lookups(self) -> list[dict[str, Any]]:
        """Every lookup: how many rows and versions it has, and its columns. Raises ConfigError."""
        return [
            {"lookup": name, "key": asked.key, **self.lake.directory.versions(name, asked).told()}
            for name, asked in self.plan.naming.lookups.items()
        ]

    def row_of(self, name: str, key: Sequence[str]) -> list[dict[str, Any]]:
        """All versions of a row: since when, and its columns, null where it was gone. Raises ConfigError."""
        return self.lake.directory.versions(name, self._lookup(name)).of(key)

    def _lookup(self, name: str) -> Lookup:
        known = self.plan.naming.lookups
        if name not in known:
            raise ConfigError(f"no lookup '{name}'", hint=suggest(name, known) if known else f"write [lookups.{name}]")
        return known[name]

    def sql(self, statement: str, most_rows: int = 10_000) -> pa.Table:
        """Rows of one read-only statement over `events`, `refused`, `identities` and `lookups`."""
        return self.lake.sql(statement, most_rows)

    def ledger(self) -> list[Account]:
        """Per source: received and the bins it went to."""
        from trackway.flow.ledger import ledger

        return ledger(self.journal, self.lake, self.control, self.plan.sources)

    def intakes(self) -> dict[str, Intake]:
        """What reads each source that pulls, by its name; for the process that runs the flow."""
        from trackway.flow.intake import Intake

        engines, most = (self.journal, self.lake, self.control), self.plan.project.max_backlog
        return {
            name: Intake(name, source, *engines, most_waiting=most)
            for name, source in self.plan.sources.items() if source.pulls
        }  # fmt: skip

    def sources(self) -> list[dict[str, Any]]:
        """Every source: its type, what it received, and how it is read when it pulls."""
        from trackway.flow.intake import health

        received = self.journal.received()
        return [
            {
                "source": name,
                "type": type(source).__module__.rpartition(".")[2],
                "received": received[name].records if name in received else 0,
                "health": health(self.control, name).as_json() if source.pulls else None,
            }
            for name, source in self.plan.sources.items()
        ]

    def prove(self, name: str) -> Iterator[Proof]:
        """Try the configuration of a source against the live system, step by step. Raises TrackwayError at what is
        wrong; nothing is taken."""
        from trackway.flow.proof import read as proof_of

        if name not in self.plan.sources:
            raise ConfigError(f"no source '{name}'", hint=suggest(name, self.plan.sources))
        for finding in self.plan.sources[name].prove(name):
            yield proof_of(finding)

    def trace(self, event_id: str) -> list[Line]:
        """The whole way of one event, verb by verb."""
        from trackway.flow.trace import trace

        return trace(event_id, self.journal, self.lake, self.plan, self._sorted)

    def _sorted(self, stored: Mapping[str, Any]) -> Line | None:
        """Where the columns hold an event."""
        from trackway.flow.trace import Line

        view = self.columns.view()
        found = None if view is None else whereabouts(view, stored["actor"])
        if found is None:
            return None
        at = iso(instant(stored["time"]))
        runs = " and ".join(found.runs)
        text = f"by actor {stored['actor']} and time {at}, among {found.events:,} events in shard {found.shard}, {runs}"
        return Line("sorted", text, {"actor": stored["actor"], "time": at, **asdict(found)})

    def load(self, paths: Sequence[Path], source: str, progress: Progress) -> None:
        """Take files in through a source, and wait until they are stored and can be asked.

        Reading, storing and sorting overlap. When another process runs the flow, it does the storing.
        """
        reader = self._file_source(source).model_copy(update={"paths": [str(p) for p in paths], "follow": False})
        stop, failed = threading.Event(), list[Exception]()
        stored = threading.Thread(target=self._store, args=(stop, failed), daemon=True)
        ready = threading.Thread(target=self._sort, args=(stored,), daemon=True)
        stored.start()
        ready.start()
        try:
            for at in reader.read(source, self.journal.append, {}, stop):
                progress("reading", at.done, at.total)
                if failed:
                    break
        finally:
            target = self.journal.last()
            begin = self.lake.position()
            stop.set()
            while stored.is_alive():
                progress("storing", self.lake.position() - begin, max(0, target - begin))
                stored.join(0.2)
            ready.join()
        if failed:
            raise failed[0]

    def _sort(self, stored: threading.Thread) -> None:
        """Keep the columns close behind the lake while much is stored, so that the first question need not wait.

        Columns are only a copy: what goes wrong with them is told to whoever asks.
        """
        begin, seen, storing = self._received(), self.lake.version(), True
        with contextlib.suppress(TrackwayError, OSError):
            while storing:
                stored.join(POLL)
                storing = stored.is_alive()
                version = self.lake.version()
                if version > seen and self._received() - begin >= MANY:
                    self.columns.view()
                    seen = version

    def _received(self) -> int:
        return sum(source.records for source in self.journal.received().values())

    def _file_source(self, name: str) -> File:
        source = self.plan.sources.get(name)
        files = [n for n, s in self.plan.sources.items() if isinstance(s, File)]
        if not isinstance(source, File):
            what = f"source '{name}' does not read files" if source else f"no source '{name}'"
            raise ConfigError(what, hint=suggest(name, files))
        return source

    def _store(self, stop: threading.Event, failed: list[Exception]) -> None:
        """Run the flow until told to stop and all that was kept is stored."""
        try:
            try:
                runner = self.flow()
            except WorkspaceError:
                while not stop.is_set() or self.lake.position() < self.journal.last():
                    time.sleep(0.1)
                return
            with runner:
                while not stop.is_set() or self.lake.position() < self.journal.last():
                    if runner.step() is None:
                        stop.wait(0.05)
        except Exception as error:  # noqa: BLE001 - carried to the thread that called load
            failed.append(error)

    def close(self) -> None:
        """End what was opened."""
        with self._opening:
            for name in ("journal", "control", "columns"):
                engine = self._engines.pop(name, None)
                if engine is not None:
                    engine.close()


def check_format(data: Path) -> None:
    """Make the data folder, or refuse one that a newer version wrote. Raises WorkspaceError or StorageError."""
    mark = data / "format"
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not mark.exists():
            mark.write_text(f"{FORMAT}\n", encoding="ascii")
        found = mark.read_text(encoding="ascii").strip()
    except OSError as error:
        raise StorageError(f"cannot use {data}: {error.strerror}", hint="check the disk and its permissions") from error
    if not found.isdigit() or int(found) > FORMAT:
        raise WorkspaceError(
            f"{data} has format {found!r}, this version knows up to {FORMAT}",
            hint="upgrade trackway, or use another data folder",
        )
