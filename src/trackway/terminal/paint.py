"""Answers and lists, drawn with rich: bars for a funnel, a line of bars for a trend, a grid for retention."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trackway.web.charts.distribution import Histogram, histogram
from trackway.web.charts.funnel import groups
from trackway.web.charts.retention import cohorts, overall
from trackway.web.charts.scale import counted, day, full, lasting, plain, share
from trackway.web.charts.trend import lined, series

if TYPE_CHECKING:
    from trackway.plan.component import Answer
    from trackway.terminal.rehearsal import Result

ACCENT = "#2bb3a3"
BLOCKS = " ▁▂▃▄▅▆▇█"
PIPED = 160
"""Columns of output that does not go to a terminal."""
MOST = 60
"""Rows of a table; --json and --csv have all of them."""
COLOURS = {"stored": "green", "duplicate": "blue", "dropped": "white", "refused": "red", "pending": "yellow"}


def console() -> Console:
    """Standard output, wide enough for a table when it is not a terminal."""
    terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if terminal else PIPED, soft_wrap=False)


def grid(*columns: str) -> Table:
    """A table without lines; a column whose name begins with `>` holds numbers."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return table


def answer(found: Answer, name: str) -> None:
    """One answer: its drawing, its notes, and what it stands on."""
    out = console()
    if not found.rows:
        out.print("No event matches this question.")
    elif not found.stands_on.get("exact", True):
        rows([sure(row) for row in found.rows])
    elif (spread := histogram(found.type, found.rows, found.totals, most=20)) is not None:
        _histogram(spread, out)
    elif found.type in DRAWN:
        DRAWN[found.type](lined(found.rows, found.totals) if found.type == "trend" else found.rows, out)
    else:
        rows(found.rows)
    for note in found.notes:
        out.print(Text(note, "yellow"))
    said = found.stands_on
    exact = "exact" if said.get("exact", True) else f"from {full(said.get('sampled_actors'))} of them"
    read = f"{full(said.get('events'))} events · {full(said.get('actors'))} actors"
    asked = name if name != "-" else found.type
    out.print(
        Text(
            f"{asked} · lake version {said.get('lake_version')} · {read} · {exact} · {full(said.get('elapsed_ms'))} ms",
            "dim",
        )
    )


