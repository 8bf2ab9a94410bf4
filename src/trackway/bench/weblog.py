"""`trackway bench weblog`: an access log from the file to the first answer, against GoAccess on the same file.

The log is a real one of four days, made busier: every line is followed by its copies from other addresses, up to
a million lines in all, so that the order of time stays and no line is there twice that was not twice before.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from trackway.bench import machine
from trackway.bench.child import ask, ledger, trackway
from trackway.bench.folder import folder
from trackway.bench.report import Document, as_text
from trackway.errors import MissingDriver
from trackway.worlds.weblog import access_log

LINES = 1_000_000
ROUNDS = 3
REAL = Path(__file__).parents[4] / "shared" / "data" / "weblogs" / "apache_combined.log"
"""Beside the repository; made up by `worlds.weblog` when it is not there."""
ADDRESS = re.compile(rb"^(\d+)\.(\d+)(\.\d+\.\d+ .*)$", re.DOTALL)
GOACCESS = ("goaccess", "--log-format=COMBINED", "--no-progress", "--no-global-config")


def run(lines: int = LINES, *, json: bool = False, keep: Path | None = None, write: Path | None = None) -> int:
    """Measure and print; exit code 1 when not every line was stored or refused."""
    with folder(keep) as place:
        measured = measure(lines, place)
    if json:
        sys.stdout.write(orjson.dumps(measured, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(as_text(measured))
    if write is not None:
        Document(write).replace("weblog", measured)
    return 0 if measured["complete"] else 1


def measure(lines: int, place: Path, *, rounds: int = ROUNDS) -> dict[str, Any]:
    """The JSON object of a run: seconds of each, in turn. Without GoAccess its part is left out, with the reason."""
    file = place / f"access-{lines}.log"
    source = REAL if REAL.exists() else None
    if not file.exists():
        write_log(file, lines, source)
    goaccess = shutil.which("goaccess")
    ours: list[float] = []
    answered: list[float] = []
    theirs: list[float] = []
    seen: list[int] = []
    for number in range(rounds):
        if goaccess:
            theirs.append(_goaccess(file, place / "goaccess.json"))
        loaded, asked, found = _trackway(file, place / f"workspace-{number}")
        ours.append(loaded)
        answered.append(asked)
        seen.append(found)
    return {
        "ok": True,
        "section": "weblog",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.facts(),
        "log": source.name if source else "made up",
        "lines": lines,
        "bytes": file.stat().st_size,
        "trackway_seconds": ours,
        "answered_seconds": answered,
        "goaccess_seconds": theirs,
        "goaccess": _version() if goaccess else "not installed (Debian: apt-get install goaccess)",
        "lines_per_second": lines / min(ours),
        "goaccess_lines_per_second": lines / min(theirs) if theirs else None,
        "times_faster": min(theirs) / min(ours) if theirs else None,
        "times_faster_answered": min(theirs) / min(answered) if theirs else None,
        "complete": seen == [lines] * rounds,
    }


def write_log(file: Path, lines: int, source: Path | None) -> None:
    """`lines` lines in a file: those of the source (or of a made-up log), each with its copies from elsewhere."""
    original = source.read_bytes().splitlines(keepends=True) if source else list(access_log())
    copies, more = divmod(lines, len(original))
    with file.open("wb") as output:
        for number, line in enumerate(original):
            output.writelines(_copies(line, copies + (number < more)))


def _copies(line: bytes, wanted: int) -> Iterator[bytes]:
    """The line, then the same from other addresses; a line without an address as it is."""
    match = ADDRESS.match(line)
    for copy in range(wanted):
        if match is None or copy == 0:
            yield line
        else:
            first, second, rest = match.groups()
            yield b"%d.%d%s" % ((int(first) + copy // 256) % 256, (int(second) + copy) % 256, rest)


def _trackway(file: Path, root: Path) -> tuple[float, float, int]:
    """Seconds from a fresh workspace until all is askable, until another process has answered a first question;
    and how many lines were stored or refused."""
    shutil.rmtree(root, ignore_errors=True)
    trackway(Path.cwd(), "init", str(root))
    begun = time.perf_counter()
    trackway(root, "load", str(file), "--source", "files")
    loaded = time.perf_counter() - begun
    answer = ask(root, {"type": "trend", "measure": "actors", "every": "1d"})
    answered = time.perf_counter() - begun
    account = ledger(root)["files"]
    shutil.rmtree(root)
    if answer["stands_on"]["events"] != account["stored"]:
        raise RuntimeError(f"the answer stands on {answer['stands_on']['events']} of {account['stored']} events")
    return loaded, answered, account["stored"] + account["refused"] + account["duplicate"]


def _goaccess(file: Path, out: Path) -> float:
    begun = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - a fixed command
        [*GOACCESS, str(file), "-o", str(out)], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    spent = time.perf_counter() - begun
    if done.returncode != 0:
        raise MissingDriver(f"goaccess ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return spent


def _version() -> str:
    shown = subprocess.run([GOACCESS[0], "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return shown.stdout.splitlines()[0].rstrip(".").replace(" - ", " ") if shown.stdout else "GoAccess"
