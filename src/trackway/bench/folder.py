"""A folder for a run: kept where a person wants it, or temporary."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    """`keep`, made when missing; or a temporary folder that is removed afterwards."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="trackway-bench-") as name:
        yield Path(name)
