"""What lies in the folder of the columns, in one small file that is replaced at once; and who may write there.

All of it can be deleted: a folder that is missing, from another version or damaged is built again from
the lake.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trackway.store.durable import sync

FORMAT = 3
FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The runs and dictionaries on disk, and the lake version they cover."""

    version: int = -1
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Oldest first: `name` and `arrays`, where each array stands in the file."""
    kinds: dict[str, str] = field(default_factory=dict)
    """Column -> kind, for every column that has a dictionary."""
    words: list[str] = field(default_factory=list)
    """Files of dictionary values, oldest first."""
    wide: list[str] = field(default_factory=list)
    """Columns with too many distinct values to be kept as codes."""
    serial: int = 0
    """Counts up with every change."""
    format: int = FORMAT


def read(folder: Path) -> Manifest:
    """The manifest of a folder; an empty one when there is none that can be used."""
    try:
        raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
        manifest = Manifest(**raw)
        names = [*(run["name"] for run in manifest.runs), *manifest.words]
    except (OSError, ValueError, TypeError, KeyError):
        return Manifest()
    if manifest.format != FORMAT or not all((folder / name).is_file() for name in names):
        return Manifest()
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Make this the manifest, durably and at once, and delete the files it no longer names."""
    for name in [*(run["name"] for run in manifest.runs), *manifest.words]:
        sync(folder / name)
    draft = folder / f"{FILE}.draft"
    draft.write_text(json.dumps(asdict(manifest)), encoding="utf-8")
    sync(draft)
    draft.replace(folder / FILE)
    sync(folder)
    kept = {*(run["name"] for run in manifest.runs), *manifest.words}
    for path in folder.iterdir():
        if path.suffix in (".run", ".words") and path.name not in kept:
            path.unlink(missing_ok=True)
        if path.suffix == ".keyed" and path.name.split(".")[0] + ".run" not in kept:
            path.unlink(missing_ok=True)


@contextmanager
def writing(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Be the one process that writes here. False when another one is, or when nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(handle)
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)
