"""Runs in the order of a key, kept beside the runs they are of: another process maps them instead of sorting anew.

A file holds the permutation, the times, and the codes of which each key is made; columns are still read from the
run. It is as disposable as everything here: one that is missing, damaged or of another run is made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from trackway.store.columns.run import ALIGN, Run, arrays, create, layout

LOG = logging.getLogger(__name__)
FORMAT = 1
SUFFIX = ".keyed"
WORTH = 1_000_000
"""Rows of a run from which on its order by a key is kept on disk."""
MOST_FILES = 4
"""Keys kept on disk for a run; the one asked longest ago gives way."""
HEAD = "head"
PART = "part:"

Arrays = Mapping[str, np.ndarray]


def path_of(folder: Path, run: Run, key: Sequence[str]) -> Path:
    """Where a run in the order of a key is kept."""
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=16).hexdigest()
    return folder / f"{Path(run.name).stem}.{digest}{SUFFIX}"


def worth(run: Run) -> bool:
    """Whether a run is on disk, and large enough that sorting it again takes longer than reading."""
    return run.name.endswith(".run") and run.rows >= WORTH


def save(path: Path, key: Sequence[str], found: Arrays, parts: Sequence[np.ndarray]) -> Arrays:
    """Keep the arrays of a keyed run, and the codes of each key; returns them as they are mapped from now on.

    On a full disk they stay in memory.
    """
    held = {**found, **{f"{PART}{place}": part for place, part in enumerate(parts)}}
    places, size = layout(
        {HEAD: (np.dtype(np.uint8), ALIGN)} | {name: (array.dtype, len(array)) for name, array in held.items()}
    )
    head = json.dumps({"format": FORMAT, "key": list(key), "places": places}).encode()
    draft = path.with_name(f"{uuid.uuid4().hex}.draft")
    try:
        target = create(draft, places, size)
        target[HEAD][: len(head)] = np.frombuffer(head, np.uint8)
        for name, array in held.items():
            target[name][:] = array
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        LOG.warning("the order by %s stays in memory: %s", ", ".join(key), error)
        return found
    _forget_oldest(path)
    kept = load(path, key)
    return found if kept is None else kept[0]


def load(path: Path, key: Sequence[str]) -> tuple[dict[str, np.ndarray], list[np.ndarray]] | None:
    """The arrays of a keyed run, mapped, and the codes of each key; None when there are none to be used."""
    try:
        with path.open("rb") as file:
            room = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        head = json.loads(room[:ALIGN].rstrip(b"\0"))
        if (head["format"], head["key"]) != (FORMAT, list(key)):
            return None
        found = arrays(room, head["places"])
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    parts = [found.pop(f"{PART}{place}") for place in range(len(key))]
    del found[HEAD]
    return found, parts


def _forget_oldest(path: Path) -> None:
    """Delete what was asked longest ago, of the keys of one run."""
    stem = path.name.split(".")[0]
    files = sorted(path.parent.glob(f"{stem}.*{SUFFIX}"), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in files[MOST_FILES:]:
        old.unlink(missing_ok=True)
