"""Reading ahead: while one batch is shaped and committed, the next is read from the journal and decoded.

Decoding takes more than half of the flow's work and needs nothing of the batch before but the columns it
brings. When those turn out to be new, what was decoded ahead is decoded again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from trackway.flow.decoding import Decoded, decode
from trackway.model.event import Block
from trackway.model.schema import Schema

Known = Callable[[Sequence[Block]], Mapping[str, Schema]]
"""What the sources of some blocks are known to hold, now."""
Read = Callable[[int], list[Block]]
"""The next blocks after a position."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Blocks and what their codecs read in them, under what was known then."""

    blocks: list[Block]
    known: Mapping[str, Schema]
    decoded: list[Decoded]


class Ahead:
    """The next batch, perhaps already decoded."""

    def __init__(self, read: Read, known: Known) -> None:
        self._read, self._known = read, known
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._after = -1
        self._next: Future[Taken] | None = None

    def take(self, after: int) -> Taken:
        """The batch after a position, decoded with what is known now."""
        waiting, self._next = self._next, None
        if waiting is None:
            return self._decoded(after)
        taken = waiting.result()
        if self._after != after:
            return self._decoded(after)
        known = self._known(taken.blocks)
        return taken if known == taken.known else Taken(taken.blocks, known, list(decode(taken.blocks, known)))

    def begin(self, after: int) -> None:
        """Begin with the batch after a position, on another thread."""
        self._after = after
        self._next = self._pool.submit(self._decoded, after)

    def _decoded(self, after: int) -> Taken:
        blocks = self._read(after)
        known = self._known(blocks)
        return Taken(blocks, known, list(decode(blocks, known)))

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)
