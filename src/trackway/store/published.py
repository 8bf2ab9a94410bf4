"""Published contracts: every version once and for good, under the hash of what it says.

A folder with one file for each version, `NAME/1.2.0.json`; it can as well lie in a repository. A version is written
beside its place and linked into it, so that of two publishers one is told, and none is half there.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from trackway.errors import ConfigError, StorageError, suggest
from trackway.model.contracts.compatibility import Comparison, Keeps, compare
from trackway.model.contracts.promise import NAME, Promise
from trackway.model.contracts.version import FIRST, WRITTEN, Version, wrong
from trackway.model.time import iso
from trackway.store.durable import sync


@dataclass(frozen=True, slots=True)
class Published:
    """One version of a contract."""

    name: str
    version: Version
    promise: Promise
    published_at: str

    @property
    def hash(self) -> str:
        """The address of what it says."""
        return self.promise.hash

    def as_json(self) -> dict[str, Any]:
        """The version as it is kept, and as every door shows it."""
        return {"name": self.name, "version": str(self.version), "hash": self.hash, "published_at": self.published_at,
                "contract": self.promise.document()}  # fmt: skip

    @classmethod
    def read(cls, text: bytes, place: str) -> Published:
        """A version from its JSON. Raises StorageError when it does not say what its hash says."""
        try:
            found = orjson.loads(text)
            made = cls(found["name"], Version.read(found["version"]), Promise.read(found["contract"]),
                       found["published_at"])  # fmt: skip
            sound = made.hash == found["hash"]
        except (orjson.JSONDecodeError, ValidationError, ConfigError, LookupError, TypeError, AttributeError) as error:
            raise StorageError(f"{place} is no published contract: {error}") from error
        if not sound:
            raise StorageError(f"{place} was changed: it is not what {found['hash']} is", hint="restore the file")
        return made


class Shelf:
    """The published contracts of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """The contracts of which there is a version."""
        folders = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(one.name for one in folders if NAME.fullmatch(one.name) and any(self._files(one.name)))

    def versions(self, name: str) -> list[Version]:
        """The versions of a contract, the earliest first; none when there is no such contract."""
        return sorted(Version.read(path.stem) for path in self._files(name))

    def _files(self, name: str) -> Iterator[Path]:
        if NAME.fullmatch(name):
            yield from (path for path in (self.folder / name).glob("*.json") if WRITTEN.fullmatch(path.stem))

    def get(self, name: str, version: str = "") -> Published:
        """A version, by its number or the hash of what it says; the latest when left out. Raises ConfigError."""
        there = self.versions(name)
        if not there:
            raise ConfigError(f"no contract '{name}' is published", path=name, hint=suggest(name, self.names()))
        if version.startswith("sha256:"):
            found = next((one for one in map(self._load, [name] * len(there), reversed(there)) if one.hash == version),
                         None)  # fmt: skip
            if found is None:
                raise ConfigError(f"no version of '{name}' is {version}", path=name)
            return found
        wanted = Version.read(version) if version else there[-1]
        if wanted not in there:
            raise ConfigError(f"no version {wanted} of '{name}'", path=name, hint=suggest(str(wanted), map(str, there)))
        return self._load(name, wanted)

    def latest(self, name: str) -> Published | None:
        """The latest version, None when there is none."""
        return self.get(name) if self.versions(name) else None

    def _load(self, name: str, version: Version) -> Published:
        path = self.folder / name / f"{version}.json"
        try:
            found = Published.read(path.read_bytes(), str(path))
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}") from error
        if (found.name, found.version) != (name, version):
            raise StorageError(f"{path} is {found.name} {found.version}", hint="a version lies under its own name")
        return found

    def publish(self, name: str, promise: Promise, version: str = "", keeps: Keeps = "full") -> tuple[Published, bool]:
        """Keep a promise as a version, by default the next one that its changes ask for; and whether it is new.

        What is published already, with the same content, stays as it is. Raises ConfigError for a version that does
        not say how much was changed.
        """
        if not NAME.fullmatch(name):
            raise ConfigError(f"'{name}' cannot be published", path=name, hint="use letters, digits and _ . -")
        before = self.latest(name)
        if before is not None and before.hash == promise.hash and version in {"", str(before.version)}:
            return before, False
        moved = judged(before, promise, version, keeps)
        if moved.wrong is not None:
            raise ConfigError(moved.wrong, path=f"contracts.{name}.version", hint=moved.hint)
        made = Published(name, moved.version, promise, iso(time.time_ns() // 1_000))
        self._keep(made)
        return made, True

    def _keep(self, made: Published) -> None:
        folder = self.folder / made.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=True) as file:
                file.write(orjson.dumps(made.as_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
                os.link(file.name, folder / f"{made.version}.json")
            sync(folder)
        except FileExistsError as error:
            raise ConfigError(f"{made.name} {made.version} is published already", path=made.name) from error
        except OSError as error:
            raise StorageError(f"cannot write {folder}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Judged:
    """What a new promise would be beside the latest published version."""

    version: Version
    """As it was asked for, or the next one."""
    comparison: Comparison | None
    """None when it is the first."""
    wrong: str | None = None
    hint: str = ""


def judged(before: Published | None, promise: Promise, version: str, keeps: Keeps) -> Judged:
    """Whether a promise may be published as a version (empty: the next one)."""
    if before is None:
        return Judged(Version.read(version) if version else FIRST, None)
    found = compare(before.promise, promise, keeps)
    following = before.version.after(found.bump)
    asked = Version.read(version) if version else following
    if before.hash == promise.hash:
        stale = None if asked == before.version else wrong(before.version, asked, "none")
        return Judged(asked, found, stale)
    needed = [change for change in found.changes if change.bump == found.bump]
    hint = "; ".join(f"{change.path or 'the event'} {change.what}" for change in needed[:3])
    return Judged(asked, found, wrong(before.version, asked, found.bump), f"make it {following}: {hint}")
