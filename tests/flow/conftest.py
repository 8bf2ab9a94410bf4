"""Workspaces that close with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from houses import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def make(**options: Any) -> House:
        root = tmp_path / f"w{len(made)}"
        root.mkdir()
        made.append(House(root, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
