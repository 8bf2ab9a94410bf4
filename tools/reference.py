"""Writes docs/reference from the docstrings, so that there is no second truth.

    python tools/reference.py            write the files
    python tools/reference.py --check    exit 1 when a file differs from what would be written

One page for each kind of component, one for trackway.toml, one for the command line, one for HTTP.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
import textwrap
import tomllib
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from trackway.model.secret import Secret
from trackway.plan import registry
from trackway.plan.component import Component, Contract, Source, Transform
from trackway.plan.config import NAMES, Project
from trackway.plan.query import Query

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
GENERATED = "<!-- Written by `make docs` from the docstrings; change those. -->\n"
OPENINGS = {
    "sources": "Where events come from. `type = 'NAME'` under `[sources.…]`.",
    "codecs": "How payloads are read. A source names the codecs it speaks; they have no table of their own.",
    "transforms": "What is done to events, in the order of the file. `type = 'NAME'` under `[transforms.…]`.",
    "queries": "What can be asked: `type = 'NAME'` under `[queries.…]`, or as JSON to `trackway ask` and `/ask`.",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a component, as the reference shows it."""

    name: str
    type: str
    default: str
    text: str


def main() -> int:
    """Write or check every page; the exit code."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    check = arguments.parse_args().check
    stale = [name for name, text in pages() if _stale(REFERENCE / name, text, write=not check)]
    for name in stale:
        print(f"docs/reference/{name} {'is stale; run make docs' if check else 'written'}")  # noqa: T201
    return 1 if stale and check else 0


def _stale(path: Path, text: str, *, write: bool) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return True


def pages() -> Iterator[tuple[str, str]]:
    """Every page: its file name and its text."""
    for kind in registry.KINDS:
        yield f"{kind}.md", _kind_page(kind)
    yield "config.md", _config_page()
    yield "cli.md", _cli_page()
    yield "http.md", _http_page()


# ── components ──────────────────────────────────────────────────────────────────────────────────────


def _kind_page(kind: str) -> str:
    lines = [GENERATED, f"# {kind.title()}\n", OPENINGS[kind] + "\n"]
    if kind == "transforms":
        lines.append("Every transform has these options:\n")
        lines.append(_table(list(options(Transform, shared=True))))
    if kind == "sources":
        lines.append("Every source has these options:\n")
        lines.append(_table(list(options(Source, shared=True))))
    if kind == "queries":
        lines.append("Every question has these options; [expressions](config.md#expressions) has what they hold:\n")
        lines.append(_table([option for option in options(Query, shared=True) if "." not in option.name]))
    for name in registry.names(kind):
        cls = registry.load(kind, name)
        lines += [f"## {name}\n", _prose(inspect.getdoc(sys.modules[cls.__module__]) or "") + "\n"]
        if getattr(cls, "routes", ()):
            lines.append("Routes: " + ", ".join(f"`{shown(route)}`" for route in cls.routes) + "\n")  # type: ignore[attr-defined]
        own = list(options(cls))
        if own:
            lines.append(_table(own))
    return "\n".join(lines).rstrip() + "\n"


def shown(route: str) -> str:
    """A route with its methods, as people look for it."""
    return route if " " in route else f"POST {route}"


def options(cls: type[BaseModel], *, shared: bool = False) -> Iterator[Option]:
    """The options of a component of its own; those every component of its kind has only if `shared`."""
    inherited = (
        set() if shared else {name for parent in cls.__mro__[1:] if parent in _PARENTS for name in parent.model_fields}
    )
    for name, field in cls.model_fields.items():
        if name in inherited:
            continue
        default = "" if field.is_required() else field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() or default is PydanticUndefined else _value(default)
        yield Option(field.alias or name, _type(field.annotation), shown, field.description or "")
        for inner in _tables_in(field.annotation):
            yield from (replace(option, name=f"{field.alias or name}.{option.name}") for option in options(inner))


def _tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables an option is made of, such as the steps of a funnel."""
    for part in (annotation, *typing.get_args(annotation)):
        if inspect.isclass(part) and issubclass(part, BaseModel):
            yield part


