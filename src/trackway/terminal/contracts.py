"""`trackway contracts`: versions of what events promise, compared, published, and in the words of others.

A contract is named NAME as it stands in trackway.toml, NAME@1.2.0 or NAME@latest as it was published, or by a file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackway.errors import ConfigError, TrackwayError, suggest

if TYPE_CHECKING:
    from trackway.app import Workspace
    from trackway.model.contracts.compatibility import Comparison, Keeps
    from trackway.model.contracts.promise import Promise
    from trackway.store.published import Judged, Published

app = typer.Typer(help="What events promise: versions, compared and published.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print the same object as the API.")]
NAMED = "NAME of the file, NAME@1.2.0 or NAME@latest as published, or a schema file."
Reference = Annotated[str, typer.Argument(metavar="CONTRACT", help=NAMED)]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Contracts of the file; all when left out.")
]


@contextmanager
def _workspace(context: typer.Context) -> Iterator[Workspace]:
    from trackway.app import Workspace

    opened = Workspace.open(context.obj)
    try:
        yield opened
    finally:
        opened.close()


def _say(content: object) -> None:
    from trackway.cli import say_json

    say_json(content)


@dataclass(frozen=True, slots=True)
class Found:
    """A contract that was named."""

    name: str
    promise: Promise
    version: str = ""
    keeps: Keeps = "full"
    notes: tuple[str, ...] = ()


def find(workspace: Workspace, named: str) -> Found:
    """A contract by its reference. Raises ConfigError with a suggestion."""
    from trackway.model.contracts import forms

    if named.endswith((".json", ".avsc")) and Path(named).is_file():
        made = forms.read(Path(named).read_bytes(), named)
        return Found(made.name or Path(named).stem, made.promise, made.version, notes=made.notes)
    name, _, version = named.partition("@")
    if version:
        one = workspace.contracts.get(name, "" if version == "latest" else version)
        return Found(one.name, one.promise, str(one.version))
    if name not in workspace.plan.contracts:
        raise ConfigError(f"no contract '{name}' in the file", path=name, hint=suggest(name, workspace.plan.contracts))
    return _own(workspace, name)


def _own(workspace: Workspace, name: str) -> Found:
    one = workspace.plan.contracts[name]
    try:
        return Found(name, one.promise, one.version, one.compatibility)
    except ConfigError as error:
        raise ConfigError(error.message, path=f"contracts.{name}.{error.path}", hint=error.hint) from error


def _chosen(workspace: Workspace, names: list[str] | None) -> list[Found]:
    return [find(workspace, name) for name in names or workspace.plan.contracts]


# ── what there is ───────────────────────────────────────────────────────────────────────────────────


@app.command("list")
def list_contracts(context: typer.Context, as_json: Json = False) -> None:
    """The contracts of the file and the published ones, and what became of each since it was published."""
    from trackway.terminal import contracts_drawn as drawn

    with _workspace(context) as opened:
        rows = [_row(opened, name) for name in sorted({*opened.plan.contracts, *opened.contracts.names()})]
    _say({"ok": True, "contracts": rows}) if as_json else drawn.listed(rows)


def _row(opened: Workspace, name: str) -> dict[str, Any]:
    latest = opened.contracts.latest(name)
    row: dict[str, Any] = {"name": name, "event": latest and latest.promise.event,
                           "published": latest and str(latest.version), "hash": latest and latest.hash}  # fmt: skip
    if name not in opened.plan.contracts:
        return row | {"state": "published only", "next": None}
    own = _own(opened, name)
    found = _judged(latest, own)
    state = "unpublished" if found.comparison is None else _state(found.comparison)
    following = None if found.comparison is not None and found.comparison.bump == "none" else str(found.version)
    return row | {
        "event": own.promise.event,
        "state": state,
        "next": following,
        "mode": opened.plan.contracts[name].mode,
    }


def _state(found: Comparison) -> str:
    return "as published" if found.bump == "none" else f"{found.bump} change"


def _judged(latest: Published | None, own: Found) -> Judged:
    from trackway.store.published import judged

    return judged(latest, own.promise, own.version, own.keeps)


@app.command()
def show(context: typer.Context, contract: Reference, as_json: Json = False) -> None:
    """One contract: what it promises, its hash, and its published versions."""
    from trackway.terminal import contracts_drawn as drawn

    with _workspace(context) as opened:
        found = find(opened, contract)
        versions = [str(version) for version in opened.contracts.versions(found.name)]
    shown = {"name": found.name, "version": found.version or None, "hash": found.promise.hash, "versions": versions,
             "contract": found.promise.document()}  # fmt: skip
    _say({"ok": True, **shown}) if as_json else drawn.shown(shown)


@app.command()
def diff(
    context: typer.Context,
    old: Reference,
    new: Annotated[str, typer.Argument(metavar="[CONTRACT]", help="Left out: the file against the published.")] = "",
    reading: Annotated[str, typer.Option("--read-as", help="json, or avro: by Avro's schema resolution.")] = "json",
    as_json: Json = False,
) -> None:
    """What changed between two versions: whether each reads the events of the other, why, and the bump it asks for."""
    from trackway.model.contracts.compatibility import compare
    from trackway.model.contracts.reading import AVRO, JSON
    from trackway.terminal import contracts_drawn as drawn

    if reading not in {"json", "avro"}:
        raise ConfigError(f"no reading '{reading}'", path="read-as", hint="json or avro")
    with _workspace(context) as opened:
        later = find(opened, new or old)
        before = find(opened, old if new else f"{old}@latest")
    found = compare(before.promise, later.promise, later.keeps, AVRO if reading == "avro" else JSON)
    if as_json:
        _say({"ok": True, "old": before.promise.hash, "new": later.promise.hash, **found.as_json()})
    else:
        drawn.compared(found, before.version)


# ── publishing ──────────────────────────────────────────────────────────────────────────────────────


@app.command()
def publish(
    context: typer.Context,
    names: Names = None,
    version: Annotated[str, typer.Option(help="Instead of the one in the file; else the next one.")] = "",
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder instead of the workspace's own.")] = None,
    as_json: Json = False,
) -> None:
    """Publish contracts of the file, for good: a version never changes. Too small a bump is refused."""
    from trackway.store.published import Shelf

    with _workspace(context) as opened:
        shelf = opened.contracts if to is None else Shelf(to)
        chosen = _chosen(opened, names)
        if version and len(chosen) != 1:
            raise ConfigError("--version is of one contract", path="version", hint="name the contract")
        done = [shelf.publish(one.name, one.promise, version or one.version, one.keeps) for one in chosen]
    if as_json:
        _say({"ok": True, "published": [{**one.as_json(), "new": new} for one, new in done]})
        return
    for one, new in done:
        said = "published" if new else "is published already"
        sys.stdout.write(f"{one.name} {one.version} {said}  {one.hash[:19]}\n")


@app.command()
def check(
    context: typer.Context,
    against: Annotated[str, typer.Option(metavar="URL|DIR", help="A Trackway server, a folder or a workspace.")] = "",
    as_json: Json = False,
) -> None:
    """Compare the contracts of the file with what is published; exit 1 when one could not be published as it is."""
    from trackway.terminal import contracts_drawn as drawn
    from trackway.terminal.against import published

    with _workspace(context) as opened:
        latest = published(against, opened)
        rows = [_verdict(own, latest(own.name)) for own in _chosen(opened, None)]
    good = all(row["ok"] for row in rows)
    _say({"ok": good, "contracts": rows}) if as_json else drawn.checked(rows)
    if not good:
        raise typer.Exit(1)


def _verdict(own: Found, latest: Published | None) -> dict[str, Any]:
    """What would become of a contract that is published now."""
    found = _judged(latest, own)
    changed = found.comparison is not None and found.comparison.bump != "none"
    row: dict[str, Any] = {
        "name": own.name, "ok": found.wrong is None, "published": latest and str(latest.version),
        "version": str(found.version), "state": "new" if found.comparison is None else _state(found.comparison),
        "error": found.wrong, "hint": found.hint if found.wrong else "",
    }  # fmt: skip
    return row | (found.comparison.as_json() if changed and found.comparison is not None else {"changes": []})


# ── the words of others ─────────────────────────────────────────────────────────────────────────────


@app.command()
def export(
    context: typer.Context,
    contract: Reference,
    form: Annotated[str, typer.Option("--as", help="json_schema, avro or iglu.")] = "json_schema",
    vendor: Annotated[str, typer.Option(help="Of an Iglu schema, such as com.acme.")] = "com.example",
) -> None:
    """Print a contract as JSON Schema (2020-12), as an Avro record, or as a self-describing schema of Iglu."""
    from trackway.model.contracts import forms
    from trackway.model.contracts.version import Version

    if form not in forms.SCHEMAS:
        raise ConfigError(f"no form '{form}'", path="as", hint=suggest(form, forms.SCHEMAS))
    with _workspace(context) as opened:
        found = find(opened, contract)
        version = Version.read(found.version) if found.version else _judged(
            opened.contracts.latest(found.name), found).version  # fmt: skip
    sys.stdout.write(forms.written(form, found.name, found.promise, version, vendor).decode())


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A JSON Schema, Avro record or Iglu schema.")],
    name: Annotated[str, typer.Option(help="The name of the contract.")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Add the table to trackway.toml.")] = False,
    as_json: Json = False,
) -> None:
    """Print a schema as the table of a contract, and what of it a contract does not say."""
    from trackway.model.contracts import forms
    from trackway.model.contracts.promise import Promise
    from trackway.terminal import applied

    try:
        made = forms.read(file.read_bytes(), str(file))
    except OSError as error:
        raise TrackwayError(f"cannot read {file}: {error.strerror}") from error
    named = name or made.name or file.name.partition(".")[0]
    promise = made.promise if made.promise.event else Promise.read({**made.promise.document(), "event": named})
    table = forms.table(named, promise, made.version)
    if apply:
        applied.write(context.obj, applied.joined(context.obj, [table])[1])
    if as_json:
        _say({"ok": True, "name": named, "version": made.version or None, "contract": promise.document(),
              "notes": list(made.notes), "toml": table, "applied": apply})  # fmt: skip
        return
    sys.stdout.write(table + "\n")
    for note in made.notes:
        sys.stderr.write(f"# {note}\n")


@app.command("stubs")
def write_stubs(
    context: typer.Context,
    language: Annotated[str, typer.Option(help="python or typescript.")],
    names: Names = None,
    published: Annotated[bool, typer.Option("--published", help="The latest published versions instead.")] = False,
) -> None:
    """Print types for those who write the senders: TypedDicts of Python, or interfaces of TypeScript."""
    from trackway.model.contracts import stubs

    if language not in stubs.LANGUAGES:
        raise ConfigError(f"no language '{language}'", path="language", hint=suggest(language, stubs.LANGUAGES))
    with _workspace(context) as opened:
        wanted = names or (opened.contracts.names() if published else list(opened.plan.contracts))
        found = [find(opened, f"{name}@latest" if published else name) for name in wanted]
    sys.stdout.write(stubs.LANGUAGES[language]({one.name: one.promise for one in found}))