def sure(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a sample, each number with the ends of its interval."""

    def ends(name: str, value: Any) -> Any:
        if name not in row.get("intervals", {}):
            return value
        between = row["intervals"][name]
        return f"{short(value)} ({'?' if between is None else f'{short(between[0])} to {short(between[1])}'})"

    return {name: ends(name, value) for name, value in row.items() if name != "intervals"}


def short(value: float) -> str:
    """A number in few digits.

    >>> short(1234567), short(0.12345)
    ('1,234,567', '0.123')
    """
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def bar(part: float, width: int) -> Text:
    """A bar of `part` (0 to 1) of a width in characters, in eighths."""
    eighths = round(max(0.0, min(1.0, part)) * width * 8)
    whole, rest = divmod(eighths, 8)
    drawn = "█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return Text(drawn.ljust(width), ACCENT)


def _funnel(rows_: Sequence[dict[str, Any]], out: Console) -> None:
    shown, left = groups(rows_, most=20)
    for name, steps in shown.items():
        if name:
            out.print(Text(name, "bold"))
        unit = counted(steps[0])
        table = grid("", "step", f">{unit}", ">of first", "", ">lost", ">median")
        before = None
        for row in steps:
            lost = f"-{full(before - row[unit])}" if before is not None and before >= row[unit] else ""
            median = lasting(row.get("median_seconds")) if row["step"] > 1 else ""
            drawn = bar(row["rate"] or 0, max(10, min(40, out.width - 70)))
            table.add_row(
                str(row["step"]), plain(row["name"]), full(row[unit]), share(row["rate"]), drawn, lost, median
            )
            before = row[unit]
        out.print(table)
    if left:
        out.print(Text(f"and {left:,} smaller groups", "dim"))


def _trend(rows_: Sequence[dict[str, Any]], out: Console) -> None:
    times, lines, left = series(rows_, most=20)
    if len(lines) == 1 and not left and len(times) <= MOST:
        highest = max((row["value"] or 0 for row in rows_), default=0) or 1
        table = grid("from", ">value", "")
        for time, value in zip(times, next(iter(lines.values())), strict=True):
            table.add_row(day(time), full(value), bar((value or 0) / highest, max(10, min(60, out.width - 40))))
        out.print(table)
        return
    table = grid("group", f"{day(times[0])} — {day(times[-1])}", ">first", ">last", ">highest")
    for name, line in lines.items():
        values = [value or 0 for value in line]
        drawn = Text(spark(values, max(10, min(60, out.width - 60))), ACCENT)
        table.add_row(name or "value", drawn, full(values[0]), full(values[-1]), full(max(values)))
    out.print(table)
    if left:
        out.print(Text(f"and {left:,} smaller groups", "dim"))


def spark(values: Sequence[float], width: int) -> str:
    """Values as a line of bars, at most `width` wide (the highest of neighbours is kept).

    >>> spark([0, 5, 10], 8)
    ' ▄█'
    """
    step = -(-len(values) // width)
    kept = [max(values[i : i + step]) for i in range(0, len(values), step)]
    top = max(kept, default=0) or 1
    return "".join(BLOCKS[0 if value <= 0 else max(1, int(value / top * 8))] for value in kept)


def _retention(rows_: Sequence[dict[str, Any]], out: Console) -> None:
    found = cohorts(rows_)
    periods = sorted({row["period"] for row in rows_})
    table = grid("cohort", ">actors", *(f">{period}" for period in periods))
    whole = overall(found)
    table.add_row("all", full(sum(next(iter(c.values()))["actors"] for c in found.values())),
                  *(heat(whole.get(period)) for period in periods))  # fmt: skip
    for cohort, cells in list(found.items())[-MOST:]:
        actors = full(next(iter(cells.values()))["actors"])
        table.add_row(day(cohort), actors, *(heat(cells[p]["rate"] if p in cells else None) for p in periods))
    out.print(table)


def heat(rate: float | None) -> Text:
    """A share on a ground that is darker the larger it is."""
    if rate is None:
        return Text("")
    red, green, blue = (round(low + (high - low) * rate) for low, high in ((214, 15), (236, 118), (232, 110)))
    ink = "white" if rate > 0.5 else "black"
    return Text(f"{rate * 100:4.0f} %", f"{ink} on #{red:02x}{green:02x}{blue:02x}")


def _histogram(found: Histogram, out: Console) -> None:
    for name, bars in found.groups.items():
        if name:
            out.print(Text(name, "bold"))
        highest = max(actors for actors, _ in bars) or 1
        table = grid("", ">actors", ">share", "")
        for label, (actors, part) in list(zip(found.labels, bars, strict=True))[:MOST]:
            table.add_row(label, full(actors), share(part), bar(actors / highest, max(10, min(60, out.width - 50))))
        out.print(table)
    said = [f"{name} {full(value)}" for name, value in found.points.items()]
    said += [f"{found.left:,} smaller groups not shown"] if found.left else []
    if said:
        out.print(Text(" · ".join(said), "dim"))


DRAWN = {"funnel": _funnel, "trend": _trend, "retention": _retention}


def rows(found: Sequence[dict[str, Any]]) -> None:
    """Rows as they are."""
    out = console()
    if not found:
        out.print(Text("no rows", "dim"))
        return
    numbers = {
        name for name, value in found[0].items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    table = grid(*(f">{name}" if name in numbers else name for name in found[0]))
    for row in found[:MOST]:
        table.add_row(*(Text("—" if value is None else str(value)) for value in row.values()))
    out.print(table)
    if len(found) > MOST:
        out.print(Text(f"and {len(found) - MOST:,} more rows; --json has all of them", "dim"))


def facts(found: dict[str, Any]) -> None:
    """Names and values, one a line."""
    table = grid("", "")
    table.show_header = False
    for name, value in found.items():
        table.add_row(Text(name.replace("_", " "), "dim"), full(value))
    console().print(table)


def ledger(accounts: Sequence[dict[str, Any]]) -> None:
    """One line per source, and whether it balances."""
    out = console()
    if not accounts:
        out.print("Nothing was received yet.")
        return
    table = grid("source", ">received", *(f">{name}" for name in COLOURS), "")
    for account in accounts:
        cells = [Text(full(account[name]), COLOURS[name] if account[name] else "dim") for name in COLOURS]
        balance = Text("balances", "green") if account["balanced"] else Text("does not balance", "bold red")
        table.add_row(Text(account["source"], "bold"), full(account["received"]), *cells, balance)
    out.print(table)


def loaded(found: dict[str, Any], root: Path) -> None:
    """What became of the records of a load, and what to ask next."""
    out = console()
    rate = found["received"] / found["seconds"] if found["seconds"] else 0
    out.print(
        f"{found['received']:,} records in {found['seconds']:.1f} s ({rate:,.0f} a second) through {found['source']}"
    )
    for name, colour in COLOURS.items():
        if found[name]:
            out.print(Text(f"  {found[name]:>12,} {name}", colour))
    at = "" if root == Path() else f" -C {root}"
    if found["refused"]:
        why = ", ".join(found["reasons"])
        out.print(Text(f"  refused because: {why}; trackway{at} refused shows them", "dim"))
    if not found["received"]:
        out.print(Text("  nothing new: what was read before is not read again", "dim"))
    if found["events"]:
        named = found["events"][0].replace("'", "''")
        asked = json.dumps({"type": "trend", "measure": "actors", "where": f"event = '{named}'"})
        out.print("\nAsk next:")
        out.print(Text(f"  trackway{at} ask - <<'END'\n  {asked}\n  END", "cyan"))
        out.print(Text(f"  trackway{at} run", "cyan"))


def refused(found: Sequence[dict[str, Any]]) -> None:
    """Each refusal: why and where, then the bytes."""
    out = console()
    if not found:
        out.print("Nothing was refused.")
    for row in found:
        where = f"{row['source']} · {str(row['received_at'])[:19]} · record {row['row']} of block {row['block']}"
        out.print(Text.assemble((row["reason"], "bold red"), "  ", row.get("detail") or "", "  ", (where, "dim")))
        out.print(Text("  " + row["raw"].replace("\n", "\n  ")), soft_wrap=True)


def way(lines: Sequence[dict[str, Any]]) -> None:
    """The verbs of one event's way."""
    out = console()
    for line in lines:
        verb, text = (str(line.get(key, "")) for key in ("verb", "text"))
        out.print(Text.assemble((f"{verb:>10}", f"bold {ACCENT}"), "  ", text), soft_wrap=True)


def components(found: Sequence[dict[str, str]]) -> None:
    """Types by kind."""
    table = grid("kind", "type", "what it is for")
    last = ""
    for one in found:
        table.add_row(
            Text(one["kind"] if one["kind"] != last else "", "dim"), Text(one["type"], "bold"), one["summary"]
        )
        last = one["kind"]
    console().print(table)


def component(found: dict[str, Any]) -> None:
    """One type with its options."""
    out = console()
    out.print(Text(f"{found['kind']}.{found['type']}", "bold"))
    out.print(Text(found["text"]), soft_wrap=True)
    if not found["options"]:
        return
    table = grid("option", "type", "default", "")
    for one in found["options"]:
        default = "required" if one["required"] else "—" if one["default"] is None else repr(one["default"])
        table.add_row(Text(one["name"], "bold"), Text(one["type"]), Text(default, "dim"), Text(one["text"]))
    out.print()
    out.print(table)


def tests(results: Sequence[Result]) -> None:
    """Passed and failed rehearsals."""
    out = console()
    for result in results:
        out.print(
            Text.assemble(
                ("ok    " if result.ok else "failed", "green" if result.ok else "bold red"), f"  {result.name}"
            )
        )
        for problem in result.problems:
            out.print(Text(f"        {problem}", "red"), soft_wrap=True)
    failed = sum(not result.ok for result in results)
    out.print(Text(f"{len(results)} tests, {failed} failed" if results else "no [[tests]] in trackway.toml", "dim"))


def profile(found: dict[str, Any]) -> None:
    """What a file holds."""
    out = console()
    table = grid("", "")
    table.show_header = False
    for name in ("file", "codec", "form", "compression", "encoding", "records", "refused"):
        table.add_row(Text(name, "dim"), full(found[name]))
    out.print(table)
    table = grid("column", "kind", ">filled", ">distinct", "for example")
    for one in found["columns"]:
        sample = Text(str(one["example"])[:60])
        table.add_row(Text(one["column"], "bold"), one["kind"], share(one["filled"]), full(one["distinct"]), sample)
    out.print()
    out.print(table)
    for hint in found["hints"]:
        out.print(Text(f"• {hint}", "yellow"), soft_wrap=True)
