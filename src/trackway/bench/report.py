"""What was measured, as a table for the terminal and as a section of a document.

A document holds each section between two comments, `<!-- NAME -->` and `<!-- /NAME -->`; a run replaces what
stands between its own and leaves the rest alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trackway.errors import WorkspaceError

Measured = Mapping[str, Any]


def as_text(measured: Measured) -> str:
    """The section for the terminal: the same Markdown, which reads well as it is."""
    section = measured.get("section", "questions")
    return SECTIONS[section](measured)


class Document:
    """A Markdown file with sections of measurements."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def replace(self, section: str, measured: Measured) -> None:
        """Put a run into its section. Raises WorkspaceError when the file has no such section."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        begin, end = f"<!-- {section} -->", f"<!-- /{section} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise WorkspaceError(f"{self.path} has no section {begin} … {end}")
        body = SECTIONS[section](measured)
        self.path.write_text(pattern.sub(lambda _: f"{begin}\n{body}{end}", text), encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]
    right = [all(row[column][:1].isdigit() for row in rows) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        ("-" * (width - 1) + ":") if to_right else "-" * width for width, to_right in zip(widths, right, strict=True)
    ]
    return "\n".join([line(head), line(rule), *map(line, rows)]) + "\n"


def seconds(value: float) -> str:
    """A length of time with about three figures.

    >>> seconds(0.0214), seconds(1.5)
    ('21.4 ms', '1.50 s')
    """
    if value < 1:
        return f"{value * 1e3:.{2 if value < 0.01 else 1 if value < 0.1 else 0}f} ms"
    return f"{value:.{2 if value < 10 else 1}f} s"


def size(value: float) -> str:
    """Bytes as MB or GB of 10^6 and 10^9."""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def on_what(measured: Measured) -> str:
    """Machine and date, in a sentence."""
    facts = measured["machine"]
    return (
        f"{measured['date']}, {facts['processor']}, {facts['cores']} cores, {facts['memory_gb']} GB, "
        f"{facts['system']}, Python {facts['python']}."
    )


def questions(measured: Measured) -> str:
    """Times per question and engine, then what each engine holds."""
    head = ["question", "engine", "best", "median", "first", "slower", "equal", "way to ask"]
    rows = [
        [
            result["question"], result["engine"], seconds(result["seconds"]), seconds(result["median_seconds"]),
            seconds(result["first_seconds"]), f"{result['times_slower']:.1f}x", "yes" if result["equal"] else "NO",
            "; ".join([result["text"], *(f"({text}: {seconds(s)})" for text, s in result["other_texts"].items())]),
        ]
        for result in measured["results"]
    ]  # fmt: skip
    limits = ", ".join(
        f"{result['question']} {seconds(result['memory_limit_seconds'])}"
        for result in measured["results"]
        if "memory_limit_seconds" in result
    )
    speed = measured["machine"]["memory_bytes_per_second"] / 1e9
    held = [
        [
            name, facts["version"], seconds(facts["load_seconds"]), seconds(facts["open_seconds"]),
            size(facts["resident_bytes"]), facts["layout"],
        ]
        for name, facts in measured["engines"].items()
    ]  # fmt: skip
    skipped = "".join(f"Left out: {name}, {why}.\n" for name, why in measured["skipped"].items())
    return (
        f"{measured['events']:,} events of {measured['actors']:,} actors, best of {measured['rounds']} rounds in turn. "
        f"{on_what(measured)}\n\n{table(head, rows)}\n"
        f"The cores read memory at {speed:.1f} GB/s; at that speed the columns our folds touch take: {limits}.\n\n"
        f"{table(['engine', 'version', 'load', 'open', 'resident', 'layout'], held)}{skipped}"
    )


def every(measured: Measured) -> str:
    """Times of every type of question, beside what reading the same bytes takes."""
    head = ["question", "exact", "first answer", "ns/event", "bytes read once", "times that", "off the line"]
    rows = [
        [
            result["question"], seconds(result["seconds"]), seconds(result["first_answer_seconds"]),
            f"{result['nanoseconds_per_event']:.1f}", seconds(result["memory_limit_seconds"]),
            f"{result['times_limit']:.1f}x", f"{result['worst_fit']:.0%}",
        ]
        for result in measured["results"]
    ]  # fmt: skip
    sizes = ", ".join(f"{events:,}" for events in measured["sizes"])
    peaks = ", ".join(size(peak) for peak in measured["peak_bytes"])
    speed = measured["machine"]["memory_bytes_per_second"] / 1e9
    return (
        f"{measured['sizes'][-1]:,} events, best of {measured['rounds']} rounds. {on_what(measured)} The cores read "
        f"memory at {speed:.1f} GB/s.\n\n{table(head, rows)}\nOff the line: how far the time at one of the sizes "
        f"{sizes} is from the straight line through all. The process held at most, in this order: {peaks}.\n"
    )


def ingest(measured: Measured) -> str:
    """Events a second from HTTP to the answer, and how fresh answers were meanwhile."""
    parts = [measured["steady"], measured["flood"]]
    rows = [
        ["offered, events/s", f"{measured['steady']['offered_per_second']:,}", "as fast as acknowledged"],
        ["acknowledged (on disk), events/s", *(f"{part['acknowledged_per_second']:,.0f}" for part in parts)],
        ["askable (first byte to the answer with all), events/s", *(f"{p['askable_per_second']:,.0f}" for p in parts)],
        [
            "a batch acknowledged, p50 / p99",
            *(_pair(part, "answer_p50_seconds", "answer_p99_seconds") for part in parts),
        ],
        ["acknowledged to askable, p50 / p95", *(_pair(p, "fresh_p50_seconds", "fresh_p95_seconds") for p in parts)],
        ["put off with 429 or 503 and sent again, batches", *(f"{part['put_off']:,}" for part in parts)],
        ["markers", *(f"{part['markers']}" for part in parts)],
    ]
    exact = "the same" if measured["exact"] else "NOT the same"
    return (
        f"{measured['seconds']:g} s steady, then {measured['seconds']:g} s flood. {on_what(measured)}\n\n"
        f"{table(['what', 'steady', 'flood'], rows)}\n{measured['acknowledged']:,} events acknowledged; stored and "
        f"askable in the end: {exact}, and the ledger balances.\n"
    )


def weblog(measured: Measured) -> str:
    """Lines a second of a log file, from the file to askable, and to the first answer of another process."""
    rows = [
        ["Trackway, to askable (load)", *_pace(measured["lines"], measured["trackway_seconds"])],
        ["Trackway, to the first answer (load, then ask)", *_pace(measured["lines"], measured["answered_seconds"])],
    ]
    if measured["goaccess_seconds"]:
        rows.append([str(measured["goaccess"]), *_pace(measured["lines"], measured["goaccess_seconds"])])
    faster = measured["times_faster"]
    answered = measured["times_faster_answered"]
    verdict = (
        f"{faster:.2f}x the lines a second of GoAccess, {answered:.2f}x with the first answer.\n"
        if faster
        else f"GoAccess: {measured['goaccess']}.\n"
    )
    return (
        f"{measured['lines']:,} lines ({size(measured['bytes'])}, {measured['log']}), best of "
        f"{len(measured['trackway_seconds'])} in turn. {on_what(measured)}\n\n"
        f"{table(['program', 'seconds', 'lines/s'], rows)}\n{verdict}"
    )


def _pace(lines: int, spent: Sequence[float]) -> list[str]:
    return [seconds(min(spent)), f"{lines / min(spent):,.0f}"]


def _pair(measured: Measured, first: str, second: str) -> str:
    return " / ".join("-" if measured[key] is None else seconds(measured[key]) for key in (first, second))


def codecs(measured: Measured) -> str:
    """Events a second of every codec, and of a plain loop."""
    head = ["codec", "events/s", "MB/s", "plain loop, events/s", "times the loop", "times streaming", "equal"]
    rows = [
        [
            result["codec"], f"{result['events_per_second']:,.0f}", f"{result['bytes_per_second'] / 1e6:,.0f}",
            f"{result['loop_events_per_second']:,.0f}", f"{result['times_loop']:.1f}x",
            f"{result['times_streaming']:,.0f}x", "yes" if result["equal"] else f"NO: {result['difference']}",
        ]
        for result in measured["results"]
    ]  # fmt: skip
    speed = measured["machine"]["memory_bytes_per_second"] / 1e9
    return (
        f"{measured['events']:,} events of each, best of {measured['rounds']} in turn. {on_what(measured)}\n\n"
        f"{table(head, rows)}\nStreaming: the cores read memory at {speed:.1f} GB/s.\n"
    )


def transforms(measured: Measured) -> str:
    """What every step costs an event, and what a plain loop."""
    head = ["step", "ns an event", "plain loop, ns an event", "times the loop"]
    rows = [
        [
            result["transform"], f"{result['seconds_per_event'] * 1e9:,.0f}",
            f"{result['loop_seconds_per_event'] * 1e9:,.0f}",
            "-" if result["times_loop"] is None else f"{result['times_loop']:.1f}x",
        ]
        for result in measured["results"]
    ]  # fmt: skip
    return (
        f"{measured['events']:,} events, best of {measured['rounds']} in turn; without any step shaping takes "
        f"{measured['shape_seconds_per_event'] * 1e9:,.0f} ns an event. {on_what(measured)}\n\n{table(head, rows)}"
    )


SECTIONS: dict[str, Callable[[Measured], str]] = {
    "questions": questions, "every": every, "ingest": ingest, "weblog": weblog, "codecs": codecs,
    "transforms": transforms,
}  # fmt: skip
