"""Files and folders of files: read once, or followed while they grow and are rotated.

    [sources.web]
    type = "file"
    paths = ["/var/log/nginx/access.log*"]
    follow = true

    [sources.crm]
    type = "file"
    paths = ["dumps/contacts-*.csv.gz"]
    columns = { time = "Created", user_id = "Contact ID" }

Plain or packed with gzip, bzip2 or Zstandard, known by their first bytes; formats are found by themselves
(`codec = "auto"`): access logs, NDJSON, JSON arrays, CSV and TSV, Parquet, Avro. A file is known by its content,
not by its name: after a rotation, whether by renaming, by copying and truncating, or by packing, only what
was not read yet is read. The last line waits until it is whole when following, and counts as it is otherwise.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from glob import glob, has_magic
from pathlib import Path

from pydantic import Field

from trackway.errors import TrackwayError
from trackway.flow.detect import WHOLE, Detected
from trackway.flow.filed import Filed
from trackway.flow.reading import Mark, Piece, Reading, digest, head_of, stat_of
from trackway.flow.streams import open_file
from trackway.plan.component import Finding, Keep, Progress

log = logging.getLogger(__name__)
POLL = 0.5
"""Seconds between looks at files that are followed."""
IDLE = 300.0
"""Seconds without growth after which a followed file is let go; it is taken up again when it grows."""
SETTLED = 2.0
"""Seconds without a change after which a packed or Parquet file counts as written to its end."""


@dataclass
class Followed:
    """A file being read."""

    path: Path
    key: str
    """Its cursor."""
    found: Detected
    reading: Reading
    head: bytes
    """The bytes it began with when it was opened."""
    grown: float = 0.0
    """When it last grew."""


@dataclass
class State:
    """What a source knows of its files while it runs."""

    name: str
    marks: dict[str, Mark]
    finished: set[tuple[int, int, int]] = field(default_factory=set)
    """Inode, size and time of files there is nothing more to read in."""
    open: dict[int, Followed] = field(default_factory=dict)
    """Inode -> file."""
    complained: set[str] = field(default_factory=set)


class File(Filed):
    """Reads files as payload blocks for the journal."""

    paths: list[str] = Field(default_factory=list)
    """Files, or patterns such as `logs/*.log`; may stay empty when files only come by `trackway load`."""
    follow: bool = False
    """Go on reading as files grow and new ones appear."""

    def read(self, name: str, keep: Keep, cursors: Mapping[str, str], stop: threading.Event) -> Iterator[Progress]:
        """Read all files, then, when following, what comes.

        Raises TrackwayError for a path without a pattern that cannot be read, unless following.
        """
        state = State(name, {key: Mark.of(text) for key, text in cursors.items()})
        state.finished = {mark.stat for mark in state.marks.values() if mark.stat[0]}
        try:
            if not self.follow:
                yield from self._once(state, keep, stop)
                return
            while not stop.is_set():
                read = yield from self._look(state, keep, stop)
                if not read:
                    stop.wait(POLL)
                    yield Progress(0)
        finally:
            for followed in state.open.values():
                followed.reading.close()

    def prove(self, name: str) -> Iterator[Finding]:  # noqa: ARG002
        """The files there are, and in what format each is. Raises TrackwayError for the first that cannot be read."""
        paths = self._listed(strict=not self.follow)
        yield Finding("list", f"{len(paths)} {'file' if len(paths) == 1 else 'files'}")
        for path in paths:
            found = self.detected(path, growing=self.follow)
            packed = "" if found.compression == "none" else f", packed with {found.compression}"
            yield Finding("look", f"{path}: {found.codec or 'too little to tell the format yet'}{packed}")

    # ── once ────────────────────────────────────────────────────────────────────────────────────────

    def _once(self, state: State, keep: Keep, stop: threading.Event) -> Iterator[Progress]:
        paths = self._listed(strict=True)
        total = sum(path.stat().st_size for path in paths)
        done = 0
        for path in paths:
            stat = stat_of(path)
            followed = None if stat in state.finished else self._open(state, path, stat[0])
            if followed is not None:
                with contextlib.closing(followed.reading):
                    for piece in followed.reading.pieces(final=True):
                        self._keep(state, followed, piece, keep)
                        yield Progress(done + min(followed.reading.consumed, stat[1]), total)
                        if stop.is_set():
                            return
                state.finished.add(stat)
            done += stat[1]
            yield Progress(done, total)

    def _listed(self, *, strict: bool) -> list[Path]:
        """The files meant, each once, oldest first when they come from a pattern."""
        found: dict[Path, None] = {}
        for text in self.paths:
            if Path(text).exists() or not has_magic(text):
                if strict:
                    open_file(Path(text)).close()
                if Path(text).is_file():
                    found[Path(text)] = None
            else:
                matches = [Path(match) for match in glob(text, recursive=True)]  # noqa: PTH207 - absolute patterns too
                matches = [path for path in matches if path.is_file()]
                found |= dict.fromkeys(sorted(matches, key=lambda path: (path.stat().st_mtime_ns, path)))
        return list(found)

    # ── follow ──────────────────────────────────────────────────────────────────────────────────────

    def _look(self, state: State, keep: Keep, stop: threading.Event) -> Generator[Progress, None, bool]:
        """One look at all files; returns whether something was read."""
        read = False
        for path in self._listed(strict=False):
            try:
                followed = self._followed(state, path)
            except (TrackwayError, OSError) as error:
                self._complain(state, path, error)
                continue
            if followed is not None:
                followed.path = path
        for inode, followed in list(state.open.items()):
            idle = time.monotonic() - followed.grown > IDLE
            final = _packed(followed.found) or (idle and _gone(followed.path, inode))
            for piece in followed.reading.pieces(final=final):
                self._keep(state, followed, piece, keep)
                followed.grown, read = time.monotonic(), True
                yield Progress(followed.reading.consumed)
                if stop.is_set():
                    return read
            if final or idle:
                self._let_go(state, inode)
        return read

    def _followed(self, state: State, path: Path) -> Followed | None:
        """The open file at a path; opened when it is new or was replaced, None when there is nothing to read."""
        stat = stat_of(path)
        inode, size, _ = stat
        followed = state.open.get(inode)
        if followed is not None:
            if size >= followed.reading.consumed and _begins(path, followed.head):
                return followed
            self._let_go(state, inode, finished=False)
        if stat in state.finished or not size:
            return None
        opened = self._open(state, path, inode)
        if opened is not None:
            state.open[inode] = opened
        return opened

    def _let_go(self, state: State, inode: int, *, finished: bool = True) -> None:
        followed = state.open.pop(inode)
        followed.reading.close()
        if finished and followed.path.exists() and (stat := stat_of(followed.path))[0] == inode:
            state.finished.add(stat)

    def _complain(self, state: State, path: Path, error: Exception) -> None:
        if str(path) not in state.complained:
            state.complained.add(str(path))
            log.error("source=%s file=%s Cannot read this file: %s.", state.name, path, error)

    # ── both ────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, state: State, path: Path, inode: int) -> Followed | None:
        """The file, wound forward to where reading stopped; None while it is too empty to know its format."""
        found = self.detected(path, growing=self.follow)
        if not found.codec or (self.follow and _packed(found) and time.time() - path.stat().st_mtime < SETTLED):
            return None
        head = head_of(path, self.encoded(found), plain=found.form in WHOLE.values())
        for key, mark in self._candidates(state, head, inode):
            reading = self.opened(path, found)
            if reading.skim(mark):
                own = key if key.startswith(f"{inode}:") else f"{inode}:{digest(head)}"
                return self._begun(path, own, found, reading)
            reading.close()
        return self._begun(path, f"{inode}:{digest(head)}", found, self.opened(path, found))

    def _begun(self, path: Path, key: str, found: Detected, reading: Reading) -> Followed:
        with open_file(path) as file:
            return Followed(path, key, found, reading, file.read(1024), time.monotonic())

    def _candidates(self, state: State, head: bytes, inode: int) -> list[tuple[str, Mark]]:
        """Marks of files that began like this one; its own first, then the furthest."""
        alike = [(k, m) for k, m in state.marks.items() if m.length and digest(head[: m.length]) == m.head]
        return sorted(alike, key=lambda item: (not item[0].startswith(f"{inode}:"), -item[1].until))

    def _keep(self, state: State, followed: Followed, piece: Piece, keep: Keep) -> None:
        """One piece and its refusals into the journal, with the mark after them, in one transaction."""
        mark = replace(piece.mark, stat=_finished(followed)) if piece.last else piece.mark
        cursors = {followed.key: mark.as_text()}
        keep(self.packed(state.name, str(followed.path), followed.found, piece, cursors))
        if self.follow:
            state.marks[followed.key] = mark


def _finished(followed: Followed) -> tuple[int, int, int]:
    """Inode, size and time of the file if this was all of it, else zeros."""
    try:
        stat = stat_of(followed.path)
    except OSError:
        return 0, 0, 0
    whole = followed.reading.consumed >= stat[1] and followed.key.startswith(f"{stat[0]}:")
    return stat if whole else (0, 0, 0)


def _packed(found: Detected) -> bool:
    return found.compression != "none" or found.form in WHOLE.values()


def _gone(path: Path, inode: int) -> bool:
    """Whether a file was rotated away from where it was last seen."""
    return not path.exists() or path.stat().st_ino != inode


def _begins(path: Path, head: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(head)) == head
