"""Unpack texts that were compressed and written as base64 or hexadecimal digits.

    [transforms.payload]
    type = "decompress"
    columns = ["payload"]
    how = "gzip"

    [transforms.state]
    type = "decompress"
    columns = ["state"]
    how = "deflate"
    alphabet = "hex"

`gzip` and `zlib` are told apart by their first bytes, so that either reads both; `deflate` is the bare stream. What is
not so compressed, is cut off, is no UTF-8 then or becomes larger than `most`, stays as it was. What is JSON then can be
taken apart by `flatten`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Literal

from trackway.flow.alphabets import from_digits, from_sextets
from trackway.flow.expressions import Targets, rewritten
from trackway.flow.functions import each
from trackway.model.schema import Schema
from trackway.model.size import Size
from trackway.plan.component import Rewrite, Transform

How = Literal["gzip", "zlib", "deflate"]
WINDOWS: dict[How, int] = {"gzip": zlib.MAX_WBITS | 32, "zlib": zlib.MAX_WBITS | 32, "deflate": -zlib.MAX_WBITS}
"""How zlib is to be told: 32 finds out between gzip and zlib, a negative number is a stream without either."""


class Decompress(Transform):
    """Unpacks texts."""

    columns: Targets
    """The columns that are unpacked."""
    how: How = "gzip"
    """How they are compressed."""
    alphabet: Literal["base64", "hex"] = "base64"
    """What the compressed bytes are written in."""
    most: Size = Size("1MB")
    """The largest text that may come out of one."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist, as texts."""
        sets = rewritten(self.columns, schema, lambda given: f"decompress({given})")
        read = from_sextets if self.alphabet == "base64" else from_digits
        unpack = each(partial(_unpacked, read=read, window=WINDOWS[self.how], most=self.most.bytes))
        return Rewrite(set=sets, functions={"decompress": unpack} if sets else {})


def _unpacked(given: str, read: Callable[[str], bytes], window: int, most: int) -> str:
    try:
        stream = zlib.decompressobj(window)
        found = stream.decompress(read(given), most + 1)
        return found.decode() if stream.eof and len(found) <= most else given
    except (ValueError, zlib.error):
        return given
