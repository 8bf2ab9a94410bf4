"""An engine in a process of its own: what it holds and what it frees is its own, and can be measured.

The parent sends one request at a time, so that never two engines work at once on the same cores. Whatever an
engine prints goes to standard error: standard output belongs to the report.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from trackway.bench.machine import resident
from trackway.bench.questions import Rows

OURS = "trackway"
Say = Callable[[str], None]
FORGOTTEN = 30.0
"""Seconds a process is given to end before it is killed."""


class Engine(Protocol):
    """What one file of `engines` provides as its class `Engine`."""

    layout: str
    """How the events lie in it, in a sentence for the report."""
    version: str

    def __init__(self, folder: Path, threads: int) -> None: ...

    def load(self, files: Sequence[Path]) -> None:
        """Read the Parquet files into the best layout; may be called once, in an empty folder."""

    def open(self) -> None:
        """Be ready to answer from what `load` left in the folder, in a new process."""

    def texts(self, question: str) -> list[str]:
        """The names of the ways to put this question, each exact; the fastest one counts."""

    def ask(self, question: str, text: str) -> Any:
        """The answer as the engine gives it: what is timed."""

    def rows(self, question: str, answer: Any) -> Rows:
        """The answer in the shape of `questions`, sorted: what is compared, not timed."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One asking: seconds, and the rows when they were wanted."""

    seconds: float
    rows: Rows | None


class Worker:
    """The parent's end: start, load, ask, stop."""

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, name, folder, threads), daemon=False)
        self._process.start()
        other.close()

    def call(self, verb: str, *arguments: Any) -> Any:
        """One request; raises RuntimeError with the text of what went wrong in the process."""
        self._pipe.send((verb, arguments))
        try:
            fine, value = self._pipe.recv()
        except EOFError as error:
            self._process.join(FORGOTTEN)
            raise RuntimeError(f"the process of {self.name} ended with {self._process.exitcode}") from error
        if not fine:
            raise RuntimeError(f"{self.name}: {value}")
        return value

    def stop(self) -> None:
        """End the process."""
        if self._process.is_alive():
            try:
                self._pipe.send(("stop", ()))
            except OSError:
                self._process.terminate()
        self._process.join(FORGOTTEN)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def load(name: str, files: Sequence[Path], folder: Path, threads: int, say: Say) -> dict[str, Any]:
    """Load the files into an engine, in a process that ends afterwards; its version, layout and seconds."""
    say(f"loading {name}")
    worker = Worker(name, folder, threads)
    try:
        facts = dict(worker.call("facts"))
        mark = folder.with_suffix(".loaded")
        if mark.exists():
            return facts | {"load_seconds": float(mark.read_text(encoding="ascii"))}
        seconds = worker.call("load", files)
        mark.write_text(str(seconds), encoding="ascii")
        return facts | {"load_seconds": seconds}
    finally:
        worker.stop()


def _serve(pipe: Connection, name: str, folder: Path, threads: int) -> None:
    os.dup2(2, 1)
    os.environ["POLARS_MAX_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = str(threads)
    engine: Engine | None = None
    while True:
        try:
            verb, arguments = pipe.recv()
        except EOFError:
            return
        if verb == "stop":
            return
        try:
            if engine is None:
                engine = importlib.import_module(f"trackway.bench.engines.{name}").Engine(folder, threads)
            pipe.send((True, _do(engine, verb, arguments)))
        except Exception as error:  # noqa: BLE001 - it is told to the parent, which raises
            pipe.send((False, f"{type(error).__name__}: {error}"))


def _do(engine: Engine, verb: str, arguments: tuple[Any, ...]) -> Any:
    if verb == "ask":
        return _ask(engine, *arguments)
    if verb == "texts":
        return engine.texts(*arguments)
    if verb == "facts":
        return {"version": engine.version, "layout": engine.layout}
    if verb == "resident":
        return resident()
    if verb in {"figures", "soonest"}:
        return getattr(engine, verb)(*arguments)
    begun = time.perf_counter()
    getattr(engine, verb)(*arguments)
    gc.collect()
    return time.perf_counter() - begun


def _ask(engine: Engine, question: str, text: str, wanted: bool) -> Timed:
    begun = time.perf_counter()
    answer = engine.ask(question, text)
    seconds = time.perf_counter() - begun
    return Timed(seconds, engine.rows(question, answer) if wanted else None)
