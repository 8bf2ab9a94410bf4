"""Tables added to trackway.toml: checked before they are written, below what is there, which stays as it is."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from trackway.errors import ConfigError, StorageError, WorkspaceError
from trackway.plan.config import FILE, check


def joined(root: Path, tables: Sequence[str]) -> tuple[str, str]:
    """The file of a workspace as it is and as it would be. Raises ConfigError when that could not run."""
    path = root / FILE
    if not path.is_file():
        raise WorkspaceError(f"no {FILE} in {root.resolve()}", hint=f"trackway init {root} makes one")
    before = path.read_text(encoding="utf-8")
    after = before.rstrip("\n") + "\n\n" + "\n\n".join(tables) + "\n"
    try:
        raw = tomllib.loads(after)
    except tomllib.TOMLDecodeError as error:
        hint = "a table of this name may be there already; --name chooses another"
        raise ConfigError(f"cannot be added: {error}", path=FILE, hint=hint) from error
    check(raw, root)
    return before, after


def write(root: Path, text: str) -> None:
    """Put the new file in the place of the old, whole or not at all. Raises StorageError."""
    path = (root / FILE).resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.chmod(path.stat().st_mode & 0o7777)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror}") from error
