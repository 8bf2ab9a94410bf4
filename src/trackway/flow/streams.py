"""The bytes of a file as UTF-8, whatever it is packed in: gzip, bzip2, Zstandard or plain, UTF-16 or Latin-1.

Compression is known by its first bytes, never by the name of the file. Everything that can be read is given
out: a stream that ends early, or goes bad, gives all that came before and then says so (`damage`).
Bytes that are not text in the encoding come out as bytes that are not UTF-8, so that the codec refuses
just the record they are in.
"""

from __future__ import annotations

import bz2
import codecs
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from trackway.errors import TrackwayError

RAW = 1 << 16
"""Bytes of a compressed file read at once."""
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

WESTERN = frozenset(range(0x80, 0xFE)) - {0x81, 0x8D, 0x8F, 0x90, 0x9D, 0xD0, 0xD7, 0xDE, 0xF0, 0xF7}
"""What texts in Windows-1252 have beyond ASCII, without letters that only Icelandic has."""


def open_file(path: Path) -> BinaryIO:
    """The file, open for reading. Raises TrackwayError in the words of a person when it cannot be."""
    if path.is_dir():
        raise TrackwayError(f"{path} is a directory", hint=f"name its files, such as '{path}/*.log'")
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise TrackwayError(f"no file {path}", hint="check the path; it is relative to where you are") from error
    except OSError as error:
        raise TrackwayError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error


def compression_of(beginning: bytes) -> str:
    """`gzip`, `bz2`, `zstd` or `none`."""
    return next((name for magic, name in MAGIC.items() if beginning.startswith(magic)), "none")


def encoding_of(beginning: bytes) -> tuple[str, int]:
    """The encoding a text seems to have, and the length of its byte order mark."""
    for mark, name in BOMS.items():
        if beginning.startswith(mark):
            return name, len(mark)
    pairs = len(beginning) // 2
    if pairs >= 16:
        for odd, name in ((1, "utf-16-le"), (0, "utf-16-be")):
            if beginning[odd::2].count(0) > 0.7 * pairs and beginning[1 - odd :: 2].count(0) < 0.1 * pairs:
                return name, 0
    return "utf-8", 0


def is_western(beginning: bytes) -> bool:
    """Whether a text is of Windows-1252, as Excel writes it: letters beyond ASCII, and none that is one in UTF-8."""
    beginning = beginning[: beginning.rfind(b"\n") + 1] or beginning
    beyond = {byte for byte in beginning if byte > 127}
    return (
        bool(beyond)
        and beyond <= WESTERN
        and len(beginning.decode("utf-8", "ignore").encode()) == sum(byte <= 127 for byte in beginning)
    )


class Unpacker(Protocol):
    """Gives the unpacked bytes of one file, piece by piece."""

    damage: str
    """Why nothing more can be read although the file does not end properly; empty when all is well."""

    def read(self, size: int) -> bytes:
        """About `size` bytes; nothing at the end."""
        ...


class Plain:
    """A file as it is; may be read on when it has grown."""

    damage = ""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        return self._file.read(size)


class Members:
    """Gzip or bzip2: members one after another, as `cat a.gz b.gz` makes them."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._unit: Any = self._new()
        self._begun = False
        self.damage = ""

    def _new(self) -> Any:
        return zlib.decompressobj(wbits=31) if self._name == "gzip" else bz2.BZ2Decompressor()

    def read(self, size: int) -> bytes:
        """At least one byte unless at the end, and about `size`."""
        parts: list[bytes] = []
        length = 0
        while length < size and not self.damage:
            raw = self._file.read(RAW)
            if not raw:
                if self._begun:
                    self.damage = f"the {self._name} file is cut off"
                break
            part = self._unpack(raw)
            parts.append(part)
            length += len(part)
        return b"".join(parts)

    def _unpack(self, raw: bytes) -> bytes:
        parts = []
        while raw and not self.damage:
            if not self._begun:
                raw = raw.lstrip(b"\0")
                if not raw:
                    break
            backup = self._unit.copy() if self._name == "gzip" else None
            try:
                parts.append(self._unit.decompress(raw))
            except (zlib.error, OSError) as error:
                self.damage = f"the {self._name} file is damaged: {error}"
                parts.append(_salvage(backup, raw) if backup else b"")
                break
            self._begun = not self._unit.eof
            raw = self._unit.unused_data if self._unit.eof else b""
            if self._unit.eof:
                self._unit = self._new()
        return b"".join(parts)


def _salvage(unit: Any, raw: bytes) -> bytes:
    """What comes out before the bad byte."""
    parts = []
    for at in range(len(raw)):
        try:
            parts.append(unit.decompress(raw[at : at + 1]))
        except zlib.error:
            break
    return b"".join(parts)


class Zstandard:
    """Zstandard frames, unpacked by Arrow."""

    def __init__(self, file: BinaryIO) -> None:
        self._stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
        self.damage = ""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; in small steps, since a failing step gives nothing."""
        parts: list[bytes] = []
        length = 0
        while length < size and not self.damage:
            try:
                part = self._stream.read(min(RAW, size - length))
            except OSError as error:
                self.damage = f"the zstd file is cut off or damaged: {error}"
                break
            if not part:
                break
            parts.append(part)
            length += len(part)
        return b"".join(parts)


class Stream:
    """The text of one file as UTF-8 bytes, from its beginning."""

    def __init__(self, file: BinaryIO, encoding: str = "auto") -> None:
        self._file = file
        beginning = file.read(4)
        file.seek(0)
        self.compression = compression_of(beginning)
        self._unpacker: Unpacker = self._unpacker_of(file)
        self._encoding = encoding
        self.encoding = ""
        """Known once something was read."""
        self._decoder: codecs.IncrementalDecoder | None = None

    def _unpacker_of(self, file: BinaryIO) -> Unpacker:
        if self.compression == "zstd":
            return Zstandard(file)
        return Plain(file) if self.compression == "none" else Members(file, self.compression)

    @property
    def damage(self) -> str:
        """Why the stream ended before its end; empty when it did not. To be asked at the end."""
        if not self._unpacker.damage and self._decoder is not None and self._decoder.getstate()[0]:
            return "the text ends in the middle of a character"
        return self._unpacker.damage

    @property
    def consumed(self) -> int:
        """Bytes of the file (as packed) read so far."""
        return 0 if self._file.closed else self._file.tell()

    def read(self, size: int) -> bytes:
        """About `size` bytes of UTF-8; nothing at the end (for now, if the file is still growing)."""
        raw = self._unpacker.read(size)
        if not self.encoding and raw:
            raw = self._begin(raw)
        if self._decoder is None or not raw:
            return raw
        handler = "surrogatepass" if self.encoding.startswith("utf-16") else "surrogateescape"
        return self._decoder.decode(raw).encode("utf-8", handler)

    def _begin(self, raw: bytes) -> bytes:
        found, mark = encoding_of(raw[:4096])
        asked = found if self._encoding == "auto" else codecs.lookup(self._encoding).name
        self.encoding = found if asked == "utf-16" else asked
        if self.encoding not in {"utf-8", "ascii"}:
            handler = "surrogatepass" if self.encoding.startswith("utf-16") else "surrogateescape"
            self._decoder = codecs.getincrementaldecoder(self.encoding)(handler)
        return raw[mark:] if mark and found == self.encoding else raw

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()
