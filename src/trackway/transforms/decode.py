"""Read texts that were written in another alphabet.

    [transforms.payload]
    type = "decode"
    columns = ["payload"]
    alphabet = "base64"

Alphabets are `base64` (also the one for URLs, with or without padding), `hex`, `url` (`%20`, and `+` for a blank) and
`html` (`&amp;`). What is not written in it, or is no UTF-8 then, stays as it was.
"""

from __future__ import annotations

import base64
import binascii
import html
from collections.abc import Callable
from functools import partial
from typing import Literal
from urllib.parse import unquote_plus

import pyarrow as pa
from pydantic import Field, field_validator

from trackway.flow.expressions import find, target, text
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Rewrite, Transform

Alphabet = Literal["base64", "hex", "url", "html"]


class Decode(Transform):
    """Decodes texts."""

    columns: list[str] = Field(min_length=1)
    """The columns that are decoded."""
    alphabet: Alphabet
    """What they are written in."""

    @field_validator("columns")
    @classmethod
    def _targets(cls, value: list[str]) -> list[str]:
        return [target(name) for name in value]

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist, as texts."""
        found = [name for name in self.columns if find(name, schema)]
        sets: dict[str, tuple[str, Kind]] = {name: (f"decode_text({text(name, schema)})", "string") for name in found}
        return Rewrite(set=sets, functions={"decode_text": partial(decoded, alphabet=self.alphabet)} if sets else {})


def decoded(texts: pa.Array, alphabet: Alphabet) -> pa.Array:
    """Every text decoded, or as it was."""
    read = READERS[alphabet]
    return pa.array([None if one is None else _read(one, read) for one in texts.to_pylist()], pa.string())


def _read(given: str, read: Callable[[str], str]) -> str:
    try:
        return read(given)
    except (ValueError, binascii.Error):
        return given


def _sextets(given: str) -> str:
    plain = given.strip().rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()


READERS: dict[Alphabet, Callable[[str], str]] = {
    "base64": _sextets,
    "hex": lambda given: bytes.fromhex(given.strip().removeprefix("0x")).decode(),
    "url": partial(unquote_plus, errors="strict"),
    "html": html.unescape,
}
