"""Records a source refused before any codec could see them: over the size limit, or cut off by the end of a file.

Sources write such blocks themselves; there is nothing to configure. A block holds one record, whose
reason and detail are in its headers:

    [sources.files]
    type = "file"
    max_line = "1MB"    # longer lines come here, with their first bytes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from trackway.model.event import DECODED, Block, Reason
from trackway.model.schema import Schema
from trackway.plan.component import Codec


class Refused(Codec):
    """One refusal per block."""

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """Always one."""
        return 1

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:  # noqa: ARG002
        """A row with reason and detail for every block."""
        columns: list[list[object]] = [
            [block.seq for block in blocks],
            [0] * len(blocks),
            [block.body for block in blocks],
            [block.headers.get("reason", Reason.UNREADABLE.value) for block in blocks],
            [block.headers.get("detail", "") for block in blocks],
        ]
        return pa.table(columns, schema=DECODED)
