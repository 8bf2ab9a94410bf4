"""The command line. Verbs follow the sentence; each is a few lines over `app.Workspace`.

People get tables and colour, `--json` the objects of the API. Exit codes: 0 done, 1 the answer is no, 2 wrong use.
Engines are imported by the verb that needs them, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackway.errors import ConfigError, TrackwayError
from trackway.terminal import cohorts, contracts, lookups, replaying, sources

if TYPE_CHECKING:
    from trackway.app import Workspace

app = typer.Typer(
    help="Event data you can trust, from the raw line to the answer.", add_completion=False, no_args_is_help=True,
    pretty_exceptions_enable=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip

app.add_typer(cohorts.app, name="cohort")
app.add_typer(lookups.app, name="lookup")
app.add_typer(sources.app, name="sources")
app.add_typer(contracts.app, name="contracts")

Json = Annotated[bool, typer.Option("--json", help="Print the same object as the API.")]


def main() -> None:
    """The command `trackway`. A user's mistake ends in one sentence and a hint, never in a traceback."""
    try:
        app(prog_name="trackway")
    except TrackwayError as error:
        sys.exit(complain(error, as_json="--json" in sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def complain(error: TrackwayError, *, as_json: bool) -> int:
    """Say what is wrong: `path: message` and a hint, or the one error shape."""
    if as_json:
        say_json(error.as_json())
    else:
        sys.stderr.write(f"{error}\n")
    return 2


def say_json(content: object) -> None:
    """One JSON object on standard output."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
    sys.stdout.buffer.write(orjson.dumps(content, default=str, option=options))
    sys.stdout.buffer.flush()


@contextmanager
def workspace(context: typer.Context) -> Iterator[Workspace]:
    """The workspace of -C, closed at the end."""
    from trackway.app import Workspace

    opened = Workspace.open(context.obj)
    try:
        yield opened
    finally:
        opened.close()


@app.callback()
def directory(
    context: typer.Context,
    root: Annotated[Path, typer.Option("-C", metavar="DIR", help="The directory with trackway.toml.")] = Path(),
) -> None:
    """Event data you can trust, from the raw line to the answer."""
    context.obj = root


# ── a workspace ─────────────────────────────────────────────────────────────────────────────────────


@app.command()
def init(context: typer.Context, folder: Annotated[Path, typer.Argument(metavar="DIR")]) -> None:
    """Make a workspace that runs as it is; never overwrites one."""
    from trackway.terminal.new import create, tour

    made = create(context.obj / folder)
    sys.stdout.write(tour(made))


@app.command()
def check(context: typer.Context, as_json: Json = False) -> None:
    """Check trackway.toml; every error names its place and hints at the fix."""
    from trackway.plan.config import read

    try:
        plan = read(context.obj)
    except ConfigError as error:
        complain(error, as_json=as_json)
        raise typer.Exit(1) from error
    counts = {kind: len(getattr(plan, kind)) for kind in ("sources", "transforms", "contracts", "queries", "tests")}
    if as_json:
        say_json({"ok": True, **counts})
    else:
        sys.stdout.write(f"ok: {', '.join(f'{count} {kind}' for kind, count in counts.items())}\n")


@app.command("test")
def run_tests(context: typer.Context, as_json: Json = False) -> None:
    """Feed the [[tests]] of trackway.toml through the flow, beside the real data; exit 1 when one fails."""
    from trackway.plan.config import read
    from trackway.terminal import paint
    from trackway.terminal.rehearsal import rehearse

    results = [rehearse(plan, case, number) for plan in [read(context.obj)] for number, case in enumerate(plan.tests)]
    if as_json:
        say_json({"ok": all(result.ok for result in results), "tests": [result.as_json() for result in results]})
    else:
        paint.tests(results)
    if not all(result.ok for result in results):
        raise typer.Exit(1)


@app.command()
def run(
    context: typer.Context,
    role: Annotated[str, typer.Option(help="all, or collector, flow or web alone.")] = "all",
    listen: Annotated[str, typer.Option(help="Address, instead of the one in the file.")] = "",
    tethered: Annotated[bool, typer.Option("--tethered", hidden=True)] = False,
) -> None:
    """Collect, store, and answer on 127.0.0.1:8700, until Ctrl-C."""
    from trackway.web.serve import serve

    serve(context.obj, role=role, listen=listen, tethered=tethered)


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """What this workspace holds, and what still waits."""
    from trackway.api.data import state
    from trackway.terminal import paint

    with workspace(context) as opened:
        found = state(opened)
    say_json({"ok": True, **found}) if as_json else paint.facts(found)


# ── events in ───────────────────────────────────────────────────────────────────────────────────────


@app.command()
def inspect(  # noqa: PLR0913, PLR0917 - the options of a verb
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    source: Annotated[str, typer.Option(help="The name of the suggested source.")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Add the suggested tables to trackway.toml.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before they are added.")] = False,
    as_json: Json = False,
) -> None:
    """Profile a file of any size before loading it: its format, its columns, personal data, what to do with it.

    Only its head, middle and tail are read. What is shown of personal data is masked.
    """
    from trackway.api.onboarding.inspection import inspect as look
    from trackway.terminal import applied, inspected

    found = look(file, name=source)
    change = applied.joined(context.obj, found["tables"]) if apply else None
    if as_json:
        if change is not None and yes:
            applied.write(context.obj, change[1])
        say_json({"ok": True, **found, "applied": change is not None and yes})
        return
    inspected.show(found)
    if change is not None and (yes or typer.confirm(f"Add these {len(found['tables'])} tables to trackway.toml?")):
        applied.write(context.obj, change[1])
        sys.stdout.write(f"Added. Next: trackway load {file} --source {found['source']}\n")


@app.command()
def load(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    source: Annotated[str, typer.Option(help="The file source of trackway.toml that reads them.")],
    as_json: Json = False,
) -> None:
    """Take files in and wait until they are stored; exit 1 when everything was refused."""
    from trackway.terminal import paint
    from trackway.terminal.load import load_files

    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise TrackwayError(f"no file {', '.join(missing)}", hint="paths are relative to where you are, not to -C")
    with workspace(context) as opened:
        found = load_files(opened, [file.resolve() for file in files], source, quiet=as_json)
    say_json({"ok": True, **found}) if as_json else paint.loaded(found, context.obj)
    if found["received"] and found["refused"] == found["received"]:
        raise typer.Exit(1)


@app.command()
def ledger(context: typer.Context, as_json: Json = False) -> None:
    """What became of every record, per source; exit 1 when it does not balance."""
    from trackway.terminal import paint

    with workspace(context) as opened:
        accounts = opened.ledger()
    balanced = all(account.balanced for account in accounts)
    found = [account.as_json() for account in accounts]
    say_json({"ok": True, "sources": found}) if as_json else paint.ledger(found)
    if not balanced:
        raise typer.Exit(1)


@app.command()
def refused(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Only this reason code.")] = "",
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """Refused records: where from, why, and the bytes as they came."""
    from trackway.api.refused import refusals
    from trackway.terminal import paint

    with workspace(context) as opened:
        rows = refusals(opened, reason, source, limit)
    say_json({"ok": True, "refused": rows}) if as_json else paint.refused(rows)


app.command("replay")(replaying.replay)


# ── answers out ─────────────────────────────────────────────────────────────────────────────────────


@app.command()
def ask(  # noqa: PLR0913, PLR0917 - the options of a verb
    context: typer.Context,
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="A name from the file, a JSON or TOML file, or - for JSON.")
    ],
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    engine: Annotated[str, typer.Option(help="columns, or sql for the reference.")] = "columns",
    as_of: Annotated[
        str, typer.Option(help="What was known as of a lake version or a moment such as -7d.", metavar="VERSION|TIME")
    ] = "",
    people: Annotated[
        str | None, typer.Option(help="List the actors of a cell, such as 'step=2,dropped'.", metavar="CELL")
    ] = None,
    sample: Annotated[
        str, typer.Option(help="Ask only so many actors, such as 10% or 50000; every number gets an interval.")
    ] = "",
    progress: Annotated[
        bool, typer.Option("--progress", help="Answer at once from a sample, then better and better until exact.")
    ] = False,
    deadline: Annotated[str, typer.Option(help="End a question that takes longer, such as 5s.")] = "",
    estimate: Annotated[bool, typer.Option("--estimate", help="Do not ask; say what it would cost.")] = False,
) -> None:
    """Ask a question; in a terminal the answer is drawn."""
    from trackway.terminal import answering
    from trackway.terminal.questions import read_question

    with workspace(context) as opened:
        asked = read_question(question, opened.plan.queries)
        shape = answering.Shape("json" if as_json else "csv" if as_csv else "drawn", question)
        if estimate:
            answering.cost(opened.estimate(asked, as_of=as_of), shape)
            return
        limits = opened.limits(deadline)
        if progress:
            answering.better(opened.answers(asked, as_of=as_of, limits=limits), shape)
            return
        answer = opened.ask(asked, engine=engine, as_of=as_of, people=people, sample=sample or None, limits=limits)
        answering.one(answer, shape)


@app.command("explain-actor")
def explain_actor(  # noqa: PLR0913, PLR0917 - the options of a verb
    context: typer.Context,
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="A name from the file, a JSON or TOML file, or - for JSON.")
    ],
    actor: Annotated[str, typer.Argument(metavar="ACTOR", help="Any id of the actor.")],
    as_of: Annotated[
        str, typer.Option(help="What was known as of a lake version or a moment such as -7d.", metavar="VERSION|TIME")
    ] = "",
    events: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many of their events.")] = 1_000,
    as_json: Json = False,
) -> None:
    """What a question makes of one actor, event by event; and why they got no further."""
    from trackway.terminal import explained
    from trackway.terminal.questions import read_question

    with workspace(context) as opened:
        found = opened.explain(read_question(question, opened.plan.queries), actor, as_of=as_of, most=events)
    say_json(found.as_json()) if as_json else explained.show(found)


@app.command()
def diff(
    context: typer.Context,
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="A name from the file, a JSON or TOML file, or - for JSON.")
    ],
    before: Annotated[str, typer.Option("--from", help="The earlier version or moment.", metavar="VERSION|TIME")],
    after: Annotated[str, typer.Option("--to", help="The later one; else now.", metavar="VERSION|TIME")] = "",
    as_json: Json = False,
) -> None:
    """One question as of two versions or moments: what changed, and which late records changed it."""
    from trackway.terminal import differences
    from trackway.terminal.questions import read_question

    with workspace(context) as opened:
        found = opened.difference(read_question(question, opened.plan.queries), before, after)
    say_json(found.as_json()) if as_json else differences.show(found)


@app.command()
def sql(
    context: typer.Context, statement: Annotated[str, typer.Argument(metavar="STATEMENT")], as_json: Json = False
) -> None:
    """Run one read-only SELECT over the tables events, refused, identities and lookups."""
    from trackway.terminal import paint

    with workspace(context) as opened:
        rows = opened.sql(statement).to_pylist()
    say_json({"ok": True, "rows": rows}) if as_json else paint.rows(rows)


@app.command()
def trace(
    context: typer.Context, event_id: Annotated[str, typer.Argument(metavar="EVENT_ID")], as_json: Json = False
) -> None:
    """The whole way of one event, verb by verb; exit 1 when there is no such event."""
    from trackway.terminal import paint

    with workspace(context) as opened:
        lines = [line.as_json() for line in opened.trace(event_id)]
    if not lines:
        sys.stderr.write(f"no event '{event_id}'\nHint: event ids are in the column event_id\n")
        raise typer.Exit(1)
    say_json({"ok": True, "event_id": event_id, "lines": lines}) if as_json else paint.way(lines)


# ── what there is ───────────────────────────────────────────────────────────────────────────────────


@app.command("list")
def list_types(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="sources, codecs, transforms or queries.")] = "",
    as_json: Json = False,
) -> None:
    """The types of components there are, all or of one kind such as `sources`."""
    from trackway.terminal import paint
    from trackway.terminal.components import listed

    found = listed(kind)
    say_json({"ok": True, "components": found}) if as_json else paint.components(found)


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="KIND.TYPE")], as_json: Json = False) -> None:
    """One type: what it is for, an example, and its options; with --json their JSON Schema."""
    from trackway.terminal import paint
    from trackway.terminal.components import described

    found = described(name)
    say_json({"ok": True, **found}) if as_json else paint.component(found)


@app.command()
def demo(
    context: typer.Context,
    listen: Annotated[str, typer.Option(help="Address of the pages.")] = "127.0.0.1:8700",
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Answer the questions of the tour and end.")] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the pages in a browser.")] = True,
) -> None:
    """Thirty days of a simulated company and a web log, with visitors that keep coming."""
    from trackway.demo import demo as play

    root = context.obj if context.obj != Path() else Path("demo")
    raise typer.Exit(play(root, listen=listen, fresh=fresh, once=once, opens=browser))


@app.command()
def bench(  # noqa: PLR0913, PLR0917 - the options of a verb
    what: Annotated[str, typer.Argument(help="questions, every, ingest, weblog, codecs or transforms.")] = "questions",
    events: Annotated[int, typer.Option(min=1_000, help="How many events the questions are about.")] = 20_000_000,
    against: Annotated[str, typer.Option(help="Engines to compare with, by commas.")] = "chdb,duckdb,polars",
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Of codecs or transforms only these.")] = None,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep what is generated and loaded here.")] = None,
    write: Annotated[Path | None, typer.Option(metavar="FILE", help="Do all; put their tables there.")] = None,
    as_json: Json = False,
) -> None:
    """Measure this machine: the same questions here and in other engines; exit 1 when answers differ."""
    from trackway.bench import run

    engines = [name.strip() for name in against.split(",") if name.strip()]
    raise typer.Exit(run.bench(what, events, engines, only=only or (), json=as_json, keep=keep, write=write))
