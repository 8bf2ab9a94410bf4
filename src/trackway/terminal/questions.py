"""A question as typed: a name from the file, a path to JSON or TOML, or `-` for JSON on standard input."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trackway.api.question import read
from trackway.errors import QuestionError, suggest


def read_question(typed: str, names: Iterable[str]) -> dict[str, Any] | str:
    """The question as `Workspace.ask` takes it. Raises QuestionError."""
    if typed == "-":
        return read(sys.stdin.buffer.read())
    if typed in names:
        return typed
    path = Path(typed)
    if not path.is_file():
        raise QuestionError(f"no question and no file named '{typed}'", hint=suggest(typed, names))
    if path.suffix != ".toml":
        return read(path.read_bytes())
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QuestionError(f"not TOML: {error}", path=typed) from error
