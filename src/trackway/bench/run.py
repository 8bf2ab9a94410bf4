"""`trackway bench`: the same events, the same questions, in turn on the same cores, and whether the answers are equal.

Every engine has a process of its own; only one works at a time. After loading, each process is replaced by a
fresh one, so that opening and the first answer are measured too. Then every question goes round the engines,
several rounds; the best of the rounds counts, and of several texts of a question the fastest.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from trackway.bench import codecs, every, ingest, machine, steps, weblog
from trackway.bench.events import Traffic
from trackway.bench.folder import folder
from trackway.bench.questions import QUESTIONS, Question, Rows
from trackway.bench.report import Document, as_text
from trackway.bench.worker import OURS, Say, Worker, load
from trackway.errors import QuestionError, suggest

OTHERS = ("chdb", "duckdb", "polars")
ROUNDS = 7


@dataclass(slots=True)
class Course:
    """One engine's measurements of one question."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Text of the question -> seconds of each round."""
    first: float = 0.0
    """Seconds of the very first asking in a fresh process."""
    rows: Rows = field(default_factory=list)

    @property
    def text(self) -> str:
        """The fastest text."""
        return min(self.seconds, key=lambda text: min(self.seconds[text]))

    @property
    def best(self) -> float:
        """Seconds of the best round of the fastest text."""
        return min(self.seconds[self.text])


def bench(  # noqa: PLR0913 - the options of the verb
    what: str, events: int, against: Sequence[str], *, only: Sequence[str] = (), json: bool, keep: Path | None,
    write: Path | None,
) -> int:  # fmt: skip
    """One of the benchmarks, or all of them one after the other when `write` names a document for them.

    Returns the exit code: 1 when an answer differs or an event is missing. Raises QuestionError for no such one.
    """
    parts: dict[str, Callable[[], int]] = {
        "questions": lambda: run(events, against, json=json, keep=keep, write=write),
        "every": lambda: every.run(events, json=json, keep=keep, write=write),
        "ingest": lambda: ingest.run(json=json, keep=keep and keep / "ingest", write=write),
        "weblog": lambda: weblog.run(json=json, keep=keep, write=write),
        "codecs": lambda: codecs.run(only, json=json, write=write),
        "transforms": lambda: steps.run(only, json=json, write=write),
    }
    if what not in parts:
        raise QuestionError(f"no benchmark '{what}'", hint=suggest(what, parts))
    return max(part() for part in parts.values()) if write else parts[what]()


def run(
    events: int = 20_000_000,
    against: Sequence[str] = OTHERS,
    *,
    json: bool = False,
    keep: Path | None = None,
    write: Path | None = None,
) -> int:
    """Measure and print. `keep` is a folder for events and engines' files, otherwise they are removed.

    `write` is a document whose table is replaced. Exit code 1 when an engine's answers differ from ours.
    """
    say: Say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731, T201
    with folder(keep) as place:
        measured = measure(Traffic(events), against, place / f"{events}-events", say=say)
    if json:
        sys.stdout.write(orjson.dumps(measured, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(as_text(measured))
    if write is not None:
        Document(write).replace("questions", measured)
    return 0 if all(result["equal"] for result in measured["results"]) else 1


def measure(
    traffic: Traffic, against: Sequence[str], folder: Path, *, rounds: int = ROUNDS, say: Say = lambda _text: None
) -> dict[str, Any]:
    """The JSON object of a run: `results` and what they stand on. Raises QuestionError for an unknown engine."""
    names, skipped = available(against)
    threads = machine.cores()
    say(f"generating {traffic.events:,} events of {traffic.actors:,} actors")
    files = traffic.write(folder / "events")
    bandwidth = machine.bandwidth(threads)
    engines = {name: load(name, files, folder / name, threads, say) for name in names}
    workers = {name: Worker(name, folder / name, threads) for name in names}
    try:
        for name, worker in workers.items():
            engines[name] |= _open(worker)
        courses = {question.name: _ask_in_turn(question, workers, rounds, say) for question in QUESTIONS}
        limits = {q.name: workers[OURS].call("figures", q.name)["bytes"] / bandwidth for q in QUESTIONS}
    finally:
        for worker in workers.values():
            worker.stop()
    return {
        "ok": True,
        "events": traffic.events,
        "actors": traffic.actors,
        "seed": traffic.seed,
        "rounds": rounds,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine.facts() | {"memory_bytes_per_second": round(bandwidth)},
        "engines": engines,
        "skipped": skipped,
        "results": list(_results(courses, limits)),
    }


def available(against: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Ours and those of the engines that are installed; and why the others are left out."""
    for name in against:
        if name not in OTHERS:
            raise QuestionError(f"no engine '{name}' to compare with", path="against", hint=suggest(name, OTHERS))
    missing = {
        name: f"the package '{name}' is not installed (pip install 'trackway[bench]')"
        for name in against
        if importlib.util.find_spec(name) is None
    }
    return [OURS, *(name for name in dict.fromkeys(against) if name not in missing)], missing


def _open(worker: Worker) -> dict[str, Any]:
    """What a fresh process needs to open and to answer one question: seconds and resident memory."""
    seconds = worker.call("open")
    question = QUESTIONS[0].name
    timed = worker.call("ask", question, worker.call("texts", question)[0], False)
    held = worker.call("resident")
    return {
        "open_seconds": seconds,
        "first_answer_seconds": timed.seconds,
        "resident_bytes": held["total"],
        "of_which_mapped_files": held["mapped_files"],
    }


def _ask_in_turn(question: Question, workers: dict[str, Worker], rounds: int, say: Say) -> dict[str, Course]:
    say(f"asking {question.name}")
    courses = {name: Course() for name in workers}
    texts = {name: worker.call("texts", question.name) for name, worker in workers.items()}
    for name, worker in workers.items():
        for index, text in enumerate(texts[name]):
            timed = worker.call("ask", question.name, text, True)
            if index == 0:
                courses[name].first, courses[name].rows = timed.seconds, timed.rows
            elif timed.rows != courses[name].rows:
                raise RuntimeError(f"{name} answers {question.name} differently as {text!r}")
            courses[name].seconds[text] = []
    for done in range(rounds):
        for name, worker in workers.items():
            course = courses[name]
            for text in texts[name] if done < 2 else [course.text]:
                course.seconds[text].append(worker.call("ask", question.name, text, False).seconds)
    return courses


def _results(courses: dict[str, dict[str, Course]], limits: dict[str, float]) -> Iterator[dict[str, Any]]:
    """One row per question and engine."""
    for question, asked in courses.items():
        ours = asked[OURS]
        for name, course in asked.items():
            times = sorted(course.seconds[course.text])
            yield {
                "question": question,
                "engine": name,
                "seconds": course.best,
                "times_slower": course.best / ours.best,
                "equal": course.rows == ours.rows,
                "median_seconds": times[len(times) // 2],
                "first_seconds": course.first,
                "text": course.text,
                "other_texts": {text: min(s) for text, s in course.seconds.items() if text != course.text},
                "rows": len(course.rows),
                **({"memory_limit_seconds": limits[question]} if name == OURS else {}),
            }
