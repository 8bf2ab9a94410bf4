"""From trackway.toml to a checked plan, or the path of every wrong key with a hint at the fix."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from trackway.errors import ConfigError, TrackwayError, WorkspaceError, suggest
from trackway.model.secret import Secret
from trackway.model.size import Size
from trackway.model.time import Duration
from trackway.plan import registry
from trackway.plan.component import Component, Contract, Place, Source, Transform
from trackway.plan.lookup import Lookup
from trackway.plan.naming import Annotation, Cohort, Expression, Flow, Naming, Session
from trackway.plan.query import Query

FILE = "trackway.toml"


class Project(BaseModel):
    """The table `[project]`: what holds for the whole workspace."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    name: str = "trackway"
    """Shown on the pages."""
    data: str = "data"
    """Folder of journal, lake and columns, relative to the file."""
    timezone: str = "UTC"
    """Calendar of days, weeks and months in questions."""
    listen: str = "127.0.0.1:8700"
    """Address of the collector, the API and the pages."""
    owner: str = ""
    """Who to ask about this workspace."""
    dedup_horizon: str = "30d"
    """How long an event id is remembered; a copy within it is a duplicate."""
    journal_retention: str = "7d"
    """How long raw payloads are kept after they were stored."""
    max_columns: int = 1_000
    """Most property columns; further properties stay in `more`."""
    max_body: str = "10MB"
    """Largest HTTP payload, after decompression."""
    max_backlog: int = 2_000_000
    """Events waiting in the journal from which on collectors answer 503."""
    memory: Size | None = None
    """Memory for what answering one question gathers, such as `2GB`; beyond it goes to the disk. The columns themselves
    are mapped files and do not count. As much as there is when left out."""
    deadline: Duration | None = None
    """Longest time a question may take, such as `30s`; no end when left out."""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone '{value}', expected one such as 'Europe/Berlin'") from error
        return value


@dataclass(frozen=True)
class Plan:
    """What a workspace asks for: checked, not yet running."""

    root: Path
    project: Project = field(default_factory=Project)
    sources: dict[str, Source] = field(default_factory=dict)
    transforms: dict[str, Transform] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    queries: dict[str, Query] = field(default_factory=dict)
    naming: Naming = field(default_factory=Naming)
    tests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """The folder of journal, lake and columns."""
        return (self.root / self.project.data).resolve()


NAMES: dict[str, type[BaseModel]] = {
    "lookups": Lookup, "expressions": Expression, "sessions": Session, "flows": Flow, "cohorts": Cohort,
    "annotations": Annotation,
}  # fmt: skip
TABLES = ("project", "sources", "transforms", "contracts", *NAMES, "queries", "tests")


def read(root: Path) -> Plan:
    """The plan of a workspace directory. Raises WorkspaceError or a ConfigError that lists all that is wrong."""
    path = root / FILE
    if not path.is_file():
        raise WorkspaceError(f"no {FILE} in {root.resolve()}", hint=f"trackway init {root} makes one")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not TOML: {error}", path=FILE) from error
    plan = check(raw, root)
    errors: list[ConfigError] = []
    for name, transform in plan.transforms.items():
        _told(transform.ready, f"transforms.{name}", errors)
    _none_of(errors)
    return plan


def check(raw: dict[str, Any], root: Path) -> Plan:
    """The plan of a parsed file; collects every error before it raises."""
    errors: list[ConfigError] = [
        ConfigError(f"unknown table '{key}'", path=key, hint=suggest(key, TABLES)) for key in raw if key not in TABLES
    ]
    raw = _secrets(raw, "", errors)
    made: dict[str, dict[str, Any]] = {kind: {} for kind in ("sources", "transforms", "contracts", "queries")}
    for kind, components in made.items():
        for name, table in _tables(raw, kind, errors):
            component = _component(kind, name, table, errors)
            if component is not None:
                components[name] = component
    project = _model(Project, raw.get("project", {}), "project", errors) or Project()
    naming = _naming(raw, root, errors)
    _check_names(made, naming.lookups, errors)
    place = Place(root, (root / cast("Project", project).data).resolve(), made["contracts"], naming.lookups)
    for name, transform in made["transforms"].items():
        made["transforms"][name] = _told(partial(transform.settle, place), f"transforms.{name}", errors)
    _none_of(errors)
    return Plan(root=root, project=cast("Project", project), naming=naming, tests=raw.get("tests", []), **made)


def _told(work: Callable[[], Any], path: str, errors: list[ConfigError]) -> Any:
    """What some work gives; its error under its path in the file."""
    try:
        return work()
    except TrackwayError as error:
        errors.append(ConfigError(error.message, path=f"{path}.{error.path}".rstrip("."), hint=error.hint))
    return None


def _none_of(errors: list[ConfigError]) -> None:
    if errors:
        raise ConfigError(str(errors[0].message), path=errors[0].path, hint=errors[0].hint, errors=errors)


