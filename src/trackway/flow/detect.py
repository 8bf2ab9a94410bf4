"""What is in this file? Its compression, encoding and format, from the first 64 KB.

Used when a file source says `codec = "auto"`, and by `trackway inspect`. Every codec says how much of the first lines
it would read; the formats of one product are asked before JSON and tables, and what nearly every text is comes last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trackway.errors import TrackwayError
from trackway.flow.sheet import Sheet, look
from trackway.flow.streams import Stream, is_western, open_file
from trackway.plan import registry

SAMPLE = 64 * 1024
"""Bytes looked at, after unpacking."""
WHOLE = {b"PAR1": "parquet", b"Obj\x01": "avro"}
"""How files begin that are no text, and their codec."""
LOOKED_AT = 200
"""Lines."""
ENOUGH = 0.5
"""Share of lines that must be of a format."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What a file seems to be."""

    codec: str
    """A codec, or empty when there is nothing in the file yet."""
    form: str = "lines"
    """How records follow one another: `lines`, `rows` (CSV), `elements` (of a JSON array), `parquet`, `avro` …"""
    compression: str = "none"
    encoding: str = "utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the codec must know beside the records: `delimiter` and `header` of a CSV."""
    sample: bytes = b""


def detect(  # noqa: PLR0913
    path: Path, codec: str = "auto", encoding: str = "auto", *, growing: bool = False,
    told: Mapping[str, str] | None = None, sheet: Sheet | None = None,
) -> Detected:  # fmt: skip
    """What the file seems to be; a `codec` that is known already only leaves its details to find.

    What a source was `told`, such as a format, goes before what is found, and what is known of a `sheet` too.
    A `growing` file of which too little is there yet has no codec (empty) for now.
    Raises TrackwayError when the file cannot be read or its format cannot be told.
    """
    with open_file(path) as file:
        name = WHOLE.get(file.read(4))
        if name is not None and codec in {"auto", name}:
            return Detected(name, name)
        file.seek(0)
        stream = Stream(file, encoding)
        sample, much = b"", SAMPLE if codec == "auto" else registry.codec(codec).sample
        while len(sample) < much:
            piece = stream.read(much - len(sample))
            if not piece:
                break
            sample += piece
    whole, sample = len(sample) < much and not growing, sample[:much]
    western = encoding == "auto" and stream.encoding == "utf-8" and is_western(sample)
    text = sample.decode("cp1252").encode() if western else sample
    found = detect_text(text, codec, whole=whole, sheet=sheet)
    if found is None and {".csv", ".tsv"} & set(path.suffixes):
        found = detect_text(text, "csv", whole=whole, sheet=sheet)
    if growing and sample.count(b"\n") < 2 and (found is None or found.codec == "csv"):
        found = Detected("")
    if found is None:
        raise TrackwayError(
            f"cannot tell the format of {path}",
            hint='say what it is in its source, such as codec = "access_log"; `trackway list codecs` names them',
        )
    headers = {**found.headers, **(told or {})}
    if found.codec:
        headers |= registry.codec(found.codec).learn(_raw(text if whole else text[: text.rfind(b"\n") + 1]), headers)
    western = western and found.form == "rows"
    read_as = "cp1252" if western else stream.encoding or "utf-8"
    return Detected(found.codec, found.form, stream.compression, read_as, headers, sample[:SAMPLE])


def detect_text(
    sample: bytes, codec: str = "auto", *, whole: bool = True, sheet: Sheet | None = None
) -> Detected | None:
    """The format of a text that begins like this; None when it cannot be told."""
    if not whole:
        sample = sample[: sample.rfind(b"\n") + 1] or sample[: SAMPLE if len(sample) >= SAMPLE else 0]
    text = sample[:SAMPLE].decode("utf-8", "replace")
    lines = [line for line in _lines(text)[:LOOKED_AT] if line.strip()]
    if not lines:
        return Detected("" if codec in {"auto", "csv"} else codec)
    raw = _raw(sample)[:LOOKED_AT]
    if codec == "auto":
        return _likest(raw, 0) or _json(text, lines) or _likest(raw, 1) or _table(text, sheet) or _likest(raw, 2)
    if codec == "json":
        return _json(text, lines) or Detected("json")
    if codec == "csv":
        return _table(text, sheet, sure=True)
    like = registry.codec(codec).recognise(raw)
    return Detected(codec, like.form, headers=like.headers) if like else Detected(codec)


def _raw(sample: bytes) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in sample.split(b"\n") if line.strip()]


def _likest(lines: list[bytes], general: int) -> Detected | None:
    """The codec that would read most of these lines, and at least half."""
    best = (0.0, Detected(""))
    for name in registry.names("codecs"):
        codec = registry.codec(name)
        like = codec.recognise(lines) if codec.general == general else None
        if like is not None and like.share > best[0]:
            best = (like.share, Detected(name, like.form, headers=like.headers))
        if best[0] >= 1:
            break
    return best[1] if best[0] >= ENOUGH else None


def _json(text: str, lines: list[str]) -> Detected | None:
    beginning = re.sub(r"\s+", "", text[:4096])[:2]
    if beginning[:1] == "[" and beginning[1:] in {"", "{", "[", '"', "]"}:
        return Detected("json", "elements")
    objects = sum(_is_object(line) for line in lines[:50])
    if objects:
        return Detected("json")
    if beginning[:1] == "{":
        return Detected("json", "elements")
    return None


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _table(text: str, sheet: Sheet | None, *, sure: bool = False) -> Detected | None:
    headers = look(text, sheet, sure=sure)
    return None if headers is None else Detected("csv", "rows", headers=headers)


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n")]