_PARENTS: tuple[type[BaseModel], ...] = (Component, Transform, *registry.KINDS.values())


def example(kind: str, name: str) -> str:
    """The first TOML example in the docstring of a component's module; empty when there is none."""
    text = inspect.getdoc(importlib.import_module(f"trackway.{kind}.{name}")) or ""
    return next((textwrap.dedent(block) for block in _blocks(text) if _language(block) == "toml"), "")


def _blocks(text: str) -> list[str]:
    """Paragraphs of a docstring; an indented example stays one block, also over empty lines."""
    out: list[str] = []
    for block in re.split(r"\n{2,}", text.strip("\n")):
        if out and block.startswith("    ") and out[-1].startswith("    "):
            out[-1] += "\n\n" + block
        else:
            out.append(block)
    return out


def worked(text: str, check: Callable[[dict[str, Any], Path], object]) -> None:
    """Load an example as a file would be; sources it only mentions are added, and secrets have some value.

    Raises ConfigError.
    """
    raw = _disclosed(tomllib.loads(text))
    for table in raw.get("transforms", {}).values():
        for source in table.get("sources", []):
            raw.setdefault("sources", {}).setdefault(source, {"type": "http"})
    check(raw, Path())


def _disclosed(value: Any) -> Any:
    """A parsed file in which every `{ env = "NAME" }` is a secret."""
    if isinstance(value, dict):
        known = set(value) == {"env"}
        return Secret(f"value of {value['env']}") if known else {key: _disclosed(item) for key, item in value.items()}
    return [_disclosed(item) for item in value] if isinstance(value, list) else value


def _prose(text: str) -> str:
    """A docstring as Markdown: its examples fenced as what they are."""
    out = []
    for block in _blocks(text):
        language = _language(block)
        out.append(f"```{language}\n{textwrap.dedent(block)}\n```" if language else block)
    return "\n\n".join(out)


def _language(block: str) -> str:
    """What an example is written in; empty for prose."""
    first = block.lstrip()
    for opening, language in ((">>>", "python"), ("{", "json"), ("[", "toml"), ("$ ", "console")):
        if first.startswith(opening):
            return language
    return "text" if block.startswith("    ") else ""


def _table(rows: list[Option]) -> str:
    lines = ["| option | type | default | |", "|---|---|---|---|"]
    for row in rows:
        text = " ".join(row.text.split()).replace("|", "\\|")
        default = row.default if row.default in ("", "required", "none") else f"`{row.default}`"
        lines.append(f"| `{row.name}` | {row.type} | {default} | {text} |")
    return "\n".join(lines) + "\n"


WORDS = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "table", list: "list", Any: "any",
         type(None): "none"}  # fmt: skip


def _type(annotation: Any) -> str:
    """A type in the words of trackway.toml."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        text = _type(parts[0])
    elif origin in (typing.Union, types.UnionType):
        text = " or ".join(_type(part) for part in parts if part is not type(None))
    elif origin is typing.Literal:
        text = "one of " + " ".join(f"`{part}`" for part in parts)
    elif origin in (list, tuple, set):
        text = f"list of {_plural(_type(parts[0]))}"
    elif origin is dict:
        text = f"table of {_plural(_type(parts[1]))}"
    else:
        text = WORDS.get(annotation) or str(getattr(annotation, "__name__", annotation)).lower()
    return text


def _plural(word: str) -> str:
    return word if word.startswith("one of") or word.endswith("s") else word + "s"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    return str(value)


# ── the file ────────────────────────────────────────────────────────────────────────────────────────


FILE = """\
# trackway.toml