def _naming(raw: dict[str, Any], root: Path, errors: list[ConfigError]) -> Naming:
    """The names of the file for what events do not say themselves."""
    made = {kind: _models(cls, raw, kind, errors) for kind, cls in NAMES.items()}
    naming = Naming(**made, root=root)
    errors.extend(ConfigError(message, path=path, hint=hint) for path, message, hint in naming.wrong())
    return naming


def _models(cls: type[BaseModel], raw: dict[str, Any], kind: str, errors: list[ConfigError]) -> dict[str, Any]:
    """The tables of one kind, by their names."""
    made = {name: _model(cls, table, f"{kind}.{name}", errors) for name, table in _tables(raw, kind, errors)}
    return {name: one for name, one in made.items() if one is not None}


def _tables(raw: dict[str, Any], kind: str, errors: list[ConfigError]) -> list[tuple[str, dict[str, Any]]]:
    group = raw.get(kind, {})
    if not isinstance(group, dict):
        errors.append(ConfigError(f"expected tables such as [{kind}.name]", path=kind))
        return []
    tables = []
    for name, table in group.items():
        if isinstance(table, dict):
            tables.append((name, table))
        else:
            errors.append(ConfigError("expected a table", path=f"{kind}.{name}", hint=f"write [{kind}.{name}]"))
    return tables


def _component(kind: str, name: str, table: dict[str, Any], errors: list[ConfigError]) -> BaseModel | None:
    path = f"{kind}.{name}"
    if kind == "contracts":
        return _model(Contract, table, path, errors)
    options = dict(table)
    type_ = options.pop("type", None)
    if not isinstance(type_, str):
        errors.append(ConfigError("needs a type", path=f"{path}.type", hint=suggest("", registry.names(kind))))
        return None
    try:
        cls = registry.load(kind, type_)
    except TrackwayError as error:
        errors.append(ConfigError(error.message, path=f"{path}.type", hint=error.hint))
        return None
    return _model(cls, options, path, errors)


def component(kind: str, options: dict[str, Any], path: str) -> Component:
    """One component from its table, as in the file but from elsewhere (a question on standard input)."""
    errors: list[ConfigError] = []
    made = _component(kind, path, options, errors)
    if errors:
        plain = [ConfigError(e.message, path=e.path.removeprefix(f"{kind}."), hint=e.hint) for e in errors]
        raise ConfigError(plain[0].message, path=plain[0].path, hint=plain[0].hint, errors=plain)
    return cast("Component", made)


def _model(cls: type[BaseModel], table: Any, path: str, errors: list[ConfigError]) -> BaseModel | None:
    try:
        return cls.model_validate(table)
    except ValidationError as error:
        errors.extend(_readable(cls, path, item) for item in error.errors())
    except TrackwayError as error:
        where = f"{path}.{error.path}" if error.path else path
        errors.append(ConfigError(error.message, path=where, hint=error.hint))
    return None


def _readable(cls: type[BaseModel], path: str, item: Any) -> ConfigError:
    """One pydantic error in the words of the file."""
    where = path
    for part in item["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}"
    options = [field.alias or name for name, field in cls.model_fields.items()]
    if item["type"] == "extra_forbidden":
        return ConfigError("unknown option", path=where, hint=suggest(str(item["loc"][-1]), options))
    if item["type"] == "missing":
        return ConfigError("is required", path=where, hint="")
    context = item.get("ctx", {}).get("error")
    if isinstance(context, TrackwayError):
        return ConfigError(context.message, path=where, hint=context.hint)
    if context is not None:
        return ConfigError(str(context), path=where)
    message = item["msg"][0].lower() + item["msg"][1:]
    return ConfigError(f"{message}, got {item['input']!r}"[:300], path=where)


def _check_names(made: dict[str, dict[str, Any]], lookups: Mapping[str, Lookup], errors: list[ConfigError]) -> None:
    """Transforms and lookups may only name sources that exist."""
    told = [(f"transforms.{name}.sources[{index}]", source) for name, transform in made["transforms"].items()
            for index, source in enumerate(transform.sources or [])]  # fmt: skip
    told += [(f"lookups.{name}.source", asked.source) for name, asked in lookups.items() if asked.source]
    for path, source in told:
        if source not in made["sources"]:
            errors.append(ConfigError(f"unknown source '{source}'", path=path, hint=suggest(source, made["sources"])))


def _secrets(value: Any, path: str, errors: list[ConfigError]) -> Any:
    """Every `{ env = "NAME" }` replaced by the value of that environment variable."""
    if isinstance(value, dict):
        if set(value) == {"env"} and isinstance(value["env"], str) and path.count(".") >= 2:
            if value["env"] not in os.environ:
                hint = f"export {value['env']}=… before starting"
                errors.append(ConfigError(f"environment variable {value['env']} is not set", path=path, hint=hint))
            return Secret(os.environ.get(value["env"], ""))
        return {key: _secrets(item, f"{path}.{key}" if path else key, errors) for key, item in value.items()}
    if isinstance(value, list):
        return [_secrets(item, f"{path}[{i}]", errors) for i, item in enumerate(value)]
    return value
