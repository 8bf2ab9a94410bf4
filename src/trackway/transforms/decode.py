"""Read texts that were written in another alphabet.

    [transforms.payload]
    type = "decode"
    columns = ["payload"]
    alphabet = "base64"

Alphabets are `base64` (also the one for URLs, with or without padding), `hex`, `url` (`%20`, and `+` for a blank) and
`html` (`&amp;`). What is not written in it, or is no UTF-8 then, stays as it was.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Literal
from urllib.parse import unquote_plus

from trackway.flow.alphabets import from_digits, from_sextets
from trackway.flow.expressions import Targets, rewritten
from trackway.flow.functions import each
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform

Alphabet = Literal["base64", "hex", "url", "html"]


class Decode(Transform):
    """Decodes texts."""

    columns: Targets
    """The columns that are decoded."""
    alphabet: Alphabet
    """What they are written in."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist, as texts."""
        sets = rewritten(self.columns, schema, lambda given: f"decode_text({given})")
        decode = each(partial(_read, read=READERS[self.alphabet]))
        return Rewrite(set=sets, functions={"decode_text": decode} if sets else {})


def _read(given: str, read: Callable[[str], str]) -> str:
    try:
        return read(given)
    except ValueError:
        return given


READERS: dict[Alphabet, Callable[[str], str]] = {
    "base64": lambda given: from_sextets(given).decode(),
    "hex": lambda given: from_digits(given).decode(),
    "url": partial(unquote_plus, errors="strict"),
    "html": html.unescape,
}
