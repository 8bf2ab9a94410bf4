"""A new workspace: a commented trackway.toml that runs as it is."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from trackway.errors import StorageError, WorkspaceError
from trackway.plan.config import FILE

IGNORED = "# Events, and the copies made of them, are data: they do not belong into the history of the code.\n/data/\n"


def create(folder: Path) -> Path:
    """Write trackway.toml and .gitignore into a folder. Raises WorkspaceError when there is a workspace already."""
    if (folder / FILE).exists():
        raise WorkspaceError(f"{folder / FILE} exists already", hint="choose another directory, or edit that file")
    text = resources.files("trackway.terminal").joinpath("workspace.toml").read_text(encoding="utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(text, encoding="utf-8")
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}", hint="choose another directory") from error
    return folder


def tour(folder: Path) -> str:
    """What to do with a new workspace."""
    return f"""Made {folder / FILE}. Next:

  trackway -C {folder} run                              collect, store and answer on 127.0.0.1:8700
  trackway -C {folder} load FILE --source files         take in an access log, NDJSON, CSV or Parquet file
  trackway -C {folder} ask events_by_day                ask a question of the file

"""
