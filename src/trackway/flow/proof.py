"""What was found when a source was tried, with the record that was seen read as the flow would read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from trackway.flow.decoding import decode
from trackway.flow.fuse import OWN
from trackway.model.event import Block
from trackway.plan.component import Finding, Payload

MOST = 2_000
"""Bytes of a record that are shown."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One step of a trial that worked."""

    step: str
    text: str
    record: str = ""
    """The record that was seen, its beginning."""
    columns: dict[str, Any] = field(default_factory=dict)
    """What its codec reads in it; empty when it would be refused."""
    refused: str = ""
    """Why it would be refused."""

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {name: value for name, value in asdict(self).items() if value}


def read(finding: Finding) -> Proof:
    """A finding, its payload read."""
    if finding.payload is None:
        return Proof(finding.step, finding.text)
    columns, refused = _decoded(finding.payload)
    return Proof(finding.step, finding.text, finding.payload.body[:MOST].decode("utf-8", "replace"), columns, refused)


def _decoded(payload: Payload) -> tuple[dict[str, Any], str]:
    """The first record of a payload: what is read in it, or why it is refused."""
    block = Block(1, payload.source, 0, payload.codec, payload.body, payload.records, payload.headers)
    for decoded in decode([block], {}):
        for row in decoded.refused.slice(0, 1).to_pylist():
            return {}, f"{row['reason']}: {row['detail']}"
        for row in decoded.events.slice(0, 1).to_pylist():
            hidden = ("block", "row")
            return {k: v for k, v in row.items() if v is not None and k not in hidden and not k.startswith(OWN)}, ""
    return {}, "nothing could be read"