One file says what comes in, what is done to it, what it promises and what is asked of it. Its tables are `[project]`,
then `[sources.NAME]`, `[transforms.NAME]`, `[contracts.NAME]`, `[lookups.NAME]`, `[expressions.NAME]`,
`[sessions.NAME]`, `[flows.NAME]`, `[cohorts.NAME]`, `[annotations.NAME]`, `[queries.NAME]`, and `[[tests]]`. A table of
sources, transforms or queries has a `type` and the options of that type; its name is yours. Durations and sizes are
strings (`"15m"`, `"64MB"`), a secret is `{ env = "NAME" }`.
"""


def _config_page() -> str:
    rehearsal = inspect.getdoc(importlib.import_module("trackway.terminal.rehearsal")) or ""
    parts = [GENERATED, FILE, "## project\n", _table(list(options(Project)))]
    parts += ["## contracts\n", (inspect.getdoc(Contract) or "") + "\n", _table(list(options(Contract)))]
    for kind, cls in NAMES.items():
        parts += [f"## {kind}\n", (inspect.getdoc(cls) or "") + "\n", _table(list(options(cls)))]
    parts += ["## tests\n", _prose(rehearsal)]
    return "\n".join(parts).rstrip() + "\n"


# ── the doors ───────────────────────────────────────────────────────────────────────────────────────


def _cli_page() -> str:
    import typer

    cli = importlib.import_module("trackway.cli")
    command = typer.main.get_command(cli.app)
    lines = [GENERATED, "# Command line\n", (command.help or "").strip() + "\n", _parameters(command)]
    for name, verb in sorted(_verbs(command)):
        arguments = [parameter for parameter in verb.params if parameter.param_type_name == "argument"]
        needed = [p for p in verb.params if p.param_type_name == "option" and p.required]
        shown = [*map(_metavar, arguments), *(f"{p.opts[0]} {(p.name or '').upper()}" for p in needed)]
        usage = " ".join(["trackway", name, *shown])
        lines += [f"## trackway {name}\n", f"```text\n{usage}\n```\n", _paragraphs(verb.help or "") + "\n"]
        table = _parameters(verb)
        if table:
            lines.append(table)
    return "\n".join(lines).rstrip() + "\n"


def _verbs(command: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """The commands with their full names; of a group, those in it."""
    for name, verb in getattr(command, "commands", {}).items():
        if getattr(verb, "commands", {}):
            yield from _verbs(verb, f"{before}{name} ")
        else:
            yield before + name, verb


def _paragraphs(text: str) -> str:
    return _prose(inspect.cleandoc(text.replace("\b\n", "")))


def _metavar(parameter: Any) -> str:
    name = parameter.metavar or (parameter.name or "").upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _parameters(command: Any) -> str:
    rows = []
    for parameter in command.params:
        text = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
        if parameter.name == "help" or getattr(parameter, "hidden", False) or not text:
            continue
        names = " ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        rows.append(f"| {names if parameter.param_type_name == 'option' else f'`{_metavar(parameter)}`'} | {text} |")
    return "\n".join(["| | |", "|---|---|", *rows]) + "\n" if rows else ""


def _http_page() -> str:
    from trackway.plan.component import Codec

    lines = [
        GENERATED,
        "# HTTP\n",
        "Collectors, the API and the pages share one address, 127.0.0.1:8700 unless the file says otherwise.\n",
    ]
    lines += ["## Collecting\n", "| route | codec |", "|---|---|"]
    for name in registry.names("codecs"):
        cls = typing.cast("type[Codec]", registry.load("codecs", name))
        lines += [f"| `{shown(route)}` | [{name}](codecs.md#{name}) |" for route in cls.routes]
    lines += ["", "## Asking\n"]
    for path, methods, text in _routes():
        lines += [f"### {' '.join(methods)} {path}\n", text + "\n"]
    return "\n".join(lines).rstrip() + "\n"


def _routes() -> Iterator[tuple[str, list[str], str]]:
    api = importlib.import_module("trackway.api.surface")
    for route in sorted(api.documented(), key=lambda route: route.path):
        yield route.path, sorted(route.methods - {"HEAD"}), inspect.getdoc(route.endpoint) or ""


if __name__ == "__main__":
    sys.exit(main())
